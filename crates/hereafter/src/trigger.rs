//! Who fires a deferred.

use crate::cell::CellRef;
use crate::erased::{self, In};
use crate::errors::{Abandoned, AlreadyCalledError};
use crate::failure::Failure;
use crate::remote::RemoteTrigger;
use core::fmt;
use core::panic::Location;
use hereafter_engine::Claim;
use std::rc::Rc;

/// The one right to fire a [`Deferred`](crate::Deferred).
///
/// Whoever makes a deferred gets its trigger, and nobody else can fire it. Firing uses the trigger
/// up, so firing twice does not compile; where several may race to be first, see
/// [`shared`](Trigger::shared). A trigger that is dropped fires its deferred with an
/// [`Abandoned`] failure, so that nothing waits in silence for what can never come.
///
/// Where the deferred has been cancelled meanwhile, firing does nothing: the value is dropped.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
///
/// let (trigger, d) = Deferred::new();
/// let d = d.map(|n: u32| n + 1);
/// trigger.callback(41);
/// assert_eq!(d.take_result().unwrap().unwrap(), 42);
/// ```
#[must_use = "a trigger that is dropped fires its deferred with an `Abandoned` failure"]
pub struct Trigger<T: 'static> {
    pub(crate) end: In<T>,
}

impl<T> Trigger<T> {
    #[inline]
    pub(crate) fn new(end: In<T>) -> Self {
        Self { end }
    }

    /// Takes the firing end out, so that the drop does nothing.
    #[inline]
    pub(crate) fn into_end(self) -> In<T> {
        erased::end_of(self)
    }

    /// Fires with a value: the callbacks run now, before this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::new();
    /// trigger.callback("done");
    /// assert!(d.has_result());
    /// ```
    #[inline]
    pub fn callback(self, value: T) {
        self.fire(Ok(value));
    }

    /// Fires with a failure: the errbacks run now, before this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::<u32>::new();
    /// let d = d.add_errback(|failure| { failure.trap::<std::fmt::Error>()?; Ok(0) });
    /// trigger.errback(std::fmt::Error);
    /// assert_eq!(d.take_result().unwrap().unwrap(), 0);
    /// ```
    #[inline]
    #[track_caller]
    pub fn errback(self, failure: impl Into<Failure>) {
        self.fire(Err(failure.into()));
    }

    /// Fires with either.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::new();
    /// trigger.fire(Ok(1));
    /// assert!(d.has_result());
    /// ```
    #[inline]
    pub fn fire(self, result: Result<T, Failure>) {
        fire(&self.into_end(), result);
    }

    /// Where the deferred was made.
    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.end.cell().made()
    }

    /// Whether the deferred has been cancelled, or dropped with nothing left to do: no result is
    /// of interest any more.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::<u32>::new();
    /// assert!(!trigger.is_cancelled());
    /// d.cancel();
    /// assert!(trigger.is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        is_cancelled(self.end.cell())
    }

    /// A trigger that can be cloned, for where several sources may fire: the first one wins.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::new();
    /// let first = trigger.shared();
    /// let second = first.clone();
    /// assert!(second.callback(2).is_ok());
    /// assert!(first.callback(1).is_err());
    /// assert_eq!(d.take_result().unwrap().unwrap(), 2);
    /// ```
    pub fn shared(self) -> SharedTrigger<T> {
        SharedTrigger(Rc::new(self))
    }

    /// A trigger that can be sent to another thread, and fires by the mailbox of this one.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, mailbox::Mailbox};
    ///
    /// let (trigger, d) = Deferred::new();
    /// let remote = trigger.remote();
    /// std::thread::spawn(move || remote.callback(42));
    /// Mailbox::current().wait(); // a reactor does this by itself
    /// assert_eq!(d.take_result().unwrap().unwrap(), 42);
    /// ```
    pub fn remote(self) -> RemoteTrigger<T>
    where
        T: Send,
    {
        RemoteTrigger::new(self)
    }
}

