//! What is dropped panics while it is dropped: it is reported, and spoils nothing.

use crate::common::{Drops, OnDrop, Oops, Stash, failure, quietly, value};
use hereafter::errors::{Abandoned, CancelledError, Panicked};
use hereafter::report::{self, Report};
use hereafter::{CancelHandle, Deferred};
use hereafter_testing::test;

/// Something whose drop panics.
fn bomb() -> OnDrop<fn()> {
    OnDrop::new(|| panic!("dropped"))
}

fn assert_one_panic(reports: &[Report]) {
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].failure.check::<Panicked>().unwrap().message(), "dropped");
}

#[test]
fn a_canceller_that_panics_when_it_is_released_lets_the_firing_go_on() {
    let collector = report::collect();
    let bomb = bomb();
    let (trigger, d) = Deferred::with_canceller(move || {
        bomb.hold();
        None
    });
    let d = d.map(|n: u32| n + 1);
    quietly(|| trigger.callback(41));
    assert_eq!(value(d), 42);
    assert_one_panic(&collector.take());
}

#[test]
fn a_callback_that_panics_when_it_is_passed_over_lets_the_failure_go_on() {
    let collector = report::collect();
    let bomb = bomb();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.map(move |n| {
        bomb.hold();
        n
    });
    quietly(|| trigger.errback(Oops(1)));
    assert!(failure(d).is::<Oops>());
    assert_one_panic(&collector.take());
}

#[test]
fn the_same_where_the_result_is_there_already() {
    let collector = report::collect();
    let (callback, errback) = (bomb(), bomb());
    let d = quietly(|| {
        Deferred::<u32>::fail(Oops(1)).map(move |n| {
            callback.hold();
            n
        })
    });
    assert!(failure(d).is::<Oops>());
    assert_one_panic(&collector.take());
    let d = quietly(|| {
        Deferred::succeed(7).add_errback(move |_| {
            errback.hold();
            Ok(0)
        })
    });
    assert_eq!(value(d), 7);
    assert_one_panic(&collector.take());
}

#[test]
fn the_side_of_a_pair_that_panics_when_it_is_passed_over_lets_the_other_go_on() {
    let collector = report::collect();
    let bomb = bomb();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_callbacks(
        |n| Ok(n + 1),
        move |failure| {
            bomb.hold();
            Err(failure)
        },
    );
    quietly(|| trigger.callback(1));
    assert_eq!(value(d), 2);
    assert_one_panic(&collector.take());
}

#[test]
fn a_value_that_panics_when_it_is_given_up_is_reported() {
    let collector = report::collect();
    let (trigger, d) = Deferred::new();
    trigger.callback(bomb());
    quietly(|| drop(d));
    assert_one_panic(&collector.take());
}

#[test]
fn a_value_that_panics_when_it_is_refused_is_reported() {
    let collector = report::collect();
    let (target, cancelled) = Deferred::new();
    let (trigger, d) = Deferred::new();
    d.chain_to(target);
    cancelled.cancel();
    quietly(|| trigger.callback(bomb()));
    assert_one_panic(&collector.take());
    assert!(failure(cancelled.map(drop)).is::<CancelledError>());
}

#[test]
fn everything_in_a_deferred_is_dropped_though_all_of_it_panics() {
    let collector = report::collect();
    let drops = Drops::new();
    let (trigger, mut d) = Deferred::<u32>::new();
    for _ in 0..10 {
        let (bomb, token) = (bomb(), drops.token());
        d = d.map(move |n| {
            bomb.hold();
            token.hold();
            n
        });
    }
    drop(d);
    let guard = Deferred::<u32>::succeed(1).pause();
    quietly(|| drop(trigger)); // fires with `Abandoned`, which passes all of them by
    drop(guard);
    assert_eq!(drops.alive(), 0);
    let reports = collector.take();
    assert_eq!(reports.iter().filter(|report| report.failure.is::<Panicked>()).count(), 10);
    assert_eq!(reports.iter().filter(|report| report.failure.is::<Abandoned>()).count(), 1);
}

#[test]
fn a_coroutine_that_panics_when_it_is_cancelled_away_is_reported() {
    let collector = report::collect();
    let bomb = bomb();
    let d = Deferred::<u32>::from_coroutine(async move {
        bomb.hold();
        std::future::pending::<()>().await;
        bomb.hold();
        Ok(1)
    });
    quietly(|| d.cancel());
    assert!(failure(d).is::<CancelledError>());
    assert_one_panic(&collector.take());
}

#[test]
fn a_coroutine_whose_value_comes_too_late_and_panics_when_it_is_dropped_is_reported() {
    let collector = report::collect();
    let stash = Stash::<CancelHandle>::new();
    let reach = stash.clone();
    let (trigger, awaited) = Deferred::<u32>::new();
    let mut d = Deferred::from_coroutine(async move {
        let _ = awaited.await;
        // It cancels itself, and is not through.
        reach.take().cancel();
        Ok(bomb())
    });
    stash.put(d.cancel_handle());
    quietly(|| trigger.callback(1));
    assert!(failure(d.map(drop)).is::<CancelledError>());
    assert_one_panic(&collector.take());
}
