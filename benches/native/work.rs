//! The values, callbacks and errors that all systems share, and how a future is polled by hand.

use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// What peers carry where ours carries a `Failure`.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The value that everything starts from, hidden from the optimizer.
#[inline]
pub(crate) fn start() -> u64 {
    black_box(41)
}

/// The first callback that captures nothing.
#[inline]
pub(crate) fn one(n: u64) -> u64 {
    n.wrapping_add(1)
}

/// The second.
#[inline]
pub(crate) fn two(n: u64) -> u64 {
    n.wrapping_mul(3)
}

/// The third.
#[inline]
pub(crate) fn three(n: u64) -> u64 {
    n ^ 0x55
}

/// A callback that captures eight bytes.
#[inline]
pub(crate) fn adding() -> impl Fn(u64) -> u64 + Copy {
    let a = black_box(7_u64);
    move |n| n.wrapping_add(a)
}

/// A callback that captures sixteen bytes.
#[inline]
pub(crate) fn mixing() -> impl Fn(u64) -> u64 + Copy {
    let (a, b) = (black_box(3_u64), black_box(5_u64));
    move |n| n.wrapping_mul(a) ^ b
}

/// Another one that captures eight bytes.
#[inline]
pub(crate) fn flipping() -> impl Fn(u64) -> u64 + Copy {
    let a = black_box(0x55_u64);
    move |n| n ^ a
}

/// The error of the failing shapes.
#[derive(Debug)]
pub(crate) struct Boom(pub(crate) u64);

impl fmt::Display for Boom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "boom {}", self.0)
    }
}

impl Error for Boom {}

/// What a receiver of a peer says when its sender is gone; never the case here.
#[cold]
pub(crate) fn closed<E>(_: E) -> BoxError {
    Box::new(Boom(0))
}

/// A result of a peer's callback.
#[expect(clippy::unnecessary_wraps, reason = "it stands for a callback that may fail")]
#[inline]
pub(crate) fn value(n: u64) -> Result<u64, BoxError> {
    Ok(n)
}

/// A new error, as peers carry it.
#[inline]
pub(crate) fn boom() -> BoxError {
    Box::new(Boom(start()))
}

/// A callback that fails.
#[inline]
pub(crate) fn fail(n: u64) -> Result<u64, BoxError> {
    Err(Box::new(Boom(n)))
}

/// An errback that hands the failure on.
#[inline]
pub(crate) fn pass_on(error: BoxError) -> Result<u64, BoxError> {
    Err(error)
}

/// An errback that recovers.
#[expect(clippy::unnecessary_wraps, reason = "it stands for an errback that may fail")]
#[inline]
pub(crate) fn recover(error: BoxError) -> Result<u64, BoxError> {
    drop(error);
    Ok(black_box(1))
}

/// The result of a future that is ready.
#[inline]
pub(crate) fn finish<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the benchmark fires before it takes the result"),
    }
}

/// Polls a future that cannot be ready yet, so that it waits.
#[inline]
pub(crate) fn wait<F: Future + Unpin>(future: &mut F) {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "the benchmark waits before it fires");
}

/// `chain!(3; start, method, callback)` is `start.method(callback).method(callback)...`.
macro_rules! chain {
    (3; $start:expr, $method:ident, $callback:expr) => {
        $start.$method($callback).$method($callback).$method($callback)
    };
    (4; $start:expr, $method:ident, $callback:expr) => {
        $start.$method($callback).$method($callback).$method($callback).$method($callback)
    };
    (19; $start:expr, $method:ident, $callback:expr) => {
        $crate::work::chain!(4; $crate::work::chain!(4; $crate::work::chain!(4;
            $crate::work::chain!(4; $crate::work::chain!(3; $start, $method, $callback),
            $method, $callback), $method, $callback), $method, $callback), $method, $callback)
    };
}
pub(crate) use chain;
