//! The reactor itself: its life from `new` over `run` to the end, and its loop.
//!
//! Who does what: tokio waits for sockets, timers and wake-ups. One future of ours, the main loop,
//! lives on its runtime, and has its turn whenever something was posted to the thread's mailbox or
//! a timed call is due. All callbacks run in such a turn (or in a poll of a local task), so all
//! find tokio's context; before `run`, the reactor holds it entered.

use crate::events::{Events, Phase, SystemEvent, TriggerId};
use crate::open::Open;
use crate::remote::RemoteReactor;
use crate::signals::Watch;
use crate::task::Cooperator;
use crate::threads::ThreadPool;
use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use core::time::Duration;
use hereafter::clock::{Clock, DelayedCall, Timers};
use hereafter::mailbox::Mailbox;
use hereafter::{Deferred, Outcome, report};
use std::error::Error;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::runtime::{Builder, EnterGuard, LocalOptions, LocalRuntime};
use tokio::sync::Notify;

/// What runs the callbacks of a thread (Twisted's `reactor`).
///
/// There is at most one on a thread at a time; clones are handles on the same one, and
/// [`current`](Reactor::current) finds it. It is a [`Clock`], so whatever takes a clock takes a
/// reactor. From [`new`](Reactor::new) to the end of [`run`](Reactor::run) the thread is in the
/// context of a tokio runtime: what needs one (a socket, a sleep, an HTTP client) may be made
/// anywhere on it.
///
/// A panic in a call that the reactor makes is reported, and does not end it.
///
/// # Dropping
///
/// A reactor is gone with its last handle. Tokio's runtime is shut down at the end of `run`, or
/// with the reactor if it has never run; what lives on it is dropped then, and a thread that blocks
/// is not waited for any longer. Timed calls that are left then are not made. They are dropped with
/// the reactor, which one that holds a handle on it keeps in memory. So does a port that listens, until
/// `run` has returned or the port is closed: its clock is the reactor.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::Reactor;
/// use std::time::Duration;
///
/// let reactor = Reactor::new()?;
/// let stopping = reactor.clone();
/// reactor.call_later(Duration::from_millis(1), move || stopping.stop().unwrap());
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Reactor(Rc<Core>);

/// A handle that does not keep the reactor alive.
pub(crate) struct WeakReactor(Weak<Core>);

struct Core {
    stage: Cell<Stage>,
    /// Between the startup event and the shutdown event, each in the phase `During`.
    running: Cell<bool>,
    /// `stop` was called; the shutdown event is to be fired at the end of this turn.
    just_stopped: Cell<bool>,
    options: Cell<RunOptions>,
    exit_signal: Cell<Option<i32>>,
    /// Why signals cannot be watched for.
    trouble: Cell<Option<io::Error>>,
    watch: Cell<Option<Watch>>,
    timers: Timers,
    events: Events,
    open: Open,
    threads: ThreadPool,
    remote: RemoteReactor,
    mailbox: Mailbox,
    wake: Arc<Wake>,
    /// The loop has its turn, and need not be woken for what is queued meanwhile.
    in_turn: Rc<Cell<bool>>,
    cooperator: OnceCell<Cooperator>,
    /// Borrowed for the whole time of `run`; empty when that is over.
    home: RefCell<Option<Home>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `run` has not been called.
    Fresh,
    /// `run` was called, `stop` was not.
    Started,
    /// `stop` was called, and the shutdown event is not over.
    Stopping,
    /// Over for good.
    Over,
}

self_cell::self_cell!(
    /// Tokio's runtime, entered.
    struct Home {
        owner: LocalRuntime,
        #[covariant]
        dependent: EnterGuard,
    }
);

impl Home {
    fn new_entered() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("hereafter-pool")
            .build_local(LocalOptions::default())?;
        Ok(Self::new(runtime, LocalRuntime::enter))
    }

    /// Leaves the context and ends the runtime, waiting for nobody.
    fn close(self) {
        self.into_owner().shutdown_background();
    }
}

/// How the loop is woken, from any thread.
#[derive(Default)]
struct Wake {
    /// There is something to do. `notify` alone would do, were it possible to look at it.
    flag: AtomicBool,
    notify: Notify,
}

impl Wake {
    fn wake(&self) {
        self.flag.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }
}

thread_local! {
    static CURRENT: RefCell<Weak<Core>> = const { RefCell::new(Weak::new()) };
}

/// How [`Reactor::run_with`] runs.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::{Reactor, RunOptions};
///
/// let reactor = Reactor::new()?;
/// # reactor.remote().stop();
/// reactor.run_with(RunOptions::default().signals(false))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct RunOptions {
    signals: bool,
    thread_patience: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { signals: true, thread_patience: Duration::from_secs(5) }
    }
}

