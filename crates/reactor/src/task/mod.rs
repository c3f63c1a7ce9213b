//! Helpers on a [`Clock`]: calling later, again and again, and in small
//! steps (Twisted's `twisted.internet.task`).
//!
//! Twisted's `task.Clock`, the clock for tests, is [`ManualClock`] here.

mod cooperator;
mod looping_call;
mod react;

use core::time::Duration;
use hereafter::clock::Clock;
use hereafter::{Deferred, Outcome};

pub use cooperator::{CooperativeTask, Cooperator, SchedulerError, coiterate, cooperate};
pub use hereafter::clock::ManualClock;
pub use looping_call::{LoopingCall, LoopingCallError};
pub use react::{Exit, react};

/// Calls `call` after `delay`: a deferred of its outcome (Twisted's `deferLater`).
///
/// For a mere pause, `call` is `|| ()`. Dropping the deferred lets the call be made all the same.
///
/// # Cancelling
///
/// The call is taken back, and the deferred fails with
/// [`CancelledError`](hereafter::errors::CancelledError). Once the call was made, what it gave
/// back is cancelled.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::task::{ManualClock, defer_later};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let d = defer_later(&clock, Duration::from_secs(5), || Ok("five seconds later"));
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(d.take_result().unwrap()?, "five seconds later");
/// # Ok::<(), hereafter::Failure>(())
/// ```
#[track_caller]
pub fn defer_later<R: Outcome>(
    clock: &(impl Clock + ?Sized),
    delay: Duration,
    call: impl FnOnce() -> R + 'static,
) -> Deferred<R::Value> {
    let (trigger, later) = Deferred::new();
    let delayed = clock.schedule(delay, Box::new(move || trigger.callback(())));
    let later = later.on_cancel(move || {
        // It has not been made: that would have fired the deferred.
        let _ = delayed.cancel();
    });
    later.add_callback(move |()| call())
}
