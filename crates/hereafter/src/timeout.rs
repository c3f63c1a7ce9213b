//! Giving up in time, and refusing to give up.

use crate::clock::Clock;
use crate::deferred::Deferred;
use crate::errors::{CancelledError, TimeoutError};
use crate::failure::Failure;
use crate::report;
use core::cell::Cell;
use core::panic::Location;
use core::time::Duration;
use std::rc::Rc;

impl<T: 'static> Deferred<T> {
    /// Cancels the deferred if it has no result after `timeout` (Twisted's `addTimeout`).
    ///
    /// The [`CancelledError`] of that becomes a [`TimeoutError`]; any other outcome of the cancel is
    /// left alone. Only the links added before are timed: the timer stops when they are through.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, clock::ManualClock, errors::TimeoutError};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let (_trigger, d) = Deferred::<u32>::new();
    /// let d = d.add_timeout(Duration::from_secs(10), &clock);
    /// clock.advance(Duration::from_secs(10));
    /// assert!(d.take_result().unwrap().unwrap_err().is::<TimeoutError>());
    /// ```
    #[track_caller]
    pub fn add_timeout(self, timeout: Duration, clock: &dyn Clock) -> Self {
        let asked = Location::caller();
        self.add_timeout_with(timeout, clock, |failure, after| {
            failure.trap::<CancelledError>()?;
            Err(Failure::made_at(TimeoutError { after }, asked))
        })
    }

    /// As [`add_timeout`](Deferred::add_timeout), with a function that says what a timeout makes of
    /// the failure (Twisted's `onTimeoutCancel`). It is called only when the time was up and the
    /// cancel led to a failure.
    ///
    /// # Errors
    ///
    /// What `on_timeout` gives back is the result.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, clock::ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let (_trigger, d) = Deferred::<&str>::new();
    /// let d = d.add_timeout_with(Duration::from_secs(10), &clock, |_failure, _after| Ok("late"));
    /// clock.advance(Duration::from_secs(10));
    /// assert_eq!(d.take_result().unwrap().unwrap(), "late");
    /// ```
    #[track_caller]
    pub fn add_timeout_with(
        mut self,
        timeout: Duration,
        clock: &dyn Clock,
        on_timeout: impl FnOnce(Failure, Duration) -> Result<T, Failure> + 'static,
    ) -> Self {
        if self.has_result() {
            return self;
        }
        let handle = self.cancel_handle();
        let timed_out = Rc::new(Cell::new(false));
        let tell = timed_out.clone();
        let call = clock.schedule(
            timeout,
            Box::new(move || {
                tell.set(true);
                handle.cancel();
            }),
        );
        self.add_both(move |result| {
            // It fails when the call has been made, which is as good.
            let _ = call.cancel();
            match result {
                Err(failure) if timed_out.get() => on_timeout(failure, timeout),
                other => other,
            }
        })
    }

    /// A deferred of the same result, whose cancel does not reach this one.
    ///
    /// Cancelling it gives [`CancelledError`] at once, and this one goes on. Its value is dropped
    /// then, and its failure reported, since nobody else will see it.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// let saved = Rc::new(Cell::new(false));
    /// let done = saved.clone();
    /// let (trigger, d) = Deferred::<()>::new();
    /// let d = d.map(move |()| done.set(true)).shield();
    /// d.cancel();
    /// trigger.callback(());
    /// assert!(saved.get());
    /// # drop(d.add_errback(|_| Ok(())));
    /// ```
    #[track_caller]
    pub fn shield(self) -> Self {
        if self.has_result() {
            return self;
        }
        let (trigger, shielded) = Self::new();
        self.chain_to(trigger);
        shielded
    }

    /// Reports a failure, and passes it on (Twisted's `logError`). Values pass unseen.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, report};
    /// let collector = report::collect();
    /// let d = Deferred::<u32>::fail(std::fmt::Error).log_failure().add_errback(|_| Ok(0));
    /// assert_eq!(collector.take().len(), 1);
    /// # drop(d);
    /// ```
    #[track_caller]
    pub fn log_failure(self) -> Self {
        self.add_errback(|failure| {
            report::failure("Error in Deferred", failure.clone());
            Err(failure)
        })
    }
}
