//! Many threads at once, and threads that come too late: what they fire arrives once, or is dropped.

mod common;

use hereafter::errors::Abandoned;
use hereafter::mailbox::Mailbox;
use hereafter::{Deferred, Failure, RemoteTrigger, gather_results, report};
use hereafter_reactor::task::defer_later;
use hereafter_reactor::{
    Phase, Reactor, ReactorNotRunning, RemoteReactor, RunOptions, SystemEvent,
};
use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

type TestResult = Result<(), Box<dyn Error>>;

/// Leaves Ctrl-C alone, which is the whole process's.
fn run(reactor: &Reactor) -> TestResult {
    Ok(reactor.run_with(RunOptions::default().signals(false))?)
}

/// Runs until `d` has fired; what it came to.
fn run_for<T: 'static>(reactor: &Reactor, d: Deferred<T>) -> Result<T, Box<dyn Error>> {
    Ok(common::run_until(reactor, RunOptions::default().signals(false), d)?)
}

/// Counts how many of its clones have been dropped.
#[derive(Debug)]
struct Told(Arc<AtomicUsize>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn thousands_of_threads_fire_at_once() -> TestResult {
    const THREADS: usize = 2000;
    let reactor = Reactor::new()?;
    let (triggers, members): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| Deferred::new()).unzip();
    let remotes: Vec<RemoteTrigger<usize>> =
        triggers.into_iter().map(hereafter::Trigger::remote).collect();
    let (start, home) = (Arc::new(Barrier::new(THREADS)), thread::current().id());
    let called = Rc::new(Cell::new(0_usize));
    let count = called.clone();
    let threads: Vec<_> = remotes
        .into_iter()
        .enumerate()
        .map(|(n, remote)| {
            let (start, reactor) = (start.clone(), reactor.remote());
            let builder = thread::Builder::new().stack_size(128 * 1024);
            builder.spawn(move || {
                start.wait();
                match n % 3 {
                    0 => remote.callback(n),
                    1 => reactor.call_from_thread(move || remote.callback(n)),
                    _ => drop(remote),
                }
            })
        })
        .collect::<Result<_, _>>()?;
    let members = members.into_iter().map(move |d| {
        let count = count.clone();
        d.add_both(move |result| {
            assert_eq!(thread::current().id(), home);
            count.set(count.get() + 1);
            Ok(result.ok())
        })
    });
    let results = run_for(&reactor, gather_results(members))?;
    assert_eq!(called.get(), THREADS);
    for (n, result) in results.into_iter().enumerate() {
        assert_eq!(
            result,
            (n % 3 != 2).then_some(n),
            "each has its own, and what was dropped is abandoned"
        );
    }
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    Ok(())
}

#[test]
fn threads_go_on_firing_while_the_reactor_stops() -> TestResult {
    const THREADS: usize = 8;
    const EACH: usize = 500;
    let dropped = Arc::new(AtomicUsize::new(0));
    // On a thread of its own, which ends: what has not arrived by then goes with it.
    let (tell, told) = mpsc::channel::<RemoteReactor>();
    let count = dropped.clone();
    let reactors = thread::spawn(move || -> Result<usize, String> {
        let reactor = Reactor::new().map_err(|error| error.to_string())?;
        tell.send(reactor.remote()).map_err(|error| error.to_string())?;
        let arrived = Rc::new(Cell::new(0));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                let remotes: Vec<_> = (0..EACH)
                    .map(|_| {
                        let (trigger, d) = Deferred::<Told>::new();
                        let arrived = arrived.clone();
                        let counted = d.map(move |_| arrived.set(arrived.get() + 1));
                        counted
                            .add_errback(|failure: Failure| {
                                failure.trap::<Abandoned>()?;
                                Ok(())
                            })
                            .detach();
                        trigger.remote()
                    })
                    .collect();
                let count = count.clone();
                scope.spawn(move || {
                    for remote in remotes {
                        remote.callback(Told(count.clone()));
                    }
                });
            }
            let stopping = reactor.remote();
            scope.spawn(move || stopping.stop());
            run(&reactor).map_err(|error| error.to_string())
        })?;
        drop(reactor);
        // Whoever still fires has been waited for; what came after the end is here.
        Mailbox::current().run_pending();
        Ok(arrived.get())
    });
    let remote = told.recv()?;
    let arrived = reactors.join().expect("no panic")?;
    assert_eq!((arrived, dropped.load(Ordering::SeqCst)), (THREADS * EACH, THREADS * EACH));
    // It is over, and says so or does nothing.
    remote.stop();
    let told = Told(dropped.clone());
    remote.call_from_thread(move || drop(told));
    assert_eq!(dropped.load(Ordering::SeqCst), THREADS * EACH + 1, "it is dropped, and not made");
    assert!(
        remote.block_from_thread(|| Ok(())).is_err_and(|failure| failure.is::<ReactorNotRunning>())
    );
    Ok(())
}

