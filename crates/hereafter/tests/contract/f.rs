//! Sequential style.

#![allow(clippy::async_yields_async, reason = "that a deferred given back is waited for is tested")]

use crate::common::{
    Drops, Log, Oops, Stash, failure, many, oops, quietly, value, with_small_stack,
};
use hereafter::errors::{Abandoned, CancelledError, Panicked};
use hereafter::mailbox::Mailbox;
use hereafter::{Deferred, Failure, Trigger, inline_callbacks, maybe_deferred, report};
use hereafter_testing::{plain_test, test};
use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Poll, Waker};

#[inline_callbacks]
async fn sum(first: Deferred<u32>, second: Deferred<u32>) -> Result<u32, Failure> {
    Ok(first.await? + second.await?)
}

#[test]
fn f1_it_runs_at_once_to_its_first_wait() {
    let log = Log::new();
    let note = log.clone();
    let (trigger, d) = Deferred::<u32>::new();
    let coroutine = Deferred::from_coroutine(async move {
        note.note("start");
        note.note(Deferred::succeed("ready").await?);
        let n = d.await?;
        note.note(n);
        Ok(n + 1)
    });
    log.note("after the call");
    assert_eq!(log.take(), "start, ready, after the call");
    assert!(!coroutine.has_result());
    trigger.callback(4);
    assert_eq!(log.take(), "4", "it goes on inside the call that fires");
    assert_eq!(value(coroutine), 5);
}

#[test]
fn f1_the_attribute_makes_an_async_fn_give_back_a_deferred() {
    assert_eq!(value(sum(Deferred::succeed(1), Deferred::succeed(2))), 3);
    let (one, first) = Deferred::new();
    let (two, second) = Deferred::new();
    let d: Deferred<u32> = sum(first, second);
    two.callback(20);
    assert!(!d.has_result());
    one.callback(10);
    assert_eq!(value(d), 30);
}

#[test]
fn f1_an_err_ends_it_and_is_the_result() {
    assert_eq!(oops(sum(Deferred::fail(Oops(3)), Deferred::succeed(1))), 3);
    let (trigger, first) = Deferred::new();
    let d = sum(first, Deferred::succeed(1));
    trigger.errback(Oops(4));
    assert_eq!(oops(d), 4);
}

#[test]
fn f1_failures_may_be_caught_where_they_are_awaited() {
    #[inline_callbacks]
    async fn careful(d: Deferred<u32>) -> Result<u32, Failure> {
        match d.await {
            Ok(n) => Ok(n),
            Err(failure) => {
                failure.trap::<Oops>()?;
                Ok(0)
            }
        }
    }
    assert_eq!(value(careful(Deferred::fail(Oops(1)))), 0);
    assert!(failure(careful(Deferred::fail(std::fmt::Error))).is::<std::fmt::Error>());
}

#[test]
fn f1_question_mark_takes_any_error() {
    #[inline_callbacks]
    async fn parse(text: String) -> Result<i32, Failure> {
        let n: i32 = text.parse()?;
        Ok(n)
    }
    assert_eq!(value(parse("5".into())), 5);
    assert!(failure(parse("x".into())).is::<std::num::ParseIntError>());
}

#[test]
fn f1_it_may_give_back_nothing() {
    #[inline_callbacks]
    async fn note(log: Log, d: Deferred<u32>) {
        if let Ok(n) = d.await {
            log.note(n);
        }
    }
    let log = Log::new();
    let (trigger, d) = Deferred::new();
    let done: Deferred<()> = note(log.clone(), d);
    trigger.callback(3);
    value(done);
    assert_eq!(log.take(), "3");
}

