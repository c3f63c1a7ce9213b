//! What waits for time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use hereafter::errors::{CancelledError, TimeoutError};
use hereafter::{Deferred, DeferredFilesystemLock};
use hereafter_reactor::task::{LoopingCall, coiterate, cooperate, defer_later};

use super::wrong;
use crate::world::World;

fn soon() -> Duration {
    Duration::from_micros(fastrand::u64(0..5000))
}

/// Timed calls that are made, moved and cancelled.
pub(crate) fn timers(world: Rc<World>) -> Deferred<u64> {
    const CALLS: u32 = 200;
    Deferred::from_coroutine(async move {
        let clock = &world.reactor;
        let made = Rc::new(Cell::new(0));
        let mut cancelled = 0;
        for _ in 0..CALLS {
            let count = made.clone();
            let call = clock.call_later(soon(), move || count.set(count.get() + 1));
            match fastrand::u32(0..3) {
                0 => {
                    call.cancel()?;
                    cancelled += 1;
                }
                1 => call.reset(soon())?,
                _ => call.delay(soon())?,
            }
        }
        let given_up = defer_later(clock, Duration::from_mins(10), || Ok(()));
        given_up.cancel();
        if !given_up.await.is_err_and(|failure| failure.is::<CancelledError>()) {
            return Err(wrong("no cancel"));
        }
        // They take at most twice five milliseconds.
        defer_later(clock, Duration::from_millis(11), || Ok(())).await?;
        if made.get() + cancelled != CALLS {
            return Err(wrong((made.get(), cancelled)));
        }
        Ok(u64::from(CALLS))
    })
}

/// Looping calls that are stopped, fail, and wait for what they call.
pub(crate) fn looping(world: Rc<World>) -> Deferred<u64> {
    Deferred::from_coroutine(async move {
        let clock = world.reactor.clone();
        let turns = fastrand::u32(1..20);
        let left = Cell::new(turns);
        let fails = fastrand::bool();
        let slow = clock.clone();
        let call = LoopingCall::with_self(&clock, move |this| {
            left.set(left.get() - 1);
            if left.get() > 0 {
                return defer_later(&slow, Duration::from_micros(200), || Ok(()));
            }
            if fails {
                return Deferred::fail(std::fmt::Error);
            }
            // It runs: this is it.
            let _ = this.stop();
            Deferred::succeed(())
        });
        let ended = call.start(Duration::from_micros(500), fastrand::bool()).await;
        if ended.is_err() != fails || call.running() {
            return Err(wrong(call));
        }
        Ok(u64::from(turns))
    })
}

/// Long work in small steps, which is paused, stopped, and fails.
pub(crate) fn cooperation(world: Rc<World>) -> Deferred<u64> {
    const STEPS: u64 = 1000;
    Deferred::from_coroutine(async move {
        let reactor = &world.reactor;
        coiterate(reactor, (0..STEPS).map(|_| Ok(()))).await?;
        let clock = reactor.clone();
        coiterate(reactor, (0..3).map(move |_| defer_later(&clock, soon(), || Ok(())))).await?;
        let endless = cooperate(reactor, std::iter::repeat_with(|| Ok(())));
        endless.pause()?;
        endless.resume()?;
        let done = endless.when_done();
        defer_later(reactor, Duration::from_millis(1), || Ok(())).await?;
        endless.stop()?;
        let failing =
            coiterate(reactor, (0..3).map(|n| if n == 2 { panic!("meant") } else { Ok(()) }));
        if done.await.is_ok() || failing.await.is_ok() {
            return Err(wrong("an end"));
        }
        Ok(STEPS)
    })
}

/// What takes too long, what is in time, and what does not give up.
pub(crate) fn timeouts(world: Rc<World>) -> Deferred<u64> {
    Deferred::from_coroutine(async move {
        let clock = &world.reactor;
        let slow =
            defer_later(clock, Duration::from_mins(10), || Ok(())).add_timeout(soon(), clock);
        let fast = defer_later(clock, soon(), || Ok(1)).add_timeout(Duration::from_mins(10), clock);
        let patient = defer_later(clock, soon(), || Ok(2)).shield();
        patient.cancel();
        if !slow.await.is_err_and(|failure| failure.is::<TimeoutError>()) {
            return Err(wrong("no timeout"));
        }
        fast.await?;
        drop(patient.await);
        Ok(3)
    })
}

/// Two that want the same file.
pub(crate) fn file_locks(world: Rc<World>) -> Deferred<u64> {
    Deferred::from_coroutine(async move {
        let path = world.path(&format!("{}.lock", fastrand::u32(..)));
        let clock = &world.reactor;
        let one = DeferredFilesystemLock::new(&path, clock.clone());
        let other = DeferredFilesystemLock::new(&path, clock.clone());
        one.defer_until_locked(None).await?;
        let waiting = other.defer_until_locked(Some(soon()));
        if !waiting.await.is_err_and(|failure| failure.is::<TimeoutError>()) {
            return Err(wrong(one));
        }
        let waiting = other.defer_until_locked(None);
        waiting.cancel();
        drop(waiting.await);
        let waiting = other.defer_until_locked(Some(Duration::from_secs(1)));
        one.unlock();
        if fastrand::u32(0..10) == 0 {
            waiting.await?;
        } else {
            waiting.cancel();
            drop(waiting.await);
        }
        std::fs::remove_file(path)?;
        Ok(4)
    })
}