#[test]
fn what_is_fired_after_the_reactor_has_stopped_waits_in_the_mailbox() -> TestResult {
    let reactor = Reactor::new()?;
    let (trigger, d) = Deferred::<u32>::new();
    let remote = trigger.remote();
    reactor.remote().stop();
    run(&reactor)?;
    thread::spawn(move || remote.callback(5)).join().expect("no panic");
    assert!(!d.has_result());
    // The next one on this thread finds it.
    drop(reactor);
    assert_eq!(run_for(&Reactor::new()?, d)?, 5);
    Ok(())
}

#[test]
fn reactors_on_two_threads_fire_deferreds_of_one_another() -> TestResult {
    const ROUNDS: u32 = 200;
    /// Waits for a number, hands on a greater one, and waits again.
    fn play(
        mut next: Deferred<u32>,
        answers: mpsc::Receiver<RemoteTrigger<u32>>,
        questions: mpsc::Sender<RemoteTrigger<u32>>,
    ) -> Result<u32, String> {
        let reactor = Reactor::new().map_err(|error| error.to_string())?;
        let clock = reactor.clone();
        let game = Deferred::from_coroutine(async move {
            let mut last = 0;
            while let Ok(n) = next.await {
                last = n;
                let (trigger, after) = Deferred::new();
                next = after;
                // Where the other one has stopped, this is dropped, and so the next is abandoned.
                drop(questions.send(trigger.remote()));
                defer_later(&clock, Duration::ZERO, || Ok(())).await?;
                let Ok(answer) = answers.recv() else { break };
                if n >= ROUNDS {
                    break;
                }
                answer.callback(n + 1);
            }
            Ok(last)
        });
        run_for(&reactor, game).map_err(|error| error.to_string())
    }
    let (to_one, from_other) = mpsc::channel();
    let (to_other, from_one) = mpsc::channel();
    let other = thread::spawn(move || {
        let (trigger, first) = Deferred::new();
        drop(to_one.send(trigger.remote()));
        play(first, from_one, to_one)
    });
    let begin: RemoteTrigger<u32> = from_other.recv()?;
    let (trigger, first) = Deferred::new();
    drop(to_other.send(trigger.remote()));
    begin.callback(1);
    let last = play(first, from_other, to_other)?;
    let other = other.join().expect("no panic")?;
    assert_eq!(last.max(other), ROUNDS);
    assert!(last.abs_diff(other) <= 1, "{last} {other}");
    Ok(())
}

#[test]
fn a_thread_that_blocks_on_a_reactor_is_let_go_at_its_end() -> TestResult {
    const THREADS: usize = 20;
    let reactor = Reactor::new()?;
    let start = Arc::new(Barrier::new(THREADS + 1));
    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (remote, start) = (reactor.remote(), start.clone());
            thread::spawn(move || {
                start.wait();
                let blocked = remote.block_from_thread(move || {
                    let reactor = Reactor::current().expect("it is its thread");
                    // Some have their answer at once, others never.
                    let delay = if n % 2 == 0 { Duration::ZERO } else { Duration::from_hours(1) };
                    defer_later(&reactor, delay, move || Ok(n))
                });
                match blocked {
                    Ok(answer) => assert_eq!(answer, n),
                    Err(failure) => assert!(failure.is::<ReactorNotRunning>(), "{failure:?}"),
                }
            })
        })
        .collect();
    let stopping = reactor.remote();
    reactor.add_system_event_trigger(Phase::After, SystemEvent::Startup, move || {
        start.wait();
        stopping.stop();
    });
    run(&reactor)?;
    for thread in threads {
        thread.join().expect("each is let go, with an answer or without");
    }
    Ok(())
}

#[test]
fn a_remote_trigger_that_is_dropped_by_a_thread_that_panics() -> TestResult {
    let reactor = Reactor::new()?;
    let (trigger, d) = Deferred::<u32>::new();
    let remote = trigger.remote();
    let collector = report::collect();
    reactor.call_in_thread(move || {
        let _dropped_by_the_panic = remote;
        panic!("on purpose");
    });
    let failure = run_for(&reactor, d.add_both(|result| Ok(result.unwrap_err())))?;
    assert!(failure.is::<Abandoned>());
    assert!(collector.take().is_empty(), "it is reported where it happened");
    Ok(())
}