#[test]
fn f1_it_may_give_back_a_deferred_that_is_waited_for() {
    #[inline_callbacks]
    async fn pass_on(d: Deferred<u32>) -> Deferred<u32> {
        d
    }
    assert_eq!(value(pass_on(Deferred::succeed(1))), 1);
    let (trigger, d) = Deferred::new();
    let d = pass_on(d).map(|n| n + 1);
    assert!(!d.has_result());
    trigger.callback(4);
    assert_eq!(value(d), 5);
    // And when it finishes late.
    let (start, started) = Deferred::<()>::new();
    let (trigger, inner) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        assert!(started.await.is_ok());
        inner
    });
    start.callback(());
    assert!(!d.has_result());
    trigger.callback(6);
    assert_eq!(value(d), 6);
}

#[test]
fn f1_cancelling_one_that_gave_back_a_deferred_cancels_that() {
    let (_trigger, inner) = Deferred::<u32>::with_canceller(|| Some(Ok(8)));
    let (start, started) = Deferred::<()>::new();
    let d = Deferred::from_coroutine(async move {
        assert!(started.await.is_ok());
        inner
    });
    start.callback(());
    d.cancel();
    assert_eq!(value(d), 8);
}

#[test]
fn f1_nested_coroutines() {
    #[inline_callbacks]
    async fn depth(n: u32, d: Deferred<u32>) -> Result<u32, Failure> {
        if n == 0 { d.await } else { Ok(depth(n - 1, d).await? + 1) }
    }
    let (trigger, d) = Deferred::new();
    let d = depth(50, d);
    trigger.callback(100);
    assert_eq!(value(d), 150);
}

#[test]
fn f1_methods_take_self_by_value_or_counted() {
    struct Service(u32);
    impl Service {
        #[inline_callbacks]
        async fn add(self: Rc<Self>, d: Deferred<u32>) -> Result<u32, Failure> {
            Ok(self.0 + d.await?)
        }
        #[inline_callbacks]
        async fn finish(self, d: Deferred<u32>) -> Result<u32, Failure> {
            Ok(self.0 * d.await?)
        }
    }
    let service = Rc::new(Service(10));
    assert_eq!(value(service.clone().add(Deferred::succeed(1))), 11);
    assert_eq!(value(Service(10).finish(Deferred::succeed(2))), 20);
}

#[test]
fn f1_attributes_visibility_and_generics_stay() {
    mod inside {
        use super::{Deferred, Failure, inline_callbacks};
        /// It keeps its documentation.
        #[inline_callbacks]
        pub(crate) async fn twice<T>(d: Deferred<T>) -> Result<(T, T), Failure>
        where
            T: Clone + 'static,
        {
            let value = d.await?;
            Ok((value.clone(), value))
        }
    }
    assert_eq!(value(inside::twice(Deferred::succeed("a"))), ("a", "a"));
}

#[test]
fn f1_a_panic_is_a_failure() {
    quietly(|| {
        let d = Deferred::from_coroutine(async {
            let empty = Vec::<u32>::new();
            Ok(*empty.first().expect("on purpose"))
        });
        assert!(failure(d).check::<Panicked>().unwrap().message().starts_with("on purpose"));
        let drops = Drops::new();
        let token = drops.token();
        let (trigger, awaited) = Deferred::<u32>::new();
        let d = Deferred::from_coroutine(async move {
            token.hold();
            let n = awaited.await?;
            assert!(n > 5, "too small: {n}");
            Ok(n)
        });
        trigger.callback(1);
        assert_eq!(failure(d).check::<Panicked>().unwrap().message(), "too small: 1");
        assert_eq!(drops.alive(), 0);
    });
}

#[test]
fn f1_several_deferreds_are_awaited_in_any_order() {
    let log = Log::new();
    let note = log.clone();
    let (one, first) = Deferred::<u32>::new();
    let (two, second) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        note.note(first.await?);
        note.note(second.await?);
        Ok(())
    });
    two.callback(2);
    assert_eq!(log.take(), "");
    one.callback(1);
    assert_eq!(log.take(), "1, 2");
    value(d);
}

