//! A lock between processes, with time wound by hand.

// Miri has no file locks.
#![cfg(not(miri))]

use crate::common::{failure, value};
use hereafter::DeferredFilesystemLock;
use hereafter::clock::ManualClock;
use hereafter::errors::{AlreadyTryingToLockError, CancelledError, TimeoutError};
use hereafter_testing::test;
use std::path::PathBuf;
use std::time::Duration;

/// A path of its own for each test, whose file goes in the end.
struct Path(PathBuf);

impl Path {
    fn new(test: &str) -> Self {
        let name = format!("hereafter-test-{test}-{}.lock", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn lock(&self) -> (DeferredFilesystemLock, ManualClock) {
        let clock = ManualClock::new();
        (DeferredFilesystemLock::new(&self.0, clock.clone()), clock)
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_free_lock_is_taken_at_once() {
    let path = Path::new("free");
    let (lock, clock) = path.lock();
    assert!(!lock.is_locked());
    value(lock.defer_until_locked(None));
    assert!(lock.is_locked());
    assert!(clock.delayed_calls().is_empty());
    assert!(lock.try_lock().unwrap(), "it holds it already");
    lock.unlock();
    assert!(!lock.is_locked());
    lock.unlock();
}

#[test]
fn a_held_lock_is_tried_every_second() {
    let path = Path::new("held");
    let (holder, _) = path.lock();
    assert!(holder.try_lock().unwrap());
    let (lock, clock) = path.lock();
    assert!(!lock.try_lock().unwrap());
    let d = lock.defer_until_locked(None);
    clock.advance(SECOND * 5);
    assert!(!d.has_result());
    holder.unlock();
    assert!(!d.has_result());
    clock.advance(SECOND);
    value(d);
    assert!(lock.is_locked() && !holder.try_lock().unwrap());
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn dropping_the_object_gives_the_lock_back() {
    let path = Path::new("dropped");
    let (holder, _) = path.lock();
    assert!(holder.try_lock().unwrap());
    drop(holder);
    assert!(path.lock().0.try_lock().unwrap());
}

#[test]
fn a_timeout_ends_the_trying() {
    let path = Path::new("timeout");
    let (holder, _) = path.lock();
    assert!(holder.try_lock().unwrap());
    let (lock, clock) = path.lock();
    let d = lock.defer_until_locked(Some(Duration::from_millis(2500)));
    clock.pump([SECOND, SECOND]);
    assert!(!d.has_result());
    clock.advance(Duration::from_millis(499));
    assert!(!d.has_result());
    clock.advance(Duration::from_millis(1));
    let failure = failure(d);
    assert_eq!(failure.check::<TimeoutError>().unwrap().after, Duration::from_millis(2500));
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn a_lock_that_comes_free_in_the_last_moment_is_taken() {
    let path = Path::new("last-moment");
    let (holder, _) = path.lock();
    assert!(holder.try_lock().unwrap());
    let (lock, clock) = path.lock();
    let d = lock.defer_until_locked(Some(SECOND));
    holder.unlock();
    clock.advance(SECOND);
    value(d);
}

#[test]
fn trying_twice_at_once_is_an_error() {
    let path = Path::new("twice");
    let (holder, _) = path.lock();
    assert!(holder.try_lock().unwrap());
    let (lock, clock) = path.lock();
    let d = lock.defer_until_locked(None);
    assert!(failure(lock.defer_until_locked(None)).is::<AlreadyTryingToLockError>());
    holder.unlock();
    clock.advance(SECOND);
    value(d);
    value(lock.defer_until_locked(None));
}

#[test]
fn a_cancel_stops_the_trying() {
    let path = Path::new("cancel");
    let (holder, _) = path.lock();
    assert!(holder.try_lock().unwrap());
    let (lock, clock) = path.lock();
    let d = lock.defer_until_locked(None);
    d.cancel();
    assert!(failure(d).is::<CancelledError>());
    assert!(clock.delayed_calls().is_empty());
    holder.unlock();
    value(lock.defer_until_locked(None));
}

#[test]
fn a_path_that_cannot_be_opened_is_an_error() {
    let lock = DeferredFilesystemLock::new("/no/such/folder/x.lock", ManualClock::new());
    assert!(lock.try_lock().is_err());
    assert!(failure(lock.defer_until_locked(None)).is::<std::io::Error>());
}

#[test]
fn an_attempt_whose_object_goes_away_is_told() {
    let path = Path::new("gone");
    let (holder, _) = path.lock();
    assert!(holder.try_lock().unwrap());
    let (lock, clock) = path.lock();
    let d = lock.defer_until_locked(None);
    drop(lock);
    assert!(failure(d).is::<hereafter::errors::Abandoned>());
    clock.advance(SECOND);
}

#[test]
fn it_shows_its_state() {
    let path = Path::new("shown");
    let text = format!("{:?}", path.lock().0);
    assert!(text.contains("is_locked: false") && text.contains("shown"), "{text}");
}
