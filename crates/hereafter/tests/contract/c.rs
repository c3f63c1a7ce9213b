//! Failures.

use crate::common::{Oops, failure, oops, quietly, value};
use hereafter::errors::{FirstError, Panicked};
use hereafter::{Deferred, Detail, Failure, debug, report};
use hereafter_testing::test;
use std::error::Error;
use std::num::ParseIntError;
use std::{fmt, io};

/// An error with a source.
#[derive(Debug)]
struct Outer(Oops);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the outer one")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn place(failure: &Failure) -> *const () {
    std::ptr::from_ref(failure.error()).cast()
}

#[test]
fn c1_check_gives_the_error_or_nothing() {
    let failure = Failure::new(Oops(4));
    assert_eq!(failure.check::<Oops>(), Some(&Oops(4)));
    assert!(failure.check::<ParseIntError>().is_none());
    assert!(failure.is::<Oops>() && !failure.is::<io::Error>());
}

#[test]
fn c1_trap_gives_the_error_or_the_failure_itself() {
    let failure = Failure::new(Oops(4));
    assert_eq!(failure.trap::<Oops>().unwrap(), &Oops(4));
    let again = failure.trap::<ParseIntError>().unwrap_err();
    assert_eq!(place(&again), place(&failure));
}

#[test]
fn c1_what_trap_hands_on_goes_to_the_next_errback() {
    let d = Deferred::<u32>::fail(Oops(4))
        .add_errback(|failure| {
            failure.trap::<io::Error>()?;
            Ok(1)
        })
        .add_errback(|failure| {
            failure.trap::<Oops>()?;
            Ok(2)
        });
    assert_eq!(value(d), 2);
}

#[test]
fn c1_several_types_at_once() {
    let failure = Failure::new(Oops(4));
    assert_eq!(failure.check_any::<(io::Error, Oops, fmt::Error)>(), Some(1));
    assert_eq!(failure.check_any::<(io::Error, fmt::Error)>(), None);
    assert_eq!(failure.trap_any::<(Oops,)>().unwrap(), 0);
    let again = failure.trap_any::<(io::Error, fmt::Error)>().unwrap_err();
    assert_eq!(place(&again), place(&failure));
}

#[test]
fn c1_find_looks_among_the_sources_too() {
    let failure = Failure::new(Outer(Oops(4)));
    assert!(failure.check::<Oops>().is_none(), "a source is not the error itself");
    assert_eq!(failure.find::<Oops>(), Some(&Oops(4)));
    assert!(failure.find::<Outer>().is_some());
    assert!(failure.find::<io::Error>().is_none());
}

#[test]
fn c1_an_error_of_unknown_type_is_checked_by_what_it_is() {
    let boxed: Box<dyn Error + Send + Sync> = Box::new(Oops(4));
    assert_eq!(Failure::from_boxed(boxed).check::<Oops>(), Some(&Oops(4)));
}

#[test]
fn c2_display_is_the_message_and_debug_the_type_too() {
    let failure = Failure::new(Oops(4));
    assert_eq!(failure.to_string(), "oops 4");
    assert_eq!(format!("{failure:?}"), "<Failure Oops: oops 4>");
    assert_eq!(format!("{failure:#?}"), failure.traceback());
    assert!(failure.type_name().ends_with("::Oops"));
    assert_eq!(format!("{:?}", Failure::msg("so")), "<Failure Error: so>");
}

#[test]
fn c2_the_short_name_of_a_generic_type() {
    #[derive(Debug)]
    struct Of<T>(T);
    impl<T> fmt::Display for Of<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("of")
        }
    }
    impl<T: fmt::Debug> Error for Of<T> {}
    let of = Of(Oops(1));
    assert_eq!(of.0, Oops(1));
    let text = format!("{:?}", Failure::new(of));
    assert!(text.starts_with("<Failure Of<"), "{text}");
}

#[test]
fn c2_the_traceback_brief_default_and_verbose() {
    let line = line!() + 1;
    let failure = Failure::new(Outer(Oops(4)));
    assert_eq!(failure.traceback_with(Detail::Brief), "Traceback: Outer: the outer one\n");
    let made = format!("  made at {}:{line}:19\n", file!());
    assert_eq!(
        failure.traceback(),
        format!("Traceback (most recent last):\n{made}Outer: the outer one\ncaused by: oops 4\n")
    );
    assert_eq!(failure.traceback_with(Detail::Default), failure.traceback());
    assert_eq!(
        failure.traceback_with(Detail::Verbose),
        format!(
            "Traceback (most recent last):\n{made}Outer: the outer one\n  Outer(Oops(4))\n\
             caused by: oops 4\n  Oops(4)\n"
        )
    );
    failure.print_traceback();
}

#[test]
fn c2_the_error_its_source_and_its_type() {
    let failure = Failure::new(Outer(Oops(4)));
    assert_eq!(failure.error().to_string(), "the outer one");
    assert_eq!(failure.source().unwrap().to_string(), "oops 4");
    assert!(Failure::new(Oops(1)).source().is_none());
}