impl RunOptions {
    /// Whether Ctrl-C and `SIGTERM` stop the reactor (Twisted's `installSignalHandlers`); at first
    /// they do.
    ///
    /// # Examples
    ///
    /// ```
    /// let options = hereafter_reactor::RunOptions::default().signals(false);
    /// ```
    pub fn signals(mut self, signals: bool) -> Self {
        self.signals = signals;
        self
    }

    /// How long the end of `run` waits for threads of the pool that have not done with a call; at
    /// first 5 seconds. Twisted waits as long as it takes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// let options = hereafter_reactor::RunOptions::default().thread_patience(Duration::MAX);
    /// ```
    pub fn thread_patience(mut self, patience: Duration) -> Self {
        self.thread_patience = patience;
        self
    }
}

/// Why a reactor cannot run (Twisted's `ReactorAlreadyRunning` and `ReactorNotRestartable`).
#[derive(Debug)]
#[non_exhaustive]
pub enum ReactorError {
    /// It runs: this was called from a callback.
    AlreadyRunning,
    /// It has run before. Make a new one.
    NotRestartable,
    /// Signals could not be watched for.
    Signals(io::Error),
}

impl fmt::Display for ReactorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRunning => f.write_str("the reactor runs already"),
            Self::NotRestartable => {
                f.write_str("the reactor has run, and cannot run again; make a new one")
            }
            Self::Signals(error) => write!(f, "the reactor cannot watch for signals: {error}"),
        }
    }
}

impl Error for ReactorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Signals(error) => Some(error),
            Self::AlreadyRunning | Self::NotRestartable => None,
        }
    }
}

/// The reactor does not run: not yet, or not any more (Twisted's `ReactorNotRunning`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReactorNotRunning;

impl fmt::Display for ReactorNotRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reactor does not run: not yet, or not any more")
    }
}

impl Error for ReactorNotRunning {}

impl Reactor {
    /// Makes the reactor of this thread.
    ///
    /// # Errors
    ///
    /// When one lives on this thread that has not run to its end
    /// ([`AlreadyExists`](io::ErrorKind::AlreadyExists); see [`current`](Reactor::current)), or when
    /// the operating system gives tokio no way to wait for events.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// assert!(!reactor.running());
    /// assert!(Reactor::new().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Self> {
        if Self::current().is_some_and(|reactor| reactor.0.stage.get() != Stage::Over) {
            let message = "this thread has a reactor already; see Reactor::current";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        let home = Home::new_entered()?;
        let start = Instant::now();
        let wake = Arc::new(Wake::default());
        let in_turn = Rc::new(Cell::new(false));

        let timers = Timers::new(move || start.elapsed());
        let (to_wake, in_a_turn) = (wake.clone(), in_turn.clone());
        timers.on_earlier(move || {
            if !in_a_turn.get() {
                to_wake.wake();
            }
        });
        let mailbox = Mailbox::current();
        let to_wake = wake.clone();
        mailbox.set_notify(Some(Arc::new(move || to_wake.wake())));
        // What came before anybody listened.
        wake.wake();

        let reactor = Self(Rc::new(Core {
            stage: Cell::new(Stage::Fresh),
            running: Cell::new(false),
            just_stopped: Cell::new(false),
            options: Cell::default(),
            exit_signal: Cell::new(None),
            trouble: Cell::new(None),
            watch: Cell::new(None),
            timers,
            events: Events::default(),
            open: Open::default(),
            threads: ThreadPool::new(home.borrow_owner().handle().clone()),
            remote: RemoteReactor::new(mailbox.clone()),
            mailbox,
            wake,
            in_turn,
            cooperator: OnceCell::new(),
            home: RefCell::new(Some(home)),
        }));
        CURRENT.set(Rc::downgrade(&reactor.0));
        Ok(reactor)
    }

