//! Several at once.

use crate::common::{Drops, Log, Oops, Stash, failure, oops, quietly, result, value};
use hereafter::errors::{
    Abandoned, CancelledError, FailureGroup, FirstError, QueueOverflow, QueueUnderflow,
};
use hereafter::{
    Deferred, DeferredList, DeferredLock, DeferredQueue, DeferredSemaphore, Failure, Trigger,
    gather, gather_results, race, report,
};
use hereafter_testing::{plain_test, test};

/// Pending deferreds and their triggers.
fn several<const N: usize>() -> ([Option<Trigger<u32>>; N], [Deferred<u32>; N]) {
    let mut triggers = Vec::new();
    let deferreds = std::array::from_fn(|_| {
        let (trigger, d) = Deferred::new();
        triggers.push(Some(trigger));
        d
    });
    let Ok(triggers) = triggers.try_into() else { unreachable!("there are as many") };
    (triggers, deferreds)
}

/// `2` for a value, `!3` for an `Oops(3)`.
fn show(results: Vec<Result<u32, Failure>>) -> String {
    let show = |result| match result {
        Ok(n) => format!("{n}"),
        Err(failure) => {
            let failure: Failure = failure;
            failure.check::<Oops>().map_or(format!("{failure}"), |oops| format!("!{}", oops.0))
        }
    };
    results.into_iter().map(show).collect::<Vec<_>>().join(" ")
}

#[test]
fn e1_the_results_are_in_the_order_of_the_members() {
    let ([mut one, mut two, mut three], members) = several();
    let list = DeferredList::new(members).wait();
    three.take().unwrap().callback(3);
    one.take().unwrap().callback(1);
    assert!(!list.has_result());
    two.take().unwrap().errback(Oops(2));
    assert_eq!(show(value(list)), "1 !2 3");
}

#[test]
fn e1_members_may_be_ready() {
    let members = [Deferred::succeed(1), Deferred::fail(Oops(2))];
    assert_eq!(show(value(DeferredList::new(members).wait())), "1 !2");
    let (trigger, late) = Deferred::new();
    let list = DeferredList::new([Deferred::succeed(1), late, Deferred::succeed(3)]).wait();
    assert!(!list.has_result());
    trigger.callback(2);
    assert_eq!(show(value(list)), "1 2 3");
}

#[test]
fn e1_fire_on_one_callback_gives_the_first_value_and_its_index() {
    let ([mut one, mut two, mut three], members) = several();
    let list = DeferredList::new(members).fire_on_one_callback();
    two.take().unwrap().callback(2);
    assert_eq!(value(list), (2, 1));
    one.take().unwrap().callback(1);
    three.take().unwrap().callback(3);
}

#[test]
fn e1_fire_on_one_callback_passes_failures_over() {
    let collector = report::collect();
    let ([mut one, mut two], members) = several();
    let list = DeferredList::new(members).fire_on_one_callback();
    one.take().unwrap().errback(Oops(1));
    assert!(!list.has_result());
    two.take().unwrap().callback(2);
    assert_eq!(value(list), (2, 1));
    assert_eq!(collector.take().len(), 1, "nobody else will see it");
}

#[test]
fn e1_fire_on_one_callback_of_those_that_all_fail_is_a_group() {
    let ([mut one, mut two], members) = several();
    let list = DeferredList::new(members).fire_on_one_callback();
    two.take().unwrap().errback(Oops(2));
    one.take().unwrap().errback(Oops(1));
    let failure = failure(list);
    let group = &failure.check::<FailureGroup>().unwrap().failures;
    let numbers: Vec<_> = group.iter().map(|f| f.check::<Oops>().unwrap().0).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(failure.to_string(), "all 2 failed; #0: oops 1; #1: oops 2");
}

#[test]
fn e1_fire_on_one_errback_gives_the_first_failure_and_its_index() {
    let collector = report::collect();
    let ([_one, mut two, mut three], members) = several();
    let list = DeferredList::new(members).fire_on_one_errback();
    two.take().unwrap().errback(Oops(2));
    let failure = failure(list);
    let first = failure.check::<FirstError>().unwrap();
    assert_eq!((first.index, first.failure.check::<Oops>()), (1, Some(&Oops(2))));
    assert_eq!(failure.find::<Oops>(), Some(&Oops(2)));
    assert_eq!(failure.to_string(), "deferred #1 failed first: oops 2");
    assert!(collector.take().is_empty());
    three.take().unwrap().errback(Oops(3));
    assert_eq!(collector.take().len(), 1, "the list has fired, so nobody will see this one");
}

