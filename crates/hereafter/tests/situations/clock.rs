//! Time that is wound by hand: what Twisted's `task.Clock` does.

use crate::common::{Drops, Log, quietly};
use hereafter::clock::{Clock, DelayedCall, DelayedCallError, ManualClock, Timers};
use hereafter_testing::test;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Has `what` noted after so many seconds.
fn note_later(clock: &ManualClock, log: &Log, after: u64, what: &'static str) -> DelayedCall {
    let note = log.clone();
    clock.call_later(seconds(after), move || note.note(what))
}

#[test]
fn time_stands_still_unless_it_is_wound() {
    let clock = ManualClock::new();
    assert_eq!(clock.now(), Duration::ZERO);
    clock.advance(seconds(3));
    clock.clone().advance(Duration::from_millis(500));
    assert_eq!(clock.now(), Duration::from_millis(3500));
}

#[test]
fn calls_are_made_in_the_order_of_their_time_and_then_of_asking() {
    let (clock, log) = (ManualClock::new(), Log::new());
    note_later(&clock, &log, 3, "c");
    note_later(&clock, &log, 1, "a");
    note_later(&clock, &log, 3, "d");
    note_later(&clock, &log, 2, "b");
    clock.advance(seconds(3));
    assert_eq!(log.take(), "a, b, c, d");
}

#[test]
fn a_call_is_made_when_its_time_has_come_and_once() {
    let (clock, log) = (ManualClock::new(), Log::new());
    note_later(&clock, &log, 2, "a");
    clock.advance(seconds(1));
    assert_eq!(log.take(), "");
    clock.advance(seconds(1));
    assert_eq!(log.take(), "a");
    clock.advance(seconds(10));
    assert_eq!(log.take(), "");
}

#[test]
fn all_calls_of_one_step_see_the_time_at_its_end() {
    let clock = ManualClock::new();
    let seen = Rc::new(Cell::new(Duration::ZERO));
    let (tell, own) = (seen.clone(), clock.clone());
    clock.call_later(seconds(1), move || tell.set(own.now()));
    clock.advance(seconds(5));
    assert_eq!(seen.get(), seconds(5), "as Twisted's clock does");
}

#[test]
fn a_call_for_now_is_made_at_the_next_step_even_of_no_length() {
    let (clock, log) = (ManualClock::new(), Log::new());
    note_later(&clock, &log, 0, "a");
    assert_eq!(log.take(), "");
    clock.advance(Duration::ZERO);
    assert_eq!(log.take(), "a");
}

#[test]
fn calls_asked_for_meanwhile_are_made_in_the_same_step_if_they_are_due() {
    let (clock, log) = (ManualClock::new(), Log::new());
    let (own, note) = (clock.clone(), log.clone());
    clock.call_later(seconds(1), move || {
        note.note("first");
        note_later(&own, &note, 0, "at once");
        note_later(&own, &note, 1, "later");
    });
    clock.advance(seconds(1));
    assert_eq!(log.take(), "first, at once");
    clock.advance(seconds(1));
    assert_eq!(log.take(), "later");
}

#[test]
fn pump_goes_step_by_step() {
    let (clock, log) = (ManualClock::new(), Log::new());
    let own = clock.clone();
    let note = log.clone();
    clock.call_later(seconds(1), move || note.note(own.now().as_secs()));
    let own = clock.clone();
    let note = log.clone();
    clock.call_later(seconds(3), move || note.note(own.now().as_secs()));
    clock.pump([1, 1, 1].map(seconds));
    assert_eq!(log.take(), "1, 3");
}

#[test]
fn cancelling_takes_a_call_back() {
    let (clock, log, drops) = (ManualClock::new(), Log::new(), Drops::new());
    let token = drops.token();
    let call = clock.call_later(seconds(1), move || token.hold());
    note_later(&clock, &log, 1, "other");
    assert!(call.active());
    call.cancel().unwrap();
    assert!(!call.active());
    assert_eq!(drops.alive(), 0);
    assert_eq!(call.cancel(), Err(DelayedCallError::AlreadyCancelled));
    assert_eq!(call.reset(seconds(1)), Err(DelayedCallError::AlreadyCancelled));
    assert_eq!(call.delay(seconds(1)), Err(DelayedCallError::AlreadyCancelled));
    clock.advance(seconds(1));
    assert_eq!(log.take(), "other");
}

#[test]
fn a_call_that_was_made_cannot_be_changed() {
    let clock = ManualClock::new();
    let call = clock.call_later(seconds(1), || ());
    clock.advance(seconds(1));
    assert!(!call.active());
    assert_eq!(call.cancel(), Err(DelayedCallError::AlreadyCalled));
    assert_eq!(call.reset(seconds(1)), Err(DelayedCallError::AlreadyCalled));
    assert_eq!(call.delay(seconds(1)), Err(DelayedCallError::AlreadyCalled));
    assert_eq!(call.time(), seconds(1));
    let text = DelayedCallError::AlreadyCalled.to_string();
    assert_eq!(text, "the delayed call has been made already");
}

#[test]
fn a_call_that_is_being_made_counts_as_made() {
    let clock = ManualClock::new();
    let own = Rc::new(Cell::new(None::<DelayedCall>));
    let (reach, seen) = (own.clone(), Rc::new(Cell::new(None)));
    let tell = seen.clone();
    own.set(Some(clock.call_later(seconds(1), move || {
        tell.set(reach.take().map(|call| (call.active(), call.cancel())));
    })));
    clock.advance(seconds(1));
    assert_eq!(seen.get(), Some((false, Err(DelayedCallError::AlreadyCalled))));
}