    /// The reactor of this thread, if one lives.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// assert!(Reactor::current().is_none());
    /// let reactor = Reactor::new()?;
    /// assert!(Reactor::current().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.borrow().upgrade()).ok().flatten().map(Self)
    }

    pub(crate) fn downgrade(&self) -> WeakReactor {
        WeakReactor(Rc::downgrade(&self.0))
    }

    /// Runs until the reactor is stopped.
    ///
    /// Ctrl-C and `SIGTERM` stop it, as [`stop`](Reactor::stop) does; which one it was says
    /// [`exit_signal`](Reactor::exit_signal). A second one while it stops ends the process at once,
    /// as does any after `run` has returned. To leave signals alone, see
    /// [`run_with`](Reactor::run_with).
    ///
    /// # Errors
    ///
    /// When it runs already, has run before, or cannot watch for signals.
    ///
    /// # Panics
    ///
    /// When called from within tokio (`#[tokio::main]`), or when the thread has entered another
    /// runtime since the reactor was made, and not left it.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let stopping = reactor.clone();
    /// reactor.call_when_running(move || stopping.stop().unwrap());
    /// reactor.run()?;
    /// assert!(reactor.run().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(&self) -> Result<(), ReactorError> {
        self.run_with(RunOptions::default())
    }

    /// As [`run`](Reactor::run), in another way than the usual one.
    ///
    /// # Errors
    ///
    /// As [`run`](Reactor::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Reactor::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, RunOptions};
    ///
    /// let reactor = Reactor::new()?;
    /// let stopping = reactor.clone();
    /// reactor.call_when_running(move || stopping.stop().unwrap());
    /// reactor.run_with(RunOptions::default().signals(false))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_with(&self, options: RunOptions) -> Result<(), ReactorError> {
        match self.0.stage.get() {
            Stage::Fresh => {}
            Stage::Started | Stage::Stopping => return Err(ReactorError::AlreadyRunning),
            Stage::Over => return Err(ReactorError::NotRestartable),
        }
        self.0.options.set(options);
        self.0.stage.set(Stage::Started);
        let closing = Closing(&self.0);
        if let Some(home) = &*self.0.home.borrow() {
            home.borrow_owner().block_on(self.main_loop());
        }
        drop(closing);
        self.0.trouble.take().map_or(Ok(()), |error| Err(ReactorError::Signals(error)))
    }

    async fn main_loop(&self) {
        let core = &*self.0;
        self.fire_system_event(SystemEvent::Startup);
        loop {
            self.turn();
            if core.stage.get() == Stage::Over {
                break;
            }
            let next = core.timers.next();
            let now = core.timers.now();
            if core.wake.flag.load(Ordering::SeqCst) || next.is_some_and(|time| time <= now) {
                // There is more to do, but sockets and local tasks come first.
                tokio::task::yield_now().await;
                continue;
            }
            let notified = core.wake.notify.notified();
            let pause = next.map(|time| time.saturating_sub(now));
            let deadline = pause.and_then(|pause| Instant::now().checked_add(pause));
            match deadline {
                // Which of the two it was shows in the next turn.
                Some(deadline) => drop(tokio::time::timeout_at(deadline.into(), notified).await),
                None => notified.await,
            }
        }
        // What the end of the pool has left.
        core.mailbox.run_pending();
    }

    /// Does what is due.
    fn turn(&self) {
        let core = &*self.0;
        core.wake.flag.store(false, Ordering::SeqCst);
        core.in_turn.set(true);
        core.mailbox.run_pending();
        // Calls that are asked for from here on have to wait for the next turn.
        let (now, bound) = (core.timers.now(), core.timers.asked());
        let mut more = true;
        while more {
            // After a panic, `more` is still true, as it should be.
            report::guard("a timed call", || more = core.timers.run_one(now, bound));
        }
        if core.just_stopped.take() {
            self.fire_system_event(SystemEvent::Shutdown);
        }
        core.in_turn.set(false);
    }

    /// Ends [`run`](Reactor::run): what is due in this turn is still called, then the triggers of
    /// the shutdown event are.
    ///
    /// Returns at once. To stop it from another thread, see [`RemoteReactor::stop`].
    ///
    /// # Errors
    ///
    /// When it does not run, or has been stopped already.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// assert!(reactor.stop().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stop(&self) -> Result<(), ReactorNotRunning> {
        if self.0.stage.get() != Stage::Started {
            return Err(ReactorNotRunning);
        }
        self.0.stage.set(Stage::Stopping);
        self.0.just_stopped.set(true);
        self.0.wake.wake();
        Ok(())
    }

    pub(crate) fn stopped_by(&self, signal: i32) {
        self.0.exit_signal.set(Some(signal));
        // That it is stopping already is what the signal asks for.
        let _ = self.stop();
    }

    /// Whether it runs: from the startup event to the shutdown event.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!hereafter_reactor::Reactor::new()?.running());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn running(&self) -> bool {
        self.0.running.get()
    }

    /// The number of the signal that stopped it, if it was one (Twisted's `_exitSignal`).
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter_reactor::Reactor::new()?.exit_signal(), None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn exit_signal(&self) -> Option<i32> {
        self.0.exit_signal.get()
    }

    /// Calls `call` once, `delay` from now (Twisted's `callLater`); never before this returns.
    ///
    /// What it gives back can cancel or move the call; dropping that changes nothing. As
    /// [`Clock::call_later`], for where the trait is not in scope.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let call = reactor.call_later(Duration::from_secs(1), || println!("a second later"));
    /// call.cancel()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_later(&self, delay: Duration, call: impl FnOnce() + 'static) -> DelayedCall {
        self.schedule(delay, Box::new(call))
    }

    /// The timed calls that are still to be made, in the order of their time (Twisted's
    /// `getDelayedCalls`).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter_reactor::Reactor::new()?.delayed_calls().is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn delayed_calls(&self) -> Vec<DelayedCall> {
        self.0.timers.delayed_calls()
    }

    /// Calls `call` when the reactor runs: now if it does, else when it has started (Twisted's
    /// `callWhenRunning`).
    ///
    /// What it gives back is the trigger that waits for the start.
    ///
    /// # Panics
    ///
    /// When `call` does and is called now.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let stopping = reactor.clone();
    /// reactor.call_when_running(move || stopping.stop().unwrap());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_when_running(&self, call: impl FnOnce() + 'static) -> Option<TriggerId> {
        if self.running() {
            call();
            None
        } else {
            Some(self.add_system_event_trigger(Phase::After, SystemEvent::Startup, call))
        }
    }

    /// Fires when the reactor runs; at once if it does, or is on its way to its end. What needs the
    /// loop, and what should find a reactor that it can [`stop`](Reactor::stop), waits for it.
    ///
    /// # Errors
    ///
    /// [`ReactorNotRunning`] when it has run already.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let stopping = reactor.clone();
    /// reactor.when_running().add_callback(move |()| Ok(stopping.stop()?)).detach();
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn when_running(&self) -> Deferred<()> {
        match self.0.stage.get() {
            Stage::Fresh => {
                let (trigger, started) = Deferred::new();
                let call = move || trigger.callback(());
                self.add_system_event_trigger(Phase::After, SystemEvent::Startup, call);
                started
            }
            Stage::Started | Stage::Stopping => Deferred::succeed(()),
            Stage::Over => Deferred::fail(ReactorNotRunning),
        }
    }

    /// Calls `call` once, when `event` is fired and has come to `phase` (Twisted's
    /// `addSystemEventTrigger`).
    ///
    /// Triggers of one phase are called in the order in which they were added. What those of
    /// [`Phase::Before`] give back is waited for before the other phases begin, so a shutdown can
    /// take its time. A failure or panic is reported, and stops nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Phase, Reactor, SystemEvent, task::defer_later};
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let clock = reactor.clone();
    /// reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
    ///     defer_later(&clock, Duration::from_millis(1), || println!("saved"))
    /// });
    /// reactor.remote().stop();
    /// reactor.run()?; // returns when it is saved
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_system_event_trigger<R: Outcome>(
        &self,
        phase: Phase,
        event: SystemEvent,
        call: impl FnOnce() -> R + 'static,
    ) -> TriggerId {
        self.0.events.add(phase, event, call)
    }

    /// Takes a trigger back (Twisted's `removeSystemEventTrigger`); whether it was still there.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Phase, Reactor, SystemEvent};
    ///
    /// let reactor = Reactor::new()?;
    /// let id = reactor.add_system_event_trigger(Phase::After, SystemEvent::Startup, || ());
    /// assert!(reactor.remove_system_event_trigger(id));
    /// assert!(!reactor.remove_system_event_trigger(id));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remove_system_event_trigger(&self, trigger: TriggerId) -> bool {
        self.0.events.remove(trigger)
    }

    /// Calls the triggers of an event (Twisted's `fireSystemEvent`).
    ///
    /// Those of [`Phase::Before`] are called before this returns. The reactor itself fires
    /// [`SystemEvent::Startup`] and [`SystemEvent::Shutdown`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Phase, Reactor, SystemEvent};
    ///
    /// let reactor = Reactor::new()?;
    /// let event = SystemEvent::Custom("config changed");
    /// reactor.add_system_event_trigger(Phase::During, event, || println!("reading it again"));
    /// reactor.fire_system_event(event);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fire_system_event(&self, event: SystemEvent) {
        let this = self.clone();
        self.0.events.before(event).map(move |()| this.go_on_firing(event)).detach();
    }

    /// The phases during and after an event.
    fn go_on_firing(&self, event: SystemEvent) {
        let core = &*self.0;
        match (event, core.stage.get()) {
            (SystemEvent::Startup, Stage::Started) => self.started(),
            // It was stopped before it had begun.
            (SystemEvent::Startup, Stage::Stopping | Stage::Over) => return,
            (SystemEvent::Shutdown, Stage::Started | Stage::Stopping) => {
                core.stage.set(Stage::Stopping);
                core.running.set(false);
                core.open.close_all();
                core.events.fire(Phase::During, event);
                return self.close_threads();
            }
            _ => {}
        }
        core.events.fire(Phase::During, event);
        core.events.fire(Phase::After, event);
    }

    fn started(&self) {
        let core = &*self.0;
        core.running.set(true);
        if core.options.get().signals {
            match Watch::new(self) {
                Ok(watch) => core.watch.set(Some(watch)),
                Err(error) => {
                    core.trouble.set(Some(error));
                    // Already stopping is as well.
                    let _ = self.stop();
                }
            }
        }
    }

    /// Ends the pool, and waits for it as long as is asked for; then comes the last phase.
    fn close_threads(&self) {
        let core = &*self.0;
        core.remote.close();
        let mut gone = core.threads.close();
        let giving_up = gone.cancel_handle();
        let patience =
            self.call_later(core.options.get().thread_patience, move || giving_up.cancel());
        let this = self.clone();
        let ended = gone.add_both(move |_| {
            // It has been made, where it is what brought us here.
            let _ = patience.cancel();
            this.0.events.fire(Phase::After, SystemEvent::Shutdown);
            this.0.stage.set(Stage::Over);
            this.0.wake.wake();
        });
        ended.detach();
    }

    /// The reactor as other threads see it: for `callFromThread`, and to stop it.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let remote = reactor.remote();
    /// std::thread::spawn(move || remote.stop());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remote(&self) -> RemoteReactor {
        self.0.remote.clone()
    }

    /// How many connections are open, of those that have a [`Protocol`](crate::Protocol).
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter_reactor::Reactor::new()?.open_connections(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open_connections(&self) -> usize {
        self.0.open.connections()
    }

    /// How many [`Port`](crate::endpoints::Port)s listen.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter_reactor::Reactor::new()?.open_ports(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open_ports(&self) -> usize {
        self.0.open.ports()
    }

    pub(crate) fn open(&self) -> &Open {
        &self.0.open
    }

    /// Whether its time is over: it has run, and nothing lives on it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.0.home.try_borrow().is_ok_and(|home| home.is_none())
    }

    /// Shares out time among the tasks of [`cooperate`](crate::task::cooperate) and
    /// [`coiterate`](crate::task::coiterate).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter_reactor::Reactor::new()?.cooperator().running());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cooperator(&self) -> Cooperator {
        let make = || Cooperator::new(&OwnClock(self.0.timers.clone()));
        self.0.cooperator.get_or_init(make).clone()
    }

    /// The pool of threads for calls that block (Twisted's `getThreadPool`).
    ///
    /// # Examples
    ///
    /// ```
    /// let reactor = hereafter_reactor::Reactor::new()?;
    /// assert_eq!(reactor.thread_pool().stats().busy, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_pool(&self) -> ThreadPool {
        self.0.threads.clone()
    }
}

