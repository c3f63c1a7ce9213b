//! Deferreds alone: nothing here waits for anything outside.

use std::rc::Rc;

use hereafter::errors::{Abandoned, CancelledError, FirstError, Panicked};
use hereafter::{
    Deferred, DeferredList, DeferredLock, DeferredQueue, DeferredSemaphore, Failure, Trigger,
    gather_results, race,
};

use super::wrong;
use crate::world::World;

/// Lets the reactor go on between two rounds: nothing else here does.
async fn done(operations: u64) -> Result<u64, Failure> {
    tokio::task::yield_now().await;
    Ok(operations)
}

fn meant() -> Result<u64, Failure> {
    panic!("meant");
}

/// Long chains, lines of waiting ones, pauses, cancels.
pub(crate) fn chains(_: Rc<World>) -> Deferred<u64> {
    const LENGTH: u32 = 1000;
    Deferred::from_coroutine(async {
        let (trigger, mut d) = Deferred::<u32>::new();
        for _ in 0..LENGTH {
            d = d.map(|n| n + 1).add_errback(|_| Ok(0));
        }
        trigger.callback(0);
        if d.await? != LENGTH {
            return Err(wrong("another sum"));
        }
        let (first, mut d) = Deferred::<String>::new();
        for n in 0..LENGTH {
            let (trigger, outer) = Deferred::<()>::new();
            d = outer.add_callback(move |()| d).map(move |text| format!("{n} {}", text.len()));
            trigger.callback(());
        }
        if fastrand::bool() {
            first.callback("first".to_owned());
            d.await?;
        } else {
            d.cancel();
            drop(first);
            match d.await {
                Err(failure) if failure.is::<CancelledError>() => {}
                other => return Err(wrong(other)),
            }
        }
        let (trigger, mut d) = Deferred::<Vec<u8>>::new();
        let pause = d.pause();
        trigger.callback(vec![0; fastrand::usize(0..10_000)]);
        pause.unpause();
        let shared = d.share();
        let (one, other) = (shared.wait(), shared.wait());
        if one.await? != other.await? {
            return Err(wrong("two results"));
        }
        done(u64::from(LENGTH) * 2 + 4).await
    })
}

fn pending(count: usize) -> (Vec<Trigger<usize>>, Vec<Deferred<usize>>) {
    (0..count).map(|_| Deferred::new()).unzip()
}

/// Lists with each of their switches, fired, cancelled and abandoned in any order.
pub(crate) fn lists(_: Rc<World>) -> Deferred<u64> {
    const MEMBERS: usize = 20;
    Deferred::from_coroutine(async {
        for kind in 0..6 {
            let (mut triggers, members) = pending(MEMBERS);
            let list = |members| DeferredList::new(members).consume_errors();
            let list: Deferred<usize> = match kind {
                0 => list(members).wait().map(|results| results.len()),
                1 => list(members).fire_on_one_callback().map(|(_, index)| index),
                2 => list(members).fire_on_one_errback().map(|values| values.len()),
                3 => list(members).fire_on_first().map(|(_, index)| index),
                4 => race(members).map(|(index, _)| index),
                _ => gather_results(members).map(|values| values.len()),
            };
            fastrand::shuffle(&mut triggers);
            // The last kind would report the failures that come after the first.
            let fail = kind < 5 && fastrand::bool();
            if fastrand::u32(0..4) == 0 {
                list.cancel();
            }
            for (n, trigger) in triggers.into_iter().enumerate() {
                match fastrand::u32(0..3) {
                    0 if fail => trigger.errback(std::fmt::Error),
                    1 if fail => drop(trigger),
                    _ => trigger.callback(n),
                }
            }
            if let Err(failure) = list.await {
                let known = failure.find::<CancelledError>().is_some()
                    || failure.is::<FirstError>()
                    || failure.is::<hereafter::errors::FailureGroup>();
                if !known {
                    return Err(failure);
                }
            }
        }
        done(6 * MEMBERS as u64).await
    })
}

