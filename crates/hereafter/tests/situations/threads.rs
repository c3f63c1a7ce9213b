//! Threads that end while something is pending on them.
//!
//! Their memory is counted thread by thread elsewhere; these tests hand it from one to another.

use hereafter::clock::{Clock, ManualClock};
use hereafter::mailbox::Mailbox;
use hereafter::{Deferred, DeferredQueue, Failure, RemoteTrigger, SendDeferred, Trigger};
use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Tells another thread when it is dropped.
struct Told(Arc<AtomicUsize>);

impl Told {
    fn new() -> (Arc<AtomicUsize>, Self) {
        let count = Arc::new(AtomicUsize::new(0));
        (count.clone(), Self(count))
    }

    fn hold(&self) {
        assert_eq!(self.0.load(Ordering::Relaxed), 0);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs `work` on a thread that ends right after it.
fn on_a_thread_that_ends<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    std::thread::spawn(work).join().unwrap()
}

thread_local! {
    static KEPT: RefCell<Vec<Box<dyn std::any::Any>>> = const { RefCell::new(Vec::new()) };
}

/// Keeps something until the thread is torn down.
fn keep(what: impl std::any::Any) {
    KEPT.with_borrow_mut(|kept| kept.push(Box::new(what)));
}

#[test]
fn a_pending_deferred_and_its_trigger_in_a_thread_local() {
    let (count, told) = Told::new();
    on_a_thread_that_ends(move || {
        let (trigger, d) = Deferred::<u32>::new();
        keep(
            d.map(move |n| {
                told.hold();
                n
            })
            .add_errback(|_| Ok(0)),
        );
        keep(trigger);
    });
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn a_trigger_that_is_dropped_while_the_thread_is_torn_down_runs_its_chain() {
    let (sender, receiver) = mpsc::channel();
    on_a_thread_that_ends(move || {
        let (trigger, d) = Deferred::<u32>::new();
        d.add_both(move |result| sender.send(result.is_err()).unwrap()).detach();
        keep(trigger);
    });
    assert!(receiver.recv().unwrap());
}

#[test]
fn a_line_of_waiting_ones_in_a_thread_local() {
    let (count, told) = Told::new();
    on_a_thread_that_ends(move || {
        let (last, mut d) = Deferred::<u32>::new();
        for _ in 0..100 {
            let (trigger, outer) = Deferred::<()>::new();
            d = outer.add_callback(move |()| d);
            trigger.callback(());
        }
        keep(d.add_both(move |_| told.hold()));
        keep(last);
    });
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn a_pending_coroutine_in_a_thread_local() {
    let (count, told) = Told::new();
    on_a_thread_that_ends(move || {
        let (trigger, d) = Deferred::<u32>::new();
        let coroutine = Deferred::from_coroutine(async move {
            let result = d.await;
            told.hold();
            result
        });
        keep(coroutine.add_errback(|_| Ok(0)));
        keep(trigger);
    });
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn a_coroutine_that_was_woken_and_not_run_goes_with_the_thread() {
    let (count, told) = Told::new();
    on_a_thread_that_ends(move || {
        let coroutine = Deferred::<u32>::from_coroutine(async move {
            let mut woken = false;
            poll_fn(|context| {
                if woken {
                    return Poll::Ready(());
                }
                woken = true;
                let waker = context.waker().clone();
                std::thread::spawn(move || waker.wake()).join().unwrap();
                Poll::Pending
            })
            .await;
            told.hold();
            Ok(1)
        });
        drop(coroutine.add_errback(|_| Ok(0)));
        // Nobody empties the mailbox.
    });
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn a_coroutine_woken_by_another_thread_goes_on_at_home() {
    let (sender, receiver) = mpsc::channel::<Waker>();
    let waking = std::thread::spawn(move || receiver.recv().unwrap().wake());
    let home = std::thread::current().id();
    let mut polled = false;
    let d = Deferred::from_coroutine(poll_fn(move |context| {
        assert_eq!(std::thread::current().id(), home);
        if polled {
            return Poll::Ready(Ok::<_, Failure>(5));
        }
        polled = true;
        sender.send(context.waker().clone()).unwrap();
        Poll::Pending
    }));
    while !d.has_result() {
        Mailbox::current().wait();
    }
    waking.join().unwrap();
    assert_eq!(crate::common::value(d), 5);
}

#[test]
#[cfg_attr(miri, ignore = "the task of such a waker is leaked on purpose")]
fn a_waker_that_outlives_the_thread_of_its_coroutine_is_harmless() {
    let (sender, receiver) = mpsc::channel::<Waker>();
    let handles = on_a_thread_that_ends(move || {
        let d = Deferred::<u32>::from_coroutine(poll_fn(move |context| {
            sender.send(context.waker().clone()).unwrap();
            Poll::<Result<u32, Failure>>::Pending
        }));
        drop(d.add_errback(|_| Ok(0)));
        Mailbox::current()
    });
    let waker = receiver.recv().unwrap();
    let other = waker.clone();
    waker.wake_by_ref();
    waker.wake();
    drop(other);
    drop(handles);
}

#[test]
fn the_last_waker_of_a_dropped_coroutine_goes_on_another_thread() {
    let (count, told) = Told::new();
    let (sender, receiver) = mpsc::channel::<Waker>();
    on_a_thread_that_ends(move || {
        drop(
            Deferred::<u32>::from_coroutine(async move {
                poll_fn(|context| {
                    sender.send(context.waker().clone()).unwrap();
                    Poll::<()>::Pending
                })
                .await;
                told.hold();
                Ok(1)
            })
            .add_errback(|_| Ok(0)),
        );
        let waker = receiver.recv().unwrap();
        std::thread::spawn(move || drop(waker)).join().unwrap();
        Mailbox::current().run_pending();
    });
    assert_eq!(count.load(Ordering::Relaxed), 1, "dropped at home");
}

#[test]
fn remote_triggers_of_a_thread_that_has_ended() {
    let (remote, other): (RemoteTrigger<u32>, RemoteTrigger<u32>) = on_a_thread_that_ends(|| {
        let (first, a) = Deferred::new();
        let (second, b) = Deferred::new();
        keep(a.add_errback(|_| Ok(0)));
        keep(b.add_errback(|_| Ok(0)));
        (first.remote(), second.remote())
    });
    remote.callback(1);
    drop(other);
}

#[test]
fn a_sent_deferred_of_a_thread_that_has_ended_is_told() {
    let future: SendDeferred<u32> = on_a_thread_that_ends(|| {
        let (trigger, d) = Deferred::<u32>::new();
        keep(trigger);
        d.into_send()
    });
    let failure = futures::executor::block_on(future).unwrap_err();
    assert!(failure.is::<hereafter::errors::Abandoned>());
}

#[test]
fn clocks_and_queues_in_a_thread_local() {
    let (count, told) = Told::new();
    on_a_thread_that_ends(move || {
        let clock = ManualClock::new();
        let queue = DeferredQueue::<u32>::new();
        let (trigger, d) = Deferred::<u32>::new();
        clock.call_later(Duration::from_secs(1), move || {
            told.hold();
            trigger.callback(1);
        });
        keep(d.add_timeout(Duration::from_secs(5), &clock).add_errback(|_| Ok(0)));
        keep(queue.get().add_errback(|_| Ok(0)));
        keep(queue);
        keep(clock);
    });
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn deferreds_that_are_used_in_a_thread_locals_drop() {
    struct Late(Option<(Trigger<u32>, Deferred<u32>)>, mpsc::Sender<u32>);
    impl Drop for Late {
        fn drop(&mut self) {
            let (trigger, d) = self.0.take().unwrap();
            let (other_trigger, other) = Deferred::new();
            let d = d.add_callback(move |n| other.map(move |m| n + m));
            trigger.callback(1);
            other_trigger.callback(2);
            let sender = self.1.clone();
            d.add_both(move |result| sender.send(result.unwrap_or(0)).unwrap()).detach();
        }
    }
    let (sender, receiver) = mpsc::channel();
    on_a_thread_that_ends(move || {
        // Before and after the crate's own thread-locals are there.
        keep(Late(Some(Deferred::new()), sender.clone()));
        drop(Deferred::from_coroutine(async { Ok(1) }));
        keep(Late(Some(Deferred::new()), sender));
    });
    assert_eq!((receiver.recv(), receiver.recv()), (Ok(3), Ok(3)));
}
