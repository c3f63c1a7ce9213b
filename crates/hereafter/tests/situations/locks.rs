//! Locks and semaphores: long rows, and those in them that go away.

use crate::common::{Drops, Log, Stash, failure, many, value, with_small_stack};
use hereafter::errors::Abandoned;
use hereafter::{Deferred, DeferredLock, DeferredSemaphore, LockGuard, gather_results};
use hereafter_testing::{plain_test, test};

#[plain_test]
fn a_long_row_that_is_done_at_once_does_not_overflow() {
    let count = many(200_000);
    with_small_stack(move || {
        let semaphore = DeferredSemaphore::new(1);
        let permit = value(semaphore.acquire());
        let all: Vec<_> = (0..count).map(|n| semaphore.run(move || Ok(n))).collect();
        assert_eq!(semaphore.waiting(), count);
        drop(permit);
        assert_eq!((semaphore.waiting(), semaphore.tokens()), (0, 1));
        assert_eq!(value(gather_results(all)).len(), count);
    });
}

#[plain_test]
fn a_long_row_of_coroutines_does_not_overflow() {
    let count = many(50_000);
    with_small_stack(move || {
        let lock = DeferredLock::new();
        let guard = value(lock.acquire());
        let all: Vec<_> = (0..count)
            .map(|n| {
                let lock = lock.clone();
                Deferred::from_coroutine(async move {
                    let _guard = lock.acquire().await?;
                    Ok(n)
                })
            })
            .collect();
        drop(guard);
        assert!(!lock.is_locked());
        assert_eq!(value(gather_results(all)).len(), count);
    });
}

#[plain_test]
fn a_long_row_that_is_given_up_does_not_overflow() {
    let count = many(50_000);
    with_small_stack(move || {
        let drops = Drops::new();
        let lock = DeferredLock::new();
        let guard = value(lock.acquire());
        let all: Vec<_> = (0..count)
            .map(|_| {
                let token = drops.token();
                lock.acquire().map(move |_guard| token.hold())
            })
            .collect();
        for d in &all {
            d.cancel();
        }
        assert_eq!((lock.waiting(), drops.alive()), (0, 0));
        drop(guard);
        assert!(!lock.is_locked());
        for d in all {
            failure(d);
        }
    });
}

#[test]
fn a_wait_whose_deferred_was_dropped_lets_the_next_one_in() {
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let first = lock.acquire();
    let second = lock.acquire();
    drop(first);
    drop(guard);
    assert!(second.has_result(), "a guard that nobody took is dropped");
}

#[test]
fn a_guard_that_is_dropped_in_the_callback_that_got_it() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let all: Vec<_> = (0..3)
        .map(|n| {
            let note = log.clone();
            lock.acquire().map(move |guard| {
                note.note(format!("{n} in"));
                drop(guard);
                note.note(format!("{n} out"));
            })
        })
        .collect();
    drop(guard);
    assert_eq!(log.take(), "0 in, 0 out, 1 in, 1 out, 2 in, 2 out");
    all.into_iter().for_each(value);
}

#[test]
fn asking_from_inside_waits_behind_those_who_asked_before() {
    let log = Log::new();
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let again = Stash::new();
    let (own, keep, a, b, c) = (lock.clone(), again.clone(), log.clone(), log.clone(), log.clone());
    let first = lock.acquire().map(move |_guard| {
        a.note("first");
        keep.put(own.acquire().map(move |_guard| b.note("first again")));
    });
    let second = lock.acquire().map(move |_guard| c.note("second"));
    drop(guard);
    assert_eq!(log.take(), "first, second, first again");
    value(first);
    value(second);
    value::<()>(again.take());
}

#[test]
fn a_guard_is_kept_in_a_result_until_that_is_dropped() {
    let lock = DeferredLock::new();
    let d: Deferred<LockGuard> = lock.acquire();
    assert!(lock.is_locked());
    drop(d);
    assert!(!lock.is_locked());
}

#[test]
fn run_of_work_that_is_abandoned_gives_the_lock_back() {
    let lock = DeferredLock::new();
    let (trigger, work) = Deferred::<u32>::new();
    let d = lock.run(move || work);
    drop(trigger);
    assert!(!lock.is_locked());
    assert!(failure(d).is::<Abandoned>());
}

#[test]
fn run_whose_deferred_is_dropped_goes_on_holding_the_lock() {
    let lock = DeferredLock::new();
    let (trigger, work) = Deferred::<u32>::new();
    drop(lock.run(move || work));
    assert!(lock.is_locked());
    trigger.callback(1);
    assert!(!lock.is_locked());
}

#[test]
fn those_who_wait_for_a_lock_that_goes_away_are_told() {
    let lock = DeferredLock::new();
    let guard = value(lock.acquire());
    let waiting = lock.acquire();
    // The guard keeps the lock alive, and lets the next one in when it goes.
    drop(lock);
    assert!(!waiting.has_result());
    drop(guard);
    drop(value(waiting));
}

#[test]
fn a_lock_and_a_semaphore_show_their_state() {
    let lock = DeferredLock::default();
    let guard = lock.try_acquire().unwrap();
    assert_eq!(format!("{lock:?}"), "DeferredLock { is_locked: true, waiting: 0 }");
    assert_eq!(format!("{guard:?}"), "LockGuard");
    let semaphore = DeferredSemaphore::new(2);
    let permit = semaphore.try_acquire().unwrap();
    assert_eq!(format!("{semaphore:?}"), "DeferredSemaphore { tokens: 1, limit: 2, waiting: 0 }");
    assert_eq!(format!("{permit:?}"), "Permit");
}
