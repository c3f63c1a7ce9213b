//! `Deferred` itself: a result that is there, or a handle to the end of a chain.

use crate::cell::{Canceller, CellRef, Head, cycle};
use crate::driver;
use crate::erased::{self, Link, Out};
use crate::failure::Failure;
use crate::links::{Both, Callback, Callbacks, Errback, Map, Own};
use crate::outcome::Outcome;
use crate::report;
use crate::trigger::{Trigger, fire};
use core::fmt;
use core::future::Future;
use core::mem;
use core::panic::Location;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A result that will be there hereafter, and the chain of callbacks that want it
/// (Twisted's `Deferred`).
///
/// It is one object in the course of its chain, seen under its present type: adding a callback
/// takes the `Deferred<T>` and gives it back as a `Deferred<U>`. There is one handle, so nobody
/// else can add to the chain. It stays on its thread (`!Send`); see
/// [`into_send`](Deferred::into_send) and [`Trigger::remote`].
///
/// * The callbacks run in the order in which they were added: when it fires, inside the call that
///   fires it; or, if it has fired, at once, inside the call that adds them.
/// * Each gets what the one before gave back. A value goes to callbacks, a [`Failure`] to errbacks;
///   the missing side passes the result on.
/// * A callback that gives back a `Deferred` makes the chain wait for it.
/// * An `Err` or a panic makes the result a failure and goes to the *next* errback.
///
/// # Dropping
///
/// Dropping the handle detaches it: the chain still runs when it fires. It does not cancel; see
/// [`cancel`](Deferred::cancel). If what is left in the end is a failure, nobody can handle it any
/// more, and it is [reported](crate::report).
///
/// # Cost
///
/// A deferred that has its result is the result: nothing is allocated. One that is pending is one
/// allocation, in which a few small callbacks find room.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
/// use std::num::ParseIntError;
///
/// let (trigger, d) = Deferred::<&str>::new();
/// let d = d
///     .add_callback(|text| Ok(text.parse::<u32>()?))
///     .map(|n| n + 1)
///     .add_errback(|failure| { failure.trap::<ParseIntError>()?; Ok(0) });
/// trigger.callback("41");
/// assert_eq!(d.take_result().unwrap().unwrap(), 42);
/// ```
#[must_use = "a failure in a deferred that is dropped can only be reported; `drop` it if that is meant"]
pub struct Deferred<T: 'static> {
    pub(crate) repr: Repr<T>,
}

/// Where the result of a deferred is.
pub(crate) enum Repr<T: 'static> {
    /// Here.
    Ready(Result<T, Failure>),
    /// In a cell, or to come there.
    Pending(Out<T>),
    /// It was taken out.
    Gone,
}

/// A deferred never refers to itself.
impl<T> Unpin for Deferred<T> {}

