//! The pool of threads for calls that block.
//!
//! Its threads are tokio's, borrowed by `spawn_blocking`; what is added here is a limit that can be
//! changed, and an end: when the reactor stops, what has not been started is dropped.

use crate::reactor::{Reactor, ReactorNotRunning};
use core::fmt;
use hereafter::{Deferred, Failure, RemoteTrigger, report};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;

type Job = Box<dyn FnOnce() + Send>;

/// How many threads a pool may have before anybody has adjusted it, as in Twisted.
const DEFAULT_MAX: usize = 10;

/// The reactor's pool of threads (Twisted's `ThreadPool`). Got by [`Reactor::thread_pool`].
///
/// A thread is started when there is a call for it and fewer than `max` are at work; more calls
/// wait in a queue. A handle is cheap to clone, and is `Send` and `Sync`.
///
/// When the reactor stops, calls that were not started are dropped (a deferred that waits for one
/// fires with [`Abandoned`](hereafter::errors::Abandoned)), and those that run are waited for, for
/// as long as [`RunOptions::thread_patience`](crate::RunOptions::thread_patience) says.
///
/// # Examples
///
/// ```
/// let reactor = hereafter_reactor::Reactor::new()?;
/// let pool = reactor.thread_pool();
/// pool.adjust(0, 2);
/// assert_eq!(pool.stats().max, 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ThreadPool(Arc<Pool>);

struct Pool {
    state: Mutex<State>,
    /// There is work for an idle worker, or a limit has changed.
    changed: Condvar,
}

struct State {
    /// Where threads come from; gone when the pool is closed.
    runtime: Option<Handle>,
    min: usize,
    max: usize,
    workers: usize,
    /// How many of the workers wait for work.
    idle: usize,
    queue: VecDeque<Job>,
    /// Fired by the last worker of a closed pool.
    all_gone: Option<RemoteTrigger<()>>,
}

/// What a [`ThreadPool`] is doing.
///
/// # Examples
///
/// ```
/// let reactor = hereafter_reactor::Reactor::new()?;
/// let stats = reactor.thread_pool().stats();
/// assert_eq!((stats.max, stats.busy, stats.queued), (10, 0, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Threads that it keeps although there is nothing to do.
    pub min: usize,
    /// Threads that it may have.
    pub max: usize,
    /// Threads with a call to make.
    pub busy: usize,
    /// Threads that wait for work.
    pub idle: usize,
    /// Calls that wait for a thread.
    pub queued: usize,
}

impl ThreadPool {
    pub(crate) fn new(runtime: Handle) -> Self {
        let state = State {
            runtime: Some(runtime),
            min: 0,
            max: DEFAULT_MAX,
            workers: 0,
            idle: 0,
            queue: VecDeque::new(),
            all_gone: None,
        };
        Self(Arc::new(Pool { state: Mutex::new(state), changed: Condvar::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `call` called in a thread of the pool, and forgets it (Twisted's `callInThread`).
    ///
    /// A panic in it is reported. After the reactor has stopped, `call` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let reactor = hereafter_reactor::Reactor::new()?;
    /// let remote = reactor.remote();
    /// reactor.thread_pool().call_in_thread(move || remote.stop());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_in_thread(&self, call: impl FnOnce() + Send + 'static) {
        drop(self.submit(Box::new(call)));
    }

    /// Queues a job; gives it back when the pool is closed.
    fn submit(&self, job: Job) -> Result<(), Job> {
        let mut state = self.state();
        if state.runtime.is_none() {
            return Err(job);
        }
        state.queue.push_back(job);
        self.staff(&mut state);
        Ok(())
    }

    /// Sees to it that as many workers are there as the queue and the limits ask for.
    fn staff(&self, state: &mut State) {
        self.0.changed.notify_all();
        let Some(runtime) = state.runtime.clone() else { return };
        while state.workers < state.max
            && (state.workers < state.min || state.queue.len() > state.idle)
        {
            state.workers += 1;
            // A new worker has its job from the start; it need not come back and find it dropped.
            let job = if state.queue.len() > state.idle { state.queue.pop_front() } else { None };
            let pool = self.clone();
            runtime.spawn_blocking(move || pool.work(job));
        }
    }

    /// What a worker does all day.
    fn work(&self, first: Option<Job>) {
        let mut job = first.or_else(|| self.next_job());
        while let Some(call) = job {
            report::guard("a call in a thread", call);
            job = self.next_job();
        }
    }

    /// Waits for a job; `None` when the worker is to go, and has been counted out.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        while state.workers <= state.max {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.runtime.is_none() || state.workers > state.min {
                break;
            }
            state.idle += 1;
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
        state.workers -= 1;
        let last = if state.workers == 0 { state.all_gone.take() } else { None };
        drop(state);
        if let Some(last) = last {
            last.callback(());
        }
        None
    }

    /// Sets how many threads there are: at least `min`, which are kept, and at most `max` (Twisted's
    /// `adjustPoolsize`). At first it is 0 and 10.
    ///
    /// A thread that has become one too many goes when its call is done. Tokio has a limit of its
    /// own: the calls of all its users in 512 threads at most.
    ///
    /// # Panics
    ///
    /// When `min` is greater than `max`.
    ///
    /// # Examples
    ///
    /// ```
    /// let reactor = hereafter_reactor::Reactor::new()?;
    /// reactor.thread_pool().adjust(1, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn adjust(&self, min: usize, max: usize) {
        assert!(min <= max, "a pool cannot have at least {min} threads and at most {max}");
        let mut state = self.state();
        state.min = min;
        state.max = max;
        self.staff(&mut state);
    }

    /// What the pool is doing now.
    ///
    /// # Examples
    ///
    /// ```
    /// let reactor = hereafter_reactor::Reactor::new()?;
    /// assert_eq!(reactor.thread_pool().stats().queued, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stats(&self) -> PoolStats {
        let state = self.state();
        // These have work, and are about to find it.
        let waking = state.idle.min(state.queue.len());
        PoolStats {
            min: state.min,
            max: state.max,
            busy: state.workers - state.idle + waking,
            idle: state.idle - waking,
            queued: state.queue.len() - waking,
        }
    }

