//! Deferreds as futures: joined, selected, polled by hand, woken again and again.

use crate::common::{Drops, Log, Oops, Stash, failure, oops, quietly, value};
use futures::future::{Either, join_all, select};
use futures::stream::{FuturesUnordered, StreamExt as _};
use hereafter::errors::CancelledError;
use hereafter::mailbox::Mailbox;
use hereafter::{Deferred, Failure, Trigger, report};
use hereafter_testing::{plain_test, test};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), Waker::from(count))
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn poll<T>(d: &mut Deferred<T>, waker: &Waker) -> Poll<Result<T, Failure>> {
    pin!(d).poll(&mut Context::from_waker(waker))
}

#[test]
fn it_wakes_when_the_result_is_there() {
    let (count, waker) = Count::new();
    let (trigger, d) = Deferred::<u32>::new();
    let mut d = d.map(|n| n + 1);
    assert!(poll(&mut d, &waker).is_pending());
    assert_eq!(count.get(), 0);
    trigger.callback(1);
    assert_eq!(count.get(), 1);
    assert_eq!(poll(&mut d, &waker).map(Result::unwrap), Poll::Ready(2));
}

#[test]
fn a_later_waker_takes_the_place_of_an_earlier_one() {
    let ((first, first_waker), (second, second_waker)) = (Count::new(), Count::new());
    let (trigger, mut d) = Deferred::<u32>::new();
    assert!(poll(&mut d, &first_waker).is_pending());
    assert!(poll(&mut d, &second_waker).is_pending());
    drop(first_waker);
    assert_eq!(Arc::strong_count(&first), 1, "the old one was let go");
    trigger.callback(1);
    assert_eq!((first.get(), second.get()), (0, 1));
    assert!(poll(&mut d, &second_waker).is_ready());
}

#[test]
fn the_same_waker_is_not_cloned_again() {
    let (count, waker) = Count::new();
    let (trigger, mut d) = Deferred::<u32>::new();
    assert!(poll(&mut d, &waker).is_pending());
    assert!(poll(&mut d, &waker).is_pending());
    assert_eq!(Arc::strong_count(&count), 3);
    trigger.callback(1);
    assert_eq!(count.get(), 1);
    assert_eq!(Arc::strong_count(&count), 2);
    assert!(poll(&mut d, &waker).is_ready());
}

#[test]
fn a_dropped_deferred_lets_its_waker_go() {
    let (count, waker) = Count::new();
    let (trigger, mut d) = Deferred::<u32>::new();
    assert!(poll(&mut d, &waker).is_pending());
    drop(d);
    assert_eq!(Arc::strong_count(&count), 2);
    trigger.callback(1);
    assert_eq!(count.get(), 0);
}

#[test]
fn a_polled_deferred_that_is_dropped_reports_its_failure() {
    let collector = report::collect();
    let (_, waker) = Count::new();
    let (trigger, mut d) = Deferred::<u32>::new();
    assert!(poll(&mut d, &waker).is_pending());
    drop(d);
    trigger.errback(Oops(1));
    assert_eq!(collector.take().len(), 1);
    let (trigger, mut d) = Deferred::<u32>::new();
    assert!(poll(&mut d, &waker).is_pending());
    trigger.errback(Oops(1));
    assert!(collector.take().is_empty());
    drop(d);
    assert_eq!(collector.take().len(), 1);
}

#[test]
fn a_polled_deferred_that_gets_links_after_all() {
    let (count, waker) = Count::new();
    let (trigger, mut d) = Deferred::<u32>::new();
    assert!(poll(&mut d, &waker).is_pending());
    let mut d = d.map(|n| n + 1);
    trigger.callback(1);
    assert_eq!(count.get(), 1);
    assert_eq!(poll(&mut d, &waker).map(Result::unwrap), Poll::Ready(2));
}

