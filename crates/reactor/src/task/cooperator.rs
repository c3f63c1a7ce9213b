//! [`Cooperator`]: long work in small steps, so that everything else has its turn.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;
use hereafter::clock::{Clock, DelayedCall};
use hereafter::{Deferred, Failure, Outcome, Trigger, report};
use std::collections::VecDeque;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Instant;

/// How long steps are made in a row, as in Twisted.
const SLICE: Duration = Duration::from_millis(10);

/// The pause between slices: not none, so that a clock which makes all that is due comes to an end.
const PAUSE: Duration = Duration::from_nanos(10);

/// Shares out time among iterators, a step here and a step there (Twisted's `Cooperator`).
///
/// Work that takes long and does not wait for anything would hold up the reactor. Cut it into steps,
/// as an iterator that does one in each `next`, and the cooperator makes them one at a time, each
/// task in its turn, for 10 ms in a row; then everything else has its turn. An item of the iterator
/// is an [`Outcome`]: `()` to go on; a deferred, to go on when that has fired; and a failure ends
/// the task.
///
/// A [`Reactor`](crate::Reactor) has one, which [`cooperate`] and [`coiterate`] use. Clones are
/// handles on the same one; dropping them does not stop it.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::task::{Cooperator, ManualClock};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// let clock = ManualClock::new();
/// let sum = Rc::new(Cell::new(0));
/// let total = sum.clone();
/// let done = Cooperator::new(&clock).coiterate((1..=100).map(move |n| total.set(total.get() + n)));
/// clock.advance(Duration::from_secs(1));
/// assert!(done.has_result());
/// assert_eq!(sum.get(), 5050);
/// ```
#[derive(Clone)]
pub struct Cooperator(Rc<Inner>);

struct Inner {
    clock: Box<dyn Clock>,
    slice: Duration,
    stopped: Cell<bool>,
    /// Those that are neither paused nor finished, in the order of their turns.
    tasks: RefCell<VecDeque<CooperativeTask>>,
    next: Cell<Option<DelayedCall>>,
    /// Steps are being made; what comes next is seen to afterwards.
    working: Cell<bool>,
}

/// Why something cannot be done with a task or a cooperator (Twisted's `SchedulerError` and its
/// subclasses).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchedulerError {
    /// The task has come to its end.
    TaskDone,
    /// The task was stopped.
    TaskStopped,
    /// The task has failed.
    TaskFailed,
    /// The cooperator was stopped.
    SchedulerStopped,
    /// The task is not paused.
    NotPaused,
}

impl fmt::Display for SchedulerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TaskDone => "the task has come to its end",
            Self::TaskStopped => "the task was stopped",
            Self::TaskFailed => "the task has failed",
            Self::SchedulerStopped => "the cooperator was stopped",
            Self::NotPaused => "the task is not paused",
        })
    }
}

impl Error for SchedulerError {}