impl<T: 'static> Deferred<T> {
    /// A pending deferred, and the trigger that fires it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::new();
    /// trigger.callback(42);
    /// assert_eq!(d.take_result().unwrap().unwrap(), 42);
    /// ```
    #[allow(clippy::new_ret_no_self, reason = "a deferred is made together with its trigger")]
    #[inline]
    #[track_caller]
    pub fn new() -> (Trigger<T>, Self) {
        let (end, out) = erased::cell(Head::new(Location::caller()));
        (Trigger::new(end), Self::pending(out))
    }

    /// A pending deferred that knows how to be cancelled.
    ///
    /// [`cancel`](Deferred::cancel) calls `canceller`, if the deferred has not fired by then. It
    /// should stop the work whose result would have come. If it gives back `Some`, that is the
    /// result; with `None` (and if it has not fired the deferred by a
    /// [`SharedTrigger`](crate::SharedTrigger)) the result is
    /// [`CancelledError`](crate::errors::CancelledError). It is dropped when the deferred fires. A
    /// canceller that panics is reported, and counts as `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    ///
    /// let (trigger, d) = Deferred::with_canceller(|| Some(Ok("cancelled in good order")));
    /// d.cancel();
    /// assert_eq!(d.take_result().unwrap().unwrap(), "cancelled in good order");
    /// # drop(trigger);
    /// ```
    #[track_caller]
    pub fn with_canceller(
        canceller: impl FnOnce() -> Option<Result<T, Failure>> + 'static,
    ) -> (Trigger<T>, Self) {
        let (end, out) = erased::cell(Head::new(Location::caller()));
        // The canceller refers to its own cell; firing drops it, and a trigger always fires.
        let own = end.clone();
        end.cell().set_canceller(Canceller::Call(Box::new(move || {
            if let Some(result) = canceller() {
                let _ = fire(&own, result);
            }
        })));
        (Trigger::new(end), Self::pending(out))
    }

    /// Has `canceller` called when the deferred is cancelled before it has fired.
    ///
    /// It is as [`with_canceller`](Deferred::with_canceller), for a canceller that needs what was
    /// made with the trigger: a delayed call, a connection. It takes the place of an earlier one.
    /// The deferreds of coroutines and of lists know by themselves whom to cancel: on them, and on
    /// a deferred that has fired, it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// use hereafter::clock::{Clock, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let (trigger, d) = Deferred::new();
    /// let call = clock.call_later(Duration::from_secs(5), move || trigger.callback(()));
    /// let d = d.on_cancel(move || drop(call.cancel()));
    /// d.cancel();
    /// assert!(clock.delayed_calls().is_empty());
    /// # drop(d.add_errback(|_| Ok(())));
    /// ```
    pub fn on_cancel(self, canceller: impl FnOnce() + 'static) -> Self {
        if let Repr::Pending(out) = &self.repr
            && !out.cell().chain().is_fired()
        {
            out.cell().replace_canceller(Box::new(canceller));
        }
        self
    }

    /// A deferred that has fired with `value` (Twisted's `succeed`).
    ///
    /// # Examples
    ///
    /// ```
    /// let d = hereafter::Deferred::succeed(41).map(|n| n + 1);
    /// assert_eq!(d.take_result().unwrap().unwrap(), 42);
    /// ```
    #[inline]
    pub fn succeed(value: T) -> Self {
        Self::ready(Ok(value))
    }

    /// A deferred that has fired with a failure (Twisted's `fail`).
    ///
    /// # Examples
    ///
    /// ```
    /// let d = hereafter::Deferred::<u32>::fail(std::fmt::Error).add_errback(|_| Ok(0));
    /// assert_eq!(d.take_result().unwrap().unwrap(), 0);
    /// ```
    #[inline]
    #[track_caller]
    pub fn fail(failure: impl Into<Failure>) -> Self {
        Self::ready(Err(failure.into()))
    }

    /// A deferred that has fired with `result`.
    ///
    /// # Examples
    ///
    /// ```
    /// let d = hereafter::Deferred::ready(Ok(1));
    /// assert!(d.has_result());
    /// ```
    #[inline]
    pub fn ready(result: Result<T, Failure>) -> Self {
        Self { repr: Repr::Ready(result) }
    }

    #[inline]
    pub(crate) fn pending(out: Out<T>) -> Self {
        Self { repr: Repr::Pending(out) }
    }

    /// Takes the contents out; the drop then does nothing.
    #[inline]
    pub(crate) fn into_repr(self) -> Repr<T> {
        erased::contents(self)
    }

    /// Adds a link; the four public ways to add end here.
    #[inline]
    pub(crate) fn add<L: Link<T>>(
        self,
        link: L,
        added: &'static Location<'static>,
    ) -> Deferred<L::Out> {
        match self.into_repr() {
            Repr::Ready(result) => run_now(link, result, added),
            Repr::Pending(out) => {
                let out = out.push(link, added);
                if out.cell().chain().is_fired() {
                    out.cell().run();
                }
                Deferred::pending(out)
            }
            Repr::Gone => Deferred::fail(Failure::already_taken()),
        }
    }

    /// Has the result go to `arrive`, and to nobody else; `added` is where the program asked for that.
    #[inline]
    pub(crate) fn hand_over<R: Outcome>(
        self,
        arrive: impl FnOnce(Result<T, Failure>) -> R + 'static,
        added: &'static Location<'static>,
    ) {
        drop(self.add(Own(Both(arrive)), added));
    }

    /// Adds a callback that gives back a plain value.
    ///
    /// # Panics
    ///
    /// Never; a panic of `callback` becomes a failure, here and in the other methods that add.
    ///
    /// # Examples
    ///
    /// ```
    /// let d = hereafter::Deferred::succeed(41).map(|n| n + 1);
    /// assert_eq!(d.take_result().unwrap().unwrap(), 42);
    /// ```
    #[inline]
    #[track_caller]
    pub fn map<U: 'static>(self, callback: impl FnOnce(T) -> U + 'static) -> Deferred<U> {
        self.add(Map(callback), Location::caller())
    }

    /// Adds a callback (Twisted's `addCallback`): it gets the value, and a failure passes it by.
    ///
    /// It gives back a `Result<_, Failure>`, a `Deferred` to wait for, or `()`; see [`Outcome`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    ///
    /// let d = Deferred::succeed("42")
    ///     .add_callback(|text| Ok(text.parse::<u32>()?))      // `?` makes failures
    ///     .add_callback(|n| Deferred::succeed(vec![n]));      // waits for another deferred
    /// assert_eq!(d.take_result().unwrap().unwrap(), [42]);
    /// ```
    #[inline]
    #[track_caller]
    pub fn add_callback<R: Outcome>(
        self,
        callback: impl FnOnce(T) -> R + 'static,
    ) -> Deferred<R::Value> {
        self.add(Callback(callback), Location::caller())
    }

    /// Adds an errback (Twisted's `addErrback`): it gets the failure, and a value passes it by.
    ///
    /// What it gives back with `Ok` puts the chain back on the callback side.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    ///
    /// let d = Deferred::succeed("x")
    ///     .add_callback(|text| Ok(text.parse::<u32>()?))
    ///     .add_errback(|_failure| Ok(0));
    /// assert_eq!(d.take_result().unwrap().unwrap(), 0);
    /// ```
    #[inline]
    #[track_caller]
    pub fn add_errback<R: Outcome<Value = T>>(
        self,
        errback: impl FnOnce(Failure) -> R + 'static,
    ) -> Self {
        self.add(Errback(errback), Location::caller())
    }

    /// Adds a pair (Twisted's `addCallbacks`): one of them runs.
    ///
    /// A failure that `callback` makes does *not* go to this `errback`, but to the next: that is
    /// how it differs from `add_callback(callback).add_errback(errback)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, Failure};
    ///
    /// let d = Deferred::succeed(1)
    ///     .add_callbacks(|_| Err(Failure::msg("broken")), |_| Ok("not called"))
    ///     .add_errback(|_| Ok("called"));
    /// assert_eq!(d.take_result().unwrap().unwrap(), "called");
    /// ```
    #[inline]
    #[track_caller]
    pub fn add_callbacks<R: Outcome, S: Outcome<Value = R::Value>>(
        self,
        callback: impl FnOnce(T) -> R + 'static,
        errback: impl FnOnce(Failure) -> S + 'static,
    ) -> Deferred<R::Value> {
        self.add(Callbacks(callback, errback), Location::caller())
    }

    /// Adds one function for both sides (Twisted's `addBoth`).
    ///
    /// # Examples
    ///
    /// ```
    /// let d = hereafter::Deferred::succeed(1).add_both(|result| {
    ///     println!("done: {}", result.is_ok());
    ///     result // hands it on
    /// });
    /// assert_eq!(d.take_result().unwrap().unwrap(), 1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn add_both<R: Outcome>(
        self,
        both: impl FnOnce(Result<T, Failure>) -> R + 'static,
    ) -> Deferred<R::Value> {
        self.add(Both(both), Location::caller())
    }

    /// Has another deferred fire with our result (Twisted's `chainDeferred`).
    ///
    /// Where that has been cancelled, our value is dropped, and our failure reported. Any number of deferreds may be chained
    /// in a line; they fire without recursion. Where our result would have to come from the other
    /// one, that fires with a [`CycleError`](crate::errors::CycleError).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    ///
    /// let (trigger, d) = Deferred::new();
    /// Deferred::succeed(42).chain_to(trigger);
    /// assert_eq!(d.take_result().unwrap().unwrap(), 42);
    /// ```
    pub fn chain_to(self, trigger: Trigger<T>) {
        match self.into_repr() {
            Repr::Ready(result) => trigger.fire(result),
            Repr::Pending(out) => {
                let end = trigger.into_end();
                if end.cell().closes_cycle(out.cell()) {
                    // Our result would have to come from the other one: neither would ever fire.
                    let made = end.cell().made();
                    let _ = fire(&end, Err(cycle(made)));
                    return drop(Self::pending(out));
                }
                let cell = out.chain_to(end, false);
                cell.seal();
                if cell.chain().is_fired() {
                    cell.run();
                }
            }
            Repr::Gone => trigger.errback(Failure::already_taken()),
        }
    }

    /// Whether the result is there: fired, all links run, not paused and not waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::new();
    /// assert!(!d.has_result());
    /// trigger.callback(1);
    /// assert!(d.has_result());
    /// ```
    pub fn has_result(&self) -> bool {
        match &self.repr {
            Repr::Ready(_) => true,
            Repr::Pending(out) => {
                let cell = out.cell();
                cell.body().is_full() && !cell.body().has_links() && cell.chain().paused() == 0
            }
            Repr::Gone => false,
        }
    }

    /// Takes the result, if it is there; else gives the deferred back.
    ///
    /// # Errors
    ///
    /// The deferred itself, when it has no result yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    ///
    /// let (trigger, d) = Deferred::new();
    /// let d = d.take_result().unwrap_err(); // not yet
    /// trigger.callback(42);
    /// assert_eq!(d.take_result().unwrap().unwrap(), 42);
    /// ```
    pub fn take_result(mut self) -> Result<Result<T, Failure>, Self> {
        match self.take_ready() {
            Some(result) => Ok(result),
            None => Err(self),
        }
    }

    /// The result, if it is there, leaving nothing.
    #[inline]
    fn take_ready(&mut self) -> Option<Result<T, Failure>> {
        match mem::replace(&mut self.repr, Repr::Gone) {
            Repr::Ready(result) => Some(result),
            Repr::Pending(out) => {
                let ready = if out.cell().chain().paused() == 0 { out.take() } else { None };
                if ready.is_none() {
                    self.repr = Repr::Pending(out);
                }
                ready
            }
            Repr::Gone => None,
        }
    }

    /// Cancels (Twisted's `cancel`).
    ///
    /// * Not fired yet: its canceller is called, if it has one; see
    ///   [`with_canceller`](Deferred::with_canceller). Without one it fires with
    ///   [`CancelledError`](crate::errors::CancelledError), and what its trigger fires later is
    ///   dropped.
    /// * Waiting on another deferred: that one is cancelled, and so on to the innermost. Its
    ///   `CancelledError` travels outwards, and any errback on the way may recover. A coroutine's
    ///   `.await` gets it as an `Err`.
    /// * Otherwise it does nothing. It never fails, and may be repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, errors::CancelledError};
    ///
    /// let (_trigger, d) = Deferred::<u32>::new();
    /// d.cancel();
    /// assert!(d.take_result().unwrap().unwrap_err().is::<CancelledError>());
    /// ```
    pub fn cancel(&self) {
        if let Repr::Pending(out) = &self.repr {
            // User code may drop the deferred meanwhile, though not this handle.
            let cell = out.cell().clone();
            cell.cancel();
        }
    }

    /// Lets the chain run on its own, and gives up the handle. It is what a drop does; it says that
    /// it is meant.
    ///
    /// A failure that is left over in the end is [reported](crate::report).
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, d) = hereafter::Deferred::new();
    /// d.map(|text| println!("{text}")).detach();
    /// trigger.callback("printed");
    /// ```
    pub fn detach(self) {}

    /// A handle by which somebody else can cancel this deferred.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    ///
    /// let (trigger, mut d) = Deferred::<u32>::new();
    /// let handle = d.cancel_handle();
    /// let d = d.add_errback(|_| Ok(0));
    /// handle.cancel();
    /// assert_eq!(d.take_result().unwrap().unwrap(), 0);
    /// # drop(trigger);
    /// ```
    #[track_caller]
    pub fn cancel_handle(&mut self) -> CancelHandle {
        CancelHandle::new(self.as_cell().clone())
    }

    /// Pauses (Twisted's `pause`): no callback runs until the guard is gone.
    ///
    /// Pauses count: it goes on when the last guard has been dropped, or its
    /// [`unpause`](PauseGuard::unpause) been called. A pause made from inside one of its own
    /// callbacks takes effect when those that are queued by then have run.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut d = hereafter::Deferred::succeed(1);
    /// let guard = d.pause();
    /// let d = d.map(|n| n + 1);
    /// assert!(!d.has_result());
    /// guard.unpause();
    /// assert_eq!(d.take_result().unwrap().unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn pause(&mut self) -> PauseGuard {
        let cell = self.as_cell().clone();
        cell.chain().pause();
        #[cfg(feature = "inspect")]
        crate::inspect::paused(&cell, Location::caller());
        PauseGuard(cell)
    }

    /// The cell, which is made now for a deferred that was born with its result.
    #[track_caller]
    fn as_cell(&mut self) -> &CellRef {
        if !matches!(self.repr, Repr::Pending(_)) {
            let (end, out) = erased::cell::<T>(Head::new(Location::caller()));
            let result = match mem::replace(&mut self.repr, Repr::Pending(out)) {
                Repr::Ready(result) => result,
                Repr::Pending(_) | Repr::Gone => Err(Failure::already_taken()),
            };
            let _ = fire(&end, result);
        }
        match &self.repr {
            Repr::Pending(out) => out.cell(),
            Repr::Ready(_) | Repr::Gone => unreachable!("it was made pending above"),
        }
    }
}

