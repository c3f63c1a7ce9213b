//! Cancelling.

use crate::common::{Drops, Log, OnDrop, Oops, Stash, failure, oops, quietly, value};
use hereafter::clock::{Clock, ManualClock};
use hereafter::errors::{CancelledError, FirstError, TimeoutError};
use hereafter::{
    CancelHandle, Deferred, Failure, PauseGuard, SharedTrigger, Trigger, gather_results, report,
};
use hereafter_testing::test;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn d1_cancel_calls_the_canceller_and_ends_in_cancelled_error() {
    let log = Log::new();
    let note = log.clone();
    let (trigger, d) = Deferred::<u32>::with_canceller(move || {
        note.note("canceller");
        None
    });
    let note = log.clone();
    let d = d.add_errback(move |failure| {
        note.note(&failure);
        failure.raise()
    });
    assert_eq!(log.take(), "");
    d.cancel();
    assert_eq!(log.take(), "canceller, the deferred was cancelled");
    assert!(failure(d).is::<CancelledError>());
    drop(trigger);
}

#[test]
fn d1_what_the_canceller_gives_back_is_the_result() {
    let (_trigger, d) = Deferred::with_canceller(|| Some(Ok(5)));
    d.cancel();
    assert_eq!(value(d), 5);
    let (_trigger, d) = Deferred::<u32>::with_canceller(|| Some(Err(Oops(6).into())));
    d.cancel();
    assert_eq!(oops(d), 6);
}

#[test]
fn d1_a_canceller_may_fire_the_deferred_itself() {
    let stash = Stash::<SharedTrigger<u32>>::new();
    let reach = stash.clone();
    let (trigger, d) = Deferred::with_canceller(move || {
        reach.take().callback(7).unwrap();
        None
    });
    stash.put(trigger.shared());
    d.cancel();
    assert_eq!(value(d), 7);
}

