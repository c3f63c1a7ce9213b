//! Waiting on another deferred.

use crate::common::{
    Drops, Log, Oops, Stash, failure, many, oops, quietly, result, value, with_small_stack,
};
use hereafter::errors::{Abandoned, CancelledError, CycleError};
use hereafter::{Deferred, Failure, Trigger, report};
use hereafter_testing::{plain_test, test};

#[test]
fn b1_a_returned_deferred_is_waited_for_and_its_final_result_goes_on() {
    let log = Log::new();
    let (late, inner) = Deferred::<u32>::new();
    let (trigger, outer) = Deferred::<()>::new();
    let (a, b) = (log.clone(), log.clone());
    let inner = inner.map(move |n| {
        a.note(format!("inner {n}"));
        n * 10
    });
    let outer = outer.add_callback(move |()| inner).map(move |n| {
        b.note(format!("outer {n}"));
        n + 1
    });
    trigger.callback(());
    assert!(!outer.has_result());
    assert_eq!(log.take(), "");
    late.callback(4);
    assert_eq!(log.take(), "inner 4, outer 40");
    assert_eq!(value(outer), 41);
}

#[test]
fn b1_the_failure_of_the_inner_goes_to_the_outers_next_errback() {
    let (late, inner) = Deferred::<u32>::new();
    let outer = Deferred::succeed(())
        .add_callback(move |()| inner)
        .map(|_| -> u32 { unreachable!() })
        .add_errback(|failure| Ok(failure.check::<Oops>().unwrap().0));
    late.errback(Oops(6));
    assert_eq!(value(outer), 6);
}

#[test]
fn b1_the_failure_went_to_the_outer_so_the_inner_reports_none() {
    let collector = report::collect();
    let (late, inner) = Deferred::<u32>::new();
    let (trigger, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| inner);
    trigger.callback(());
    late.errback(Oops(6));
    assert!(collector.take().is_empty());
    assert_eq!(oops(outer), 6);
    assert!(collector.take().is_empty());
}

#[test]
fn b1_every_kind_of_link_may_give_back_a_deferred() {
    fn later() -> (Trigger<u32>, Deferred<u32>) {
        Deferred::new()
    }
    for ready in [false, true] {
        let (t1, d1) = later();
        let (t2, d2) = later();
        let (t3, d3) = later();
        let (t4, d4) = later();
        let (t5, d5) = later();
        let (start, d) = later();
        let mut start = Some(start);
        if ready {
            start.take().unwrap().callback(0);
        }
        let d = d
            .add_callback(move |n| d1.map(move |m| n + m))
            .add_callbacks(move |n| d2.map(move |m| n + m), |_| Ok(0))
            .add_both(move |result| d3.map(move |m| result.unwrap() + m))
            .add_callback(|_| -> Result<u32, Failure> { Err(Oops(1).into()) })
            .add_errback(move |_| d4)
            .add_callback(|_| -> Result<u32, Failure> { Err(Oops(1).into()) })
            .add_callbacks(Ok, move |_| d5);
        if let Some(start) = start {
            start.callback(0);
        }
        t1.callback(1);
        t2.callback(2);
        t3.callback(3);
        t4.callback(4);
        assert!(!d.has_result());
        t5.callback(5);
        assert_eq!(value(d), 5);
    }
}