/// The clock of what the reactor itself holds, and must not hold the reactor.
#[derive(Clone)]
struct OwnClock(Timers);

impl Clock for OwnClock {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.0.schedule(delay, call)
    }
}

impl WeakReactor {
    pub(crate) fn upgrade(&self) -> Option<Reactor> {
        self.0.upgrade().map(Reactor)
    }
}

impl Clock for Reactor {
    /// The time since the reactor was made.
    fn now(&self) -> Duration {
        self.0.timers.now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.0.timers.schedule(delay, call)
    }
}

/// Closes a reactor when `run` is left, in whatever way.
struct Closing<'a>(&'a Core);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Core {
    /// Gives back all that is not memory. Handles, and calls that hold them, may live on.
    fn close(&self) {
        if self.home.borrow().is_none() {
            return;
        }
        self.stage.set(Stage::Over);
        self.running.set(false);
        self.mailbox.set_notify(None);
        self.remote.close();
        drop(self.threads.close());
        drop(self.watch.take());
        let Some(home) = self.home.take() else { return };
        // The end of the runtime wakes those who wait for its timers and sockets; they could only
        // panic for want of it, here or in the next reactor of this thread.
        report::abandoning(|| {
            home.close();
            self.mailbox.drop_woken();
        });
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.close();
        // The cooperator's next turn holds it, and it holds these: they go by our word alone.
        report::abandoning(|| self.timers.clear());
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("stage", &self.0.stage.get())
            .field("running", &self.running())
            .field("timers", &self.0.timers)
            .field("threads", &self.0.threads)
            .finish_non_exhaustive()
    }
}
