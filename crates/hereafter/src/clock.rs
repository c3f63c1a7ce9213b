//! Time: the [`Clock`] trait, calls that wait for it, and a clock that tests wind by hand.
//!
//! Everything in Hereafter that waits for time takes a [`Clock`]: `hereafter-reactor`'s is the real
//! one, [`ManualClock`] the one for tests. A clock of your own can keep its calls in [`Timers`].

use crate::report;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::error::Error;
use std::rc::{Rc, Weak};

/// Something that calls later (Twisted's `IReactorTime`).
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
/// use hereafter::clock::{Clock, ManualClock};
/// use std::time::Duration;
///
/// fn dummy_data(clock: &impl Clock, input: u32) -> Deferred<u32> {
///     let (trigger, d) = Deferred::new();
///     clock.call_later(Duration::from_secs(2), move || trigger.callback(input * 3));
///     d
/// }
///
/// let clock = ManualClock::new();
/// let d = dummy_data(&clock, 3);
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(d.take_result().unwrap().unwrap(), 9);
/// ```
pub trait Clock {
    /// The time, since some beginning (Twisted's `seconds`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// assert_eq!(ManualClock::new().now().as_secs(), 0);
    /// ```
    fn now(&self) -> Duration;

    /// Calls `call` once, `delay` from now. As [`call_later`](Clock::call_later), for `dyn Clock`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// use std::time::Duration;
    /// fn say_later(clock: &dyn Clock) {
    ///     clock.schedule(Duration::from_secs(1), Box::new(|| println!("later")));
    /// }
    /// say_later(&ManualClock::new());
    /// ```
    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall;

    /// Calls `call` once, `delay` from now, and gives the call back so that it can be cancelled or
    /// moved (Twisted's `callLater`). Dropping what it gives back changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// use std::{cell::Cell, rc::Rc, time::Duration};
    ///
    /// let (clock, called) = (ManualClock::new(), Rc::new(Cell::new(false)));
    /// let seen = called.clone();
    /// clock.call_later(Duration::from_secs(1), move || seen.set(true));
    /// clock.advance(Duration::from_secs(1));
    /// assert!(called.get());
    /// ```
    fn call_later(&self, delay: Duration, call: impl FnOnce() + 'static) -> DelayedCall
    where
        Self: Sized,
    {
        self.schedule(delay, Box::new(call))
    }
}

/// A call that a [`Clock`] will make (Twisted's `DelayedCall`).
///
/// Clones stand for the same call. Dropping it does not cancel the call.
///
/// # Examples
///
/// ```
/// use hereafter::clock::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let call = clock.call_later(Duration::from_secs(1), || unreachable!());
/// assert!(call.active());
/// call.cancel().unwrap();
/// assert!(!call.active());
/// ```
#[derive(Clone)]
pub struct DelayedCall(Rc<Call>);

struct Call {
    timers: Weak<Queue>,
    /// Its place in the queue, while it waits there.
    place: Cell<(Duration, u64)>,
    state: Cell<CallState>,
    function: Cell<Option<Box<dyn FnOnce()>>>,
}

impl Call {
    /// Drops what was to be called, which is user code.
    fn forget(&self) {
        let function = self.function.take();
        report::guard("a timed call, when it was dropped", || drop(function));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallState {
    Waiting,
    Called,
    Cancelled,
}

/// Why a [`DelayedCall`] can no longer be changed (Twisted's `AlreadyCalled` and
/// `AlreadyCancelled`).
///
/// # Examples
///
/// ```
/// use hereafter::clock::{Clock, DelayedCallError, ManualClock};
/// use std::time::Duration;
/// let clock = ManualClock::new();
/// let call = clock.call_later(Duration::ZERO, || ());
/// clock.advance(Duration::ZERO);
/// assert_eq!(call.cancel(), Err(DelayedCallError::AlreadyCalled));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelayedCallError {
    /// The call has been made.
    AlreadyCalled,
    /// The call has been cancelled, or its clock is gone.
    AlreadyCancelled,
}

impl fmt::Display for DelayedCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyCalled => "the delayed call has been made already",
            Self::AlreadyCancelled => "the delayed call has been cancelled already",
        })
    }
}

