//! The kinds of links: which side of a pair is there, and what the missing side does.

use crate::deferred::Deferred;
use crate::erased::Link;
use crate::failure::Failure;
use crate::outcome::Outcome;

/// A callback that gives back a plain value.
pub(crate) struct Map<F>(pub(crate) F);

impl<T: 'static, U: 'static, F: FnOnce(T) -> U + 'static> Link<T> for Map<F> {
    type Out = U;
    const SKIPS_FAILURES: bool = true;
    const SKIPS_VALUES: bool = false;
    #[inline]
    fn on_value(self, value: T) -> Deferred<U> {
        Deferred::succeed((self.0)(value))
    }
    #[inline]
    fn on_failure(self, failure: Failure) -> Deferred<U> {
        Deferred::fail(failure)
    }
}

/// A callback alone: failures pass.
pub(crate) struct Callback<F>(pub(crate) F);

impl<T: 'static, R: Outcome, F: FnOnce(T) -> R + 'static> Link<T> for Callback<F> {
    type Out = R::Value;
    const SKIPS_FAILURES: bool = true;
    const SKIPS_VALUES: bool = false;
    #[inline]
    fn on_value(self, value: T) -> Deferred<R::Value> {
        (self.0)(value).into_deferred()
    }
    #[inline]
    fn on_failure(self, failure: Failure) -> Deferred<R::Value> {
        Deferred::fail(failure)
    }
}

/// An errback alone: values pass.
pub(crate) struct Errback<F>(pub(crate) F);

impl<T: 'static, R: Outcome<Value = T>, F: FnOnce(Failure) -> R + 'static> Link<T> for Errback<F> {
    type Out = T;
    const SKIPS_FAILURES: bool = false;
    const SKIPS_VALUES: bool = true;
    #[inline]
    fn on_value(self, value: T) -> Deferred<T> {
        Deferred::succeed(value)
    }
    #[inline]
    fn on_failure(self, failure: Failure) -> Deferred<T> {
        (self.0)(failure).into_deferred()
    }
}

/// A pair of a callback and an errback.
pub(crate) struct Callbacks<F, G>(pub(crate) F, pub(crate) G);

impl<T, R, S, F, G> Link<T> for Callbacks<F, G>
where
    T: 'static,
    R: Outcome,
    S: Outcome<Value = R::Value>,
    F: FnOnce(T) -> R + 'static,
    G: FnOnce(Failure) -> S + 'static,
{
    type Out = R::Value;
    const SKIPS_FAILURES: bool = false;
    const SKIPS_VALUES: bool = false;
    #[inline]
    fn on_value(self, value: T) -> Deferred<R::Value> {
        (self.0)(value).into_deferred()
    }
    #[inline]
    fn on_failure(self, failure: Failure) -> Deferred<R::Value> {
        (self.1)(failure).into_deferred()
    }
}

/// One function for both.
pub(crate) struct Both<F>(pub(crate) F);

impl<T, R, F> Link<T> for Both<F>
where
    T: 'static,
    R: Outcome,
    F: FnOnce(Result<T, Failure>) -> R + 'static,
{
    type Out = R::Value;
    const SKIPS_FAILURES: bool = false;
    const SKIPS_VALUES: bool = false;
    #[inline]
    fn on_value(self, value: T) -> Deferred<R::Value> {
        (self.0)(Ok(value)).into_deferred()
    }
    #[inline]
    fn on_failure(self, failure: Failure) -> Deferred<R::Value> {
        (self.0)(Err(failure)).into_deferred()
    }
}