impl Cooperator {
    /// A cooperator that makes steps for 10 ms in a row.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, task::Cooperator};
    /// let cooperator = Cooperator::new(&Reactor::new()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(clock: &(impl Clock + Clone + 'static)) -> Self {
        Self::with_slice(clock, SLICE)
    }

    /// A cooperator that makes steps for `slice` in a row: real time, whatever the clock. With a
    /// slice of zero, it is one step at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let cooperator = Cooperator::with_slice(&clock, Duration::ZERO);
    /// let done = cooperator.coiterate([(), ()].into_iter());
    /// clock.advance(Duration::from_millis(1));
    /// clock.advance(Duration::from_millis(1));
    /// assert!(!done.has_result()); // it has made the steps, and not yet seen that they are all
    /// ```
    pub fn with_slice(clock: &(impl Clock + Clone + 'static), slice: Duration) -> Self {
        Self(Rc::new(Inner {
            clock: Box::new(clock.clone()),
            slice,
            stopped: Cell::new(false),
            tasks: RefCell::default(),
            next: Cell::new(None),
            working: Cell::new(false),
        }))
    }

    /// Has `steps` made, and gives back the task: to be paused, stopped or waited for.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let task = Cooperator::new(&clock).cooperate((0..3).map(|n| println!("step {n}")));
    /// clock.advance(Duration::from_secs(1));
    /// assert!(task.when_done().has_result());
    /// ```
    pub fn cooperate<I>(&self, steps: I) -> CooperativeTask
    where
        I: IntoIterator<Item: Outcome, IntoIter: 'static>,
    {
        let mut steps = steps.into_iter();
        let step = move || steps.next().map(|outcome| outcome.into_deferred().map(drop));
        let task = CooperativeTask(Rc::new(Task {
            cooperator: self.clone(),
            step: Cell::new(Some(Box::new(step))),
            pauses: Cell::new(0),
            queued: Cell::new(false),
            end: RefCell::new(None),
            waiting: RefCell::default(),
        }));
        if self.0.stopped.get() {
            task.end_with(SchedulerError::SchedulerStopped, Some(stopped()));
        } else {
            self.add(&task);
        }
        task
    }

    /// Has `steps` made: a deferred that fires when they are.
    ///
    /// The task goes on when the deferred is cancelled or dropped; one that is to be stopped is made
    /// by [`cooperate`](Cooperator::cooperate).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock};
    ///
    /// let clock = ManualClock::new();
    /// let done = Cooperator::new(&clock).coiterate((0..3).map(|n| println!("step {n}")));
    /// clock.advance(std::time::Duration::from_secs(1));
    /// assert!(done.has_result());
    /// ```
    #[track_caller]
    pub fn coiterate<I>(&self, steps: I) -> Deferred<()>
    where
        I: IntoIterator<Item: Outcome, IntoIter: 'static>,
    {
        self.cooperate(steps).when_done()
    }

    /// Stops all tasks that are not paused, and takes no more: they end with
    /// [`SchedulerError::SchedulerStopped`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock, SchedulerError};
    ///
    /// let cooperator = Cooperator::new(&ManualClock::new());
    /// let done = cooperator.coiterate(std::iter::repeat(()));
    /// cooperator.stop();
    /// assert!(done.take_result().unwrap().unwrap_err().is::<SchedulerError>());
    /// ```
    pub fn stop(&self) {
        self.0.stopped.set(true);
        let tasks = self.0.tasks.take();
        for task in &tasks {
            task.0.queued.set(false);
        }
        self.rest();
        for task in tasks {
            task.end_with(SchedulerError::SchedulerStopped, Some(stopped()));
        }
    }

    /// Lets a cooperator that was stopped take tasks again.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock};
    ///
    /// let cooperator = Cooperator::new(&ManualClock::new());
    /// cooperator.stop();
    /// assert!(!cooperator.running());
    /// cooperator.start();
    /// assert!(cooperator.running());
    /// ```
    pub fn start(&self) {
        self.0.stopped.set(false);
    }

    /// Whether it takes tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock};
    /// assert!(Cooperator::new(&ManualClock::new()).running());
    /// ```
    pub fn running(&self) -> bool {
        !self.0.stopped.get()
    }

    fn add(&self, task: &CooperativeTask) {
        if !task.0.queued.replace(true) {
            self.0.tasks.borrow_mut().push_back(task.clone());
        }
        self.schedule();
    }

    fn remove(&self, task: &CooperativeTask) {
        if task.0.queued.replace(false) {
            let mut tasks = self.0.tasks.borrow_mut();
            tasks.retain(|queued| !Rc::ptr_eq(&queued.0, &task.0));
            let none = tasks.is_empty();
            drop(tasks);
            if none {
                self.rest();
            }
        }
    }

    /// There is nothing to do any more.
    fn rest(&self) {
        if let Some(next) = self.0.next.take() {
            // It may be the one that is being made.
            let _ = next.cancel();
        }
    }

    fn schedule(&self) {
        if self.0.working.get() {
            return;
        }
        let next = self.0.next.take();
        let next = match next {
            Some(next) if next.active() => Some(next),
            _ if self.0.tasks.borrow().is_empty() => None,
            _ => {
                let turn = Turn(Some(self.clone()));
                Some(self.0.clock.schedule(PAUSE, Box::new(move || turn.come())))
            }
        };
        self.0.next.set(next);
    }

    /// Makes steps for one slice.
    fn work(&self) {
        self.0.next.set(None);
        self.0.working.set(true);
        let start = Instant::now();
        loop {
            let task = self.0.tasks.borrow_mut().pop_front();
            let Some(task) = task else { break };
            task.0.queued.set(false);
            task.step();
            if start.elapsed() >= self.0.slice {
                break;
            }
        }
        self.0.working.set(false);
        self.schedule();
    }
}

/// The next turn. Queued tasks and their cooperator hold one another; where the clock has gone without
/// it, nothing will ever take them out of the queue but this.
struct Turn(Option<Cooperator>);