#[test]
fn b1_deferreds_of_different_types_wait_for_one_another() {
    let drops = Drops::new();
    let (t1, d1) = Deferred::<[u64; 8]>::new();
    let (t2, d2) = Deferred::<String>::new();
    let (t3, d3) = Deferred::<u8>::new();
    let token = drops.token();
    let d = d3
        .add_callback(move |n| d2.map(move |text| format!("{n}{text}")))
        .add_callback(move |text| d1.map(move |array| (text.len(), array[7], token)));
    t3.callback(1);
    t2.callback("abc".into());
    t1.callback([9; 8]);
    let (length, last, token) = value(d);
    assert_eq!((length, last), (4, 9));
    drop(token);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn b2_an_inner_that_has_fired_is_taken_at_once() {
    let log = Log::new();
    let (early, inner) = Deferred::<u32>::new();
    early.callback(3);
    let (trigger, outer) = Deferred::<()>::new();
    let note = log.clone();
    let outer = outer.add_callback(move |()| inner).map(move |n| note.note(n));
    trigger.callback(());
    assert_eq!(log.take(), "3");
    value(outer);
}

#[test]
fn b2_an_inner_that_failed_before_is_taken_at_once() {
    let (early, inner) = Deferred::<u32>::new();
    early.errback(Oops(3));
    let (trigger, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| inner);
    trigger.callback(());
    assert_eq!(oops(outer), 3);
}

#[test]
fn b2_a_paused_inner_is_waited_for() {
    let (early, mut inner) = Deferred::<u32>::new();
    let guard = inner.pause();
    early.callback(3);
    let (trigger, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| inner).map(|n| n + 1);
    trigger.callback(());
    assert!(!outer.has_result());
    guard.unpause();
    assert_eq!(value(outer), 4);
}

#[test]
fn b2_a_waiting_inner_is_waited_for() {
    let (last, innermost) = Deferred::<u32>::new();
    let (early, inner) = Deferred::<()>::new();
    let inner = inner.add_callback(move |()| innermost).map(|n| n * 2);
    early.callback(());
    let (trigger, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| inner).map(|n| n + 1);
    trigger.callback(());
    assert!(!outer.has_result());
    last.callback(10);
    assert_eq!(value(outer), 21);
}

#[test]
fn b2_a_running_inner_is_waited_for() {
    // The inner runs a callback that fires the outer, whose callback gives back the inner.
    let stash = Stash::<Deferred<u32>>::new();
    let (outer_trigger, outer) = Deferred::<()>::new();
    let reach = stash.clone();
    let outer = outer.add_callback(move |()| reach.take()).map(|n| n + 1);
    let (inner_trigger, inner) = Deferred::<u32>::new();
    stash.put(
        inner
            .map(move |n| {
                outer_trigger.callback(());
                n * 10
            })
            .map(|n| n + 5),
    );
    inner_trigger.callback(1);
    assert_eq!(value(outer), 16, "the final result, not what the inner had on its way");
}

#[test]
fn b2_an_outer_that_is_paused_as_well_goes_on_when_both_are_over() {
    let (late, inner) = Deferred::<u32>::new();
    let (trigger, outer) = Deferred::<()>::new();
    let mut outer = outer.add_callback(move |()| inner);
    trigger.callback(());
    let guard = outer.pause();
    let outer = outer.map(|n| n + 1);
    late.callback(1);
    assert!(!outer.has_result());
    guard.unpause();
    assert_eq!(value(outer), 2);
}

#[test]
fn b2_an_unpause_before_the_inner_fires_does_not_end_the_wait() {
    let (late, inner) = Deferred::<u32>::new();
    let (trigger, outer) = Deferred::<()>::new();
    let mut outer = outer.add_callback(move |()| inner);
    trigger.callback(());
    outer.pause().unpause();
    let outer = outer.map(|n| n + 1);
    assert!(!outer.has_result());
    late.callback(1);
    assert_eq!(value(outer), 2);
}

/// A deferred that waits for a deferred that waits ... for the one that the trigger fires. All
/// have been fired; each holds a token.
fn line_of_waiters(count: usize, drops: &Drops) -> (Trigger<usize>, Deferred<usize>) {
    let (last, mut d) = Deferred::new();
    for _ in 0..count {
        let (trigger, outer) = Deferred::<()>::new();
        let token = drops.token();
        d = outer.add_callback(move |()| d).map(move |n| {
            token.hold();
            n + 1
        });
        trigger.callback(());
    }
    (last, d)
}

#[plain_test]
fn b3_a_million_waiting_on_one_another_fire_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let drops = Drops::new();
        let (last, d) = line_of_waiters(count, &drops);
        assert!(!d.has_result());
        assert_eq!(drops.alive(), count);
        last.callback(0);
        assert_eq!(value(d), count);
        assert_eq!((drops.alive(), drops.dropped()), (0, count));
    });
}