impl Error for DelayedCallError {}

impl DelayedCall {
    /// Takes the call back.
    ///
    /// # Errors
    ///
    /// When it has been made or cancelled already.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// let call = ManualClock::new().call_later(std::time::Duration::ZERO, || ());
    /// # let clock = ManualClock::new();
    /// # let call = clock.call_later(std::time::Duration::ZERO, || ());
    /// assert!(call.cancel().is_ok());
    /// assert!(call.cancel().is_err());
    /// ```
    pub fn cancel(&self) -> Result<(), DelayedCallError> {
        let queue = self.queue()?;
        self.0.state.set(CallState::Cancelled);
        queue.remove(self.0.place.get());
        self.0.forget();
        Ok(())
    }

    /// Makes the call wait `delay` from now.
    ///
    /// # Errors
    ///
    /// When it has been made or cancelled already.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// use std::time::Duration;
    /// let clock = ManualClock::new();
    /// let call = clock.call_later(Duration::from_secs(1), || ());
    /// call.reset(Duration::from_secs(5)).unwrap();
    /// assert_eq!(call.time(), Duration::from_secs(5));
    /// ```
    pub fn reset(&self, delay: Duration) -> Result<(), DelayedCallError> {
        let queue = self.queue()?;
        queue.move_to(&self.0, (queue.now)().saturating_add(delay));
        Ok(())
    }

    /// Makes the call wait `more` than it would have.
    ///
    /// # Errors
    ///
    /// When it has been made or cancelled already.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// use std::time::Duration;
    /// let clock = ManualClock::new();
    /// let call = clock.call_later(Duration::from_secs(1), || ());
    /// call.delay(Duration::from_secs(5)).unwrap();
    /// assert_eq!(call.time(), Duration::from_secs(6));
    /// ```
    pub fn delay(&self, more: Duration) -> Result<(), DelayedCallError> {
        let queue = self.queue()?;
        queue.move_to(&self.0, self.time().saturating_add(more));
        Ok(())
    }

    /// Whether the call is still to be made.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// let clock = ManualClock::new();
    /// assert!(clock.call_later(std::time::Duration::ZERO, || ()).active());
    /// ```
    pub fn active(&self) -> bool {
        self.queue().is_ok()
    }

    /// When the call is to be made, or was to be, by its clock (Twisted's `getTime`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// use std::time::Duration;
    /// let clock = ManualClock::new();
    /// let call = clock.call_later(Duration::from_secs(1), || ());
    /// assert_eq!(call.time(), Duration::from_secs(1));
    /// ```
    pub fn time(&self) -> Duration {
        self.0.place.get().0
    }

    /// The queue, as long as the call waits in it.
    fn queue(&self) -> Result<Rc<Queue>, DelayedCallError> {
        match self.0.state.get() {
            CallState::Waiting => self.0.timers.upgrade().ok_or(DelayedCallError::AlreadyCancelled),
            CallState::Called => Err(DelayedCallError::AlreadyCalled),
            CallState::Cancelled => Err(DelayedCallError::AlreadyCancelled),
        }
    }
}

impl fmt::Debug for DelayedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<DelayedCall at {:?}, {:?}>", self.time(), self.0.state.get())
    }
}

/// The waiting calls of a clock, in the order of their time and, at the same time, of asking.
///
/// For those who write a [`Clock`]. Clones stand for the same queue.
///
/// # Examples
///
/// ```
/// use hereafter::clock::Timers;
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let timers = Timers::new(move || start.elapsed());
/// timers.schedule(Duration::ZERO, Box::new(|| println!("called")));
/// assert!(timers.next().is_some());
/// while timers.run_one(start.elapsed(), u64::MAX) {}
/// assert!(timers.next().is_none());
/// ```
#[derive(Clone)]
pub struct Timers(Rc<Queue>);