impl Turn {
    fn come(mut self) {
        if let Some(cooperator) = self.0.take() {
            cooperator.work();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(cooperator) = self.0.take() {
            for task in cooperator.0.tasks.take() {
                task.0.queued.set(false);
            }
        }
    }
}

fn stopped() -> Failure {
    Failure::new(SchedulerError::SchedulerStopped)
}

impl fmt::Debug for Cooperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cooperator")
            .field("running", &self.running())
            .field("tasks", &self.0.tasks.borrow().len())
            .finish_non_exhaustive()
    }
}

/// A task of a [`Cooperator`] (Twisted's `CooperativeTask`). Made by [`Cooperator::cooperate`].
///
/// Clones are handles on the same task. Dropping them does not stop it.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::task::{Cooperator, ManualClock};
///
/// let task = Cooperator::new(&ManualClock::new()).cooperate(std::iter::repeat(()));
/// task.pause()?;
/// task.resume()?;
/// task.stop()?;
/// assert!(task.stop().is_err());
/// # Ok::<(), hereafter_reactor::task::SchedulerError>(())
/// ```
#[derive(Clone)]
pub struct CooperativeTask(Rc<Task>);

type StepFunction = Box<dyn FnMut() -> Option<Deferred<()>>>;

struct Task {
    cooperator: Cooperator,
    /// Taken out while a step is made, and for good at the end.
    step: Cell<Option<StepFunction>>,
    pauses: Cell<usize>,
    /// It is in the cooperator's queue.
    queued: Cell<bool>,
    end: RefCell<Option<End>>,
    waiting: RefCell<Vec<Trigger<()>>>,
}

/// How a task has ended.
#[derive(Clone)]
struct End {
    error: SchedulerError,
    /// What those who wait for it are told, if it is not well.
    failure: Option<Failure>,
}

impl CooperativeTask {
    fn check_unfinished(&self) -> Result<(), SchedulerError> {
        self.0.end.borrow().as_ref().map_or(Ok(()), |end| Err(end.error))
    }

    /// A deferred that fires when the task has come to its end (Twisted's `whenDone`); with a
    /// failure when it has failed or was stopped. There may be several.
    ///
    /// Cancelling it does not stop the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock};
    ///
    /// let clock = ManualClock::new();
    /// let task = Cooperator::new(&clock).cooperate([()]);
    /// let (first, second) = (task.when_done(), task.when_done());
    /// clock.advance(std::time::Duration::from_secs(1));
    /// assert!(first.has_result() && second.has_result());
    /// ```
    #[track_caller]
    pub fn when_done(&self) -> Deferred<()> {
        let end = self.0.end.borrow().clone();
        if let Some(end) = end {
            return Deferred::ready(end.failure.map_or(Ok(()), Err));
        }
        let (trigger, done) = Deferred::new();
        self.0.waiting.borrow_mut().push(trigger);
        done
    }

    /// Makes no steps until [`resume`](CooperativeTask::resume) has been called as often as this.
    ///
    /// # Errors
    ///
    /// When the task has ended; the error says how.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let task = Cooperator::new(&clock).cooperate([(), ()]);
    /// task.pause()?;
    /// clock.advance(Duration::from_secs(1));
    /// assert!(!task.when_done().has_result());
    /// # Ok::<(), hereafter_reactor::task::SchedulerError>(())
    /// ```
    pub fn pause(&self) -> Result<(), SchedulerError> {
        self.check_unfinished()?;
        self.0.pauses.set(self.0.pauses.get() + 1);
        self.0.cooperator.remove(self);
        Ok(())
    }

    /// Takes one [`pause`](CooperativeTask::pause) back.
    ///
    /// # Errors
    ///
    /// [`SchedulerError::NotPaused`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock, SchedulerError};
    ///
    /// let task = Cooperator::new(&ManualClock::new()).cooperate([()]);
    /// assert_eq!(task.resume(), Err(SchedulerError::NotPaused));
    /// ```
    pub fn resume(&self) -> Result<(), SchedulerError> {
        let pauses = self.0.pauses.get().checked_sub(1).ok_or(SchedulerError::NotPaused)?;
        self.0.pauses.set(pauses);
        self.go_on();
        Ok(())
    }

