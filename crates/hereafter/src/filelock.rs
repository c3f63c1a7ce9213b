//! A lock between processes.

use crate::clock::{Clock, DelayedCall};
use crate::deferred::Deferred;
use crate::errors::{AlreadyTryingToLockError, TimeoutError};
use crate::failure::Failure;
use crate::trigger::Trigger;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

/// How often a lock that is held elsewhere is tried again.
const INTERVAL: Duration = Duration::from_secs(1);

/// A lock that one process at a time holds, by a file (Twisted's `DeferredFilesystemLock`).
///
/// It uses the operating system's advisory file locks, which a process that crashes cannot leave
/// behind; it does not exclude a Twisted program, whose lock is a symbolic link. The file stays.
///
/// # Examples
///
/// ```
/// use hereafter::{DeferredFilesystemLock, clock::ManualClock};
///
/// let path = std::env::temp_dir().join(format!("hereafter-{}.lock", std::process::id()));
/// let lock = DeferredFilesystemLock::new(&path, ManualClock::new());
/// assert!(lock.try_lock().unwrap());
/// let other = DeferredFilesystemLock::new(&path, ManualClock::new());
/// let d = other.defer_until_locked(None);
/// assert!(!d.has_result()); // it is tried every second
/// lock.unlock();
/// # d.cancel(); drop(d.add_errback(|_| Ok(())));
/// # std::fs::remove_file(&path).unwrap();
/// ```
pub struct DeferredFilesystemLock(Rc<State>);

struct State {
    path: PathBuf,
    clock: Box<dyn Clock>,
    held: RefCell<Option<File>>,
    attempt: Cell<Option<Attempt>>,
}

/// What is under way while the lock is being tried.
struct Attempt {
    trigger: Trigger<()>,
    retry: DelayedCall,
    end: Option<(Duration, Duration)>,
}

impl DeferredFilesystemLock {
    /// A lock by the file at `path`, which is created when it is first taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{DeferredFilesystemLock, clock::ManualClock};
    /// let lock = DeferredFilesystemLock::new("some.lock", ManualClock::new());
    /// assert!(!lock.is_locked());
    /// ```
    pub fn new(path: impl AsRef<Path>, clock: impl Clock + 'static) -> Self {
        Self(Rc::new(State {
            path: path.as_ref().to_owned(),
            clock: Box::new(clock),
            held: RefCell::new(None),
            attempt: Cell::new(None),
        }))
    }

    /// Tries to take the lock now; whether this object holds it.
    ///
    /// # Errors
    ///
    /// When the file cannot be created or locked for another reason than that it is locked.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{DeferredFilesystemLock, clock::ManualClock};
    /// let lock = DeferredFilesystemLock::new("/no/such/folder/x.lock", ManualClock::new());
    /// assert!(lock.try_lock().is_err());
    /// ```
    pub fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }

    /// A deferred that fires when the lock is taken: at once, or by trying every second.
    ///
    /// With a `timeout` it fails with [`TimeoutError`] when the lock could not be taken by then;
    /// while it is being tried already, with
    /// [`AlreadyTryingToLockError`]; when the file cannot be locked at all, with the error.
    /// Cancelling it stops trying.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{DeferredFilesystemLock, clock::ManualClock};
    /// let path = std::env::temp_dir().join(format!("hereafter-wait-{}.lock", std::process::id()));
    /// let lock = DeferredFilesystemLock::new(&path, ManualClock::new());
    /// assert!(lock.defer_until_locked(None).take_result().unwrap().is_ok());
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    #[track_caller]
    pub fn defer_until_locked(&self, timeout: Option<Duration>) -> Deferred<()> {
        if self.0.is_trying() {
            return Deferred::fail(AlreadyTryingToLockError);
        }
        match self.0.try_lock() {
            Ok(true) => return Deferred::succeed(()),
            Ok(false) => {}
            Err(error) => return Deferred::fail(error),
        }
        let state = Rc::downgrade(&self.0);
        let (trigger, d) = Deferred::with_canceller(move || {
            let attempt = state.upgrade()?.attempt.take()?;
            // It fails when the call is being made, which is as good.
            let _ = attempt.retry.cancel();
            None
        });
        let end = timeout.map(|after| (self.0.clock.now().saturating_add(after), after));
        State::try_later(&self.0, trigger, end);
        d
    }

    /// Gives the lock back, if this object holds it. Dropping the object does too.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{DeferredFilesystemLock, clock::ManualClock};
    /// let lock = DeferredFilesystemLock::new("some.lock", ManualClock::new());
    /// lock.unlock(); // nothing to do
    /// ```
    pub fn unlock(&self) {
        // Closing the file gives the lock back.
        drop(self.0.held.take());
    }

    /// Whether this object holds the lock (Twisted's `locked`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{DeferredFilesystemLock, clock::ManualClock};
    /// assert!(!DeferredFilesystemLock::new("some.lock", ManualClock::new()).is_locked());
    /// ```
    pub fn is_locked(&self) -> bool {
        self.0.held.borrow().is_some()
    }
}

impl State {
    fn is_trying(&self) -> bool {
        let attempt = self.attempt.take();
        let trying = attempt.is_some();
        self.attempt.set(attempt);
        trying
    }

    fn try_lock(&self) -> io::Result<bool> {
        if self.held.borrow().is_some() {
            return Ok(true);
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)?;
        match file.try_lock() {
            Ok(()) => {
                *self.held.borrow_mut() = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Tries again after the interval, or at the end of the time, whichever comes first.
    fn try_later(this: &Rc<Self>, trigger: Trigger<()>, end: Option<(Duration, Duration)>) {
        let left = end.map(|(end, _)| end.saturating_sub(this.clock.now()));
        let delay = left.map_or(INTERVAL, |left| left.min(INTERVAL));
        let state = Rc::downgrade(this);
        let retry = this.clock.schedule(delay, Box::new(move || Self::try_again(&state)));
        this.attempt.set(Some(Attempt { trigger, retry, end }));
    }

    fn try_again(this: &Weak<Self>) {
        let Some(this) = this.upgrade() else { return };
        let Some(attempt) = this.attempt.take() else { return };
        match this.try_lock() {
            Ok(true) => attempt.finish(Ok(())),
            Err(error) => attempt.finish(Err(error.into())),
            Ok(false) => match attempt.end {
                Some((end, after)) if this.clock.now() >= end => {
                    attempt.finish(Err(TimeoutError { after }.into()));
                }
                end => Self::try_later(&this, attempt.trigger, end),
            },
        }
    }
}

impl Attempt {
    fn finish(self, result: Result<(), Failure>) {
        // It fails when it is this very call that finishes, which is as good.
        let _ = self.retry.cancel();
        self.trigger.fire(result);
    }
}

impl fmt::Debug for DeferredFilesystemLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredFilesystemLock")
            .field("path", &self.0.path)
            .field("is_locked", &self.is_locked())
            .finish_non_exhaustive()
    }
}