#[plain_test]
fn b3_a_million_waiting_on_one_another_fail_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let drops = Drops::new();
        let (last, d) = line_of_waiters(count, &drops);
        last.errback(Oops(7));
        assert_eq!(drops.alive(), 0);
        assert_eq!(oops(d), 7);
    });
}

#[plain_test]
fn b3_a_million_that_never_fire_are_freed_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let collector = report::collect();
        let drops = Drops::new();
        let (last, d) = line_of_waiters(count, &drops);
        drop(d);
        // The last one was fired by nobody: that is a failure, which nobody handles.
        drop(last);
        assert_eq!(drops.alive(), 0);
        let reports = collector.take();
        assert_eq!(reports.len(), 1);
        assert!(reports[0].failure.is::<Abandoned>());
    });
}

#[plain_test]
fn b3_a_million_in_one_anothers_values_are_freed_in_constant_stack() {
    struct Nest(
        #[allow(dead_code, reason = "it is there to be dropped")] Option<Deferred<Box<Nest>>>,
    );
    let count = many(1_000_000);
    with_small_stack(move || {
        let mut nest = Nest(None);
        for _ in 0..count {
            let (trigger, d) = Deferred::new();
            trigger.callback(Box::new(nest));
            nest = Nest(Some(d));
        }
        drop(nest);
    });
}

#[plain_test]
fn b3_a_million_in_one_anothers_links_are_freed_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let collector = report::collect();
        let drops = Drops::new();
        let (trigger, mut d) = Deferred::<()>::new();
        let mut triggers = vec![trigger];
        for _ in 0..count {
            let (trigger, outer) = Deferred::<()>::new();
            let token = drops.token();
            d = outer.add_callback(move |()| {
                token.hold();
                d
            });
            triggers.push(trigger);
        }
        drop(d);
        drop(triggers);
        assert_eq!(drops.alive(), 0);
        drop(collector.take());
    });
}

#[plain_test]
fn b3_a_million_grow_at_the_inner_end_and_fire() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let (trigger, d) = Deferred::<usize>::new();
        let mut trigger = trigger;
        for _ in 0..count {
            let (inner_trigger, inner) = Deferred::<usize>::new();
            // A deferred of its own in between, that waits for the inner one.
            let (start, wait) = Deferred::<()>::new();
            let wait = wait.add_callback(move |()| inner).map(|n| n + 1);
            start.callback(());
            wait.chain_to(trigger);
            trigger = inner_trigger;
        }
        trigger.callback(0);
        assert_eq!(value(d), count);
    });
}

#[plain_test]
fn b3_a_million_that_have_fired_are_taken_one_by_one() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let mut d = Deferred::succeed(0);
        for _ in 0..count {
            let (trigger, outer) = Deferred::<()>::new();
            d = outer.add_callback(move |()| d).map(|n| n + 1);
            trigger.callback(());
        }
        assert_eq!(value(d), count);
    });
}

#[plain_test]
fn b3_chain_to_of_a_million_fires_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let drops = Drops::new();
        let (first, mut d) = Deferred::<usize>::new();
        for _ in 0..count {
            let (trigger, next) = Deferred::<usize>::new();
            let token = drops.token();
            d.chain_to(trigger);
            d = next.map(move |n| {
                token.hold();
                n + 1
            });
        }
        first.callback(0);
        assert_eq!(value(d), count);
        assert_eq!(drops.alive(), 0);
    });
}

#[plain_test]
fn b3_chain_to_of_a_million_that_never_fires_is_freed_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let collector = report::collect();
        let drops = Drops::new();
        let (first, mut d) = Deferred::<usize>::new();
        for _ in 0..count {
            let (trigger, next) = Deferred::<usize>::new();
            let token = drops.token();
            d.chain_to(trigger);
            d = next.map(move |n| {
                token.hold();
                n + 1
            });
        }
        drop(d);
        drop(first);
        assert_eq!(drops.alive(), 0);
        assert_eq!(collector.take().len(), 1);
    });
}