/// Runs a link on a result that is there.
#[inline]
fn run_now<T: 'static, L: Link<T>>(
    link: L,
    result: Result<T, Failure>,
    added: &'static Location<'static>,
) -> Deferred<L::Out> {
    // The two cases of one match arm each share what follows them.
    let skipped = L::SKIPS_FAILURES && result.is_err();
    let outcome = catch_unwind(AssertUnwindSafe(move || match result {
        Ok(value) => link.on_value(value),
        Err(failure) => link.on_failure(failure),
    }));
    let deferred = match outcome {
        Ok(deferred) => deferred,
        Err(panic) => Deferred::ready(Err(Failure::from_panic(panic))),
    };
    match deferred.into_repr() {
        Repr::Ready(Err(failure)) if !skipped => Deferred::ready(Err(failure.passed(added))),
        repr => Deferred { repr },
    }
}

impl<T: 'static> Future for Deferred<T> {
    type Output = Result<T, Failure>;

    /// The result, once it is there.
    ///
    /// # Panics
    ///
    /// When polled again after that.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.take_ready() {
            return Poll::Ready(result);
        }
        let Repr::Pending(out) = &self.repr else {
            panic!("a deferred was polled after it had given its result");
        };
        let cell = out.cell();
        let Ok(coroutine) = driver::note_awaiting(cell) else {
            return Poll::Ready(Err(cycle(cell.made())));
        };
        cell.body().wake_later(context.waker(), coroutine);
        Poll::Pending
    }
}

