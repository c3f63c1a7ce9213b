//! What a callback may give back.

use crate::deferred::Deferred;
use crate::failure::Failure;

/// What a callback, errback, coroutine or [`maybe_deferred`](crate::maybe_deferred) may give back.
///
/// * `Result<U, Failure>`: a value, or a failure; `?` works on any error.
/// * `Deferred<U>`: the chain waits for it (Twisted's "callbacks can return deferreds").
/// * `()`: nothing to say.
///
/// There is one implementation for each, so that `|n| Ok(n + 1)` needs no annotation. A plain value
/// goes through [`map`](Deferred::map) instead. Types of your own may implement it.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
///
/// let d = Deferred::succeed("41")
///     .add_callback(|text| Ok(text.parse::<u32>()?))
///     .add_callback(|n| Deferred::succeed(n + 1))
///     .add_callback(|n| assert_eq!(n, 42));
/// assert!(d.take_result().unwrap().is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "a callback cannot give back `{Self}`",
    label = "this gives back `{Self}`",
    note = "it gives back a `Result<_, Failure>`, a `Deferred<_>` or `()`; wrap a plain value in `Ok(..)` or use `map`"
)]
pub trait Outcome {
    /// The type of the value in the end.
    type Value: 'static;

    /// The same as a deferred, which has its result already or not yet.
    fn into_deferred(self) -> Deferred<Self::Value>;
}

impl<U: 'static> Outcome for Result<U, Failure> {
    type Value = U;
    #[inline]
    fn into_deferred(self) -> Deferred<U> {
        Deferred::ready(self)
    }
}

impl<U: 'static> Outcome for Deferred<U> {
    type Value = U;
    #[inline]
    fn into_deferred(self) -> Deferred<U> {
        self
    }
}

impl Outcome for () {
    type Value = ();
    #[inline]
    fn into_deferred(self) -> Deferred<()> {
        Deferred::succeed(())
    }
}
