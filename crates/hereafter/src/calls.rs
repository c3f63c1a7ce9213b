//! Calling functions that may or may not be asynchronous.

use crate::deferred::Deferred;
use crate::failure::Failure;
use crate::outcome::Outcome;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `function` now, and gives back a deferred of what comes of it (Twisted's `maybeDeferred`).
///
/// It may give back a result, `()`, or a deferred, and the caller need not know which. A panic is a
/// failure.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, Failure, maybe_deferred};
///
/// fn is_valid_user(user: &str) -> Result<bool, Failure> {
///     Ok(["Alice", "Angus", "Agnes"].contains(&user))
/// }
///
/// let d = maybe_deferred(|| is_valid_user("Alice"));
/// assert!(d.take_result().unwrap().unwrap());
/// ```
#[track_caller]
pub fn maybe_deferred<R: Outcome>(function: impl FnOnce() -> R) -> Deferred<R::Value> {
    catch_unwind(AssertUnwindSafe(|| function().into_deferred()))
        .unwrap_or_else(|panic| Deferred::fail(Failure::from_panic(panic)))
}

/// Calls `function` now, and gives back a deferred of its plain value (Twisted's `execute`).
///
/// A panic is a failure.
///
/// # Examples
///
/// ```
/// let d = hereafter::execute(|| 6 * 7);
/// assert_eq!(d.take_result().unwrap().unwrap(), 42);
/// ```
#[track_caller]
pub fn execute<T: 'static>(function: impl FnOnce() -> T) -> Deferred<T> {
    maybe_deferred(|| Ok(function()))
}

/// A deferred that has fired with `value`; the same as [`Deferred::succeed`].
///
/// # Examples
///
/// ```
/// assert!(hereafter::succeed(1).has_result());
/// ```
pub fn succeed<T: 'static>(value: T) -> Deferred<T> {
    Deferred::succeed(value)
}

/// A deferred that has fired with a failure; the same as [`Deferred::fail`].
///
/// # Examples
///
/// ```
/// let d = hereafter::fail::<u32>(std::fmt::Error);
/// assert!(d.take_result().unwrap().is_err());
/// ```
#[track_caller]
pub fn fail<T: 'static>(failure: impl Into<Failure>) -> Deferred<T> {
    Deferred::fail(failure)
}

/// Gives back what it is given (Twisted's `passthru`): the side of a pair that does nothing.
///
/// # Errors
///
/// The failure that it is given.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, passthru};
/// let d = Deferred::succeed(1).add_both(passthru);
/// assert_eq!(d.take_result().unwrap().unwrap(), 1);
/// ```
pub fn passthru<T>(result: Result<T, Failure>) -> Result<T, Failure> {
    result
}