#[test]
fn e1_fire_on_one_errback_gives_all_values_if_none_fails() {
    let ([mut one, mut two], members) = several();
    let list = DeferredList::new(members).fire_on_one_errback();
    two.take().unwrap().callback(2);
    one.take().unwrap().callback(1);
    assert_eq!(value(list), [1, 2]);
}

#[test]
fn e1_fire_on_first_takes_either() {
    let ([_one, mut two], members) = several();
    let list = DeferredList::new(members).fire_on_first();
    two.take().unwrap().callback(2);
    assert_eq!(value(list), (2, 1));
    let ([mut one, _two], members) = several();
    let list = DeferredList::new(members).fire_on_first();
    one.take().unwrap().errback(Oops(1));
    assert_eq!(failure(list).check::<FirstError>().unwrap().index, 0);
}

#[test]
fn e1_it_fires_once_and_ignores_the_rest() {
    let drops = Drops::new();
    let (one, first) = Deferred::new();
    let (two, second) = Deferred::new();
    let list = DeferredList::new([first, second]).fire_on_one_callback();
    one.callback(drops.token());
    two.callback(drops.token());
    assert_eq!(drops.alive(), 1);
    assert_eq!(value(list).1, 0);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn e1_an_empty_list_fires_at_once_unless_it_waits_for_a_value() {
    assert!(value(DeferredList::<u32>::new([]).wait()).is_empty());
    assert!(value(DeferredList::<u32>::new([]).fire_on_one_errback()).is_empty());
    // Twisted's never fires; here nobody could ever fire it, and it says so.
    assert!(failure(DeferredList::<u32>::new([]).fire_on_one_callback()).is::<Abandoned>());
    assert!(failure(DeferredList::<u32>::new([]).fire_on_first()).is::<Abandoned>());
}

#[test]
fn e1_members_may_be_added_one_by_one() {
    let mut list = DeferredList::new([Deferred::succeed(1)]);
    list.push(Deferred::succeed(2));
    list.push(Deferred::fail(Oops(3)));
    assert_eq!(show(value(list.wait())), "1 2 !3");
}

#[test]
fn e1_a_list_of_which_nobody_holds_the_deferred_still_gathers() {
    let collector = report::collect();
    let drops = Drops::new();
    let (one, first) = Deferred::new();
    drop(DeferredList::new([first]).wait());
    one.callback(drops.token());
    assert_eq!(drops.alive(), 0);
    let ([mut one], members) = several();
    drop(DeferredList::new(members).fire_on_one_errback());
    one.take().unwrap().errback(Oops(1));
    assert_eq!(collector.take().len(), 1);
}

#[test]
fn e2_a_watched_members_result_goes_on_down_its_own_chain() {
    for good in [true, false] {
        let log = Log::new();
        let [before, after] = [(); 2].map(|()| log.clone());
        let (trigger, d) = Deferred::<u32>::new();
        let d = d.add_both(move |result| {
            before.note(format!("before {}", result.is_ok()));
            result.map(|n| n + 1)
        });
        let mut list = DeferredList::new([]);
        let d = list.watch(d).add_both(move |result| {
            after.note(format!("after {}", result.is_ok()));
            result.map(|n| n * 100)
        });
        let list = list.wait();
        trigger.fire(if good { Ok(1) } else { Err(Oops(5).into()) });
        assert_eq!(log.take(), format!("before {good}, after {good}"));
        assert_eq!(show(value(list)), if good { "2" } else { "!5" }, "as it was when it joined");
        assert_eq!(result(d).ok(), good.then_some(200));
    }
}

#[test]
fn e2_a_watched_member_that_is_ready() {
    let mut list = DeferredList::new([]);
    let d = list.watch(Deferred::succeed(1)).map(|n| n + 1);
    assert_eq!(show(value(list.wait())), "1");
    assert_eq!(value(d), 2);
}

#[test]
fn e2_consume_errors_drops_the_failures_that_nobody_will_see() {
    let collector = report::collect();
    let ([mut one, mut two, mut three], members) = several();
    let list = DeferredList::new(members).consume_errors().fire_on_one_errback();
    one.take().unwrap().errback(Oops(1));
    two.take().unwrap().errback(Oops(2));
    three.take().unwrap().errback(Oops(3));
    assert_eq!(failure(list).check::<FirstError>().unwrap().index, 0);
    assert!(collector.take().is_empty());
    let ([mut one, mut two], members) = several();
    let list = DeferredList::new(members).consume_errors().fire_on_one_callback();
    one.take().unwrap().errback(Oops(1));
    two.take().unwrap().callback(2);
    assert_eq!(value(list), (2, 1));
    assert!(collector.take().is_empty());
}

#[test]
fn e2_the_failures_in_a_list_that_waits_for_all_are_its_readers() {
    let collector = report::collect();
    let list = DeferredList::new([Deferred::<u32>::fail(Oops(1))]).wait();
    assert_eq!(show(value(list)), "!1");
    assert!(collector.take().is_empty());
}

#[test]
fn e3_cancelling_the_list_cancels_every_member() {
    let log = Log::new();
    let mut triggers = Vec::new();
    let members = [1, 2, 3].map(|n| {
        let note = log.clone();
        let (trigger, d) = Deferred::<u32>::with_canceller(move || {
            note.note(n);
            None
        });
        triggers.push(trigger);
        d
    });
    let list = DeferredList::new(members).wait();
    list.cancel();
    assert_eq!(log.take(), "1, 2, 3");
    let results = value(list);
    assert!(results.into_iter().all(|result| result.unwrap_err().is::<CancelledError>()));
}

#[test]
fn e3_a_canceller_that_panics_does_not_stop_the_others() {
    quietly(|| {
        let collector = report::collect();
        let log = Log::new();
        let note = log.clone();
        let (_one, first) = Deferred::<u32>::with_canceller(|| panic!("on purpose"));
        let (_two, second) = Deferred::<u32>::with_canceller(move || {
            note.note("second");
            None
        });
        let list = DeferredList::new([first, second]).wait();
        list.cancel();
        assert_eq!(log.take(), "second");
        assert_eq!(collector.take().len(), 1);
        assert_eq!(value(list).len(), 2);
    });
}

#[test]
fn e3_the_list_fires_as_its_members_do() {
    // One is not so quickly cancelled; the list waits for it, and may be cancelled again.
    let (_one, first) = Deferred::<u32>::new();
    let (late, recovery) = Deferred::<u32>::new();
    let (_two, second) = Deferred::<u32>::new();
    let second = second.add_errback(move |_| recovery);
    let list = DeferredList::new([first, second]).wait();
    list.cancel();
    assert!(!list.has_result());
    late.callback(2);
    let results = value(list);
    assert!(results[0].as_ref().unwrap_err().is::<CancelledError>());
    assert_eq!(*results[1].as_ref().unwrap(), 2);
}

#[test]
fn e3_cancelling_gather_results_cancels_all_and_is_a_first_error() {
    let log = Log::new();
    let mut triggers = Vec::new();
    let members = [1, 2, 3].map(|n| {
        let note = log.clone();
        let (trigger, d) = Deferred::<u32>::with_canceller(move || {
            note.note(n);
            None
        });
        triggers.push(trigger);
        d
    });
    let collector = report::collect();
    let d = gather_results(members);
    d.cancel();
    assert_eq!(log.take(), "1, 2, 3");
    let failure = failure(d);
    assert!(failure.check::<FirstError>().unwrap().failure.is::<CancelledError>());
    assert!(collector.take().is_empty(), "the cancel of the others was asked for");
}

#[test]
fn e3_cancelling_reaches_through_a_chain_that_waits_on_the_list() {
    let (_one, first) = Deferred::<u32>::with_canceller(|| Some(Ok(1)));
    let (_two, second) = Deferred::<u32>::with_canceller(|| Some(Ok(2)));
    let (start, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| gather_results([first, second]));
    start.callback(());
    outer.cancel();
    assert_eq!(value(outer), [1, 2]);
}

#[test]
fn e3_cancelling_a_list_cancels_what_it_watches() {
    let (_trigger, d) = Deferred::<u32>::new();
    let mut list = DeferredList::new([]);
    let d = list.watch(d).add_errback(|failure| {
        failure.trap::<CancelledError>()?;
        Ok(7)
    });
    let list = list.wait();
    list.cancel();
    assert!(value(list)[0].as_ref().unwrap_err().is::<CancelledError>());
    assert_eq!(value(d), 7);
}

#[test]
fn e3_a_cancelled_list_waits_for_what_it_watches() {
    let (_trigger, mut d) = Deferred::<u32>::new();
    let guard = d.pause();
    let mut list = DeferredList::new([]);
    let d = list.watch(d);
    let list = list.wait();
    list.cancel();
    assert!(!list.has_result(), "the member is cancelled, but paused");
    guard.unpause();
    assert!(value(list)[0].as_ref().unwrap_err().is::<CancelledError>());
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn e3_cancelling_a_list_reaches_what_a_watched_member_waits_for_by_then() {
    let (start, d) = Deferred::<u32>::new();
    let (_late, later) = Deferred::<u32>::with_canceller(|| Some(Ok(2)));
    let (_other, other) = Deferred::<u32>::new();
    let mut list = DeferredList::new([other]);
    let d = list.watch(d).add_callback(move |_| later);
    let list = list.wait();
    start.callback(1);
    assert!(!d.has_result());
    list.cancel();
    assert_eq!(value(d), 2);
    assert_eq!(*value(list)[1].as_ref().unwrap(), 1, "which it had before");
}

// It leaks: the two wait for one another for ever, which only a cycle collector could see.
#[plain_test]
fn e3_cancelling_a_list_that_a_member_of_it_waits_for() {
    let (start, d) = Deferred::<()>::new();
    let list: Stash<Deferred<u32>> = Stash::new();
    let take = list.clone();
    let mut d = d.add_callback(move |()| take.take());
    let handle = d.cancel_handle();
    list.put(gather_results([d]).map(|values| values[0]));
    start.callback(());
    let collector = report::collect();
    handle.cancel();
    assert!(collector.take().is_empty(), "it waits for itself, which no cancel can end");
}

#[test]
fn e3_cancelling_a_list_that_has_fired_does_nothing() {
    let (_one, first) = Deferred::<u32>::with_canceller(|| unreachable!("the list has fired"));
    let list = DeferredList::new([first, Deferred::succeed(2)]).fire_on_one_callback();
    list.cancel();
    assert_eq!(value(list), (2, 1));
}

#[test]
fn e4_gather_results_gives_plain_values_in_order() {
    let ([mut one, mut two], members) = several();
    let d = gather_results(members);
    two.take().unwrap().callback(2);
    one.take().unwrap().callback(1);
    assert_eq!(value(d), [1, 2]);
    assert!(value(gather_results::<u32>([])).is_empty());
    assert_eq!(value(gather_results([Deferred::succeed(1), Deferred::succeed(2)])), [1, 2]);
}

#[test]
fn e4_gather_results_fails_with_the_first_error() {
    let ([_one, mut two], members) = several();
    let d = gather_results(members);
    two.take().unwrap().errback(Oops(4));
    assert_eq!(failure(d).check::<FirstError>().unwrap().index, 1);
    let members = [Deferred::succeed(1), Deferred::fail(Oops(2)), Deferred::succeed(3)];
    assert_eq!(failure(gather_results(members)).check::<FirstError>().unwrap().index, 1);
}

#[test]
fn e4_gather_results_that_has_failed_reports_later_failures() {
    let collector = report::collect();
    let members = [Deferred::<u32>::fail(Oops(1)), Deferred::fail(Oops(2))];
    assert_eq!(failure(gather_results(members)).check::<FirstError>().unwrap().index, 0);
    let reports = collector.take();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].failure.check::<Oops>(), Some(&Oops(2)));
}

