//! [`LoopingCall`]: a function called again and again.

use core::cell::Cell;
use core::fmt;
use core::time::Duration;
use hereafter::clock::{Clock, DelayedCall};
use hereafter::{Deferred, Failure, Outcome, Trigger, report};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Calls a function again and again, at an even pace (Twisted's `LoopingCall`).
///
/// Calls are made at whole multiples of the interval since the start. One that comes late does not
/// make the next one late, and what was missed is left out, not made up for:
/// [`with_count`](LoopingCall::with_count) tells how much that was. When the function gives back a
/// deferred, the next call is not made before that has fired, so there are never two at once.
///
/// Clones are handles on the same loop. Dropping them does not stop it; [`stop`](LoopingCall::stop),
/// a failure of the function, and cancelling what [`start`](LoopingCall::start) gave back do.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::task::{LoopingCall, ManualClock};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// let (clock, calls) = (ManualClock::new(), Rc::new(Cell::new(0)));
/// let counted = calls.clone();
/// let looping = LoopingCall::new(&clock, move || counted.set(counted.get() + 1));
/// let done = looping.start(Duration::from_secs(60), true);
/// clock.pump([60, 60].map(Duration::from_secs));
/// assert_eq!(calls.get(), 3); // once at the start
///
/// looping.stop()?;
/// assert!(done.has_result());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LoopingCall(Rc<Inner>);

type Function = Box<dyn FnMut(&LoopingCall, u64) -> Deferred<()>>;

struct Inner {
    clock: Box<dyn Clock>,
    /// Taken out while it runs.
    function: Cell<Option<Function>>,
    /// The function wants to know how many calls it stands for, and is not called for none.
    counts: bool,
    /// `start` was called, `stop` was not.
    running: Cell<bool>,
    /// The function was called, and is not done.
    busy: Cell<bool>,
    interval: Cell<Duration>,
    /// When it started: intervals are counted from here.
    start: Cell<Duration>,
    /// The first call was made at the start, and not an interval later.
    at_start: Cell<bool>,
    /// When the function was last called, where that is counted.
    last: Cell<Option<Duration>>,
    next: Cell<Option<DelayedCall>>,
    done: Cell<Option<Trigger<LoopingCall>>>,
}

/// Why a [`LoopingCall`] cannot be started, stopped or reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopingCallError {
    /// It runs already, or its last call is not done.
    AlreadyRunning,
    /// It does not run.
    NotRunning,
}

impl fmt::Display for LoopingCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyRunning => "the looping call runs already",
            Self::NotRunning => "the looping call does not run",
        })
    }
}

impl Error for LoopingCallError {}

impl LoopingCall {
    /// A loop that calls `function`, once it is started.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, task::LoopingCall};
    ///
    /// let reactor = Reactor::new()?;
    /// let looping = LoopingCall::new(&reactor, || println!("tick"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new<R: Outcome>(
        clock: &(impl Clock + Clone + 'static),
        mut function: impl FnMut() -> R + 'static,
    ) -> Self {
        Self::make(clock, false, move |_, _| function())
    }

