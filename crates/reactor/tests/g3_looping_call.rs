//! Row G3 of the contract: `LoopingCall`, on a clock that is wound by hand.

use hereafter::errors::{CancelledError, Panicked};
use hereafter::{Deferred, Failure, Trigger};
use hereafter_reactor::Reactor;
use hereafter_reactor::task::{LoopingCall, LoopingCallError, ManualClock};
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

type TestResult = Result<(), Box<dyn Error>>;

const SECOND: Duration = Duration::from_secs(1);

/// A clock, a loop on it, and the times at which it called, in milliseconds.
fn looping() -> (ManualClock, LoopingCall, Rc<RefCell<Vec<u128>>>) {
    use hereafter::clock::Clock;
    let (clock, times) = (ManualClock::new(), Rc::new(RefCell::new(Vec::new())));
    let (shows, noted) = (clock.clone(), times.clone());
    let looping = LoopingCall::new(&clock, move || {
        noted.borrow_mut().push(shows.now().as_millis());
    });
    (clock, looping, times)
}

fn millis<const N: usize>(steps: [u64; N]) -> [Duration; N] {
    steps.map(Duration::from_millis)
}

fn failure_of<T>(d: Deferred<T>) -> Failure {
    d.take_result().ok().expect("it has fired").err().expect("it has failed")
}

#[test]
fn g3_looping_call_starts_now_or_later() {
    let (clock, looping, times) = looping();
    looping.start(SECOND, true).detach();
    clock.pump([SECOND; 2]);
    assert_eq!(times.take(), [0, 1000, 2000]);
    looping.stop().unwrap();

    looping.start(SECOND, false).detach();
    clock.pump([SECOND; 2]);
    assert_eq!(times.take(), [3000, 4000]);
}

#[test]
fn g3_looping_call_keeps_its_pace_after_a_late_call() {
    let (clock, looping, times) = looping();
    looping.start(SECOND, true).detach();
    clock.pump(millis([1200, 700, 200]));
    assert_eq!(times.take(), [0, 1200, 2100]); // at 1.0 and 2.0, as soon as the clock came by
}

#[test]
fn g3_looping_call_leaves_out_what_it_missed() {
    let (clock, looping, times) = looping();
    looping.start(SECOND, true).detach();
    clock.pump(millis([3500, 499, 1]));
    assert_eq!(times.take(), [0, 3500, 4000]);
    // A call just on the beat is followed by the next beat.
    clock.pump(millis([999, 1]));
    assert_eq!(times.take(), [5000]);
}

#[test]
fn g3_looping_call_counts_what_it_missed() {
    let (clock, counts) = (ManualClock::new(), Rc::new(RefCell::new(Vec::new())));
    let counted = counts.clone();
    let looping = LoopingCall::with_count(&clock, move |count| counted.borrow_mut().push(count));
    looping.start(SECOND, true).detach();
    clock.pump(millis([1000, 3500, 500, 10_000]));
    assert_eq!(counts.take(), [1, 1, 3, 1, 10]);
    looping.stop().unwrap();

    // Another start is another count.
    looping.start(SECOND, false).detach();
    clock.pump(millis([1000, 2000]));
    assert_eq!(counts.take(), [1, 2]);
    looping.stop().unwrap();

    looping.start(Duration::ZERO, true).detach();
    assert_eq!(counts.take(), [1]);
}

#[test]
fn g3_looping_call_never_runs_two_at_once() {
    let (clock, triggers) = (ManualClock::new(), Rc::new(RefCell::new(Vec::new())));
    let kept = triggers.clone();
    let looping = LoopingCall::new(&clock, move || {
        let (trigger, d) = Deferred::<()>::new();
        kept.borrow_mut().push(trigger);
        d
    });
    let fire = || -> Trigger<()> { triggers.borrow_mut().pop().unwrap() };
    looping.start(SECOND, true).detach();
    clock.pump([SECOND; 5]);
    assert_eq!(triggers.borrow().len(), 1);
    assert!(clock.delayed_calls().is_empty());

    // Done at 5.5: the next is at 6.
    clock.advance(SECOND / 2);
    fire().callback(());
    clock.advance(SECOND / 2);
    assert_eq!(triggers.borrow().len(), 1);
    fire().callback(());
    looping.stop().unwrap();
}

#[test]
fn g3_looping_call_counts_the_time_of_a_slow_call() {
    let (clock, seen) = (ManualClock::new(), Rc::new(RefCell::new(Vec::new())));
    let (trigger, slow) = Deferred::<()>::new();
    let (slow, noted) = (Cell::new(Some(slow)), seen.clone());
    let looping = LoopingCall::with_count(&clock, move |count| {
        noted.borrow_mut().push(count);
        slow.take().unwrap_or_else(|| Deferred::succeed(()))
    });
    looping.start(SECOND, true).detach();
    clock.pump([SECOND; 3]);
    trigger.callback(());
    clock.advance(SECOND);
    assert_eq!(seen.take(), [1, 4]);
}

