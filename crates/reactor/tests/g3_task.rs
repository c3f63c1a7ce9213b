//! Row G3 of the contract: `defer_later` and `Cooperator`.

use hereafter::errors::{Abandoned, CancelledError, Panicked};
use hereafter::{Deferred, Failure};
use hereafter_reactor::Reactor;
use hereafter_reactor::task::{
    Cooperator, ManualClock, SchedulerError, coiterate, cooperate, defer_later,
};
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::iter;
use std::rc::Rc;
use std::time::Duration;

type TestResult = Result<(), Box<dyn Error>>;

const SECOND: Duration = Duration::from_secs(1);
/// Enough for one turn of a cooperator.
const TURN: Duration = Duration::from_millis(1);

/// A cooperator that does all there is to do in one turn, however slow the machine.
fn patient(clock: &ManualClock) -> Cooperator {
    Cooperator::with_slice(clock, Duration::from_hours(1))
}

fn failure_of<T>(d: Deferred<T>) -> Failure {
    d.take_result().ok().expect("it has fired").err().expect("it has failed")
}

fn error_of<T>(d: Deferred<T>) -> SchedulerError {
    *failure_of(d).check().expect("an error of the scheduler")
}

#[test]
fn g3_defer_later_calls_later() -> TestResult {
    let clock = ManualClock::new();
    let d = defer_later(&clock, SECOND, || Ok(42));
    clock.advance(SECOND / 2);
    assert!(!d.has_result());
    clock.advance(SECOND / 2);
    assert_eq!(d.take_result().unwrap()?, 42);
    Ok(())
}

#[test]
fn g3_defer_later_waits_for_what_it_called() -> TestResult {
    let clock = ManualClock::new();
    let inside = clock.clone();
    let d = defer_later(&clock, SECOND, move || defer_later(&inside, SECOND, || Ok(42)));
    clock.advance(SECOND);
    assert!(!d.has_result());
    clock.advance(SECOND);
    assert_eq!(d.take_result().unwrap()?, 42);
    Ok(())
}