#[test]
fn e4_gather_takes_a_tuple_of_different_types() {
    let (one, first) = Deferred::<u8>::new();
    let (two, second) = Deferred::<String>::new();
    let d = gather((first, second, Deferred::succeed([1.5_f64; 4])));
    two.callback("two".into());
    assert!(!d.has_result());
    one.callback(1);
    assert_eq!(value(d), (1, String::from("two"), [1.5; 4]));
    let (_one, first) = Deferred::<u8>::new();
    let (_two, second) = Deferred::<String>::with_canceller(|| Some(Err(Oops(3).into())));
    let d = gather((first, second));
    let collector = report::collect();
    d.cancel();
    assert!(failure(d).check::<FirstError>().is_some());
    drop(collector);
}

#[test]
fn e4_race_gives_the_first_value_and_cancels_the_rest() {
    let log = Log::new();
    let mut triggers = Vec::new();
    let members = [0, 1, 2].map(|n| {
        let note = log.clone();
        let (trigger, d) = Deferred::<&str>::with_canceller(move || {
            note.note(n);
            None
        });
        triggers.push(trigger);
        d
    });
    let collector = report::collect();
    let note = log.clone();
    let d = race(members).map(move |winner| {
        note.note("fires");
        winner
    });
    triggers.remove(1).callback("b");
    assert_eq!(log.take(), "0, 2, fires");
    assert_eq!(value(d), (1, "b"));
    assert!(collector.take().is_empty(), "that they were cancelled is nobody's concern");
}

