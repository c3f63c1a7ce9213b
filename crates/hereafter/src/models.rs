//! Models for loom: what other threads do to a thread's deferreds, in every order that there is.
//!
//! A model is run once for each way in which its threads can take turns at what they share. What is
//! asserted holds in all of them; what waits for ever in one, or is never dropped, is found.

use crate::errors::{Abandoned, CancelledError};
use crate::mailbox::Mailbox;
use crate::{Deferred, Failure};
use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// Lets the mailbox's owner wait until `d` has its result.
fn wait_for<T: 'static>(d: Deferred<T>) -> Result<T, Failure> {
    let mut waiting = d;
    loop {
        match waiting.take_result() {
            Ok(result) => return result,
            Err(d) => waiting = d,
        }
        Mailbox::current().wait();
    }
}

#[test]
fn what_two_threads_post_is_run_once_each() {
    loom::model(|| {
        let mailbox = Mailbox::current();
        let count = Arc::new(AtomicUsize::new(0));
        let threads = [(); 2].map(|()| {
            let (mailbox, count) = (mailbox.clone(), count.clone());
            thread::spawn(move || {
                mailbox.post(move || {
                    count.fetch_add(1, Ordering::SeqCst);
                });
            })
        });
        let mut seen = 0;
        while seen < 2 {
            seen += mailbox.wait();
        }
        assert_eq!((seen, count.load(Ordering::SeqCst)), (2, 2));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn what_is_posted_to_a_thread_that_ends_is_run_or_dropped() {
    struct Token(Arc<AtomicUsize>);
    impl Drop for Token {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    loom::model(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let token = Token(dropped.clone());
        let (tell, told) = loom::sync::mpsc::channel();
        let owner = thread::spawn(move || {
            let mailbox = Mailbox::current();
            tell.send(mailbox.clone()).unwrap();
            mailbox.run_pending();
        });
        told.recv().unwrap().post(move || drop(token));
        owner.join().unwrap();
        // In a model, what is a thread's own may go after the thread is joined.
        while dropped.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

/// A loop as a reactor's: it looks at its mailbox, and sleeps until it is notified.
#[test]
fn a_sleeper_is_notified_of_everything_that_arrives() {
    loom::model(|| {
        let bell = Arc::new((Mutex::new(false), Condvar::new()));
        let mailbox = Mailbox::current();
        let rung = bell.clone();
        mailbox.set_notify(Some(std::sync::Arc::new(move || {
            *rung.0.lock().unwrap() = true;
            rung.1.notify_one();
        })));
        let posting = mailbox.clone();
        let thread = thread::spawn(move || {
            posting.post(|| ());
            posting.post(|| ());
        });
        let mut seen = 0;
        while seen < 2 {
            let mut ringing = bell.0.lock().unwrap();
            while !*ringing {
                ringing = bell.1.wait(ringing).unwrap();
            }
            *ringing = false;
            drop(ringing);
            seen += mailbox.run_pending();
        }
        mailbox.set_notify(None);
        thread.join().unwrap();
    });
}

#[test]
fn a_remote_trigger_that_is_fired_while_its_deferred_is_cancelled() {
    loom::model(|| {
        let (trigger, d) = Deferred::<u32>::new();
        let remote = trigger.remote();
        let thread = thread::spawn(move || remote.callback(1));
        Mailbox::current().run_pending();
        d.cancel();
        match wait_for(d) {
            Ok(n) => assert_eq!(n, 1),
            Err(failure) => assert!(failure.is::<CancelledError>()),
        }
        thread.join().unwrap();
        Mailbox::current().run_pending();
    });
}

#[test]
fn a_remote_trigger_that_is_dropped_elsewhere() {
    loom::model(|| {
        let (trigger, d) = Deferred::<u32>::new();
        let remote = trigger.remote();
        let thread = thread::spawn(move || drop(remote));
        assert!(wait_for(d).unwrap_err().is::<Abandoned>());
        thread.join().unwrap();
    });
}

#[test]
fn a_sent_deferred_that_is_awaited_while_it_is_fired() {
    loom::model(|| {
        let (trigger, d) = Deferred::<u32>::new();
        let future = d.into_send();
        let thread = thread::spawn(move || block_on(future).unwrap());
        trigger.callback(7);
        assert_eq!(thread.join().unwrap(), 7);
    });
}

#[test]
fn a_sent_deferred_that_is_dropped_while_it_is_fired() {
    loom::model(|| {
        let (trigger, d) = Deferred::<Arc<AtomicBool>>::new();
        let future = d.into_send();
        let thread = thread::spawn(move || drop(future));
        trigger.callback(Arc::new(AtomicBool::new(true)));
        thread.join().unwrap();
    });
}

/// A coroutine that another thread wakes goes on at home, once.
#[test]
fn a_coroutine_that_another_thread_wakes() {
    loom::model(|| {
        let ready = Arc::new(AtomicBool::new(false));
        let (tell, told) = loom::sync::mpsc::channel::<core::task::Waker>();
        let seen = ready.clone();
        let mut asked = Some(tell);
        let d = Deferred::from_coroutine(core::future::poll_fn(move |context| {
            if let Some(tell) = asked.take() {
                tell.send(context.waker().clone()).unwrap();
            }
            if seen.load(Ordering::SeqCst) {
                core::task::Poll::Ready(Ok::<_, Failure>(3))
            } else {
                core::task::Poll::Pending
            }
        }));
        let waker = told.recv().unwrap();
        let thread = thread::spawn(move || {
            ready.store(true, Ordering::SeqCst);
            waker.wake();
        });
        assert_eq!(wait_for(d).unwrap(), 3);
        thread.join().unwrap();
    });
}
