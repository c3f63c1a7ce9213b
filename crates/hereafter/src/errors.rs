//! The errors that Hereafter itself makes.

use crate::failure::Failure;
use core::fmt;
use core::panic::Location;
use core::time::Duration;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

/// A deferred was fired twice (Twisted's `AlreadyCalledError`).
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
///
/// let (trigger, _d) = Deferred::<u32>::new();
/// let trigger = trigger.shared();
/// assert!(trigger.callback(1).is_ok());
/// assert!(trigger.callback(2).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlreadyCalledError {
    /// In debug mode: where the deferred was made and first fired, for people.
    pub(crate) history: Option<String>,
}

impl fmt::Display for AlreadyCalledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deferred has already been fired")?;
        match &self.history {
            Some(history) => write!(f, "\n{history}"),
            None => Ok(()),
        }
    }
}

impl Error for AlreadyCalledError {}

/// A deferred was cancelled (Twisted's `CancelledError`).
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, errors::CancelledError};
///
/// let (_trigger, d) = Deferred::<u32>::new();
/// d.cancel();
/// let failure = d.take_result().unwrap().unwrap_err();
/// assert!(failure.is::<CancelledError>());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelledError;

impl fmt::Display for CancelledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deferred was cancelled")
    }
}

impl Error for CancelledError {}

/// A deferred did not fire in time (Twisted's `TimeoutError`); see
/// [`Deferred::add_timeout`](crate::Deferred::add_timeout).
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, clock::ManualClock, errors::TimeoutError};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let (_trigger, d) = Deferred::<u32>::new();
/// let d = d.add_timeout(Duration::from_secs(3), &clock);
/// clock.advance(Duration::from_secs(3));
/// let failure = d.take_result().unwrap().unwrap_err();
/// assert_eq!(failure.check::<TimeoutError>().unwrap().after, Duration::from_secs(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutError {
    /// How long it was given.
    pub after: Duration,
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no result after {} seconds", self.after.as_secs_f64())
    }
}

impl Error for TimeoutError {}

/// The trigger of a deferred was dropped unfired, so nothing could have fired it any more.
///
/// Twisted has no such error: there the deferred hangs in silence.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, errors::Abandoned};
///
/// let (trigger, d) = Deferred::<u32>::new();
/// drop(trigger);
/// let failure = d.take_result().unwrap().unwrap_err();
/// assert!(failure.check::<Abandoned>().unwrap().to_string().contains("made at"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abandoned {
    pub(crate) made: &'static Location<'static>,
}

impl Abandoned {
    /// Where the deferred was made.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, errors::Abandoned};
    /// let (trigger, d) = Deferred::<u32>::new();
    /// drop(trigger);
    /// let failure = d.take_result().unwrap().unwrap_err();
    /// assert!(failure.check::<Abandoned>().unwrap().made().line() > 0);
    /// ```
    pub fn made(&self) -> &'static Location<'static> {
        self.made
    }
}

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "abandoned: the trigger of the deferred made at {} was dropped", self.made)
    }
}

impl Error for Abandoned {}

/// A deferred was given back to itself, directly or through others, and would have waited forever.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, errors::CycleError};
/// use std::{cell::RefCell, rc::Rc};
///
/// let (trigger, d) = Deferred::<()>::new();
/// let own = Rc::new(RefCell::new(None::<Deferred<()>>));
/// let take = own.clone();
/// *own.borrow_mut() = Some(d.add_callback(move |()| take.borrow_mut().take().unwrap()));
/// trigger.callback(()); // the callback gives back the deferred that it is on
/// # let _ = CycleError::made;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CycleError {
    pub(crate) made: &'static Location<'static>,
}

impl CycleError {
    /// Where the deferred was made.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::errors::CycleError;
    /// fn tell(error: &CycleError) {
    ///     eprintln!("look at {}", error.made());
    /// }
    /// # let _ = tell;
    /// ```
    pub fn made(&self) -> &'static Location<'static> {
        self.made
    }
}

impl fmt::Display for CycleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the deferred made at {} would wait on itself", self.made)
    }
}

impl Error for CycleError {}

/// The first of several deferreds that failed (Twisted's `FirstError`).
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, errors::FirstError, gather_results};
///
/// let d = gather_results([Deferred::succeed(1), Deferred::fail(std::fmt::Error)]);
/// let failure = d.take_result().unwrap().unwrap_err();
/// let first = failure.check::<FirstError>().unwrap();
/// assert_eq!(first.index, 1);
/// assert!(first.failure.is::<std::fmt::Error>());
/// ```
#[derive(Debug, Clone)]
pub struct FirstError {
    /// What happened.
    pub failure: Failure,
    /// Which one it was, counted from 0.
    pub index: usize,
}