#[test]
fn reset_counts_from_now_and_delay_from_its_time() {
    let (clock, log) = (ManualClock::new(), Log::new());
    let call = note_later(&clock, &log, 5, "a");
    clock.advance(seconds(2));
    call.reset(seconds(4)).unwrap();
    assert_eq!(call.time(), seconds(6));
    call.delay(seconds(3)).unwrap();
    assert_eq!(call.time(), seconds(9));
    clock.advance(seconds(6));
    assert_eq!(log.take(), "");
    clock.advance(seconds(1));
    assert_eq!(log.take(), "a");
}

#[test]
fn reset_may_bring_a_call_forward() {
    let (clock, log) = (ManualClock::new(), Log::new());
    let call = note_later(&clock, &log, 50, "moved");
    note_later(&clock, &log, 3, "other");
    call.reset(seconds(1)).unwrap();
    clock.advance(seconds(3));
    assert_eq!(log.take(), "moved, other");
}

#[test]
fn the_waiting_calls_are_listed_in_order() {
    let (clock, log) = (ManualClock::new(), Log::new());
    note_later(&clock, &log, 3, "c");
    let moved = note_later(&clock, &log, 1, "a");
    note_later(&clock, &log, 2, "b");
    moved.delay(seconds(9)).unwrap();
    let times: Vec<_> = clock.delayed_calls().iter().map(|call| call.time().as_secs()).collect();
    assert_eq!(times, [2, 3, 10]);
}

#[test]
fn a_call_cancels_another_that_is_due_in_the_same_step() {
    let (clock, log) = (ManualClock::new(), Log::new());
    let victim = Rc::new(Cell::new(None::<DelayedCall>));
    let reach = victim.clone();
    clock.call_later(seconds(1), move || reach.take().unwrap().cancel().unwrap());
    victim.set(Some(note_later(&clock, &log, 1, "victim")));
    clock.advance(seconds(1));
    assert_eq!(log.take(), "");
}

#[test]
fn a_call_that_panics_does_not_spoil_the_clock() {
    quietly(|| {
        let (clock, log) = (ManualClock::new(), Log::new());
        clock.call_later(seconds(1), || panic!("on purpose"));
        note_later(&clock, &log, 1, "next");
        assert!(catch_unwind(AssertUnwindSafe(|| clock.advance(seconds(1)))).is_err());
        clock.advance(Duration::ZERO);
        assert_eq!(log.take(), "next");
    });
}

#[test]
fn a_call_that_winds_the_clock_itself() {
    let (clock, log) = (ManualClock::new(), Log::new());
    let own = clock.clone();
    clock.call_later(seconds(1), move || own.advance(seconds(5)));
    note_later(&clock, &log, 4, "later");
    clock.advance(seconds(1));
    assert_eq!((log.take().as_str(), clock.now()), ("later", seconds(6)));
}

#[test]
fn calls_go_with_their_clock() {
    let drops = Drops::new();
    let token = drops.token();
    let clock = ManualClock::new();
    let call = clock.call_later(seconds(1), move || token.hold());
    drop(clock);
    assert_eq!(drops.alive(), 0);
    assert!(!call.active());
    assert_eq!(call.cancel(), Err(DelayedCallError::AlreadyCancelled));
}

#[test]
fn times_without_end_are_no_danger() {
    let clock = ManualClock::new();
    let call = clock.call_later(Duration::MAX, || ());
    clock.advance(seconds(1));
    call.delay(Duration::MAX).unwrap();
    assert_eq!(call.time(), Duration::MAX);
    clock.advance(Duration::MAX);
    assert!(!call.active(), "the end of time has come");
}

#[test]
fn a_clock_may_be_asked_through_a_trait_object() {
    let clock = ManualClock::new();
    let log = Log::new();
    let note = log.clone();
    let through: &dyn Clock = &clock;
    through.schedule(seconds(1), Box::new(move || note.note("called")));
    clock.advance(seconds(1));
    assert_eq!(log.take(), "called");
}

#[test]
fn timers_tell_of_an_earlier_call() {
    let told = Rc::new(Cell::new(0));
    let tell = told.clone();
    let timers = Timers::new(|| seconds(100));
    timers.on_earlier(move || tell.set(tell.get() + 1));
    timers.schedule(seconds(5), Box::new(|| ()));
    assert_eq!(told.get(), 1);
    timers.schedule(seconds(9), Box::new(|| ()));
    assert_eq!(told.get(), 1);
    timers.schedule(seconds(1), Box::new(|| ()));
    assert_eq!((told.get(), timers.next()), (2, Some(seconds(101))));
    assert_eq!((timers.len(), timers.is_empty(), timers.asked()), (3, false, 3));
}

#[test]
fn timers_leave_what_was_asked_for_later_than_the_bound() {
    let timers = Timers::new(|| Duration::ZERO);
    let log = Log::new();
    let (note, again) = (log.clone(), timers.clone());
    timers.schedule(
        Duration::ZERO,
        Box::new(move || {
            note.note("first");
            let note = note.clone();
            again.schedule(Duration::ZERO, Box::new(move || note.note("second")));
        }),
    );
    let bound = timers.asked();
    while timers.run_one(Duration::ZERO, bound) {}
    assert_eq!(log.take(), "first");
    while timers.run_one(Duration::ZERO, timers.asked()) {}
    assert_eq!(log.take(), "second");
}

#[test]
fn calls_and_timers_show_themselves() {
    let clock = ManualClock::default();
    let call = clock.call_later(seconds(1), || ());
    assert_eq!(format!("{call:?}"), "<DelayedCall at 1s, Waiting>");
    let timers = Timers::new(|| Duration::ZERO);
    assert_eq!(format!("{timers:?}"), "Timers { waiting: 0 }");
}