#[plain_test]
fn b3_a_long_line_is_cancelled_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let drops = Drops::new();
        let (last, d) = line_of_waiters(count, &drops);
        d.cancel();
        assert_eq!(drops.alive(), 0);
        assert!(last.is_cancelled());
        assert!(failure(d).is::<CancelledError>());
    });
}

#[plain_test]
fn b3_a_million_links_on_one_deferred_run_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let (trigger, mut d) = Deferred::new();
        for _ in 0..count {
            d = d.map(|n: usize| n + 1);
        }
        trigger.callback(0);
        assert_eq!(value(d), count);
    });
}

#[test]
fn b4_chain_to_fires_the_other_with_our_result() {
    for ready in [false, true] {
        let (target, other) = Deferred::<u32>::new();
        let other = other.map(|n| n + 1);
        let (trigger, d) = Deferred::<u32>::new();
        let mut trigger = Some(trigger);
        if ready {
            trigger.take().unwrap().callback(4);
        }
        d.map(|n| n * 10).chain_to(target);
        if let Some(trigger) = trigger {
            assert!(!other.has_result());
            trigger.callback(4);
        }
        assert_eq!(value(other), 41);
    }
}

#[test]
fn b4_chain_to_fires_the_other_with_our_failure_and_ours_is_handled() {
    let collector = report::collect();
    let (target, other) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::<u32>::new();
    d.chain_to(target);
    trigger.errback(Oops(2));
    assert_eq!(oops(other), 2);
    let (target, other) = Deferred::<u32>::new();
    Deferred::fail(Oops(3)).chain_to(target);
    assert_eq!(oops(other), 3);
    assert!(collector.take().is_empty());
}

#[test]
fn b4_chained_to_a_deferred_that_has_been_cancelled() {
    let collector = report::collect();
    for result in [Ok(1), Err(Failure::new(Oops(1)))] {
        let failed = result.is_err();
        let (target, other) = Deferred::<u32>::new();
        let (trigger, d) = Deferred::<u32>::new();
        d.chain_to(target);
        other.cancel();
        assert!(failure(other).is::<CancelledError>());
        trigger.fire(result);
        let reports = collector.take();
        assert_eq!(reports.len(), usize::from(failed), "only a failure is of interest");
    }
}

#[test]
fn b4_chained_to_a_paused_deferred_waits_for_the_unpause() {
    let (target, mut other) = Deferred::<u32>::new();
    let guard = other.pause();
    let other = other.map(|n| n + 1);
    let (trigger, d) = Deferred::<u32>::new();
    d.chain_to(target);
    trigger.callback(1);
    assert!(!other.has_result());
    drop(guard);
    assert_eq!(value(other), 2);
}