#[test]
fn e4_race_passes_failures_over() {
    let ([mut one, mut two], members) = several();
    let d = race(members);
    one.take().unwrap().errback(Oops(1));
    assert!(!d.has_result());
    two.take().unwrap().callback(2);
    assert_eq!(value(d), (1, 2));
}

#[test]
fn e4_race_with_a_winner_at_the_start_cancels_the_rest_too() {
    let log = Log::new();
    let [a, b] = [(); 2].map(|()| log.clone());
    let (_one, before) = Deferred::<u32>::with_canceller(move || {
        a.note("before");
        None
    });
    let (_two, after) = Deferred::<u32>::with_canceller(move || {
        b.note("after");
        None
    });
    let d = race([before, Deferred::succeed(5), after]);
    assert_eq!(value(d), (1, 5));
    assert_eq!(log.take(), "before, after");
}

#[test]
fn e4_race_that_all_lose_is_a_failure_group() {
    let d = race::<u32>([Deferred::fail(Oops(1)), Deferred::fail(Oops(2))]);
    let failure = failure(d);
    let failures = &failure.check::<FailureGroup>().unwrap().failures;
    let numbers: Vec<_> = failures.iter().map(|f| f.check::<Oops>().unwrap().0).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn e4_cancelling_a_race_cancels_all_and_is_a_failure_group() {
    let ([_one, _two], members) = several();
    let d = race(members);
    d.cancel();
    let failure = failure(d);
    let failures = &failure.check::<FailureGroup>().unwrap().failures;
    assert!(failures.len() == 2 && failures.iter().all(Failure::is::<CancelledError>));
}

#[test]
fn e4_a_cancelled_race_does_not_wait_for_losers() {
    let (_trigger, mut loser) = Deferred::<u32>::new();
    let guard = loser.pause();
    let d = race([loser]);
    d.cancel();
    assert!(failure(d).is::<CancelledError>());
    guard.unpause();
}

#[test]
fn e4_a_race_that_is_won_by_being_cancelled_cancels_its_losers_on_both_accounts() {
    let (_one, first) = Deferred::<u32>::with_canceller(|| Some(Ok(1)));
    let (_two, second) = Deferred::<u32>::new();
    let (_three, third) = Deferred::<u32>::new();
    let log = Log::new();
    let note = log.clone();
    let stubborn = Deferred::from_coroutine(async move {
        note.note(second.await.unwrap_err());
        note.note(third.await.unwrap_err());
        Ok(2)
    });
    let d = race([first, stubborn]);
    d.cancel();
    assert_eq!(value(d), (0, 1));
    assert_eq!(log.take(), "the deferred was cancelled, the deferred was cancelled");
}

#[test]
fn e4_the_late_winner_of_a_cancelled_race_cancels_what_the_others_wait_for_by_now() {
    // A cancel does not reach it while it is paused.
    let mut late = Deferred::<u32>::succeed(1);
    let pause = late.pause();
    let (_trigger, never) = Deferred::<u32>::new();
    let log = Log::new();
    let note = log.clone();
    let never = never.add_errback(move |failure: Failure| {
        note.note(failure);
        Ok(0)
    });
    let (_first, other) = Deferred::<u32>::new();
    let other = other.add_errback(move |_| never);
    let d = race([late, other]);
    d.cancel();
    assert!(failure(d).is::<CancelledError>());
    assert_eq!(log.take(), "");
    pause.unpause();
    assert_eq!(log.take(), "the deferred was cancelled");
}

#[test]
fn e4_a_race_of_nobody_is_abandoned() {
    assert!(failure(race::<u32>([])).is::<Abandoned>());
}

#[test]
fn e5_a_lock_lets_them_in_one_by_one_in_order() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let first = value(lock.acquire());
    assert!(lock.is_locked());
    let guards = Stash::new();
    let waiting: Vec<_> = (1..=3)
        .map(|n| {
            let (note, keep) = (log.clone(), guards.clone());
            lock.acquire().map(move |guard| {
                note.note(n);
                keep.put(guard);
            })
        })
        .collect();
    assert_eq!(lock.waiting(), 3);
    drop(first);
    assert_eq!(log.take(), "1");
    drop(guards.take());
    assert_eq!(log.take(), "2");
    drop(guards.take());
    assert_eq!(log.take(), "3");
    assert!(lock.is_locked());
    drop(guards.take());
    assert!(!lock.is_locked());
    waiting.into_iter().for_each(value);
}