#[inline]
pub(crate) fn fire<T: 'static>(end: &In<T>, result: Result<T, Failure>) -> Claim {
    end.cell().fire(|| end.put(result))
}

fn is_cancelled(cell: &CellRef) -> bool {
    cell.chain().is_fired() || !cell.is_of_interest()
}

impl<T> Drop for Trigger<T> {
    #[inline]
    fn drop(&mut self) {
        abandon(self.end.cell());
    }
}

/// The last one who could have fired a cell has gone.
#[cold]
pub(crate) fn abandon(cell: &CellRef) {
    if cell.chain().is_fired() || cell.is_cancelling() {
        return;
    }
    if cell.is_of_interest() {
        let _ = cell.fire_failure(|| abandoned(cell.made()));
    } else {
        // Nobody would see it: the cell goes with its canceller.
        let _ = cell.claim();
    }
}

/// The failure of a deferred, made at `made`, that nothing can fire any more.
pub(crate) fn abandoned(made: &'static Location<'static>) -> Failure {
    Failure::made_at(Abandoned { made }, made)
}

impl<T> fmt::Debug for Trigger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Trigger of Deferred at {:p}>", self.end.cell().address())
    }
}

/// A [`Trigger`] that can be cloned; the first firing wins. Made by [`Trigger::shared`].
///
/// The deferred fires with [`Abandoned`] when the last clone is dropped and none has fired.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
///
/// let (trigger, d) = Deferred::<u32>::new();
/// let trigger = trigger.shared();
/// d.cancel();
/// assert!(trigger.callback(1).is_ok()); // one late firing is swallowed, as in Twisted
/// assert!(trigger.callback(1).is_err());
/// ```
pub struct SharedTrigger<T: 'static>(Rc<Trigger<T>>);

impl<T> Clone for SharedTrigger<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> SharedTrigger<T> {
    /// Fires with a value.
    ///
    /// # Errors
    ///
    /// [`AlreadyCalledError`] when the deferred has been fired already. The one late firing after
    /// the cancel of a deferred without a canceller is swallowed, and is no error.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, _d) = hereafter::Deferred::new();
    /// assert!(trigger.shared().callback(1).is_ok());
    /// ```
    pub fn callback(&self, value: T) -> Result<(), AlreadyCalledError> {
        self.fire(Ok(value))
    }

    /// Fires with a failure.
    ///
    /// # Errors
    ///
    /// As [`callback`](SharedTrigger::callback).
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::<u32>::new();
    /// assert!(trigger.shared().errback(std::fmt::Error).is_ok());
    /// # drop(d.add_errback(|_| Ok(0)));
    /// ```
    #[track_caller]
    pub fn errback(&self, failure: impl Into<Failure>) -> Result<(), AlreadyCalledError> {
        self.fire(Err(failure.into()))
    }

    /// Fires with either.
    ///
    /// # Errors
    ///
    /// As [`callback`](SharedTrigger::callback).
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, _d) = hereafter::Deferred::new();
    /// assert!(trigger.shared().fire(Ok(1)).is_ok());
    /// ```
    pub fn fire(&self, result: Result<T, Failure>) -> Result<(), AlreadyCalledError> {
        let end = &self.0.end;
        match fire(end, result) {
            Claim::Mine | Claim::Swallowed => Ok(()),
            Claim::Taken => Err(AlreadyCalledError { history: crate::debug::history(end.cell()) }),
        }
    }

    /// Whether the deferred has its result, or nobody wants one any more.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::new();
    /// let trigger = trigger.shared();
    /// assert!(!trigger.is_done());
    /// trigger.callback(1).unwrap();
    /// assert!(trigger.is_done());
    /// # drop(d);
    /// ```
    pub fn is_done(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl<T> fmt::Debug for SharedTrigger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedTrigger").field(&self.0).finish()
    }
}