#[test]
fn f1_the_chain_of_the_coroutines_deferred_runs_when_it_ends() {
    let log = Log::new();
    let note = log.clone();
    let (trigger, awaited) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move { Ok(awaited.await? + 1) })
        .add_callback(move |n| note.note(n));
    trigger.callback(1);
    assert_eq!(log.take(), "2");
    value(d);
}

#[test]
fn f1_what_a_coroutine_holds_is_dropped_when_it_ends() {
    let drops = Drops::new();
    let (before, result) = (drops.token(), drops.token());
    let (trigger, awaited) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        before.hold();
        let _ = awaited.await;
        before.hold();
        Ok(result)
    });
    trigger.callback(1);
    assert_eq!(drops.alive(), 1);
    drop(d);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn f1_a_coroutine_whose_awaited_deferred_can_never_fire_is_told() {
    let (trigger, awaited) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move { Ok(awaited.await.unwrap_err()) });
    drop(trigger);
    assert!(value(d).is::<Abandoned>());
}

#[test]
fn f1_a_coroutine_that_nothing_can_wake_any_more_goes_with_its_last_handle() {
    // It hands its waker to a place that is then cleared.
    let wakers = Rc::new(RefCell::new(Vec::<Waker>::new()));
    let keep = wakers.clone();
    let drops = Drops::new();
    let token = drops.token();
    let d = Deferred::<u32>::from_coroutine(async move {
        token.hold();
        std::future::poll_fn(|context| {
            keep.borrow_mut().push(context.waker().clone());
            Poll::<()>::Pending
        })
        .await;
        token.hold();
        Ok(1)
    });
    wakers.borrow_mut().clear();
    Mailbox::current().run_pending();
    assert_eq!(drops.alive(), 1, "it can still be cancelled");
    drop(d);
    Mailbox::current().run_pending();
    assert_eq!(drops.alive(), 0);
}

#[test]
fn f1_a_coroutine_that_waits_for_ever_goes_with_its_last_handle() {
    let drops = Drops::new();
    let token = drops.token();
    let d = Deferred::<u32>::from_coroutine(async move {
        token.hold();
        std::future::pending::<()>().await;
        token.hold();
        Ok(1)
    });
    drop(d);
    Mailbox::current().run_pending();
    assert_eq!(drops.alive(), 0);
}

#[test]
fn f1_a_dropped_coroutine_deferred_reports_what_it_fails_with() {
    let collector = report::collect();
    drop(Deferred::<u32>::from_coroutine(async { Err(Oops(1).into()) }));
    assert_eq!(collector.take().len(), 1);
    let (trigger, awaited) = Deferred::<u32>::new();
    drop(Deferred::from_coroutine(awaited));
    trigger.errback(Oops(1));
    assert_eq!(collector.take().len(), 1);
}

/// Coroutines that each await the one before; the first awaits what the trigger fires.
fn line_of_coroutines(count: usize, drops: &Drops) -> (Trigger<usize>, Deferred<usize>) {
    let (trigger, mut d) = Deferred::new();
    for _ in 0..count {
        let token = drops.token();
        d = Deferred::from_coroutine(async move {
            let n = d.await?;
            token.hold();
            Ok(n + 1)
        });
    }
    (trigger, d)
}

#[plain_test]
fn f2_a_million_coroutines_that_await_one_another_finish_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let drops = Drops::new();
        let (trigger, d) = line_of_coroutines(count, &drops);
        assert_eq!(drops.alive(), count);
        trigger.callback(0);
        assert_eq!(value(d), count);
        assert_eq!(drops.alive(), 0);
    });
}

#[plain_test]
fn f2_a_million_coroutines_fail_in_constant_stack() {
    let count = many(1_000_000);
    with_small_stack(move || {
        let drops = Drops::new();
        let (trigger, d) = line_of_coroutines(count, &drops);
        trigger.errback(Oops(3));
        assert_eq!(drops.alive(), 0);
        assert_eq!(oops(d), 3);
    });
}