#[test]
fn e5_who_asks_again_while_a_lock_is_handed_on_waits_until_it_is_his_turn() {
    let (lock, log) = (DeferredLock::new(), Log::new());
    let held = value(lock.acquire());
    let (again, note, last) = (lock.clone(), log.clone(), log.clone());
    let first = lock.acquire().map(move |guard| {
        note.note("first");
        drop(guard);
        // It is free now, but somebody has asked for it before.
        assert!(again.try_acquire().is_none());
        drop(again.acquire().map(move |_guard| last.note("first again")));
    });
    let note = log.clone();
    let second = lock.acquire().map(move |_guard| note.note("second"));
    drop(held);
    value(first);
    value(second);
    assert_eq!(log.take(), "first, second, first again");
    assert!(!lock.is_locked());
}

#[test]
fn e5_a_lock_runs_a_function_and_is_released_when_its_outcome_is_there() {
    let lock = DeferredLock::new();
    let (trigger, work) = Deferred::<u32>::new();
    let d = lock.run(move || work);
    assert!(lock.is_locked());
    let log = Log::new();
    let note = log.clone();
    let next = lock.run(move || {
        note.note("next");
        Ok(2)
    });
    assert_eq!(log.take(), "");
    trigger.callback(1);
    assert_eq!((log.take(), value(d), value(next)), ("next".into(), 1, 2));
    assert!(!lock.is_locked());
}