impl fmt::Display for FirstError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deferred #{} failed first: {}", self.index, self.failure)
    }
}

impl Error for FirstError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.failure.error())
    }
}

/// All of several deferreds failed (Twisted's `FailureGroup`); see [`race`](crate::race).
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, errors::FailureGroup, race};
///
/// let d = race::<u32>([Deferred::fail(std::fmt::Error), Deferred::fail(std::fmt::Error)]);
/// let failure = d.take_result().unwrap().unwrap_err();
/// assert_eq!(failure.check::<FailureGroup>().unwrap().failures.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct FailureGroup {
    /// What happened to each, in the order in which the deferreds were given.
    pub failures: Vec<Failure>,
}

impl fmt::Display for FailureGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} failed", self.failures.len())?;
        for (index, failure) in self.failures.iter().enumerate() {
            write!(f, "; #{index}: {failure}")?;
        }
        Ok(())
    }
}

impl Error for FailureGroup {}

/// A callback, errback, canceller or coroutine panicked.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, errors::Panicked};
///
/// # std::panic::set_hook(Box::new(|_| {}));
/// let d = Deferred::succeed(1).map(|_| -> u32 { panic!("oh no") });
/// let failure = d.take_result().unwrap().unwrap_err();
/// assert_eq!(failure.check::<Panicked>().unwrap().message(), "oh no");
/// ```
pub struct Panicked {
    message: String,
    payload: Mutex<Option<Box<dyn core::any::Any + Send>>>,
}

impl Panicked {
    pub(crate) fn new(payload: Box<dyn core::any::Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = text
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic whose payload is not a text".to_owned());
        Self { message, payload: Mutex::new(Some(payload)) }
    }

    /// What the panic said.
    ///
    /// # Examples
    ///
    /// ```
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// use hereafter::{errors::Panicked, execute};
    /// let failure = execute(|| -> u32 { panic!("oh no") }).take_result().unwrap().unwrap_err();
    /// assert_eq!(failure.check::<Panicked>().unwrap().message(), "oh no");
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the panic carried, for [`std::panic::resume_unwind`]; once.
    ///
    /// # Examples
    ///
    /// ```
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// use hereafter::{errors::Panicked, execute};
    /// let failure = execute(|| -> u32 { panic!("oh no") }).take_result().unwrap().unwrap_err();
    /// assert!(failure.check::<Panicked>().unwrap().take_payload().is_some());
    /// ```
    pub fn take_payload(&self) -> Option<Box<dyn core::any::Any + Send>> {
        self.payload.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panicked").field(&self.message).finish()
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl Error for Panicked {}

/// A text made into an error by [`Failure::msg`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message(pub(crate) std::borrow::Cow<'static, str>);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Message {}

/// The result of a deferred had been taken out before a callback gave that deferred back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlreadyTaken;

impl fmt::Display for AlreadyTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the result of this deferred has been taken already")
    }
}

impl Error for AlreadyTaken {}

/// A [`DeferredQueue`](crate::DeferredQueue) is full (Twisted's `QueueOverflow`).
///
/// It gives back what could not be put.
///
/// # Examples
///
/// ```
/// use hereafter::DeferredQueue;
///
/// let queue = DeferredQueue::bounded(Some(1), None);
/// queue.put("a").unwrap();
/// assert_eq!(queue.put("b").unwrap_err().0, "b");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueOverflow<T>(pub T);

impl<T> fmt::Debug for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueOverflow(..)")
    }
}

impl<T> fmt::Display for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is full")
    }
}

impl<T> Error for QueueOverflow<T> {}

/// Too many wait for a [`DeferredQueue`](crate::DeferredQueue) (Twisted's `QueueUnderflow`).
///
/// # Examples
///
/// ```
/// use hereafter::{DeferredQueue, errors::QueueUnderflow};
///
/// let queue = DeferredQueue::<u32>::bounded(None, Some(0));
/// let failure = queue.get().take_result().unwrap().unwrap_err();
/// assert!(failure.is::<QueueUnderflow>());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueUnderflow;

impl fmt::Display for QueueUnderflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many are waiting for the queue already")
    }
}

impl Error for QueueUnderflow {}

/// A [`DeferredFilesystemLock`](crate::DeferredFilesystemLock) is being waited for already
/// (Twisted's `AlreadyTryingToLockError`).
///
/// # Examples
///
/// ```
/// let error = hereafter::errors::AlreadyTryingToLockError;
/// assert_eq!(error.to_string(), "the lock is being waited for already");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlreadyTryingToLockError;

impl fmt::Display for AlreadyTryingToLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock is being waited for already")
    }
}

impl Error for AlreadyTryingToLockError {}