    /// Ends the pool: drops what waits, and fires when the last thread is done with what it does.
    pub(crate) fn close(&self) -> Deferred<()> {
        let mut state = self.state();
        // The first of them are for the idle workers, which have been woken for them.
        let started = state.idle.min(state.queue.len());
        let queue = state.queue.split_off(started);
        let runtime = state.runtime.take();
        let gone = if state.workers == 0 {
            Deferred::succeed(())
        } else {
            let (trigger, gone) = Deferred::new();
            state.all_gone = Some(trigger.remote());
            gone
        };
        drop(state);
        self.0.changed.notify_all();
        drop(runtime);
        for job in queue {
            report::guard("a call in a thread, when it was dropped", || drop(job));
        }
        gone
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ThreadPool").field(&self.stats()).finish()
    }
}

impl Reactor {
    /// Calls `call` in a thread of the pool: a deferred of its result, whose callbacks run on the
    /// reactor's thread (Twisted's `deferToThread`).
    ///
    /// A panic in it is a [`Panicked`](hereafter::errors::Panicked) failure. After the reactor has
    /// stopped, the result is [`ReactorNotRunning`].
    ///
    /// # Cancelling
    ///
    /// A thread that runs cannot be stopped. [`cancel`](Deferred::cancel) gives up waiting for it:
    /// the deferred fails with [`CancelledError`](hereafter::errors::CancelledError) at once, and
    /// what the thread comes to is dropped. A call that no thread has started is not made.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let remote = reactor.remote();
    /// reactor
    ///     .defer_to_thread(|| std::fs::read_to_string("Cargo.toml"))
    ///     .map(|text| assert!(text.contains("hereafter-reactor")))
    ///     .add_both(move |result| { remote.stop(); result });
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn defer_to_thread<T, E>(
        &self,
        call: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Deferred<T>
    where
        T: Send + 'static,
        E: Into<Failure>,
    {
        // Whoever takes the call out has it: the thread that makes it, or the canceller.
        let waiting = Arc::new(Mutex::new(Some(call)));
        let taken = waiting.clone();
        let take =
            |slot: &Mutex<Option<_>>| slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (trigger, result) = Deferred::with_canceller(move || {
            drop(take(&taken));
            None
        });
        let trigger = trigger.remote();
        let job = move || {
            if let Some(call) = take(&waiting) {
                let call = || call().map_err(Into::into);
                let result = catch_unwind(AssertUnwindSafe(call));
                trigger.fire(result.unwrap_or_else(|panic| Err(Failure::from_panic(panic))));
            }
        };
        match self.thread_pool().submit(Box::new(job)) {
            Ok(()) => result,
            Err(_) => Deferred::fail(ReactorNotRunning),
        }
    }

    /// Has `call` called in a thread of the pool, and forgets it (Twisted's `callInThread`).
    ///
    /// As [`ThreadPool::call_in_thread`].
    ///
    /// # Examples
    ///
    /// ```
    /// let reactor = hereafter_reactor::Reactor::new()?;
    /// let remote = reactor.remote();
    /// reactor.call_in_thread(move || remote.stop());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_in_thread(&self, call: impl FnOnce() + Send + 'static) {
        self.thread_pool().call_in_thread(call);
    }
}