struct Queue {
    now: Box<dyn Fn() -> Duration>,
    calls: RefCell<BTreeMap<(Duration, u64), Rc<Call>>>,
    /// How many calls have been asked for: the order among those of the same time.
    asked: Cell<u64>,
    /// Called when there is a new earliest call.
    on_earlier: RefCell<Option<Rc<dyn Fn()>>>,
}

impl Queue {
    fn insert(&self, call: Rc<Call>, place: (Duration, u64)) {
        call.place.set(place);
        let earlier = {
            let mut calls = self.calls.borrow_mut();
            calls.insert(place, call);
            calls.first_key_value().is_some_and(|(first, _)| *first == place)
        };
        if earlier {
            let notify = self.on_earlier.borrow().clone();
            if let Some(notify) = notify {
                notify();
            }
        }
    }

    fn remove(&self, place: (Duration, u64)) -> Option<Rc<Call>> {
        self.calls.borrow_mut().remove(&place)
    }

    fn clear(&self) {
        for call in self.calls.take().into_values() {
            call.state.set(CallState::Cancelled);
            call.forget();
        }
    }

    fn move_to(&self, call: &Rc<Call>, time: Duration) {
        let (_, asked) = call.place.get();
        if let Some(call) = self.remove(call.place.get()) {
            self.insert(call, (time, asked));
        }
    }
}

impl Drop for Queue {
    /// The calls will never be made. They go now, although handles on them may live on, so that
    /// what they hold (a trigger, say) does not wait for ever.
    fn drop(&mut self) {
        self.clear();
    }
}

impl Timers {
    /// An empty queue for a clock that shows `now`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::from_secs(5));
    /// assert_eq!(timers.now().as_secs(), 5);
    /// ```
    pub fn new(now: impl Fn() -> Duration + 'static) -> Self {
        Self(Rc::new(Queue {
            now: Box::new(now),
            calls: RefCell::default(),
            asked: Cell::new(0),
            on_earlier: RefCell::new(None),
        }))
    }

    /// The clock's time.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// assert!(timers.now().is_zero());
    /// ```
    pub fn now(&self) -> Duration {
        (self.0.now)()
    }

    /// Queues a call: what [`Clock::schedule`] asks for.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// let call = timers.schedule(Duration::from_secs(1), Box::new(|| ()));
    /// assert!(call.active());
    /// ```
    pub fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        let call = Rc::new(Call {
            timers: Rc::downgrade(&self.0),
            place: Cell::default(),
            state: Cell::new(CallState::Waiting),
            function: Cell::new(Some(call)),
        });
        let asked = self.0.asked.get();
        self.0.asked.set(asked + 1);
        self.0.insert(call.clone(), (self.now().saturating_add(delay), asked));
        DelayedCall(call)
    }

    /// Has `notify` called whenever a call is queued before all others, so that a sleeping clock
    /// can wake earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// timers.on_earlier(|| println!("wake up"));
    /// timers.schedule(Duration::from_secs(1), Box::new(|| ())); // prints
    /// ```
    pub fn on_earlier(&self, notify: impl Fn() + 'static) {
        *self.0.on_earlier.borrow_mut() = Some(Rc::new(notify));
    }

    /// When the next call is due.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// timers.schedule(Duration::from_secs(1), Box::new(|| ()));
    /// assert_eq!(timers.next(), Some(Duration::from_secs(1)));
    /// ```
    pub fn next(&self) -> Option<Duration> {
        self.0.calls.borrow().first_key_value().map(|((time, _), _)| *time)
    }

    /// How many calls wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// assert_eq!(timers.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.0.calls.borrow().len()
    }

    /// Whether no call waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// assert!(timers.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cancels all calls that wait. A clock that comes to its end does so where one of them may hold
    /// the clock itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// let call = timers.schedule(Duration::from_secs(1), Box::new(|| ()));
    /// timers.clear();
    /// assert!(timers.is_empty() && !call.active());
    /// ```
    pub fn clear(&self) {
        self.0.clear();
    }

    /// The calls that wait, in their order (Twisted's `getDelayedCalls`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// timers.schedule(Duration::from_secs(1), Box::new(|| ()));
    /// assert_eq!(timers.delayed_calls()[0].time().as_secs(), 1);
    /// ```
    pub fn delayed_calls(&self) -> Vec<DelayedCall> {
        self.0.calls.borrow().values().cloned().map(DelayedCall).collect()
    }

    /// How many calls have been asked for so far: a bound for [`run_one`](Timers::run_one).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// timers.schedule(Duration::ZERO, Box::new(|| ()));
    /// assert_eq!(timers.asked(), 1);
    /// ```
    pub fn asked(&self) -> u64 {
        self.0.asked.get()
    }

    /// Makes the first call that is due at `now` and was asked for before the `bound`th, counted
    /// by [`asked`](Timers::asked); whether there was one.
    ///
    /// # Panics
    ///
    /// When the call does.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::Timers;
    /// use std::time::Duration;
    /// let timers = Timers::new(|| Duration::ZERO);
    /// timers.schedule(Duration::ZERO, Box::new(|| ()));
    /// let bound = timers.asked();
    /// assert!(timers.run_one(Duration::ZERO, bound));
    /// assert!(!timers.run_one(Duration::ZERO, bound));
    /// ```
    pub fn run_one(&self, now: Duration, bound: u64) -> bool {
        let due = {
            let mut calls = self.0.calls.borrow_mut();
            let place = calls
                .range(..=(now, u64::MAX))
                .map(|(place, _)| *place)
                .find(|(_, asked)| *asked < bound);
            place.and_then(|place| calls.remove(&place))
        };
        let Some(call) = due else { return false };
        call.state.set(CallState::Called);
        if let Some(function) = call.function.take() {
            function();
        }
        true
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("waiting", &self.len()).finish()
    }
}

