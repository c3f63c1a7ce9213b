//! The kinds of links: which side of a pair is there, and what the missing side does.

use crate::deferred::Deferred;
use crate::erased::Link;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::report;

/// Drops a callback that is not called. A panic in that is reported: it must not take the
/// place of the result.
#[inline]
pub(crate) fn pass_over<F>(side: F) {
    // Most have nothing to drop, and a chain that is ready takes a few nanoseconds in all.
    if core::mem::needs_drop::<F>() {
        report::guard("a callback that was passed over, when it was dropped", || drop(side));
    }
}

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
        pass_over(self.0);
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
        pass_over(self.0);
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
        pass_over(self.0);
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
        pass_over(self.1);
        (self.0)(value).into_deferred()
    }
    #[inline]
    fn on_failure(self, failure: Failure) -> Deferred<R::Value> {
        pass_over(self.0);
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

/// A link of ours, which hands the result on.
pub(crate) struct Own<L>(pub(crate) L);

impl<T: 'static, L: Link<T>> Link<T> for Own<L> {
    type Out = L::Out;
    const SKIPS_FAILURES: bool = L::SKIPS_FAILURES;
    const SKIPS_VALUES: bool = L::SKIPS_VALUES;
    const IS_OWN: bool = true;
    #[inline]
    fn on_value(self, value: T) -> Deferred<L::Out> {
        self.0.on_value(value)
    }
    #[inline]
    fn on_failure(self, failure: Failure) -> Deferred<L::Out> {
        self.0.on_failure(failure)
    }
}