impl<T: 'static> Drop for Deferred<T> {
    #[inline]
    fn drop(&mut self) {
        match mem::replace(&mut self.repr, Repr::Gone) {
            Repr::Gone | Repr::Ready(Ok(_)) => {}
            Repr::Ready(Err(failure)) => report::unhandled(failure, None),
            Repr::Pending(out) => out.cell().detach(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Deferred<T> {
    /// As Twisted's `repr`: `<Deferred at 0x... waiting on Deferred at 0x...>`, and where it was
    /// made. While it is inspected, `{:#?}` tells its whole story.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "inspect")]
        if f.alternate() && crate::inspect::enabled() {
            return f.write_str(crate::inspect::explain(self).to_string().trim_end());
        }
        match &self.repr {
            Repr::Ready(Ok(value)) => write!(f, "<Deferred current result: {value:?}>"),
            Repr::Ready(Err(failure)) => write!(f, "<Deferred current result: {failure:?}>"),
            Repr::Gone => f.write_str("<Deferred, result taken>"),
            Repr::Pending(out) => {
                let cell = out.cell();
                write!(f, "<Deferred at {:p}", cell.address())?;
                if let Some(inner) = cell.body().waiting_on() {
                    write!(f, " waiting on Deferred at {:p}", inner.address())?;
                } else if cell.body().is_full() {
                    f.write_str(" current result: there")?;
                }
                write!(f, ", made at {}>", cell.made())
            }
        }
    }
}

/// Cancels a deferred from afar; made by [`Deferred::cancel_handle`].
///
/// It does not keep the deferred from being dropped, and does nothing once that has its result.
///
/// # Examples
///
/// ```
/// let (_trigger, mut d) = hereafter::Deferred::<u32>::new();
/// let handle = d.cancel_handle();
/// handle.cancel();
/// handle.clone().cancel(); // may be repeated
/// assert!(d.has_result());
/// # drop(d.add_errback(|_| Ok(0)));
/// ```
pub struct CancelHandle(CellRef);

impl CancelHandle {
    fn new(cell: CellRef) -> Self {
        cell.add_cancel_handle();
        Self(cell)
    }

    /// Does what [`Deferred::cancel`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_trigger, mut d) = hereafter::Deferred::<u32>::new();
    /// d.cancel_handle().cancel();
    /// # drop(d.add_errback(|_| Ok(0)));
    /// ```
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// What it cancels.
    #[cfg(feature = "inspect")]
    pub(crate) fn cell(&self) -> &CellRef {
        &self.0
    }
}

impl Clone for CancelHandle {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl Drop for CancelHandle {
    fn drop(&mut self) {
        self.0.remove_cancel_handle();
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<CancelHandle of Deferred at {:p}>", self.0.address())
    }
}

/// Keeps a deferred paused; made by [`Deferred::pause`].
///
/// # Examples
///
/// ```
/// let mut d = hereafter::Deferred::succeed(1);
/// let guard = d.pause();
/// assert!(!d.has_result());
/// drop(guard);
/// assert!(d.has_result());
/// ```
#[must_use = "the deferred goes on when the guard is dropped"]
pub struct PauseGuard(CellRef);

impl PauseGuard {
    /// Lets the deferred go on (Twisted's `unpause`), if no other guard is left.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut d = hereafter::Deferred::succeed(1);
    /// d.pause().unpause();
    /// assert!(d.has_result());
    /// ```
    pub fn unpause(self) {}
}

impl Drop for PauseGuard {
    fn drop(&mut self) {
        self.0.unpause();
    }
}

impl fmt::Debug for PauseGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<PauseGuard of Deferred at {:p}>", self.0.address())
    }
}