#[test]
fn e5_a_lock_is_released_when_the_function_fails_or_panics() {
    quietly(|| {
        let lock = DeferredLock::new();
        assert_eq!(oops(lock.run(|| -> Result<u32, Failure> { Err(Oops(1).into()) })), 1);
        assert!(!lock.is_locked());
        failure(lock.run(|| -> Result<u32, Failure> { panic!("on purpose") }));
        assert!(!lock.is_locked());
        let (trigger, work) = Deferred::<u32>::new();
        let d = lock.run(move || work);
        trigger.errback(Oops(2));
        assert!(!lock.is_locked());
        assert_eq!(oops(d), 2);
    });
}

#[test]
fn e5_a_cancelled_wait_leaves_the_row() {
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let (first, second) = (lock.acquire(), lock.acquire());
    first.cancel();
    assert_eq!(lock.waiting(), 1);
    assert!(failure(first).is::<CancelledError>());
    drop(guard);
    assert!(second.has_result());
    drop(value(second));
    assert!(!lock.is_locked());
}

#[test]
fn e5_cancelling_run_cancels_the_wait_or_the_work() {
    let lock = DeferredLock::new();
    let (_trigger, work) = Deferred::<u32>::with_canceller(|| Some(Ok(9)));
    let working = lock.run(move || work);
    let waiting = lock.run(|| -> Result<u32, Failure> { unreachable!("it was cancelled") });
    waiting.cancel();
    assert!(failure(waiting).is::<CancelledError>());
    assert!(lock.is_locked());
    working.cancel();
    assert_eq!(value(working), 9);
    assert!(!lock.is_locked());
}