/// A clock that moves when it is told to: for tests that do not wait (Twisted's `task.Clock`).
///
/// Clones stand for the same clock.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
/// use hereafter::clock::ManualClock;
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let (_trigger, d) = Deferred::<u32>::new();
/// let d = d.add_timeout(Duration::from_secs(60), &clock).add_errback(|_| Ok(0));
/// clock.advance(Duration::from_secs(60)); // no test has waited a minute
/// assert_eq!(d.take_result().unwrap().unwrap(), 0);
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Rc<Cell<Duration>>,
    timers: Timers,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// A clock that shows zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// assert!(ManualClock::new().now().is_zero());
    /// ```
    pub fn new() -> Self {
        let now = Rc::new(Cell::new(Duration::ZERO));
        let shown = now.clone();
        Self { now, timers: Timers::new(move || shown.get()) }
    }

    /// Moves the clock on by `amount`, and makes the calls that are due then, those too that are
    /// asked for meanwhile.
    ///
    /// # Panics
    ///
    /// When a call does.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// let clock = ManualClock::new();
    /// clock.advance(std::time::Duration::from_secs(1));
    /// assert_eq!(clock.now().as_secs(), 1);
    /// ```
    pub fn advance(&self, amount: Duration) {
        self.now.set(self.now.get().saturating_add(amount));
        while self.timers.run_one(self.now.get(), u64::MAX) {}
    }

    /// Moves the clock on by one step after the other (Twisted's `pump`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::clock::{Clock, ManualClock};
    /// use std::time::Duration;
    /// let clock = ManualClock::new();
    /// clock.pump([1, 2, 3].map(Duration::from_secs));
    /// assert_eq!(clock.now().as_secs(), 6);
    /// ```
    pub fn pump(&self, steps: impl IntoIterator<Item = Duration>) {
        for step in steps {
            self.advance(step);
        }
    }

    /// The calls that wait, in the order of their time (Twisted's `getDelayedCalls`).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter::clock::ManualClock::new().delayed_calls().is_empty());
    /// ```
    pub fn delayed_calls(&self) -> Vec<DelayedCall> {
        self.timers.delayed_calls()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.timers.schedule(delay, call)
    }
}
