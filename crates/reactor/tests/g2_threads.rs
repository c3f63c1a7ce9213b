//! Row G2 of the contract: calls in threads, and the pool.

mod common;

use common::run_until;
use hereafter::errors::{Abandoned, CancelledError, Panicked};
use hereafter::{Deferred, Failure, report};
use hereafter_reactor::task::defer_later;
use hereafter_reactor::{Reactor, ReactorNotRunning, RunOptions};
use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

type TestResult = Result<(), Box<dyn Error>>;

/// Runs the reactor until `d` has fired, and gives back its result.
fn run<T: 'static>(reactor: &Reactor, d: Deferred<T>) -> Result<T, Failure> {
    run_until(reactor, RunOptions::default(), d)
}

fn never() -> Result<(), Failure> {
    panic!("oh no");
}

/// A call that blocks until it is told to end, and how to tell it.
fn blocker() -> (mpsc::Sender<()>, impl FnOnce() -> Result<(), Failure> + Send) {
    let (release, blocked) = mpsc::channel::<()>();
    (release, move || {
        // An error is the sender going, and says the same.
        let _ = blocked.recv();
        Ok(())
    })
}

#[test]
fn g2_the_call_is_in_another_thread_and_the_callbacks_on_the_reactors() -> TestResult {
    let reactor = Reactor::new()?;
    let here = thread::current().id();
    let d = reactor.defer_to_thread(|| Ok::<_, Failure>(thread::current().id()));
    let d = d.map(|there| (there, thread::current().id()));
    let (there, back) = run(&reactor, d)?;
    assert_ne!(there, here);
    assert_eq!(back, here);
    Ok(())
}

#[test]
fn g2_errors_and_panics_are_failures() -> TestResult {
    let reactor = Reactor::new()?;
    let failing = reactor.defer_to_thread(|| "x".parse::<u32>());
    let panicking = reactor.defer_to_thread(never);
    let d = Deferred::from_coroutine(async move {
        assert!(failing.await.unwrap_err().is::<std::num::ParseIntError>());
        assert!(panicking.await.unwrap_err().is::<Panicked>());
        Ok(())
    });
    run(&reactor, d)?;
    Ok(())
}

#[test]
fn g2_cancel_of_a_blocked_thread_gives_up_waiting() -> TestResult {
    let reactor = Reactor::new()?;
    let (release, blocked) = blocker();
    let (started, has_started) = mpsc::channel();
    let d = reactor.defer_to_thread(move || {
        started.send(())?;
        blocked()?;
        Ok::<_, Failure>("of no interest any more")
    });
    has_started.recv()?;
    d.cancel();
    let failure = d.take_result().expect("a cancelled deferred has fired").unwrap_err();
    assert!(failure.is::<CancelledError>());
    release.send(())?;
    // What the thread comes to does no harm.
    run(&reactor, reactor.defer_to_thread(|| Ok::<_, Failure>(())))?;
    Ok(())
}

#[test]
fn g2_a_cancelled_call_that_waits_is_not_made() -> TestResult {
    let reactor = Reactor::new()?;
    reactor.thread_pool().adjust(0, 1);
    let (release, blocked) = blocker();
    let first = reactor.defer_to_thread(blocked);
    let made = Arc::new(AtomicBool::new(false));
    let makes = made.clone();
    let second = reactor.defer_to_thread(move || {
        makes.store(true, Ordering::SeqCst);
        Ok::<_, Failure>(())
    });
    second.cancel();
    assert!(second.take_result().unwrap().unwrap_err().is::<CancelledError>());
    assert_eq!(Arc::strong_count(&made), 1, "the call is dropped at once");
    release.send(())?;
    let third = reactor.defer_to_thread(|| Ok::<_, Failure>(()));
    run(&reactor, first.add_callback(|()| third))?;
    assert!(!made.load(Ordering::SeqCst));
    Ok(())
}

#[test]
fn g2_the_pool_is_bounded() -> TestResult {
    const MAX: usize = 3;
    let reactor = Reactor::new()?;
    assert_eq!(reactor.thread_pool().stats().max, 10);
    reactor.thread_pool().adjust(0, MAX);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let (now, most) = (now.clone(), most.clone());
            reactor.defer_to_thread(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_micros(200));
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Failure>(())
            })
        })
        .collect();
    let stats = reactor.thread_pool().stats();
    assert_eq!(stats.busy, MAX);
    assert!(stats.queued > 0);
    run(&reactor, hereafter::gather_results(calls))?;
    assert!((1..=MAX).contains(&most.load(Ordering::SeqCst)));
    Ok(())
}

#[test]
fn g2_adjust_lets_waiting_calls_go() -> TestResult {
    let reactor = Reactor::new()?;
    let pool = reactor.thread_pool();
    pool.adjust(0, 1);
    let (release, blocked) = blocker();
    let first = reactor.defer_to_thread(blocked);
    let second = reactor.defer_to_thread(|| Ok::<_, Failure>(()));
    assert_eq!(pool.stats().queued, 1);
    pool.adjust(0, 2);
    let released = second.map(move |()| release.send(()).unwrap());
    run(&reactor, released.add_callback(|()| first))?;
    Ok(())
}