#[test]
fn a_polled_deferred_that_is_given_back_or_chained_after_all() {
    let (_, waker) = Count::new();
    let (trigger, mut d) = Deferred::<u32>::new();
    assert!(poll(&mut d, &waker).is_pending());
    let (start, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| d);
    start.callback(());
    trigger.callback(4);
    assert_eq!(value(outer), 4);
    let (trigger, mut d) = Deferred::<u32>::new();
    assert!(poll(&mut d, &waker).is_pending());
    let (target, other) = Deferred::<u32>::new();
    d.chain_to(target);
    trigger.callback(5);
    assert_eq!(value(other), 5);
}

#[test]
fn a_paused_deferred_is_pending_and_wakes_at_the_unpause() {
    let (count, waker) = Count::new();
    let mut d = Deferred::succeed(1);
    let guard = d.pause();
    assert!(poll(&mut d, &waker).is_pending());
    guard.unpause();
    assert_eq!(count.get(), 1);
    assert!(poll(&mut d, &waker).is_ready());
}

#[test]
fn polling_again_after_the_result_panics() {
    quietly(|| {
        let mut d = Deferred::succeed(1);
        assert!(poll(&mut d, Waker::noop()).is_ready());
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = poll(&mut d, Waker::noop());
        }));
        assert!(again.is_err());
        assert!(!d.has_result());
        assert!(failure(d.map(|n| n)).to_string().contains("taken already"));
    });
}

#[test]
fn joined_in_a_coroutine() {
    let (one, first) = Deferred::<u32>::new();
    let (two, second) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        let (first, second) = futures::join!(first, second);
        Ok(first? * 10 + second?)
    });
    two.callback(2);
    assert!(!d.has_result());
    one.callback(1);
    assert_eq!(value(d), 12);
}

#[test]
fn try_joined_in_a_coroutine() {
    let (_one, first) = Deferred::<u32>::new();
    let (two, second) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        let (first, second) = futures::try_join!(first, second)?;
        Ok(first + second)
    });
    two.errback(Oops(2));
    assert_eq!(oops(d), 2);
}

#[test]
fn selected_in_a_coroutine() {
    let (_one, first) = Deferred::<u32>::new();
    let (two, second) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        match select(first, second).await {
            Either::Left(_) => unreachable!("the second is first"),
            Either::Right((result, first)) => {
                first.cancel();
                assert!(failure(first).is::<CancelledError>());
                result
            }
        }
    });
    two.callback(2);
    assert_eq!(value(d), 2);
}

#[test]
fn the_select_macro() {
    let (one, mut first) = Deferred::<u32>::new();
    let (_two, mut second) = Deferred::<u32>::new();
    let d = Deferred::from_coroutine(async move {
        let mut first = futures::FutureExt::fuse(&mut first);
        let mut second = futures::FutureExt::fuse(&mut second);
        futures::select! {
            result = first => result,
            result = second => result,
        }
    });
    one.callback(1);
    assert_eq!(value(d), 1);
}

#[test]
fn many_in_any_order() {
    let (triggers, deferreds): (Vec<_>, Vec<_>) = (0..20).map(|_| Deferred::<u32>::new()).unzip();
    let log = Log::new();
    let note = log.clone();
    let d = Deferred::from_coroutine(async move {
        let mut all: FuturesUnordered<_> = deferreds.into_iter().collect();
        while let Some(result) = all.next().await {
            note.note(result?);
        }
        Ok(())
    });
    let mut expected = Vec::new();
    for (n, trigger) in (0..20).zip(triggers).rev() {
        expected.push(n.to_string());
        trigger.callback(n);
    }
    assert_eq!(log.take(), expected.join(", "));
    value(d);
}