#[plain_test]
fn f2_a_long_line_of_coroutines_is_cancelled_in_constant_stack() {
    let count = many(100_000);
    with_small_stack(move || {
        let drops = Drops::new();
        let (_trigger, d) = line_of_coroutines(count, &drops);
        d.cancel();
        assert_eq!(drops.alive(), 0);
        assert!(failure(d).is::<CancelledError>());
    });
}

#[plain_test]
fn f2_a_long_line_of_coroutines_that_never_fires_is_freed_in_constant_stack() {
    let count = many(100_000);
    with_small_stack(move || {
        let collector = report::collect();
        let drops = Drops::new();
        let (trigger, d) = line_of_coroutines(count, &drops);
        drop(d);
        drop(trigger);
        assert_eq!(drops.alive(), 0);
        assert_eq!(collector.take().len(), 1);
    });
}

#[plain_test]
fn f2_coroutines_and_chains_by_turns_finish_in_constant_stack() {
    let count = many(100_000);
    with_small_stack(move || {
        let (trigger, mut d) = Deferred::new();
        for n in 0..count {
            d = if n % 2 == 0 {
                Deferred::from_coroutine(async move { Ok(d.await? + 1) })
            } else {
                let (start, outer) = Deferred::<()>::new();
                let outer = outer.add_callback(move |()| d).map(|n| n + 1);
                start.callback(());
                outer
            };
        }
        trigger.callback(0);
        assert_eq!(value(d), count);
    });
}

#[plain_test]
fn f2_a_loop_over_ready_deferreds_does_not_recurse() {
    let count = many(100_000);
    let total = with_small_stack(move || {
        value(Deferred::from_coroutine(async move {
            let mut total = 0;
            for n in 0..count {
                total += Deferred::succeed(n).await?;
            }
            Ok(total)
        }))
    });
    assert_eq!(total, count * (count - 1) / 2);
}

#[plain_test]
fn f2_a_loop_over_late_deferreds_does_not_recurse() {
    // Each firing is asked for by the coroutine itself, right before it waits.
    let count = many(100_000);
    with_small_stack(move || {
        let triggers = Stash::<Trigger<usize>>::new();
        let put = triggers.clone();
        let d = Deferred::from_coroutine(async move {
            let mut total = 0;
            for _ in 0..count {
                let (trigger, d) = Deferred::new();
                put.put(trigger);
                total += d.await?;
            }
            Ok(total)
        });
        while let Some(trigger) = triggers.try_take() {
            trigger.callback(1);
        }
        assert_eq!(value(d), count);
    });
}

#[test]
fn f3_plain_state_is_captured() {
    // There are no context variables: what a step needs, the coroutine owns from the start.
    let name = Rc::new(RefCell::new(String::from("first")));
    let own = name.borrow().clone();
    let (trigger, d) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        d.await?;
        Ok(own)
    });
    *name.borrow_mut() = String::from("changed");
    trigger.callback(1);
    assert_eq!(value(d), "first");
}

#[test]
fn f3_thread_locals_are_those_of_the_one_thread_for_every_step() {
    thread_local! { static STEPS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) }; }
    let (trigger, d) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        STEPS.with_borrow_mut(|steps| steps.push(1));
        let n = d.await?;
        STEPS.with_borrow_mut(|steps| steps.push(n));
        Ok(())
    });
    trigger.callback(2);
    value(d);
    assert_eq!(STEPS.take(), [1, 2]);
}

#[test]
fn f4_from_coroutine_takes_any_future_with_an_outcome() {
    assert_eq!(value(Deferred::from_coroutine(async { Ok(1) })), 1);
    value(Deferred::from_coroutine(async {}));
    assert_eq!(value(Deferred::from_coroutine(Deferred::succeed(2))), 2);
    assert_eq!(value(maybe_deferred(|| Deferred::from_coroutine(async { Ok(3) }))), 3);
}