#[test]
fn g3_defer_later_can_be_cancelled() {
    let clock = ManualClock::new();
    let held = Rc::new(());
    let holds = held.clone();
    let d = defer_later(&clock, SECOND, move || drop(holds));
    d.cancel();
    assert!(failure_of(d).is::<CancelledError>());
    assert!(clock.delayed_calls().is_empty());
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn g3_defer_later_hands_on_failures_and_panics() {
    let clock = ManualClock::new();
    let failing = defer_later(&clock, SECOND, || Err::<(), _>(Failure::msg("broken")));
    let panicking = defer_later(&clock, SECOND, || -> Deferred<()> { panic!("oh no") });
    clock.advance(SECOND);
    assert_eq!(failure_of(failing).to_string(), "broken");
    assert!(failure_of(panicking).is::<Panicked>());
}

#[test]
fn g3_defer_later_fails_when_its_clock_goes() {
    let d = defer_later(&ManualClock::new(), SECOND, || ());
    assert!(failure_of(d).is::<Abandoned>());
}

#[test]
fn g3_a_cooperator_takes_turns() {
    let (clock, log) = (ManualClock::new(), Rc::new(RefCell::new(String::new())));
    let cooperator = patient(&clock);
    let steps = |text: &'static str| {
        let log = log.clone();
        text.chars().map(move |letter| log.borrow_mut().push(letter))
    };
    let all = [steps("ad"), steps("beg"), steps("cfhi")].map(|steps| cooperator.coiterate(steps));
    assert!(log.borrow().is_empty());
    clock.advance(TURN);
    assert_eq!(log.take(), "abcdefghi");
    assert!(all.into_iter().all(|done| done.take_result().unwrap().is_ok()));
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn g3_a_cooperator_makes_a_slice_of_steps_in_a_row() {
    let (clock, steps) = (ManualClock::new(), Rc::new(Cell::new(0)));
    let made = steps.clone();
    let cooperator = Cooperator::with_slice(&clock, Duration::ZERO);
    cooperator.coiterate(iter::repeat_with(move || made.set(made.get() + 1))).detach();
    clock.pump([TURN; 3]);
    assert_eq!(steps.get(), 3);
    cooperator.stop();
}

#[test]
fn g3_a_cooperator_waits_for_a_deferred() {
    let clock = ManualClock::new();
    let (trigger, d) = Deferred::<u32>::new();
    let cooperator = patient(&clock);
    let done = cooperator.coiterate([d, Deferred::succeed(1)]);
    clock.advance(SECOND);
    assert!(clock.delayed_calls().is_empty(), "it has nothing to do");
    trigger.callback(0);
    clock.advance(TURN);
    assert!(done.take_result().unwrap().is_ok());
}

#[test]
fn g3_a_failure_or_a_panic_ends_a_task() {
    let clock = ManualClock::new();
    let cooperator = patient(&clock);
    let failing = cooperator.cooperate([Ok(()), Err(Failure::msg("broken")), Ok(())]);
    let (first, second) = (failing.when_done(), failing.when_done());
    let panicking = cooperator.cooperate(iter::once_with(|| assert!(SECOND.is_zero(), "oh no")));
    clock.advance(TURN);
    for done in [first, second, failing.when_done()] {
        assert_eq!(failure_of(done).to_string(), "broken");
    }
    assert_eq!(failing.stop(), Err(SchedulerError::TaskFailed));
    assert!(failure_of(panicking.when_done()).is::<Panicked>());
}

#[test]
fn g3_a_task_can_be_paused_and_resumed() -> TestResult {
    let (clock, steps) = (ManualClock::new(), Rc::new(Cell::new(0)));
    let made = steps.clone();
    let cooperator = Cooperator::with_slice(&clock, Duration::ZERO);
    let task = cooperator.cooperate(iter::repeat_with(move || made.set(made.get() + 1)));
    clock.advance(TURN);
    task.pause()?;
    task.pause()?;
    assert!(clock.delayed_calls().is_empty());
    task.resume()?;
    clock.advance(TURN);
    assert_eq!(steps.get(), 1);
    task.resume()?;
    assert_eq!(task.resume(), Err(SchedulerError::NotPaused));
    clock.advance(TURN);
    assert_eq!(steps.get(), 2);
    task.stop()?;
    Ok(())
}

#[test]
fn g3_a_task_can_be_stopped() -> TestResult {
    let clock = ManualClock::new();
    let held = Rc::new(());
    let holds = held.clone();
    let task = patient(&clock).cooperate(iter::repeat_with(move || {
        let _ = &holds;
    }));
    let done = task.when_done();
    task.stop()?;
    assert_eq!(error_of(done), SchedulerError::TaskStopped);
    assert_eq!(Rc::strong_count(&held), 1);
    assert_eq!(task.stop(), Err(SchedulerError::TaskStopped));
    assert_eq!(task.pause(), Err(SchedulerError::TaskStopped));
    assert!(clock.delayed_calls().is_empty());
    Ok(())
}

#[test]
fn g3_a_task_may_stop_itself_and_others_from_a_step() {
    let clock = ManualClock::new();
    let cooperator = patient(&clock);
    let victim = cooperator.cooperate(iter::repeat(()));
    let killer = Rc::new(RefCell::new(None));
    let (itself, other) = (killer.clone(), victim.clone());
    *killer.borrow_mut() = Some(cooperator.cooperate(iter::repeat_with(move || {
        other.stop().unwrap();
        let itself = itself.borrow();
        let itself: &hereafter_reactor::task::CooperativeTask = itself.as_ref().unwrap();
        itself.stop().unwrap();
    })));
    clock.advance(TURN);
    assert_eq!(error_of(victim.when_done()), SchedulerError::TaskStopped);
    let killer = killer.take().unwrap();
    assert_eq!(error_of(killer.when_done()), SchedulerError::TaskStopped);
}

#[test]
fn g3_stop_of_a_cooperator_stops_its_tasks() {
    let clock = ManualClock::new();
    let cooperator = patient(&clock);
    let done = cooperator.coiterate(iter::repeat(()));
    let (trigger, d) = Deferred::<()>::new();
    let waiting = cooperator.coiterate([d]);
    let paused = cooperator.cooperate(iter::repeat(()));
    paused.pause().unwrap();
    cooperator.stop();
    assert_eq!(error_of(done), SchedulerError::SchedulerStopped);
    assert_eq!(error_of(cooperator.coiterate([()])), SchedulerError::SchedulerStopped);
    assert!(clock.delayed_calls().is_empty());
    // The others are told when they would go on.
    paused.resume().unwrap();
    assert_eq!(error_of(paused.when_done()), SchedulerError::SchedulerStopped);
    trigger.callback(());
    assert_eq!(error_of(waiting), SchedulerError::SchedulerStopped);

    cooperator.start();
    let done = cooperator.coiterate([()]);
    clock.advance(TURN);
    assert!(done.take_result().unwrap().is_ok());
}

#[test]
fn g3_a_million_steps_do_not_recurse() {
    let clock = ManualClock::new();
    let cooperator = patient(&clock);
    let done = cooperator.coiterate((0..1_000_000).map(|_| Deferred::succeed(())));
    clock.advance(TURN);
    assert!(done.has_result());
}

#[test]
fn g3_a_reactor_has_a_cooperator() -> TestResult {
    let reactor = Reactor::new()?;
    let endless = cooperate(&reactor, iter::repeat(()));
    let (stopping, steps) = (reactor.clone(), Rc::new(Cell::new(0)));
    let made = steps.clone();
    coiterate(&reactor, (0..10_000).map(move |_| made.set(made.get() + 1)))
        .map(move |()| stopping.stop().unwrap())
        .detach();
    reactor.run()?;
    assert_eq!(steps.get(), 10_000);
    endless.stop()?;
    Ok(())
}