#[test]
fn joined_in_an_executor_of_another_kind() {
    let (triggers, deferreds): (Vec<_>, Vec<_>) = (0..5).map(|_| Deferred::<u32>::new()).unzip();
    let firing = async move {
        for (n, trigger) in (0..5).zip(triggers) {
            trigger.callback(n);
        }
    };
    let (results, ()) =
        futures::executor::block_on(async move { futures::join!(join_all(deferreds), firing) });
    assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[plain_test]
fn block_on_in_a_thread_of_its_own() {
    let sum = std::thread::spawn(|| {
        let (trigger, d) = Deferred::<u32>::new();
        let remote = trigger.remote();
        let mailbox = Mailbox::current();
        std::thread::spawn(move || remote.callback(20));
        mailbox.wait();
        futures::executor::block_on(async move { Ok::<_, Failure>(d.await? + 1) }).unwrap()
    });
    assert_eq!(sum.join().unwrap(), 21);
}

#[test]
fn a_coroutine_woken_for_nothing_goes_on_waiting() {
    let wakers = Stash::<Waker>::new();
    let keep = wakers.clone();
    let log = Log::new();
    let note = log.clone();
    let (trigger, mut d) = Deferred::<u32>::new();
    let coroutine = Deferred::from_coroutine(poll_fn(move |context| {
        note.note("polled");
        keep.put(context.waker().clone());
        pin!(&mut d).poll(context)
    }));
    assert_eq!(log.take(), "polled");
    wakers.take().wake_by_ref();
    assert_eq!(log.take(), "", "from outside it goes by the mailbox");
    Mailbox::current().run_pending();
    assert_eq!(log.take(), "polled");
    trigger.callback(6);
    assert_eq!(log.take(), "polled");
    assert_eq!(value(coroutine), 6);
}

#[test]
fn a_coroutine_that_wakes_itself_goes_on_in_the_same_call() {
    let mut left = 5;
    let d = Deferred::from_coroutine(async move {
        poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        Ok(1)
    });
    assert_eq!(value(d), 1);
}

#[test]
fn a_coroutine_that_always_wakes_itself_lets_others_have_their_turn() {
    let drops = Drops::new();
    let token = drops.token();
    let d = Deferred::<()>::from_coroutine(async move {
        token.hold();
        poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
        Ok(())
    });
    // Each of these comes back, and finds it waiting for the next.
    assert_eq!(Mailbox::current().run_pending(), 1);
    assert_eq!(Mailbox::current().run_pending(), 1);
    d.cancel();
    assert!(failure(d).is::<hereafter::errors::CancelledError>());
    // It was due, so it is dropped when its turn comes.
    Mailbox::current().run_pending();
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_waker_kept_after_the_coroutine_has_ended_does_nothing() {
    let wakers = Stash::<Waker>::new();
    let keep = wakers.clone();
    let drops = Drops::new();
    let token = drops.token();
    let d = Deferred::from_coroutine(poll_fn(move |context| {
        token.hold();
        keep.put(context.waker().clone());
        Poll::Ready(Ok::<_, Failure>(1))
    }));
    assert_eq!(value(d), 1);
    assert_eq!(drops.alive(), 0);
    let waker = wakers.take();
    waker.wake_by_ref();
    Mailbox::current().run_pending();
    drop(waker);
}

/// Fires a deferred when it is woken: a waker that re-enters.
struct Firing(std::sync::Mutex<Option<hereafter::RemoteTrigger<u32>>>);

impl Wake for Firing {
    fn wake(self: Arc<Self>) {
        let trigger = self.0.lock().unwrap().take();
        if let Some(trigger) = trigger {
            trigger.callback(1);
            Mailbox::current().run_pending();
        }
    }
}

#[test]
fn a_waker_that_fires_another_deferred_from_inside() {
    let (other_trigger, other) = Deferred::<u32>::new();
    let waker = Arc::new(Firing(std::sync::Mutex::new(Some(other_trigger.remote())))).into();
    let (trigger, mut d) = Deferred::<u32>::new();
    assert!(poll(&mut d, &waker).is_pending());
    trigger.callback(5);
    assert_eq!(value(other), 1);
    assert_eq!(value(d), 5);
}

#[test]
fn a_coroutine_that_fires_what_another_coroutine_awaits() {
    let log = Log::new();
    let [a, b] = [(); 2].map(|()| log.clone());
    let (there, arrives) = Deferred::<u32>::new();
    let (back, returns) = Deferred::<u32>::new();
    let (start, started) = Deferred::<()>::new();
    let first = Deferred::from_coroutine(async move {
        started.await?;
        a.note("first fires");
        there.callback(1);
        a.note("first awaits");
        a.note(returns.await?);
        Ok(())
    });
    let second = Deferred::from_coroutine(async move {
        let n = arrives.await?;
        b.note(format!("second got {n}"));
        back.callback(n + 1);
        Ok(())
    });
    start.callback(());
    assert_eq!(log.take(), "first fires, second got 1, first awaits, 2");
    value(first);
    value(second);
}

#[test]
fn several_coroutines_that_finish_by_one_firing_run_their_links() {
    let log = Log::new();
    let (trigger, d) = Deferred::<u32>::new();
    let shared = d.share();
    let coroutines: Vec<_> = (0..5)
        .map(|n| {
            let (waiting, note) = (shared.wait(), log.clone());
            Deferred::from_coroutine(async move { Ok(waiting.await? + n) })
                .map(move |n| note.note(n))
        })
        .collect();
    trigger.callback(10);
    assert_eq!(log.take(), "10, 11, 12, 13, 14");
    coroutines.into_iter().for_each(value);
}

#[test]
fn a_coroutine_that_ends_without_the_failure_that_woke_it_has_it_reported() {
    let collector = report::collect();
    let (trigger, mut d) = Deferred::<u32>::new();
    let mut polled = false;
    let coroutine = Deferred::from_coroutine(async move {
        poll_fn(|context| {
            if polled {
                return Poll::Ready(());
            }
            polled = true;
            let _ = pin!(&mut d).poll(context);
            Poll::Pending
        })
        .await;
        drop(d);
        Ok(3)
    });
    trigger.errback(Oops(1));
    assert_eq!(value(coroutine), 3);
    assert_eq!(collector.take().len(), 1);
}

#[plain_test]
fn into_send_carries_the_result_to_another_thread() {
    let (trigger, d) = Deferred::<String>::new();
    let future = d.map(|text| text + "!").into_send();
    let thread = std::thread::spawn(move || futures::executor::block_on(future).unwrap());
    trigger.callback("sent".into());
    assert_eq!(thread.join().unwrap(), "sent!");
    let failed = Deferred::<u32>::fail(Oops(2)).into_send();
    let thread = std::thread::spawn(move || futures::executor::block_on(failed));
    assert!(thread.join().unwrap().unwrap_err().is::<Oops>());
}

#[test]
fn into_send_that_is_dropped_lets_the_deferred_go_on() {
    let collector = report::collect();
    let drops = Drops::new();
    let log = Log::new();
    let note = log.clone();
    let (trigger, d) = Deferred::<u32>::new();
    drop(d.map(move |n| note.note(n)).into_send());
    trigger.callback(1);
    assert_eq!(log.take(), "1");
    let (trigger, d) = Deferred::<u32>::new();
    let future = d.into_send();
    drop(future);
    trigger.errback(Oops(1));
    assert_eq!(collector.take().len(), 1);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn into_send_that_is_dropped_with_a_failure_in_it_reports_that() {
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    let future = d.into_send();
    trigger.errback(Oops(1));
    assert!(collector.take().is_empty(), "somebody may still see it");
    drop(future);
    assert_eq!(collector.take().len(), 1);
}

#[test]
fn a_trigger_fired_while_its_deferred_is_polled() {
    struct FireInPoll(Option<Trigger<u32>>, Deferred<u32>);
    let (trigger, d) = Deferred::<u32>::new();
    let mut both = FireInPoll(Some(trigger), d);
    let coroutine = Deferred::from_coroutine(poll_fn(move |context| {
        let polled = pin!(&mut both.1).poll(context);
        if let Some(trigger) = both.0.take() {
            trigger.callback(4);
        }
        polled
    }));
    Mailbox::current().run_pending();
    assert_eq!(value(coroutine), 4);
}

/// Panics when it is woken.
struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("on purpose");
    }
}

#[test]
fn a_waker_that_panics_is_reported_and_spoils_nothing() {
    quietly(|| {
        let collector = report::collect();
        let (trigger, mut d) = Deferred::<u32>::new();
        assert!(poll(&mut d, &Arc::new(Panicking).into()).is_pending());
        trigger.callback(1);
        assert_eq!(collector.take().len(), 1);
        assert_eq!(value(d.map(|n| n + 1)), 2);
    });
}