#[test]
fn c2_raise_gives_it_back_as_an_err() {
    fn handle(failure: Failure) -> Result<u32, Failure> {
        if failure.is::<io::Error>() { Ok(0) } else { failure.raise() }
    }
    let d = Deferred::<u32>::fail(Oops(4)).add_errback(handle);
    assert_eq!(oops(d), 4);
}

#[test]
fn c2_a_failure_is_an_error_where_one_is_asked_for() {
    let failure = Failure::new(Outer(Oops(4)));
    let error: Box<dyn Error + Send + Sync> = failure.clone().into();
    assert_eq!(error.to_string(), "the outer one");
    assert_eq!(error.source().unwrap().to_string(), "oops 4");
    assert_eq!(format!("{error:?}"), format!("{failure:?}"));
    let error: Box<dyn Error> = failure.into();
    assert_eq!(error.to_string(), "the outer one");
}

#[test]
fn c2_a_failure_is_thrown_into_a_coroutine_by_await() {
    let d = Deferred::from_coroutine(async {
        match Deferred::<u32>::fail(Oops(4)).await {
            Err(failure) => Ok(failure.check::<Oops>().unwrap().0),
            Ok(_) => unreachable!(),
        }
    });
    assert_eq!(value(d), 4);
}

#[test]
fn c3_a_failure_that_is_dropped_is_reported_once_and_at_once() {
    let collector = report::collect();
    // Born with it, fired with it, and fired when nobody holds it any more.
    drop(Deferred::<u32>::fail(Oops(1)));
    assert_eq!(collector.take().len(), 1);
    let (trigger, d) = Deferred::<u32>::new();
    trigger.errback(Oops(1));
    assert!(collector.take().is_empty());
    drop(d);
    assert_eq!(collector.take().len(), 1);
    let (trigger, d) = Deferred::<u32>::new();
    drop(d.map(|n| n + 1));
    assert!(collector.take().is_empty());
    trigger.errback(Oops(1));
    assert_eq!(collector.take().len(), 1);
    assert!(collector.take().is_empty());
}

#[test]
fn c3_the_report_says_what_happened_and_where() {
    let collector = report::collect();
    let line = line!() + 1;
    let (trigger, d) = Deferred::<u32>::new();
    drop(d);
    trigger.errback(Oops(1));
    let report = collector.take().remove(0);
    assert_eq!(report.headline, "Unhandled error in Deferred");
    assert_eq!(report.made.unwrap().line(), line);
    assert!(report.history.is_none());
    assert!(report.failure.is::<Oops>());
    assert_eq!(
        report.to_string(),
        format!(
            "Unhandled error in Deferred:\n(the deferred was made at {}:{line}:24)\n{}",
            file!(),
            report.failure.traceback()
        )
    );
}

#[test]
fn c3_a_later_link_that_handles_it_cancels_the_report() {
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    trigger.errback(Oops(1));
    drop(d.add_errback(|_| Ok(0)));
    drop(Deferred::<u32>::fail(Oops(1)).add_errback(|_| Ok(0)));
    let (trigger, d) = Deferred::<u32>::new();
    drop(d.add_errback(|_| Ok(0)));
    trigger.errback(Oops(1));
    assert!(collector.take().is_empty());
}

#[test]
fn c3_a_failure_that_is_taken_out_is_not_reported() {
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    trigger.errback(Oops(1));
    assert_eq!(oops(d), 1);
    assert_eq!(oops(Deferred::<u32>::fail(Oops(2))), 2);
    assert!(collector.take().is_empty());
}

#[test]
fn c3_a_value_is_not_reported_and_neither_is_one_that_never_fires() {
    let collector = report::collect();
    drop(Deferred::succeed(1));
    let (trigger, d) = Deferred::<u32>::new();
    drop(d);
    drop(trigger);
    let (trigger, d) = Deferred::<u32>::new();
    drop(trigger);
    assert!(collector.take().is_empty(), "somebody may still handle it");
    drop(d);
    assert_eq!(collector.take().len(), 1, "its trigger was dropped, and nobody handled that");
}

#[test]
fn c3_a_failure_made_by_a_link_of_a_dropped_deferred_is_reported() {
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    drop(d.add_callback(|n| -> Result<(), Failure> { Err(Oops(n).into()) }));
    trigger.callback(3);
    let reports = collector.take();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].failure.check::<Oops>(), Some(&Oops(3)));
}

#[test]
fn c3_a_failure_that_waits_behind_a_pause_or_another_deferred_is_reported_when_it_is_final() {
    let collector = report::collect();
    let (late, inner) = Deferred::<u32>::new();
    let (trigger, outer) = Deferred::<()>::new();
    drop(outer.add_callback(move |()| inner));
    trigger.callback(());
    assert!(collector.take().is_empty());
    late.errback(Oops(1));
    assert_eq!(collector.take().len(), 1);
}