#[test]
fn d1_a_canceller_that_fires_and_gives_back_has_fired_once() {
    let drops = Drops::new();
    let stash = Stash::<SharedTrigger<(u32, crate::common::Token)>>::new();
    let (reach, first, second) = (stash.clone(), drops.token(), drops.token());
    let (trigger, d) = Deferred::with_canceller(move || {
        reach.take().callback((7, first)).unwrap();
        Some(Ok((8, second)))
    });
    stash.put(trigger.shared());
    d.cancel();
    assert_eq!(drops.alive(), 1);
    assert_eq!(value(d).0, 7);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn d1_a_canceller_that_lets_the_trigger_go_cancels() {
    // That is what stopping the work often comes to: not a failure of its own.
    let stash = Stash::<Trigger<u32>>::new();
    let reach = stash.clone();
    let (trigger, d) = Deferred::with_canceller(move || {
        drop(reach.take());
        None
    });
    stash.put(trigger);
    d.cancel();
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn d1_a_canceller_may_be_set_when_the_work_is_known() {
    let clock = ManualClock::new();
    let (trigger, d) = Deferred::new();
    let call = clock.call_later(seconds(5), move || trigger.callback(1));
    let d = d.on_cancel(move || call.cancel().unwrap());
    d.cancel();
    assert!(clock.delayed_calls().is_empty());
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn d1_a_later_canceller_takes_the_place_of_an_earlier_one() {
    let log = Log::new();
    let (first, second) = (log.clone(), log.clone());
    let (_trigger, d) = Deferred::<u32>::with_canceller(move || {
        first.note("first");
        None
    });
    let d = d.on_cancel(move || second.note("second"));
    d.cancel();
    assert_eq!(log.take(), "second");
    assert!(failure(d).is::<CancelledError>());
    let drops = Drops::new();
    let token = drops.token();
    let d = Deferred::succeed(1).on_cancel(move || token.hold());
    assert_eq!(drops.alive(), 0, "there is nothing to cancel");
    d.cancel();
    assert_eq!(value(d), 1);
}

#[test]
fn d1_cancelling_from_a_handle() {
    let log = Log::new();
    let note = log.clone();
    let (_trigger, mut d) = Deferred::<u32>::with_canceller(move || {
        note.note("canceller");
        None
    });
    let handle = d.cancel_handle();
    let d = d.add_errback(|_| Ok(1));
    handle.cancel();
    handle.clone().cancel();
    assert_eq!(log.take(), "canceller");
    assert_eq!(value(d), 1);
}

#[test]
fn d2_without_a_canceller_exactly_one_late_firing_is_swallowed() {
    let (trigger, d) = Deferred::<u32>::new();
    let trigger = trigger.shared();
    d.cancel();
    assert!(failure(d).is::<CancelledError>());
    assert_eq!(trigger.callback(1), Ok(()));
    assert!(trigger.callback(2).is_err());
    assert!(trigger.errback(Oops(1)).is_err());
}

#[test]
fn d2_the_swallowed_firing_may_be_an_errback_and_is_not_reported() {
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    let trigger = trigger.shared();
    let d = d.add_errback(|_| Ok(1));
    d.cancel();
    assert_eq!(trigger.errback(Oops(1)), Ok(()));
    assert!(trigger.errback(Oops(1)).is_err());
    assert_eq!(value(d), 1);
    assert!(collector.take().is_empty());
}

#[test]
fn d2_with_a_canceller_a_late_firing_is_already_called() {
    let (trigger, d) = Deferred::<u32>::with_canceller(|| None);
    let trigger = trigger.shared();
    d.cancel();
    assert!(trigger.callback(1).is_err());
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn d2_a_trigger_used_after_the_cancel_drops_its_value() {
    let drops = Drops::new();
    for with_canceller in [false, true] {
        let (trigger, d) =
            if with_canceller { Deferred::with_canceller(|| None) } else { Deferred::new() };
        d.cancel();
        assert!(trigger.is_cancelled());
        trigger.callback(drops.token());
        assert_eq!(drops.alive(), 0);
        assert!(failure(d).is::<CancelledError>());
    }
    assert_eq!(drops.dropped(), 2);
}

#[test]
fn d2_a_trigger_dropped_after_the_cancel_says_nothing() {
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    d.cancel();
    drop(trigger);
    assert!(failure(d).is::<CancelledError>());
    assert!(collector.take().is_empty());
}

#[test]
fn d3_cancelling_one_that_waits_cancels_the_innermost() {
    let log = Log::new();
    let note = log.clone();
    let (_innermost_trigger, innermost) = Deferred::<u32>::with_canceller(move || {
        note.note("innermost");
        None
    });
    let (middle_trigger, middle) = Deferred::<()>::with_canceller(|| unreachable!("it has fired"));
    let (outer_trigger, outer) = Deferred::<()>::with_canceller(|| unreachable!("it has fired"));
    let [a, b, c] = [(); 3].map(|()| log.clone());
    let pass = |log: Log, name: &'static str| {
        move |failure: Failure| -> Result<u32, Failure> {
            log.note(format!("{name} {}", failure.is::<CancelledError>()));
            Err(failure)
        }
    };
    let innermost = innermost.add_errback(pass(a, "first"));
    let middle = middle.add_callback(move |()| innermost).add_errback(pass(b, "second"));
    let outer = outer.add_callback(move |()| middle).add_errback(pass(c, "third"));
    outer_trigger.callback(());
    middle_trigger.callback(());
    outer.cancel();
    assert_eq!(log.take(), "innermost, first true, second true, third true");
    assert!(failure(outer).is::<CancelledError>());
}

#[test]
fn d3_an_errback_on_the_way_may_recover() {
    let (_trigger, inner) = Deferred::<u32>::new();
    let inner = inner.add_errback(|failure| {
        failure.trap::<CancelledError>()?;
        Ok(3)
    });
    let outer = Deferred::succeed(()).add_callback(move |()| inner).map(|n| n + 1);
    outer.cancel();
    assert_eq!(value(outer), 4);
}

#[test]
fn d3_an_errback_may_recover_by_waiting_on_something_else() {
    let (_trigger, inner) = Deferred::<u32>::new();
    let (late, other) = Deferred::<u32>::new();
    let inner = inner.add_errback(move |_| other);
    let (start, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| inner).map(|n| n + 1);
    start.callback(());
    outer.cancel();
    assert!(!outer.has_result());
    late.callback(3);
    assert_eq!(value(outer), 4);
}

#[test]
fn d3_the_handle_of_the_outer_reaches_what_it_waits_on_later() {
    let (start, mut outer) = Deferred::<()>::new();
    let handle = outer.cancel_handle();
    let (_trigger, inner) = Deferred::<u32>::with_canceller(|| Some(Ok(9)));
    let outer = outer.add_callback(move |()| inner);
    start.callback(());
    handle.cancel();
    assert_eq!(value(outer), 9);
}

#[test]
fn d4_cancelling_a_fired_and_idle_deferred_does_nothing() {
    let (trigger, d) = Deferred::with_canceller(|| unreachable!("it has fired"));
    trigger.callback(1);
    d.cancel();
    d.cancel();
    assert_eq!(value(d), 1);
    let mut ready = Deferred::succeed(2);
    ready.cancel();
    ready.cancel_handle().cancel();
    assert_eq!(value(ready), 2);
}

#[test]
fn d4_cancel_may_be_repeated() {
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let (_trigger, d) = Deferred::<u32>::with_canceller(move || {
        count.set(count.get() + 1);
        None
    });
    let d = d.add_errback(|_| Ok(1));
    d.cancel();
    d.cancel();
    assert_eq!((calls.get(), value(d)), (1, 1));
}

#[test]
fn d4_cancelling_again_from_inside_the_canceller_does_nothing_more() {
    let stash = Stash::new();
    let reach = stash.clone();
    let (_trigger, mut d) = Deferred::<u32>::with_canceller(move || {
        let handle: hereafter::CancelHandle = reach.take();
        handle.cancel();
        None
    });
    stash.put(d.cancel_handle());
    d.cancel();
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn d4_the_canceller_is_released_at_firing() {
    let drops = Drops::new();
    let token = drops.token();
    let (trigger, d) = Deferred::with_canceller(move || {
        token.hold();
        None
    });
    let seen = Rc::new(Cell::new(9));
    let (tell, look) = (seen.clone(), drops.clone());
    let d = d.map(move |n: u32| {
        tell.set(look.alive());
        n
    });
    assert_eq!(drops.alive(), 1);
    trigger.callback(1);
    assert_eq!(seen.get(), 0, "before the first link runs");
    assert_eq!(value(d), 1);
}

#[test]
fn d4_the_canceller_is_released_when_nobody_can_fire_or_cancel_any_more() {
    let drops = Drops::new();
    let token = drops.token();
    let (trigger, d) = Deferred::<u32>::with_canceller(move || {
        token.hold();
        None
    });
    drop(d);
    drop(trigger);
    assert_eq!(drops.alive(), 0);
    let token = drops.token();
    let (trigger, d) = Deferred::<u32>::with_canceller(move || {
        token.hold();
        None
    });
    drop(trigger);
    assert_eq!(drops.alive(), 0);
    drop(d.add_errback(|_| Ok(0)));
}

#[test]
fn d4_a_cancelled_deferred_goes_when_its_handles_do() {
    let drops = Drops::new();
    let (in_link, in_canceller) = (drops.token(), drops.token());
    let (trigger, mut d) = Deferred::<u32>::with_canceller(move || {
        in_canceller.hold();
        None
    });
    let handle = d.cancel_handle();
    let d = d.add_errback(|_| Ok(0)).map(move |_| in_link);
    d.cancel();
    assert_eq!(drops.alive(), 1);
    drop((d, trigger, handle));
    assert_eq!(drops.alive(), 0);
}

#[test]
fn d5_a_cancel_reaches_what_a_coroutine_awaits_and_arrives_as_an_err() {
    let log = Log::new();
    let [a, b] = [(); 2].map(|()| log.clone());
    let (_trigger, awaited) = Deferred::<u32>::with_canceller(move || {
        a.note("canceller");
        None
    });
    let d = Deferred::from_coroutine(async move {
        let failure = awaited.await.unwrap_err();
        b.note(format!("err {}", failure.is::<CancelledError>()));
        failure.raise::<u32>()
    });
    d.cancel();
    assert_eq!(log.take(), "canceller, err true");
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn d5_the_coroutine_may_handle_it_and_go_on() {
    let (_first_trigger, first) = Deferred::<u32>::new();
    let (second_trigger, second) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        let failure = first.await.unwrap_err();
        failure.trap::<CancelledError>()?;
        Ok(second.await? + 1)
    });
    d.cancel();
    assert!(!d.has_result());
    second_trigger.callback(4);
    assert_eq!(value(d), 5);
}

#[test]
fn d5_each_cancel_reaches_what_is_awaited_then() {
    let (_first_trigger, first) = Deferred::<u32>::new();
    let (_second_trigger, second) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        assert!(first.await.is_err());
        assert!(second.await.is_err());
        Ok(1)
    });
    d.cancel();
    assert!(!d.has_result());
    d.cancel();
    assert_eq!(value(d), 1);
}

#[test]
fn d5_a_cancel_reaches_through_coroutines_that_await_one_another() {
    let (_trigger, awaited) = Deferred::<u32>::new();
    let inner = Deferred::from_coroutine(awaited);
    let middle = Deferred::from_coroutine(async move { Ok(inner.await? + 1) });
    let outer = Deferred::from_coroutine(async move { Ok(middle.await.unwrap_or(10) + 1) });
    outer.cancel();
    assert_eq!(value(outer), 11);
}

#[test]
fn d5_the_cancel_of_a_chain_reaches_the_coroutine_that_it_waits_on() {
    let (_trigger, awaited) = Deferred::<u32>::new();
    let (start, d) = Deferred::<()>::new();
    let d = d.add_callback(move |()| {
        Deferred::from_coroutine(async move { Ok(awaited.await.unwrap_or(5)) })
    });
    start.callback(());
    d.cancel();
    assert_eq!(value(d), 5);
}

#[test]
fn d5_whoever_waits_for_a_coroutine_is_told_when_the_cancel_is_through() {
    let log = Log::new();
    let mut triggers = Vec::new();
    let members = ["first", "second"].map(|name| {
        let note = log.clone();
        let (trigger, d) = Deferred::<u32>::with_canceller(move || {
            note.note(name);
            None
        });
        triggers.push(trigger);
        d
    });
    let [inside, between, outside] = [(); 3].map(|()| log.clone());
    let inner = Deferred::from_coroutine(async move {
        let result = gather_results(members).await;
        inside.note("inner goes on");
        result
    });
    let inner = inner.add_errback(move |failure| {
        between.note("inner is through");
        failure.raise()
    });
    let outer = Deferred::from_coroutine(async move {
        let result = inner.await;
        outside.note("outer goes on");
        result
    });
    outer.cancel();
    assert_eq!(log.take(), "first, inner goes on, second, inner is through, outer goes on");
    assert!(failure(outer).is::<FirstError>());
}

#[test]
fn d5_cancelling_again_in_the_middle_of_a_cancel_does_nothing_more() {
    let stash = Stash::<CancelHandle>::new();
    let reach = stash.clone();
    let (_trigger, awaited) = Deferred::<u32>::with_canceller(move || {
        reach.take().cancel();
        Some(Ok(5))
    });
    let mut d = Deferred::from_coroutine(awaited);
    stash.put(d.cancel_handle());
    d.cancel();
    assert_eq!(value(d), 5);
}

#[test]
fn d5_a_pause_in_the_middle_of_a_cancel_ends_when_the_links_have_run() {
    let (_trigger, awaited) = Deferred::<u32>::new();
    let stash = Stash::<(Deferred<u32>, Option<PauseGuard>)>::new();
    let reach = stash.clone();
    let d = Deferred::from_coroutine(async move {
        let result = awaited.await;
        let (mut own, _) = reach.take();
        let guard = own.pause();
        reach.put((own, Some(guard)));
        result
    });
    let log = Log::new();
    let note = log.clone();
    let mut d = d.add_errback(move |failure| {
        note.note(failure);
        Ok(1)
    });
    let cancel = d.cancel_handle();
    stash.put((d, None));
    cancel.cancel();
    assert_eq!(log.take(), "the deferred was cancelled", "it was in the middle of a run");
    let (d, guard) = stash.take();
    assert!(!d.has_result());
    drop(guard);
    assert_eq!(value(d), 1);
}

#[test]
fn d5_a_coroutine_that_awaits_no_deferred_is_dropped_there() {
    let drops = Drops::new();
    let token = drops.token();
    let d = Deferred::from_coroutine(async move {
        token.hold();
        std::future::pending::<()>().await;
        token.hold();
        Ok(1)
    });
    assert_eq!(drops.alive(), 1);
    d.cancel();
    assert_eq!(drops.alive(), 0);
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn d5_dropping_the_deferred_does_not_cancel_the_coroutine() {
    let log = Log::new();
    let note = log.clone();
    let (trigger, awaited) = Deferred::<u32>::new();
    drop(Deferred::from_coroutine(async move {
        note.note(awaited.await?);
        Ok(())
    }));
    assert_eq!(log.take(), "");
    trigger.callback(5);
    assert_eq!(log.take(), "5");
}

#[test]
fn d5_a_coroutine_that_cancels_itself_ends_there() {
    let drops = Drops::new();
    let token = drops.token();
    let stash = Stash::<Deferred<u32>>::new();
    let (reach, log) = (stash.clone(), Log::new());
    let note = log.clone();
    let (start, started) = Deferred::<()>::new();
    let (_never, never) = Deferred::<()>::new();
    stash.put(Deferred::from_coroutine(async move {
        started.await?;
        let own = reach.take();
        own.cancel();
        reach.put(own);
        note.note("cancelled");
        never.await?;
        token.hold();
        note.note("not reached");
        Ok(1)
    }));
    start.callback(());
    assert_eq!(log.take(), "cancelled");
    assert_eq!(drops.alive(), 0);
    assert!(failure(stash.take()).is::<CancelledError>());
}

#[test]
fn d6_a_timeout_names_the_seconds() {
    let clock = ManualClock::new();
    let (_trigger, d) = Deferred::<u32>::new();
    let d = d.add_timeout(seconds(10), &clock);
    clock.advance(seconds(9));
    assert!(!d.has_result());
    clock.advance(seconds(1));
    let failure = failure(d);
    assert_eq!(failure.check::<TimeoutError>().unwrap().after, seconds(10));
    assert_eq!(failure.to_string(), "no result after 10 seconds");
}

#[test]
fn d6_the_delayed_call_is_cancelled_when_it_is_done() {
    let clock = ManualClock::new();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_timeout(seconds(10), &clock);
    assert_eq!(clock.delayed_calls().len(), 1);
    trigger.callback(1);
    assert!(clock.delayed_calls().is_empty());
    assert_eq!(value(d), 1);
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_timeout(seconds(10), &clock);
    trigger.errback(Oops(1));
    assert!(clock.delayed_calls().is_empty());
    assert_eq!(oops(d), 1);
}

#[test]
fn d6_only_what_was_added_before_is_timed() {
    let clock = ManualClock::new();
    let (late, after) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_timeout(seconds(10), &clock).add_callback(move |_| after);
    trigger.callback(1);
    clock.advance(seconds(100));
    assert!(!d.has_result());
    late.callback(2);
    assert_eq!(value(d), 2);
    let (_late, before) = Deferred::<u32>::new();
    let d = Deferred::succeed(1).add_callback(move |_| before).add_timeout(seconds(10), &clock);
    clock.advance(seconds(10));
    assert!(failure(d).is::<TimeoutError>());
}

#[test]
fn d6_a_cancel_before_the_time_is_a_cancelled_error() {
    let clock = ManualClock::new();
    let (_trigger, d) = Deferred::<u32>::new();
    let d = d.add_timeout(seconds(10), &clock);
    d.cancel();
    assert!(clock.delayed_calls().is_empty());
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn d6_another_outcome_of_the_cancel_is_left_alone() {
    let clock = ManualClock::new();
    let (_trigger, d) = Deferred::with_canceller(|| Some(Ok(3)));
    let d = d.add_timeout(seconds(10), &clock);
    clock.advance(seconds(10));
    assert_eq!(value(d), 3);
    let (_trigger, d) = Deferred::<u32>::with_canceller(|| Some(Err(Oops(4).into())));
    let d = d.add_timeout(seconds(10), &clock);
    clock.advance(seconds(10));
    assert_eq!(oops(d), 4);
}

#[test]
fn d6_a_timeout_may_be_handled_by_a_function() {
    let clock = ManualClock::new();
    let (_trigger, d) = Deferred::<String>::new();
    let d = d.add_timeout_with(seconds(10), &clock, |failure, after| {
        Ok(format!("{} after {}", failure.is::<CancelledError>(), after.as_secs()))
    });
    clock.advance(seconds(10));
    assert_eq!(value(d), "true after 10");
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_timeout_with(seconds(10), &clock, |_, _| unreachable!("it was in time"));
    trigger.errback(Oops(1));
    assert_eq!(oops(d), 1);
}

#[test]
fn d6_a_timeout_reaches_what_is_waited_on() {
    let clock = ManualClock::new();
    let log = Log::new();
    let note = log.clone();
    let (_trigger, inner) = Deferred::<u32>::with_canceller(move || {
        note.note("inner");
        None
    });
    let (start, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| inner).add_timeout(seconds(1), &clock);
    start.callback(());
    clock.advance(seconds(1));
    assert_eq!(log.take(), "inner");
    assert!(failure(outer).is::<TimeoutError>());
}

#[test]
fn d6_two_timeouts_the_shorter_one_wins() {
    let clock = ManualClock::new();
    let (_trigger, d) = Deferred::<u32>::new();
    let d = d.add_timeout(seconds(10), &clock).add_timeout(seconds(5), &clock);
    clock.advance(seconds(5));
    assert!(clock.delayed_calls().is_empty());
    assert_eq!(failure(d).check::<TimeoutError>().unwrap().after, seconds(5));
}

#[test]
fn d6_a_deferred_that_is_ready_needs_no_timer() {
    let clock = ManualClock::new();
    assert_eq!(value(Deferred::succeed(1).add_timeout(seconds(1), &clock)), 1);
    let (trigger, d) = Deferred::new();
    trigger.callback(2);
    assert_eq!(value(d.add_timeout(seconds(1), &clock)), 2);
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn d7_a_cancel_does_not_get_through_a_shield() {
    let log = Log::new();
    let note = log.clone();
    let (trigger, d) = Deferred::<u32>::with_canceller(|| unreachable!("it is shielded"));
    let d = d.map(move |n| note.note(n)).shield();
    d.cancel();
    assert!(failure(d).is::<CancelledError>());
    trigger.callback(5);
    assert_eq!(log.take(), "5", "the work went on");
}

#[test]
fn d7_a_shield_lets_results_through() {
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.shield();
    trigger.callback(1);
    assert_eq!(value(d), 1);
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.shield();
    trigger.errback(Oops(2));
    assert_eq!(oops(d), 2);
    assert_eq!(value(Deferred::succeed(3).shield()), 3);
}

#[test]
fn d7_what_comes_through_a_cancelled_shield_is_dropped_or_reported() {
    let collector = report::collect();
    let drops = Drops::new();
    let (trigger, d) = Deferred::new();
    let d = d.shield();
    d.cancel();
    trigger.callback(drops.token());
    assert_eq!(drops.alive(), 0);
    assert!(failure(d).is::<CancelledError>());
    assert!(collector.take().is_empty());
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.shield();
    d.cancel();
    trigger.errback(Oops(1));
    assert_eq!(collector.take().len(), 1);
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn d7_a_canceller_that_panics_is_reported_and_the_deferred_still_ends_in_cancelled_error() {
    quietly(|| {
        let collector = report::collect();
        let drops = Drops::new();
        let token = drops.token();
        let (_trigger, d) = Deferred::<u32>::with_canceller(move || {
            token.hold();
            panic!("on purpose")
        });
        d.cancel();
        let reports = collector.take();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].headline, "Unhandled error in the canceller of a Deferred");
        assert!(reports[0].to_string().contains("on purpose"));
        assert_eq!(drops.alive(), 0);
        assert!(failure(d).is::<CancelledError>());
    });
}

#[test]
fn d7_a_set_canceller_that_panics_is_reported_too() {
    quietly(|| {
        let collector = report::collect();
        let (_trigger, d) = Deferred::<u32>::new();
        let _held = OnDrop::new(|| ());
        let d = d.on_cancel(|| panic!("on purpose"));
        d.cancel();
        assert_eq!(collector.take().len(), 1);
        assert!(failure(d).is::<CancelledError>());
    });
}