    /// Queues the task, if it has steps to make.
    fn go_on(&self) {
        if self.0.pauses.get() > 0 || self.0.end.borrow().is_some() {
            return;
        }
        if self.0.cooperator.0.stopped.get() {
            self.end_with(SchedulerError::SchedulerStopped, Some(stopped()));
        } else {
            self.0.cooperator.add(self);
        }
    }

    /// Ends the task: those who wait for it are told [`SchedulerError::TaskStopped`].
    ///
    /// # Errors
    ///
    /// When the task has ended already; the error says how.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::task::{Cooperator, ManualClock, SchedulerError};
    ///
    /// let task = Cooperator::new(&ManualClock::new()).cooperate(std::iter::repeat(()));
    /// let done = task.when_done();
    /// task.stop()?;
    /// let failure = done.take_result().unwrap().unwrap_err();
    /// assert_eq!(failure.check::<SchedulerError>(), Some(&SchedulerError::TaskStopped));
    /// # Ok::<(), SchedulerError>(())
    /// ```
    pub fn stop(&self) -> Result<(), SchedulerError> {
        self.check_unfinished()?;
        let error = SchedulerError::TaskStopped;
        self.end_with(error, Some(Failure::new(error)));
        Ok(())
    }

    /// Ends the task, unless it has ended.
    fn end_with(&self, error: SchedulerError, failure: Option<Failure>) {
        if self.0.end.borrow().is_some() {
            return;
        }
        *self.0.end.borrow_mut() = Some(End { error, failure: failure.clone() });
        self.0.cooperator.remove(self);
        give_up(self.0.step.take());
        for trigger in self.0.waiting.take() {
            trigger.fire(failure.clone().map_or(Ok(()), Err));
        }
    }

    /// Makes one step. The task is not in the queue.
    fn step(&self) {
        let Some(mut step) = self.0.step.take() else { return };
        let result = catch_unwind(AssertUnwindSafe(&mut step));
        if self.check_unfinished().is_ok() {
            self.0.step.set(Some(step));
        } else {
            give_up(Some(step));
        }
        match result {
            Err(panic) => {
                self.end_with(SchedulerError::TaskFailed, Some(Failure::from_panic(panic)));
            }
            Ok(None) => self.end_with(SchedulerError::TaskDone, None),
            Ok(Some(outcome)) => {
                self.0.pauses.set(self.0.pauses.get() + 1);
                let this = self.clone();
                outcome.add_both(move |result| this.stepped(result)).detach();
            }
        }
    }

    /// What the last step gave back is done.
    fn stepped(&self, result: Result<(), Failure>) -> Result<(), Failure> {
        self.0.pauses.set(self.0.pauses.get() - 1);
        match result {
            Ok(()) => self.go_on(),
            Err(failure) if self.check_unfinished().is_ok() => {
                self.end_with(SchedulerError::TaskFailed, Some(failure));
            }
            // Whoever waits has been told something else.
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}

/// Drops the steps, which are user code: a panic must not keep the other tasks from their turns.
fn give_up(steps: Option<StepFunction>) {
    report::guard("the steps of a task, when they were dropped", || drop(steps));
}

impl Drop for Task {
    fn drop(&mut self) {
        give_up(self.step.take());
    }
}

impl fmt::Debug for CooperativeTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CooperativeTask")
            .field("pauses", &self.0.pauses.get())
            .field("ended", &self.0.end.borrow().as_ref().map(|end| end.error))
            .finish_non_exhaustive()
    }
}

/// As [`Cooperator::cooperate`], by the cooperator of the reactor.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::{Reactor, task::cooperate};
///
/// let reactor = Reactor::new()?;
/// let task = cooperate(&reactor, (0..3).map(|n| println!("step {n}")));
/// let remote = reactor.remote();
/// task.when_done().map(move |()| remote.stop());
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cooperate<I>(reactor: &crate::Reactor, steps: I) -> CooperativeTask
where
    I: IntoIterator<Item: Outcome, IntoIter: 'static>,
{
    reactor.cooperator().cooperate(steps)
}

/// As [`Cooperator::coiterate`], by the cooperator of the reactor.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::{Reactor, task::coiterate};
///
/// let reactor = Reactor::new()?;
/// let remote = reactor.remote();
/// coiterate(&reactor, (0..3).map(|n| println!("step {n}"))).map(move |()| remote.stop());
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn coiterate<I>(reactor: &crate::Reactor, steps: I) -> Deferred<()>
where
    I: IntoIterator<Item: Outcome, IntoIter: 'static>,
{
    reactor.cooperator().coiterate(steps)
}