    /// A loop that calls `function` with how many calls the interval asked for since the last one
    /// (Twisted's `withCount`): 1, and more after a hold-up. With no interval it is always 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{LoopingCall, ManualClock};
    /// use std::{cell::Cell, rc::Rc, time::Duration};
    ///
    /// let (clock, frames) = (ManualClock::new(), Rc::new(Cell::new(0)));
    /// let shown = frames.clone();
    /// let looping = LoopingCall::with_count(&clock, move |count| shown.set(shown.get() + count));
    /// looping.start(Duration::from_secs(1), false);
    /// clock.advance(Duration::from_secs(1));
    /// clock.advance(Duration::from_secs(10)); // a hold-up
    /// assert_eq!(frames.get(), 11);
    /// ```
    pub fn with_count<R: Outcome>(
        clock: &(impl Clock + Clone + 'static),
        mut function: impl FnMut(u64) -> R + 'static,
    ) -> Self {
        Self::make(clock, true, move |_, count| function(count))
    }

    /// A loop that calls `function` with itself, to be stopped or reset from inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{LoopingCall, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let looping = LoopingCall::with_self(&clock, |looping| looping.stop().unwrap());
    /// assert!(looping.start(Duration::from_secs(1), true).has_result());
    /// ```
    pub fn with_self<R: Outcome>(
        clock: &(impl Clock + Clone + 'static),
        mut function: impl FnMut(&LoopingCall) -> R + 'static,
    ) -> Self {
        Self::make(clock, false, move |this, _| function(this))
    }

    fn make<R: Outcome>(
        clock: &(impl Clock + Clone + 'static),
        counts: bool,
        mut function: impl FnMut(&LoopingCall, u64) -> R + 'static,
    ) -> Self {
        let function: Function =
            Box::new(move |this, count| function(this, count).into_deferred().map(drop));
        Self(Rc::new(Inner {
            clock: Box::new(clock.clone()),
            function: Cell::new(Some(function)),
            counts,
            running: Cell::new(false),
            busy: Cell::new(false),
            interval: Cell::default(),
            start: Cell::default(),
            at_start: Cell::new(false),
            last: Cell::new(None),
            next: Cell::new(None),
            done: Cell::new(None),
        }))
    }

    /// Starts the loop: every `interval`, the first time `now` or after one interval.
    ///
    /// What it gives back fires with the loop itself when it is stopped (and the last call is
    /// done), and with the failure of the function when that fails, which ends the loop too. With
    /// an interval of zero the function is called as often as possible, with everything else
    /// having its turn in between.
    ///
    /// # Errors
    ///
    /// The deferred has failed with [`LoopingCallError::AlreadyRunning`] when the loop runs, or its
    /// last call is not done.
    ///
    /// # Cancelling
    ///
    /// Stops the loop. A call that is being made is not cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// use hereafter_reactor::task::{LoopingCall, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let looping = LoopingCall::new(&clock, || Err::<(), _>(Failure::msg("broken")));
    /// let done = looping.start(Duration::from_secs(1), false);
    /// assert!(looping.running());
    /// clock.advance(Duration::from_secs(1));
    /// assert!(!looping.running());
    /// assert_eq!(done.take_result().unwrap().unwrap_err().to_string(), "broken");
    /// ```
    #[track_caller]
    pub fn start(&self, interval: Duration, now: bool) -> Deferred<LoopingCall> {
        let inner = &*self.0;
        if inner.running.get() || inner.busy.get() {
            return Deferred::fail(LoopingCallError::AlreadyRunning);
        }
        // The loop has the trigger, so the deferred must not hold the loop.
        let this = Rc::downgrade(&self.0);
        let (trigger, done) = Deferred::new();
        let done = done.on_cancel(move || {
            if let Some(this) = this.upgrade().map(Self) {
                this.0.running.set(false);
                this.take_back();
                drop(this.0.done.take());
            }
        });
        inner.done.set(Some(trigger));
        inner.running.set(true);
        inner.interval.set(interval);
        inner.start.set(inner.clock.now());
        inner.at_start.set(now);
        inner.last.set(None);
        if now {
            self.call();
        } else {
            self.schedule();
        }
        done
    }

    /// Takes the next call back; whether there was one.
    fn take_back(&self) -> bool {
        self.0.next.take().is_some_and(|next| next.cancel().is_ok())
    }

    /// Stops the loop. What [`start`](LoopingCall::start) gave back fires now, or when the call that
    /// is being made is done.
    ///
    /// # Errors
    ///
    /// [`LoopingCallError::NotRunning`] when it does not run.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{LoopingCall, ManualClock};
    /// use std::time::Duration;
    ///
    /// let looping = LoopingCall::new(&ManualClock::new(), || ());
    /// looping.start(Duration::from_secs(1), true);
    /// assert!(looping.stop().is_ok());
    /// assert!(looping.stop().is_err());
    /// ```
    pub fn stop(&self) -> Result<(), LoopingCallError> {
        if !self.0.running.replace(false) {
            return Err(LoopingCallError::NotRunning);
        }
        if self.take_back() {
            self.finish();
        }
        Ok(())
    }

    fn finish(&self) {
        if let Some(done) = self.0.done.take() {
            done.callback(self.clone());
        }
    }

    /// Starts the count anew: the next call is made one interval from now.
    ///
    /// Does nothing while a call is being made.
    ///
    /// # Errors
    ///
    /// [`LoopingCallError::NotRunning`] when it does not run.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{LoopingCall, ManualClock};
    /// use std::{cell::Cell, rc::Rc, time::Duration};
    ///
    /// let (clock, asleep) = (ManualClock::new(), Rc::new(Cell::new(false)));
    /// let sleeping = asleep.clone();
    /// let watchdog = LoopingCall::new(&clock, move || sleeping.set(true));
    /// watchdog.start(Duration::from_secs(10), false);
    /// clock.advance(Duration::from_secs(9));
    /// watchdog.reset()?;
    /// clock.advance(Duration::from_secs(9));
    /// assert!(!asleep.get());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&self) -> Result<(), LoopingCallError> {
        if !self.running() {
            return Err(LoopingCallError::NotRunning);
        }
        if self.take_back() {
            self.0.start.set(self.0.clock.now());
            self.schedule();
        }
        Ok(())
    }

    /// Whether it was started, and neither stopped nor ended by a failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{LoopingCall, ManualClock};
    /// assert!(!LoopingCall::new(&ManualClock::new(), || ()).running());
    /// ```
    pub fn running(&self) -> bool {
        self.0.running.get()
    }

    /// The interval of the last start.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{LoopingCall, ManualClock};
    /// use std::time::Duration;
    ///
    /// let looping = LoopingCall::new(&ManualClock::new(), || ());
    /// looping.start(Duration::from_secs(1), false);
    /// assert_eq!(looping.interval(), Duration::from_secs(1));
    /// ```
    pub fn interval(&self) -> Duration {
        self.0.interval.get()
    }

    /// Makes one call, and sees to the next.
    fn call(&self) {
        self.0.busy.set(true);
        let result = match self.count() {
            0 => Deferred::succeed(()),
            count => self.call_function(count),
        };
        let this = self.clone();
        result.add_both(move |result| this.called(result)).detach();
    }

    fn call_function(&self, count: u64) -> Deferred<()> {
        let Some(mut function) = self.0.function.take() else { return Deferred::succeed(()) };
        let result = catch_unwind(AssertUnwindSafe(|| function(self, count)));
        self.0.function.set(Some(function));
        result.unwrap_or_else(|panic| Deferred::fail(Failure::from_panic(panic)))
    }

    /// A call is done.
    fn called(&self, result: Result<(), Failure>) -> Result<(), Failure> {
        self.0.busy.set(false);
        match result {
            Ok(()) if self.running() => self.schedule(),
            Ok(()) => self.finish(),
            Err(failure) => {
                self.0.running.set(false);
                match self.0.done.take() {
                    Some(done) => done.errback(failure),
                    // It was cancelled; somebody should know nevertheless.
                    None => return Err(failure),
                }
            }
        }
        Ok(())
    }

    /// Has the next call made when the present interval ends.
    fn schedule(&self) {
        let inner = &*self.0;
        let interval = inner.interval.get();
        let delay = if interval.is_zero() {
            Duration::ZERO
        } else {
            let running_for = inner.clock.now().saturating_sub(inner.start.get());
            let into_this_one = running_for.as_nanos() % interval.as_nanos();
            interval.saturating_sub(Duration::from_nanos_u128(into_this_one))
        };
        let this = self.clone();
        let call = inner.clock.schedule(
            delay,
            Box::new(move || {
                this.0.next.set(None);
                this.call();
            }),
        );
        inner.next.set(Some(call));
    }

    /// How many calls the one to be made now stands for.
    fn count(&self) -> u64 {
        let inner = &*self.0;
        if !inner.counts || inner.interval.get().is_zero() {
            return 1;
        }
        let interval = nanos(inner.interval.get());
        let start = nanos(inner.start.get());
        let now = inner.clock.now();
        let last = match inner.last.get() {
            Some(last) => nanos(last),
            None if inner.at_start.get() => start - interval,
            None => start,
        };
        // How many whole intervals from the start; towards zero, for what was before the start.
        let passed = (nanos(now) - start) / interval - (last - start) / interval;
        let count = u64::try_from(passed).unwrap_or(0);
        if count > 0 {
            inner.last.set(Some(now));
        }
        count
    }
}

/// As a signed number, for differences.
fn nanos(time: Duration) -> i128 {
    time.as_nanos().cast_signed()
}

impl Drop for Inner {
    fn drop(&mut self) {
        let function = self.function.take();
        report::guard("the function of a looping call, when it was dropped", || drop(function));
    }
}

impl fmt::Debug for LoopingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopingCall")
            .field("running", &self.running())
            .field("interval", &self.interval())
            .finish_non_exhaustive()
    }
}
