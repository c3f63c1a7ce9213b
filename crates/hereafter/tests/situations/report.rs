//! Where reports go.

use crate::common::{Oops, quietly};
use hereafter::{Deferred, Failure, report};
use hereafter_testing::{plain_test, test};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The hook is the whole process's, so those who set it take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn drop_a_failure(text: &'static str) {
    drop(Deferred::<u32>::fail(Failure::msg(text)));
}

#[test]
fn collectors_nest_and_give_back_their_place() {
    let outer = report::collect();
    drop_a_failure("one");
    {
        let inner = report::collect();
        drop_a_failure("two");
        assert_eq!(inner.take().len(), 1);
    }
    drop_a_failure("three");
    let texts: Vec<_> = outer.take().iter().map(|report| report.failure.to_string()).collect();
    assert_eq!(texts, ["one", "three"]);
}

#[plain_test]
fn a_collector_collects_its_own_thread_alone() {
    let _alone = alone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tell = seen.clone();
    report::set_hook(Some(move |report: &report::Report| {
        if report.failure.to_string() == "of another thread" {
            tell.lock().unwrap().push(report.to_string());
        }
    }));
    let collector = report::collect();
    std::thread::spawn(|| drop_a_failure("of another thread")).join().unwrap();
    report::set_hook(None::<fn(&report::Report)>);
    assert!(collector.take().is_empty());
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[test]
fn a_hook_gets_what_no_collector_takes() {
    let _alone = alone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tell = seen.clone();
    report::set_hook(Some(move |report: &report::Report| {
        if report.failure.to_string() == "for the hook" {
            tell.lock().unwrap().push(report.headline.clone());
        }
    }));
    drop_a_failure("for the hook");
    report::set_hook(None::<fn(&report::Report)>);
    assert_eq!(*seen.lock().unwrap(), ["Unhandled error in Deferred"]);
}

#[test]
fn a_hook_that_panics_is_ignored() {
    let _alone = alone();
    quietly(|| {
        report::set_hook(Some(|report: &report::Report| {
            assert_ne!(report.failure.to_string(), "breaks the hook");
        }));
        drop_a_failure("breaks the hook");
        report::set_hook(None::<fn(&report::Report)>);
    });
}

#[test]
fn a_hook_may_use_deferreds_and_set_another_hook() {
    let _alone = alone();
    report::set_hook(Some(|report: &report::Report| {
        if report.failure.to_string() == "sets a hook" {
            report::set_hook(None::<fn(&report::Report)>);
            assert!(Deferred::succeed(1).map(|n| n + 1).has_result());
        }
    }));
    drop_a_failure("sets a hook");
}

#[test]
fn failures_that_no_deferred_carries() {
    let collector = report::collect();
    report::failure("Unhandled error in a timed call", Oops(1).into());
    let reports = collector.take();
    assert_eq!(reports[0].headline, "Unhandled error in a timed call");
    assert!(reports[0].made.is_none());
    assert!(reports[0].to_string().starts_with("Unhandled error in a timed call:\nTraceback"));
}

#[test]
fn guarded_calls_report_their_panics() {
    quietly(|| {
        let collector = report::collect();
        report::guard("this", || ());
        assert!(collector.take().is_empty());
        report::guard("this", || panic!("on purpose"));
        assert!(collector.take()[0].to_string().contains("panicked: on purpose"));
    });
}

#[cfg(feature = "tracing")]
mod through_tracing {
    use super::{alone, drop_a_failure};
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};
    use tracing::field::{Field, Visit};
    use tracing::span;
    use tracing::{Event, Metadata, Subscriber};

    /// Keeps the level and the fields of every event.
    #[derive(Clone, Default)]
    struct Keep(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Keep {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            struct Text(String);
            impl Visit for Text {
                fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                    use std::fmt::Write as _;
                    write!(self.0, " {field}={value:?}").unwrap();
                }
            }
            let metadata = event.metadata();
            let mut text = Text(format!("{} {}", metadata.level(), metadata.target()));
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn a_report_is_an_event_of_level_error() {
        let _alone = alone();
        let keep = Keep::default();
        tracing::subscriber::with_default(keep.clone(), || drop_a_failure("for tracing"));
        let events = keep.0.lock().unwrap();
        assert_eq!(events.len(), 1);
        assert!(events[0].starts_with("ERROR hereafter "), "{}", events[0]);
        assert!(events[0].contains("Unhandled error in Deferred:"), "{}", events[0]);
        assert!(events[0].contains("failure=for tracing"), "{}", events[0]);
    }
}