/// Locks, semaphores and queues with those who wait, and give up waiting.
pub(crate) fn locks(_: Rc<World>) -> Deferred<u64> {
    const WAITERS: usize = 50;
    Deferred::from_coroutine(async {
        let (lock, semaphore) = (DeferredLock::new(), DeferredSemaphore::new(3));
        let (held, permit) = (lock.acquire().await?, semaphore.acquire().await?);
        let mut waiting = Vec::new();
        for n in 0..WAITERS {
            waiting.push(lock.run(move || Ok(n)));
            let inner = lock.clone();
            waiting.push(semaphore.run(move || inner.run(move || Ok(n))));
        }
        for d in &waiting {
            if fastrand::u32(0..4) == 0 {
                d.cancel();
            }
        }
        drop((held, permit));
        for d in waiting {
            match d.await {
                Err(failure) if !failure.is::<CancelledError>() => return Err(failure),
                _ => {}
            }
        }
        if lock.is_locked() || semaphore.tokens() != 3 {
            return Err(wrong((lock, semaphore)));
        }
        let queue = DeferredQueue::<Box<usize>>::new();
        let gets: Vec<_> = (0..WAITERS).map(|_| queue.get()).collect();
        let given_up = gets.iter().filter(|_| fastrand::u32(0..4) == 0).inspect(|d| d.cancel());
        let given_up = given_up.count();
        for n in 0..WAITERS - given_up {
            queue.put(Box::new(n)).map_err(|_| wrong("a full queue"))?;
        }
        for d in gets {
            match d.await {
                Err(failure) if !failure.is::<CancelledError>() => return Err(failure),
                _ => {}
            }
        }
        done(3 * WAITERS as u64).await
    })
}

/// Coroutines that await one another, are cancelled in the middle, panic, and are dropped.
pub(crate) fn coroutines(_: Rc<World>) -> Deferred<u64> {
    const DEPTH: u64 = 200;
    Deferred::from_coroutine(async {
        let (trigger, mut d) = Deferred::<u64>::new();
        for _ in 0..DEPTH {
            let inner = d;
            d = Deferred::from_coroutine(async move { Ok(inner.await? + 1) });
        }
        match fastrand::u32(0..3) {
            0 => {
                trigger.callback(0);
                if d.await? != DEPTH {
                    return Err(wrong("another sum"));
                }
            }
            1 => {
                d.cancel();
                drop(trigger);
                if !d.await.is_err_and(|failure| failure.is::<CancelledError>()) {
                    return Err(wrong("no cancel"));
                }
            }
            _ => {
                drop(trigger);
                if !d.await.is_err_and(|failure| failure.is::<Abandoned>()) {
                    return Err(wrong("no end"));
                }
            }
        }
        let sleep = std::time::Duration::from_millis(fastrand::u64(0..3));
        let sleeping = Deferred::from_future(async move {
            tokio::time::sleep(sleep).await;
            Ok::<_, Failure>(vec![0_u8; 100])
        });
        if fastrand::bool() {
            sleeping.cancel();
            drop(sleeping.await);
        } else {
            sleeping.await?;
        }
        let panicking = Deferred::from_coroutine(async {
            tokio::task::yield_now().await;
            meant()
        });
        if !panicking.await.is_err_and(|failure| failure.is::<Panicked>()) {
            return Err(wrong("no panic"));
        }
        done(DEPTH + 2).await
    })
}

/// What nobody handles is reported, once each.
pub(crate) fn unhandled(world: Rc<World>) -> Deferred<u64> {
    Deferred::from_coroutine(async move {
        let clock = world.reactor.clone();
        // A failure that was there from the start, one that came, one of a coroutine.
        world.expect_reports(3);
        drop(Deferred::<u32>::fail(std::fmt::Error));
        let (trigger, d) = Deferred::<u32>::new();
        drop(d.map(|n| n + 1));
        trigger.errback(std::fmt::Error);
        drop(Deferred::from_coroutine(async {
            tokio::task::yield_now().await;
            Err::<u32, Failure>(std::fmt::Error.into())
        }));
        // Panics where there is no deferred, and one in a chain that nobody has.
        world.expect_reports(4);
        clock.call_later(std::time::Duration::ZERO, || panic!("meant"));
        clock.remote().call_from_thread(|| panic!("meant"));
        clock.call_in_thread(|| panic!("meant"));
        drop(Deferred::succeed(1).map(|_| panic!("meant")).map(|()| 1));
        // It goes on all the same.
        hereafter_reactor::task::defer_later(&clock, std::time::Duration::ZERO, || Ok(())).await?;
        done(7).await
    })
}
