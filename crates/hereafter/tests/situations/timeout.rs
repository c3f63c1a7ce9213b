//! Timeouts that meet other things.

use crate::common::{Drops, Log, Oops, failure, oops, value};
use hereafter::clock::ManualClock;
use hereafter::errors::{FirstError, TimeoutError};
use hereafter::{Deferred, DeferredLock, gather_results, report};
use hereafter_testing::test;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_wait_for_a_lock_is_timed() {
    let (clock, lock) = (ManualClock::new(), DeferredLock::new());
    let guard = value(lock.acquire());
    let waiting = lock.acquire().add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    assert_eq!(lock.waiting(), 0);
    assert!(failure(waiting).is::<TimeoutError>());
    drop(guard);
    assert!(!lock.is_locked());
}

#[test]
fn a_list_is_timed_as_a_whole() {
    let clock = ManualClock::new();
    let collector = report::collect();
    let (one, first) = Deferred::<u32>::new();
    let (_two, second) = Deferred::<u32>::new();
    let d = gather_results([first, second]).add_timeout(SECOND, &clock);
    one.callback(1);
    clock.advance(SECOND);
    // The cancel arrives as the list tells it, which is no plain `CancelledError`.
    assert!(failure(d).is::<FirstError>());
    assert!(collector.take().is_empty());
}

#[test]
fn a_coroutine_is_timed() {
    let clock = ManualClock::new();
    let log = Log::new();
    let note = log.clone();
    let (_trigger, d) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        let result = d.await;
        note.note("told");
        result
    })
    .add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    assert_eq!(log.take(), "told");
    assert!(failure(d).is::<TimeoutError>());
}

#[test]
fn a_timeout_inside_a_coroutine() {
    let clock = ManualClock::new();
    let own = clock.clone();
    let d = Deferred::from_coroutine(async move {
        let (_trigger, slow) = Deferred::<u32>::new();
        match slow.add_timeout(SECOND, &own).await {
            Ok(n) => Ok(n),
            Err(failure) => {
                failure.trap::<TimeoutError>()?;
                Ok(9)
            }
        }
    });
    clock.advance(SECOND);
    assert_eq!(value(d), 9);
}

#[test]
fn a_late_value_after_the_timeout_is_dropped() {
    let (clock, drops) = (ManualClock::new(), Drops::new());
    let (trigger, d) = Deferred::new();
    let d = d.add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    trigger.callback(drops.token());
    assert_eq!(drops.alive(), 0);
    assert!(failure(d).is::<TimeoutError>());
}

#[test]
fn what_resists_the_cancel_is_waited_for() {
    let clock = ManualClock::new();
    let (late, recovery) = Deferred::<u32>::new();
    let (_trigger, d) = Deferred::<u32>::new();
    let d = d.add_errback(move |_| recovery).add_timeout(SECOND, &clock);
    clock.advance(SECOND);
    assert!(!d.has_result());
    late.callback(4);
    assert_eq!(value(d), 4);
}

#[test]
fn a_failure_after_the_cancel_goes_to_the_function_too() {
    let clock = ManualClock::new();
    let (_trigger, d) = Deferred::<u32>::with_canceller(|| Some(Err(Oops(1).into())));
    let d = d.add_timeout_with(SECOND, &clock, |failure, after| {
        assert_eq!(after, SECOND);
        Ok(failure.trap::<Oops>()?.0 + 10)
    });
    clock.advance(SECOND);
    assert_eq!(value(d), 11);
}

#[test]
fn a_timeout_of_no_time_at_all() {
    let clock = ManualClock::new();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_timeout(Duration::ZERO, &clock);
    assert!(!d.has_result());
    clock.advance(Duration::ZERO);
    assert!(failure(d).is::<TimeoutError>());
    drop(trigger);
}

#[test]
fn a_clock_that_goes_away_leaves_the_deferred() {
    let clock = ManualClock::new();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_timeout(SECOND, &clock);
    drop(clock);
    trigger.errback(Oops(2));
    assert_eq!(oops(d), 2);
}

#[test]
fn the_timer_of_a_dropped_deferred_still_cancels() {
    let clock = ManualClock::new();
    let collector = report::collect();
    let (_trigger, d) = Deferred::<u32>::new();
    drop(d.add_timeout(SECOND, &clock));
    clock.advance(SECOND);
    let reports = collector.take();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].failure.is::<TimeoutError>());
}