#[test]
fn c3_a_dropped_deferred_whose_callback_panics_is_reported() {
    quietly(|| {
        let collector = report::collect();
        let (trigger, d) = Deferred::<u32>::new();
        drop(d.map(|_| -> u32 { panic!("on purpose") }));
        trigger.callback(1);
        let reports = collector.take();
        assert_eq!(reports[0].failure.check::<Panicked>().unwrap().message(), "on purpose");
    });
}

#[test]
fn c4_log_failure_reports_and_passes_on() {
    let collector = report::collect();
    let d = Deferred::<u32>::fail(Oops(2)).log_failure();
    let reports = collector.take();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].headline, "Error in Deferred");
    assert!(reports[0].failure.is::<Oops>());
    assert_eq!(oops(d), 2);
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.log_failure();
    trigger.errback(Oops(3));
    assert_eq!(collector.take().len(), 1);
    assert_eq!(oops(d), 3);
    assert!(collector.take().is_empty());
}

#[test]
fn c4_log_failure_lets_values_pass_unseen() {
    let collector = report::collect();
    assert_eq!(value(Deferred::succeed(1).log_failure()), 1);
    assert!(collector.take().is_empty());
}

#[test]
fn c5_the_trail_names_the_links_that_failed_with_it_or_passed_it_on() {
    let (trigger, d) = Deferred::<u32>::new();
    let start = line!();
    let d = d
        .add_callback(|n| -> Result<u32, Failure> { Err(Oops(n).into()) })
        .map(|n| n + 1)
        .add_errback(Failure::raise)
        .add_callback(Ok)
        .add_both(|result| result);
    trigger.callback(1);
    let failure = failure(d);
    assert_eq!(failure.made().line(), start + 2);
    let lines: Vec<_> = failure.trail().iter().map(|place| place.line() - start).collect();
    assert_eq!(lines, [2, 4, 6], "links that never saw it are not on it");
    assert!(failure.trail().iter().all(|place| place.file() == file!()), "none of ours");
    let text = failure.traceback();
    assert_eq!(text.matches("  passed the link added at ").count(), 3, "{text}");
}

#[test]
fn c5_the_trail_is_the_same_for_a_deferred_that_was_ready() {
    let start = line!();
    let d = Deferred::succeed(1)
        .add_callback(|n| -> Result<u32, Failure> { Err(Oops(n).into()) })
        .map(|n| n + 1)
        .add_errback(Failure::raise)
        .add_callback(Ok)
        .add_both(|result| result);
    let failure = failure(d);
    let lines: Vec<_> = failure.trail().iter().map(|place| place.line() - start).collect();
    assert_eq!(lines, [2, 4, 6]);
}

#[test]
fn c5_of_a_long_trail_the_first_places_and_the_last_are_kept() {
    let mut d = Deferred::<u32>::fail(Oops(1));
    for _ in 0..1000 {
        d = d.add_errback(Failure::raise);
    }
    let last = line!() + 1;
    let failure = failure(d.add_errback(Failure::raise));
    let trail = failure.trail();
    assert_eq!(trail.len(), 6);
    assert_eq!(trail[5].line(), last);
    assert!(failure.traceback().contains("  ... and 995 more\n"), "{}", failure.traceback());
}

#[test]
fn c5_the_places_named_are_the_programs_own() {
    quietly(|| {
        let (late, inner) = Deferred::<u32>::new();
        let d = Deferred::succeed(()).add_callback(move |()| inner);
        let line = line!() + 1;
        late.errback(Oops(1));
        assert_eq!(failure(d).made().line(), line);
        let (trigger, d) = Deferred::<u32>::new();
        let line = line!() + 1;
        trigger.shared().errback(Oops(1)).unwrap();
        assert_eq!(failure(d).made().line(), line);
        let line = line!() + 1;
        let d = Deferred::<u32>::ready(Err(Failure::msg("so")));
        assert_eq!(failure(d).made().line(), line);
    });
}

#[test]
fn c5_clones_share_the_error_and_the_trail() {
    let original = Failure::new(Oops(1));
    let d = Deferred::<u32>::fail(original.clone()).add_errback(Failure::raise);
    let seen = failure(d);
    assert_eq!(place(&seen), place(&original));
    assert_eq!((seen.trail().len(), original.trail().len()), (1, 1));
}

#[test]
fn c5_a_first_error_tells_of_its_cause() {
    let failure = Failure::new(FirstError { failure: Failure::new(Oops(1)), index: 2 });
    let text = failure.traceback();
    assert!(
        text.ends_with("FirstError: deferred #2 failed first: oops 1\ncaused by: oops 1\n"),
        "{text}"
    );
}

// What debug mode adds is in `debug_mode.rs`, for it is on for a whole process.
#[test]
fn c6_debug_mode_is_off_unless_asked_for() {
    assert!(!debug::enabled());
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    drop(d);
    let trigger = trigger.shared();
    trigger.errback(Oops(1)).unwrap();
    assert_eq!(trigger.callback(1).unwrap_err().to_string(), "the deferred has already been fired");
    assert!(collector.take()[0].history.is_none());
}