#[test]
fn g3_stop_of_a_looping_call_fires_what_start_gave_back() -> TestResult {
    let (clock, looping, _) = looping();
    let done = looping.start(SECOND, true);
    assert!(looping.running());
    assert!(!done.has_result());
    looping.stop()?;
    assert!(!looping.running());
    assert!(clock.delayed_calls().is_empty());
    assert!(!done.take_result().unwrap()?.running());
    assert_eq!(looping.stop(), Err(LoopingCallError::NotRunning));
    assert_eq!(looping.reset(), Err(LoopingCallError::NotRunning));
    Ok(())
}

#[test]
fn g3_stop_of_a_looping_call_waits_for_the_call_that_is_made() -> TestResult {
    let clock = ManualClock::new();
    let (trigger, slow) = Deferred::<()>::new();
    let slow = Cell::new(Some(slow));
    let looping = LoopingCall::new(&clock, move || slow.take().unwrap());
    let done = looping.start(SECOND, true);
    looping.stop()?;
    assert!(!done.has_result());
    // It is neither running nor at rest.
    assert!(failure_of(looping.start(SECOND, true)).is::<LoopingCallError>());
    trigger.callback(());
    assert!(done.has_result());
    assert!(clock.delayed_calls().is_empty());
    Ok(())
}

#[test]
fn g3_a_looping_call_may_stop_and_reset_itself() {
    let (clock, calls) = (ManualClock::new(), Rc::new(Cell::new(0)));
    let counted = calls.clone();
    let looping = LoopingCall::with_self(&clock, move |looping| {
        looping.reset().unwrap();
        counted.set(counted.get() + 1);
        if counted.get() == 3 {
            looping.stop().unwrap();
        }
    });
    let done = looping.start(SECOND, true);
    clock.pump([SECOND; 5]);
    assert_eq!(calls.get(), 3);
    assert!(done.has_result());
}

#[test]
fn g3_a_failure_ends_a_looping_call() {
    let clock = ManualClock::new();
    let fails = Rc::new(Cell::new(true));
    let failing = fails.clone();
    let looping =
        LoopingCall::new(
            &clock,
            move || {
                if failing.get() { Err(Failure::msg("broken")) } else { Ok(()) }
            },
        );
    let done = looping.start(SECOND, true);
    assert!(!looping.running());
    assert_eq!(failure_of(done).to_string(), "broken");
    assert!(clock.delayed_calls().is_empty());

    // It may be started again.
    fails.set(false);
    let done = looping.start(SECOND, true);
    clock.advance(SECOND);
    assert!(!done.has_result());
}

#[test]
fn g3_a_panic_ends_a_looping_call_and_leaves_it_whole() {
    let (clock, calls) = (ManualClock::new(), Rc::new(Cell::new(0)));
    let counted = calls.clone();
    let looping = LoopingCall::new(&clock, move || {
        counted.set(counted.get() + 1);
        assert_ne!(counted.get(), 1, "the first time");
    });
    assert!(failure_of(looping.start(SECOND, true)).is::<Panicked>());
    let done = looping.start(SECOND, true);
    assert_eq!(calls.get(), 2);
    assert!(!done.has_result());
}

#[test]
fn g3_a_running_looping_call_cannot_be_started() {
    let (clock, looping, times) = looping();
    let done = looping.start(SECOND, true);
    let failure = failure_of(looping.start(SECOND, true));
    assert_eq!(failure.check(), Some(&LoopingCallError::AlreadyRunning));
    clock.advance(SECOND);
    assert_eq!(times.take(), [0, 1000]);
    assert!(!done.has_result());
}

#[test]
fn g3_reset_of_a_looping_call_begins_a_new_interval() {
    let (clock, looping, times) = looping();
    looping.start(SECOND, true).detach();
    clock.advance(SECOND / 2);
    looping.reset().unwrap();
    clock.pump(millis([999, 1, 1000]));
    assert_eq!(times.take(), [0, 1500, 2500]);
}

#[test]
fn g3_cancel_of_a_looping_call_stops_it() {
    let (clock, looping, times) = looping();
    let done = looping.start(SECOND, true);
    done.cancel();
    assert!(failure_of(done).is::<CancelledError>());
    assert!(!looping.running());
    assert!(clock.delayed_calls().is_empty());
    clock.advance(SECOND);
    assert_eq!(times.take(), [0]);
}

#[test]
fn g3_a_looping_call_without_an_interval_lets_others_have_their_turn() -> TestResult {
    let reactor = Reactor::new()?;
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    LoopingCall::new(&reactor, move || counted.set(counted.get() + 1))
        .start(Duration::ZERO, true)
        .detach();
    let stopping = reactor.clone();
    reactor.call_later(Duration::from_millis(1), move || stopping.stop().unwrap());
    reactor.run()?;
    assert!(calls.get() > 1);
    Ok(())
}
