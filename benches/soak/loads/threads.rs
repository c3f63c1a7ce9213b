//! What other threads do.

use std::rc::Rc;
use std::time::Duration;

use hereafter::errors::Panicked;
use hereafter::{Deferred, DeferredList, Failure, gather_results};
use hereafter_reactor::Reactor;
use hereafter_reactor::task::defer_later;

use super::wrong;
use crate::world::World;

/// Calls in threads of the pool, which succeed, fail, panic, block on the reactor, and are given up.
pub(crate) fn pool(world: Rc<World>) -> Deferred<u64> {
    const CALLS: usize = 20;
    Deferred::from_coroutine(async move {
        let reactor = &world.reactor;
        let calls: Vec<Deferred<usize>> = (0..CALLS)
            .map(|n| {
                let remote = reactor.remote();
                reactor.defer_to_thread(move || match n % 5 {
                    0 => Ok(n),
                    1 => Err(Failure::new(std::fmt::Error)),
                    2 => panic!("meant"),
                    3 => remote.block_from_thread(move || {
                        let reactor = Reactor::current().expect("it is its thread");
                        defer_later(&reactor, Duration::from_micros(100), move || Ok(n))
                    }),
                    _ => {
                        std::thread::yield_now();
                        Ok(n)
                    }
                })
            })
            .collect();
        for d in &calls {
            if fastrand::u32(0..5) == 0 {
                d.cancel();
            }
        }
        let results = DeferredList::new(calls).consume_errors().wait().await?;
        if results[0].as_ref().is_err_and(Failure::is::<Panicked>) {
            return Err(wrong(results));
        }
        // One that waits for a deferred of ours.
        let later = defer_later(reactor, Duration::from_micros(100), || Ok(7)).into_send();
        let waited = reactor.defer_to_thread(move || futures::executor::block_on(later));
        if waited.await? != 7 {
            return Err(wrong("another number"));
        }
        Ok(CALLS as u64 + 1)
    })
}

/// Threads that fire deferreds of the reactor's thread, all at once, or leave them.
pub(crate) fn remote(world: Rc<World>) -> Deferred<u64> {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    Deferred::from_coroutine(async move {
        let mut members = Vec::new();
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            let (triggers, own): (Vec<_>, Vec<_>) = (0..EACH)
                .map(|_| {
                    let (trigger, d) = Deferred::<usize>::new();
                    (trigger.remote(), d.add_errback(|_| Ok(0)))
                })
                .unzip();
            members.extend(own);
            let remote = world.reactor.remote();
            threads.push(std::thread::spawn(move || {
                for (n, trigger) in triggers.into_iter().enumerate() {
                    match n % 3 {
                        0 => trigger.callback(n),
                        1 => drop(trigger),
                        _ => remote.call_from_thread(move || trigger.callback(n)),
                    }
                }
            }));
        }
        for d in &members {
            if fastrand::u32(0..10) == 0 {
                d.cancel();
            }
        }
        gather_results(members).await?;
        let ended = world.reactor.defer_to_thread(move || {
            let all = threads.into_iter().all(|thread| thread.join().is_ok());
            Ok::<_, Failure>(all)
        });
        if !ended.await? {
            return Err(wrong("a panic in a thread"));
        }
        Ok((THREADS * EACH) as u64)
    })
}