#[test]
fn f4_awaiting_gives_the_result_itself() {
    let d = Deferred::from_coroutine(async {
        let good: Result<u32, Failure> = Deferred::succeed(1).await;
        let bad: Result<u32, Failure> = Deferred::fail(Oops(2)).await;
        Ok((good?, bad.unwrap_err().check::<Oops>().unwrap().0))
    });
    assert_eq!(value(d), (1, 2));
}

#[test]
fn f4_awaiting_a_consumed_result_again_says_what_is_wrong() {
    quietly(|| {
        let d = Deferred::from_coroutine(async {
            let mut d = Deferred::<u32>::fail(Oops(1));
            assert!((&mut d).await.is_err());
            (&mut d).await
        });
        let failure = failure(d);
        let message = failure.check::<Panicked>().unwrap().message();
        assert_eq!(message, "a deferred was polled after it had given its result");
    });
}

#[test]
fn f4_a_chain_added_to_a_consumed_deferred_says_what_is_wrong() {
    let d = Deferred::from_coroutine(async {
        let mut d = Deferred::succeed(1);
        assert_eq!((&mut d).await?, 1);
        d.map(|n| n + 1).await
    });
    assert_eq!(failure(d).to_string(), "the result of this deferred has been taken already");
}

#[test]
fn f5_from_future_takes_any_error_and_any_future() {
    assert_eq!(value(Deferred::from_future(async { "42".parse::<u32>() })), 42);
    let d = Deferred::from_future(async { "x".parse::<u32>() });
    assert!(failure(d).is::<std::num::ParseIntError>());
    let (sender, receiver) = futures::channel::oneshot::channel::<u32>();
    let d = Deferred::from_future(receiver).map(|n| n + 1);
    assert!(!d.has_result());
    sender.send(1).unwrap();
    Mailbox::current().run_pending();
    assert_eq!(value(d), 2);
}

#[test]
fn f5_cancelling_drops_the_future_at_once() {
    let drops = Drops::new();
    let token = drops.token();
    let (sender, receiver) = futures::channel::oneshot::channel::<u32>();
    let d = Deferred::from_future(async move {
        let result = receiver.await;
        token.hold();
        result
    });
    d.cancel();
    assert_eq!(drops.alive(), 0);
    assert!(sender.is_canceled());
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn f5_a_future_that_is_dropped_unpolled_lets_the_deferred_be() {
    // The other way round: a deferred as somebody's future.
    let log = Log::new();
    let note = log.clone();
    let (trigger, d) = Deferred::<u32>::new();
    let future: std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>>>> =
        Box::pin(d.map(move |n| note.note(n)));
    drop(future);
    trigger.callback(1);
    assert_eq!(log.take(), "1");
}

#[test]
fn f5_a_deferred_is_a_future_for_any_executor() {
    let (trigger, d) = Deferred::<u32>::new();
    let future = async move { d.await.unwrap() };
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    trigger.callback(4);
    assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(4));
    assert_eq!(futures::executor::block_on(Deferred::succeed(5)).unwrap(), 5);
}

#[test]
fn f4_awaiting_one_that_was_paused_by_its_own_callback() {
    let stash = Stash::new();
    let (in_callback, guard, coroutine) = (stash.clone(), Stash::new(), Stash::new());
    let (keep_guard, keep_coroutine) = (guard.clone(), coroutine.clone());
    let (trigger, d) = Deferred::<u32>::new();
    stash.put(d.map(move |n| {
        let mut own: Deferred<u32> = in_callback.take();
        keep_guard.put(own.pause());
        keep_coroutine.put(Deferred::from_coroutine(own));
        n + 1
    }));
    trigger.callback(1);
    let coroutine = coroutine.take();
    assert!(!coroutine.has_result(), "it waits for the end of the pause");
    guard.take().unpause();
    assert_eq!(value(coroutine), 2);
}