#[test]
fn g2_the_pool_keeps_its_minimum() -> TestResult {
    let reactor = Reactor::new()?;
    let pool = reactor.thread_pool();
    pool.adjust(2, 4);
    while pool.stats().idle < 2 {
        thread::yield_now();
    }
    let ids = (0..4).map(|_| reactor.defer_to_thread(|| Ok::<_, Failure>(())));
    run(&reactor, hereafter::gather_results(ids))?;
    let stats = pool.stats();
    assert_eq!((stats.busy, stats.idle), (0, 0), "the pool ends with the reactor");
    Ok(())
}

#[test]
#[should_panic(expected = "a pool cannot have at least 2 threads and at most 1")]
fn g2_adjust_to_nonsense_panics() {
    Reactor::new().unwrap().thread_pool().adjust(2, 1);
}

#[test]
fn g2_call_in_thread_reports_a_panic() -> TestResult {
    static SEEN: AtomicBool = AtomicBool::new(false);
    report::set_hook(Some(|report: &report::Report| {
        if report.headline == "Unhandled error in a call in a thread" {
            SEEN.store(true, Ordering::SeqCst);
        }
    }));
    let reactor = Reactor::new()?;
    reactor.thread_pool().adjust(0, 1);
    reactor.call_in_thread(|| drop(never()));
    run(&reactor, reactor.defer_to_thread(|| Ok::<_, Failure>(())))?;
    report::set_hook(None::<fn(&report::Report)>);
    assert!(SEEN.load(Ordering::SeqCst));
    Ok(())
}

#[test]
fn g2_stop_waits_for_a_call_that_is_being_made() -> TestResult {
    let reactor = Reactor::new()?;
    let done = Arc::new(AtomicBool::new(false));
    let does = done.clone();
    reactor.call_in_thread(move || {
        thread::sleep(Duration::from_millis(5));
        does.store(true, Ordering::SeqCst);
    });
    let stopping = reactor.clone();
    reactor.call_when_running(move || stopping.stop().unwrap());
    reactor.run()?;
    assert!(done.load(Ordering::SeqCst));
    Ok(())
}

#[test]
fn g2_stop_does_not_wait_for_ever() -> TestResult {
    let reactor = Reactor::new()?;
    let (release, blocked) = blocker();
    let blocked = reactor.defer_to_thread(blocked);
    let options = RunOptions::default().thread_patience(Duration::from_millis(5));
    run_until(&reactor, options, Deferred::succeed(()))?;
    assert!(!blocked.has_result());
    release.send(())?;
    Ok(())
}

#[test]
fn g2_stop_drops_the_calls_that_wait() -> TestResult {
    let reactor = Reactor::new()?;
    reactor.thread_pool().adjust(0, 1);
    let (release, blocked) = blocker();
    let blocked = reactor.defer_to_thread(blocked);
    let waiting = reactor.defer_to_thread(never);
    let failure = Rc::new(Cell::new(None));
    let seen = failure.clone();
    waiting.add_errback(move |failure| seen.set(Some(failure))).detach();
    let stopping = reactor.clone();
    reactor.call_when_running(move || {
        stopping.stop().unwrap();
        stopping.call_later(Duration::from_millis(1), move || release.send(()).unwrap());
    });
    reactor.run()?;
    assert!(failure.take().unwrap().is::<Abandoned>());
    // The other one was waited for, and its callbacks have run.
    assert!(blocked.has_result());
    Ok(())
}

#[test]
fn g2_after_the_end_there_are_no_threads() -> TestResult {
    let reactor = Reactor::new()?;
    run(&reactor, Deferred::succeed(()))?;
    reactor.call_in_thread(|| drop(never()));
    let d = reactor.defer_to_thread(never);
    assert!(d.take_result().unwrap().unwrap_err().is::<ReactorNotRunning>());
    Ok(())
}

#[test]
fn g2_a_thread_may_block_on_the_reactor() -> TestResult {
    let reactor = Reactor::new()?;
    let remote = reactor.remote();
    let d = reactor.defer_to_thread(move || {
        let value = remote.block_from_thread(|| {
            defer_later(&Reactor::current().unwrap(), Duration::from_millis(1), || Ok(42))
        })?;
        let failed = remote.block_from_thread(|| Deferred::<()>::fail(std::fmt::Error));
        assert!(failed.unwrap_err().is::<std::fmt::Error>());
        Ok::<_, Failure>(value)
    });
    assert_eq!(run(&reactor, d)?, 42);
    Ok(())
}

#[test]
fn g2_stop_frees_threads_that_block_on_the_reactor() -> TestResult {
    let reactor = Reactor::new()?;
    let remote = reactor.remote();
    let d = reactor.defer_to_thread(move || {
        let stopping = remote.clone();
        let never = remote.block_from_thread(move || {
            stopping.stop();
            let (trigger, never) = Deferred::<()>::new();
            std::mem::forget(trigger);
            never
        });
        assert!(never.unwrap_err().is::<ReactorNotRunning>());
        assert!(remote.block_from_thread(|| ()).unwrap_err().is::<ReactorNotRunning>());
        Ok::<_, Failure>(())
    });
    // For ever, were it not freed.
    reactor.run_with(RunOptions::default().thread_patience(Duration::MAX))?;
    assert!(d.take_result().unwrap().is_ok());
    Ok(())
}

#[test]
#[should_panic(expected = "cannot block to wait for itself")]
fn g2_the_reactors_thread_cannot_block_on_itself() {
    let _ = Reactor::new().unwrap().remote().block_from_thread(|| ());
}