#[test]
fn e5_a_semaphore_lets_so_many_in() {
    let semaphore = DeferredSemaphore::new(2);
    assert_eq!((semaphore.limit(), semaphore.tokens()), (2, 2));
    let (first, second) = (value(semaphore.acquire()), value(semaphore.acquire()));
    assert!(semaphore.try_acquire().is_none());
    let third = semaphore.acquire();
    assert_eq!((semaphore.tokens(), semaphore.waiting()), (0, 1));
    assert!(!third.has_result());
    drop(first);
    assert!(third.has_result());
    drop(second);
    assert_eq!(semaphore.tokens(), 1);
    drop(third);
    assert_eq!(semaphore.tokens(), 2);
}

#[test]
fn e5_a_semaphore_runs_so_many_at_once() {
    let semaphore = DeferredSemaphore::new(2);
    let ([mut one, mut two, mut three], works) = several();
    let mut running = works.map(|work| semaphore.run(move || work)).into_iter();
    assert_eq!((semaphore.tokens(), semaphore.waiting()), (0, 1));
    three.take().unwrap().callback(3);
    assert_eq!(semaphore.waiting(), 1, "it has not been asked for its work");
    one.take().unwrap().callback(1);
    assert_eq!((semaphore.tokens(), semaphore.waiting()), (1, 0));
    two.take().unwrap().callback(2);
    assert_eq!(semaphore.tokens(), 2);
    assert_eq!([(); 3].map(|()| value(running.next().unwrap())), [1, 2, 3]);
}

#[test]
#[should_panic(expected = "a DeferredSemaphore needs at least one token")]
fn e5_a_semaphore_without_tokens_is_refused() {
    let _ = DeferredSemaphore::new(0);
}

#[test]
fn e5_a_permit_may_be_given_back_by_a_coroutine() {
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let own = lock.clone();
    let (trigger, work) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        let _guard = own.acquire().await?;
        work.await
    });
    drop(guard);
    assert!(lock.is_locked());
    trigger.callback(1);
    assert!(!lock.is_locked());
    assert_eq!(value(d), 1);
}

#[test]
fn e5_a_queue_gives_objects_in_order_to_those_who_wait_in_order() {
    let queue = DeferredQueue::new();
    let (first, second) = (queue.get(), queue.get());
    assert_eq!(queue.waiting(), 2);
    for n in 1..=4 {
        queue.put(n).unwrap();
    }
    assert_eq!((value(first), value(second), queue.len()), (1, 2, 2));
    assert_eq!((value(queue.get()), value(queue.get())), (3, 4));
    assert!(queue.is_empty());
}

#[test]
fn e5_a_queue_overflows_and_gives_the_object_back() {
    let queue = DeferredQueue::bounded(Some(2), None);
    queue.put(String::from("a")).unwrap();
    queue.put(String::from("b")).unwrap();
    let overflow: QueueOverflow<String> = queue.put(String::from("c")).unwrap_err();
    assert_eq!(overflow.0, "c");
    assert_eq!(overflow.to_string(), "the queue is full");
    assert_eq!(value(queue.get()), "a");
    queue.put(String::from("d")).unwrap();
}

#[test]
fn e5_a_queue_of_no_size_gives_to_those_who_wait_alone() {
    let queue = DeferredQueue::bounded(Some(0), None);
    assert!(queue.put(1).is_err());
    let d = queue.get();
    queue.put(2).unwrap();
    assert_eq!(value(d), 2);
}

#[test]
fn e5_a_queue_underflows() {
    let queue = DeferredQueue::<u32>::bounded(None, Some(1));
    let first = queue.get();
    assert!(failure(queue.get()).is::<QueueUnderflow>());
    queue.put(1).unwrap();
    assert_eq!(value(first), 1);
    let again = queue.get();
    assert!(!again.has_result(), "there is room again");
    again.cancel();
    assert!(failure(again).is::<CancelledError>());
}

#[test]
fn e5_cancelling_a_get_leaves_the_queue() {
    let queue = DeferredQueue::new();
    let (first, second) = (queue.get(), queue.get());
    first.cancel();
    assert_eq!(queue.waiting(), 1);
    assert!(failure(first).is::<CancelledError>());
    queue.put(1).unwrap();
    assert_eq!(value(second), 1);
}