#[test]
fn b4_values_of_every_size_are_handed_on() {
    #[repr(align(32))]
    struct Aligned(u8);
    let drops = Drops::new();
    let (target, other) = Deferred::<(Aligned, crate::common::Token)>::new();
    let (trigger, d) = Deferred::new();
    d.chain_to(target);
    trigger.callback((Aligned(9), drops.token()));
    let (aligned, token) = value(other);
    assert_eq!((aligned.0, &raw const aligned as usize % 32), (9, 0));
    drop(token);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn b5_a_deferred_that_is_given_back_to_itself_fails() {
    let stash = Stash::<Deferred<u32>>::new();
    let (trigger, d) = Deferred::<u32>::new();
    let (reach, log) = (stash.clone(), Log::new());
    let note = log.clone();
    stash.put(d.add_callback(move |_| reach.take()).add_both(move |result| {
        note.note(result.is_err_and(|failure| failure.is::<CycleError>()));
        Ok(0)
    }));
    trigger.callback(1);
    assert_eq!(log.take(), "true");
}

#[test]
fn b5_a_cycle_of_several_fails_where_it_is_closed() {
    let collector = report::collect();
    let stash = Stash::<Deferred<u32>>::new();
    let (first_trigger, first) = Deferred::<u32>::new();
    let (second_trigger, second) = Deferred::<u32>::new();
    let (third_trigger, third) = Deferred::<u32>::new();
    let reach = stash.clone();
    let third = third.add_callback(move |_| reach.take());
    let second = second.add_callback(move |_| third);
    stash.put(first.add_callback(move |_| second));
    first_trigger.callback(1);
    second_trigger.callback(1);
    third_trigger.callback(1);
    let reports = collector.take();
    assert_eq!(reports.len(), 1, "it ends in the first, which nobody holds any more");
    assert!(reports[0].failure.is::<CycleError>());
}

#[test]
fn b5_a_cycle_error_says_where_and_an_errback_may_recover() {
    let stash = Stash::<Deferred<u32>>::new();
    let line = line!() + 1;
    let (trigger, d) = Deferred::<u32>::new();
    let reach = stash.clone();
    let seen = Stash::new();
    let tell = seen.clone();
    stash.put(d.add_callback(move |_| reach.take()).add_errback(move |failure| {
        tell.put(failure.trap::<CycleError>()?.made().line());
        Ok(5)
    }));
    trigger.callback(1);
    assert_eq!(seen.take(), line);
}

#[test]
fn b5_a_chain_that_leads_back_to_itself_fails_where_it_is_closed() {
    let collector = report::collect();
    let drops = Drops::new();
    let token = drops.token();
    let (trigger, d) = Deferred::<u32>::new();
    let coroutine = Deferred::from_coroutine(async move {
        let failure = d.await.unwrap_err();
        token.hold();
        assert!(failure.is::<CycleError>());
        failure.raise::<u32>()
    });
    coroutine.chain_to(trigger);
    assert_eq!(drops.alive(), 0, "it came to its end");
    let reports = collector.take();
    assert_eq!(reports.len(), 1, "nobody holds the coroutine any more");
    assert!(reports[0].failure.is::<CycleError>());
}

#[test]
fn b5_a_cycle_through_chain_to_fails() {
    // The first fires the second by `chain_to`, and waits on it.
    let collector = report::collect();
    let stash = Stash::<Deferred<u32>>::new();
    let (trigger, first) = Deferred::<u32>::new();
    let (target, second) = Deferred::<u32>::new();
    let (reach, drops) = (stash.clone(), Drops::new());
    let token = drops.token();
    stash.put(second);
    first
        .add_callback(move |_| {
            token.hold();
            reach.take()
        })
        .map(|n| n + 1)
        .chain_to(target);
    trigger.callback(1);
    assert_eq!(drops.alive(), 0);
    assert!(collector.take().iter().any(|report| report.failure.is::<CycleError>()));
}

#[test]
fn b5_a_cycle_through_a_coroutine_fails() {
    // The coroutine awaits a deferred whose callback gives back the coroutine's own.
    let collector = report::collect();
    let stash = Stash::<Deferred<u32>>::new();
    let (trigger, d) = Deferred::<u32>::new();
    let reach = stash.clone();
    let d = d.add_callback(move |_| reach.take());
    stash.put(Deferred::from_coroutine(d));
    trigger.callback(1);
    assert!(collector.take().iter().any(|report| report.failure.is::<CycleError>()));
}

#[test]
fn b5_two_coroutines_that_await_one_another_get_an_err() {
    let stash = Stash::<Deferred<u32>>::new();
    let (start, started) = Deferred::<()>::new();
    let reach = stash.clone();
    let first = Deferred::from_coroutine(async move {
        started.await?;
        reach.take().await
    });
    stash.put(Deferred::from_coroutine(first));
    let collector = report::collect();
    start.callback(());
    assert!(collector.take().iter().any(|report| report.failure.is::<CycleError>()));
}

#[test]
fn b5_a_coroutine_that_awaits_its_own_deferred_gets_an_err() {
    let stash = Stash::<Deferred<u32>>::new();
    let (start, started) = Deferred::<()>::new();
    let (reach, log) = (stash.clone(), Log::new());
    let note = log.clone();
    stash.put(Deferred::from_coroutine(async move {
        started.await?;
        let own = reach.take();
        note.note(own.await.is_err_and(|failure| failure.is::<CycleError>()));
        Ok(1)
    }));
    start.callback(());
    assert_eq!(log.take(), "true");
}

#[test]
fn b5_a_coroutine_that_gives_back_what_awaits_it_fails() {
    let collector = report::collect();
    let (drops, stash) = (Drops::new(), Stash::<Deferred<u32>>::new());
    let (reach, token) = (stash.clone(), drops.token());
    let (trigger, d) = Deferred::<u32>::new();
    #[expect(clippy::async_yields_async, reason = "it gives back a deferred")]
    let first = Deferred::<u32>::from_coroutine(async move {
        let _ = d.await;
        reach.take()
    });
    stash.put(Deferred::from_coroutine(async move {
        let failure = first.await.unwrap_err();
        token.hold();
        assert!(failure.is::<CycleError>());
        failure.raise::<u32>()
    }));
    trigger.callback(1);
    assert_eq!(drops.alive(), 0, "it came to its end");
    let reports = collector.take();
    assert_eq!(reports.len(), 1, "nobody holds the second any more");
    assert!(reports[0].failure.is::<CycleError>());
}

#[plain_test]
fn b5_a_long_line_that_waits_is_not_taken_for_a_cycle_and_costs_linear_time() {
    // Grown at the outer and at the inner end by turns.
    let count = many(20_000);
    with_small_stack(move || {
        let (mut inner_trigger, mut d) = Deferred::<usize>::new();
        for n in 0..count {
            if n % 2 == 0 {
                let (trigger, outer) = Deferred::<()>::new();
                d = outer.add_callback(move |()| d);
                trigger.callback(());
            } else {
                let (trigger, inner) = Deferred::<usize>::new();
                let (start, wait) = Deferred::<()>::new();
                let wait = wait.add_callback(move |()| inner);
                start.callback(());
                wait.chain_to(std::mem::replace(&mut inner_trigger, trigger));
            }
        }
        inner_trigger.callback(3);
        assert_eq!(value(d), 3);
    });
}

#[test]
fn b6_debug_shows_the_address_and_where_it_was_made() {
    let line = line!() + 1;
    let (trigger, d) = Deferred::<u32>::new();
    let text = format!("{d:?}");
    assert!(text.starts_with("<Deferred at 0x"), "{text}");
    assert!(
        text.ends_with(&format!("{}:{line}:25>", file!())) || text.contains("made at"),
        "{text}"
    );
    assert!(text.contains(&format!("{}:{line}", file!())), "{text}");
    assert!(!text.contains("current result"), "{text}");
    let of_trigger = format!("{trigger:?}");
    let address = text.split_whitespace().nth(2).unwrap().trim_end_matches(',');
    assert_eq!(of_trigger, format!("<Trigger of Deferred at {address}>"));
    trigger.callback(1);
    let text = format!("{d:?}");
    assert!(text.contains("current result: "), "{text}");
    value(d);
}

#[test]
fn b6_debug_of_a_ready_one_shows_the_result() {
    assert_eq!(format!("{:?}", Deferred::succeed(5)), "<Deferred current result: 5>");
    let failed = Deferred::<u32>::fail(Oops(1));
    assert_eq!(format!("{failed:?}"), "<Deferred current result: <Failure Oops: oops 1>>");
    let _ = result(failed);
}

#[test]
fn b6_debug_of_a_waiting_one_names_what_it_waits_on() {
    let (late, inner) = Deferred::<u32>::new();
    let inner_text = format!("{inner:?}");
    let address = inner_text.split_whitespace().nth(2).unwrap().trim_end_matches(',').to_owned();
    let (trigger, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| inner);
    trigger.callback(());
    let text = format!("{outer:?}");
    assert!(text.contains(&format!(" waiting on Deferred at {address}")), "{text}");
    late.callback(1);
    assert!(!format!("{outer:?}").contains("waiting on"));
    value(outer);
}

#[test]
fn b6_debug_does_not_call_user_code_while_it_looks() {
    quietly(|| {
        let mut d = Deferred::succeed(1);
        let (handle, guard) = (d.cancel_handle(), d.pause());
        assert!(format!("{handle:?}").starts_with("<CancelHandle of Deferred at 0x"));
        assert!(format!("{guard:?}").starts_with("<PauseGuard of Deferred at 0x"));
        drop(guard);
        assert_eq!(value(d), 1);
    });
}
