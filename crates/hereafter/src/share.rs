//! Several waiters on one result.

use crate::deferred::{CancelHandle, Deferred};
use crate::failure::Failure;
use crate::report;
use crate::waiters::Waiters;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::panic::Location;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// One result for several waiters; made by [`Deferred::share`].
///
/// Each [`wait`](Shared::wait) gives a deferred of its own, with a chain and a cancel of its own.
/// They fire in the order in which they were made, with clones of the result. Clones stand for the
/// same result.
///
/// A failure that is never given to anyone is reported when the last clone goes. Where cloning the
/// value panics, whoever should have got that clone gets the panic as a failure.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
///
/// let (trigger, d) = Deferred::<String>::new();
/// let shared = d.share();
/// let (first, second) = (shared.wait(), shared.wait());
/// trigger.callback("for all".to_owned());
/// assert_eq!(first.take_result().unwrap().unwrap(), "for all");
/// assert_eq!(second.take_result().unwrap().unwrap(), "for all");
/// assert_eq!(shared.wait().take_result().unwrap().unwrap(), "for all");
/// ```
pub struct Shared<T: Clone + 'static> {
    state: Rc<State<T>>,
    source: CancelHandle,
}

struct State<T: Clone + 'static> {
    result: RefCell<Option<Result<T, Failure>>>,
    waiters: Waiters<T>,
    /// Somebody was given the result.
    seen: Cell<bool>,
}

impl<T: Clone + 'static> Deferred<T> {
    /// Lets several wait for the result.
    ///
    /// # Examples
    ///
    /// ```
    /// let shared = hereafter::Deferred::succeed(1).share();
    /// assert_eq!(shared.wait().take_result().unwrap().unwrap(), 1);
    /// ```
    #[track_caller]
    pub fn share(mut self) -> Shared<T> {
        let source = self.cancel_handle();
        let state = Rc::new(State {
            result: RefCell::new(None),
            waiters: Waiters::new(),
            seen: Cell::new(false),
        });
        let arrived = state.clone();
        self.hand_over(move |result| arrived.arrive(result), Location::caller());
        Shared { state, source }
    }
}

impl<T: Clone + 'static> State<T> {
    /// Keeps the result, and gives it to everyone who waits.
    fn arrive(&self, result: Result<T, Failure>) {
        *self.result.borrow_mut() = Some(result);
        while let Some(waiter) = self.waiters.next() {
            if let Some(copy) = self.copy() {
                waiter.fire(copy);
            }
        }
    }

    /// A copy for one more, if the result is there. Where the value panics when it is cloned, that
    /// is a failure: whoever waits must not wait for ever.
    fn copy(&self) -> Option<Result<T, Failure>> {
        let clone = || self.result.borrow().clone();
        let copy = catch_unwind(AssertUnwindSafe(clone))
            .unwrap_or_else(|panic| Some(Err(Failure::from_panic(panic))));
        self.seen.set(self.seen.get() || copy.is_some());
        copy
    }
}

impl<T: Clone + 'static> Drop for State<T> {
    fn drop(&mut self) {
        if let (Some(Err(failure)), false) = (self.result.take(), self.seen.get()) {
            report::failure("Unhandled error in Deferred", failure);
        }
    }
}

impl<T: Clone + 'static> Shared<T> {
    /// A deferred of the result. Cancelling it cancels this wait alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// let (trigger, d) = Deferred::<u32>::new();
    /// let shared = d.share();
    /// let (patient, hasty) = (shared.wait(), shared.wait());
    /// hasty.cancel();
    /// trigger.callback(1);
    /// assert_eq!(patient.take_result().unwrap().unwrap(), 1);
    /// # drop(hasty.add_errback(|_| Ok(0)));
    /// ```
    #[track_caller]
    pub fn wait(&self) -> Deferred<T> {
        match self.state.copy() {
            Some(result) => Deferred::ready(result),
            None => self.state.waiters.wait(),
        }
    }

    /// Cancels the deferred that was shared; all waiters get what comes of that.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, errors::CancelledError};
    /// let (_trigger, d) = Deferred::<u32>::new();
    /// let shared = d.share();
    /// let waiting = shared.wait();
    /// shared.cancel();
    /// assert!(waiting.take_result().unwrap().unwrap_err().is::<CancelledError>());
    /// ```
    pub fn cancel(&self) {
        self.source.cancel();
    }

    /// Whether the result is there.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter::Deferred::succeed(1).share().has_result());
    /// ```
    pub fn has_result(&self) -> bool {
        self.state.result.borrow().is_some()
    }
}

impl<T: Clone + 'static> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), source: self.source.clone() }
    }
}

impl<T: Clone + 'static> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.state.waiters.len();
        f.debug_struct("Shared")
            .field("has_result", &self.has_result())
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}
