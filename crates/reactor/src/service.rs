//! A connection that is made again whenever it is lost (Twisted's
//! `twisted.application.internet.ClientService`).
//!
//! The service is a machine of seven states, Twisted's. Every transition puts the new state in place
//! before it calls anybody: whoever is called may ask the service for anything.

use crate::endpoints::StreamClientEndpoint;
use crate::protocol::{Address, Factory, Protocol};
use crate::transport::Transport;
use bytes::Bytes;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;
use hereafter::clock::{Clock, DelayedCall};
use hereafter::errors::CancelledError;
use hereafter::{CancelHandle, Deferred, Failure, Outcome, Trigger, maybe_deferred, report};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

/// The longest pause before another attempt, jitter aside; and the pause where a policy has panicked.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Keeps a connection (Twisted's `ClientService`): makes it, and makes it again when it is lost or
/// could not be made, after a pause that grows with the number of failures in a row.
///
/// Clones are handles on the same service. Dropping them does not stop it; see
/// [`stop_service`](ClientService::stop_service).
///
/// # Examples
///
/// ```no_run
/// use bytes::Bytes;
/// use hereafter_reactor::endpoints::client_from_string;
/// use hereafter_reactor::service::ClientService;
/// use hereafter_reactor::{Address, Protocol, Reactor, Transport};
///
/// struct Feed;
///
/// impl Protocol for Feed {
///     fn data_received(&self, _: &Transport, data: Bytes) {
///         println!("{data:?}");
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let endpoint = client_from_string(&reactor, "tcp:feed.example.com:4000")?;
/// let service = ClientService::new(&reactor, endpoint, |_: &Address| Feed);
/// service.start_service();
/// service.when_connected(Some(3)).map(|_feed| println!("connected"));
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClientService<P: Protocol>(Rc<Inner<P>>);

struct Inner<P: Protocol> {
    connect: Connect<P>,
    clock: Box<dyn Clock>,
    policy: RefCell<Rc<dyn Fn(u32) -> Duration>>,
    prepare: RefCell<Option<Rc<Prepare<P>>>>,
    state: RefCell<State<P>>,
    /// Attempts in a row that have failed.
    failed: Cell<u32>,
    /// Who waits for a connection, in the order of coming.
    waiting: RefCell<BTreeMap<u64, Waiting<P>>>,
    came: Cell<u64>,
    /// Who waits for the end.
    stopping: RefCell<Vec<Trigger<()>>>,
}

type Connect<P> = Box<dyn Fn(Weak<Inner<P>>) -> Deferred<Rc<Watched<P>>>>;
type Prepare<P> = dyn Fn(&Rc<P>) -> Deferred<()>;

enum State<P: Protocol> {
    /// Not started, or stopped.
    Stopped {
        ever_started: bool,
    },
    /// A connection is being made, or prepared.
    Connecting(CancelHandle),
    /// For the time of the next attempt.
    Waiting(DelayedCall),
    Connected(Rc<Watched<P>>),
    /// Stopped, and what there is has not ended yet.
    Disconnecting,
    /// As `Disconnecting`, but started again since.
    Restarting,
}

struct Waiting<P: Protocol> {
    trigger: Trigger<Rc<P>>,
    /// How many more attempts may fail before it hears of that.
    patience: Option<u32>,
}

impl<P: Protocol> ClientService<P> {
    /// A service that is not started yet.
    ///
    /// `clock` is the reactor, or in tests another. Its pauses are those of
    /// [`backoff_policy`]: from about a second to about a minute.
    ///
    /// # Examples
    ///
    /// See [`ClientService`].
    pub fn new<F: Factory<Protocol = P>>(
        clock: &(impl Clock + Clone + 'static),
        endpoint: impl StreamClientEndpoint,
        factory: F,
    ) -> Self {
        let factory = Rc::new(factory);
        let connect = move |service| {
            let factory = Watching { factory: factory.clone(), service };
            endpoint.connect(factory)
        };
        let policy = backoff_policy(Duration::from_secs(1), LONGEST_PAUSE, 1.5, fastrand::f64);
        Self(Rc::new(Inner {
            connect: Box::new(connect),
            clock: Box::new(clock.clone()),
            policy: RefCell::new(Rc::new(policy)),
            prepare: RefCell::default(),
            state: RefCell::new(State::Stopped { ever_started: false }),
            failed: Cell::new(0),
            waiting: RefCell::default(),
            came: Cell::new(0),
            stopping: RefCell::default(),
        }))
    }

    /// Sets how long the service waits after so many failures in a row (Twisted's `retryPolicy`).
    ///
    /// If `policy` panics, that is reported, and the pause is a minute.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Protocol, service::ClientService};
    /// use std::time::Duration;
    /// fn steady<P: Protocol>(service: ClientService<P>) -> ClientService<P> {
    ///     service.retry_policy(|_failures| Duration::from_secs(5))
    /// }
    /// ```
    #[must_use]
    pub fn retry_policy(self, policy: impl Fn(u32) -> Duration + 'static) -> Self {
        drop(self.0.policy.replace(Rc::new(policy)));
        self
    }

    /// Sets what is done with a new connection before anybody gets it (Twisted's
    /// `prepareConnection`): to log in, say. If that fails, the connection is closed, and counts as
    /// a failed attempt.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// use hereafter_reactor::{Protocol, service::ClientService};
    /// trait Login: Protocol {
    ///     fn log_in(&self) -> Deferred<()>;
    /// }
    /// fn logged_in<P: Login>(service: ClientService<P>) -> ClientService<P> {
    ///     service.prepare_connection(|protocol| protocol.log_in())
    /// }
    /// ```
    #[must_use]
    pub fn prepare_connection<R: Outcome>(self, prepare: impl Fn(&Rc<P>) -> R + 'static) -> Self {
        let prepare = move |protocol: &Rc<P>| prepare(protocol).into_deferred().map(drop);
        drop(self.0.prepare.replace(Some(Rc::new(prepare))));
        self
    }

    /// Starts to connect. Does nothing where it is started.
    ///
    /// # Examples
    ///
    /// See [`ClientService`].
    pub fn start_service(&self) {
        let inner = &self.0;
        let start = match &mut *inner.state.borrow_mut() {
            State::Stopped { .. } => true,
            state @ State::Disconnecting => {
                *state = State::Restarting;
                false
            }
            _ => false,
        };
        if start {
            inner.attempt();
        }
    }

    /// Ends the connection, or the attempt, and makes no more of them: a deferred that fires when
    /// nothing is left open. Those who wait for a connection get
    /// [`CancelledError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// use hereafter_reactor::{Phase, Protocol, Reactor, SystemEvent, service::ClientService};
    /// fn stop_with_reactor<P: Protocol>(reactor: &Reactor, service: ClientService<P>) {
    ///     reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
    ///         service.stop_service()
    ///     });
    /// }
    /// ```
    #[track_caller]
    pub fn stop_service(&self) -> Deferred<()> {
        enum Then<P: Protocol> {
            Cancel(CancelHandle),
            Forget(DelayedCall),
            Close(Rc<Watched<P>>),
            Finish,
            Wait,
        }
        let inner = &self.0;
        let stopped = || State::Stopped { ever_started: true };
        let then = {
            let mut state = inner.state.borrow_mut();
            let (next, then) = match &*state {
                State::Stopped { .. } => (stopped(), Then::Finish),
                State::Connecting(attempt) => (State::Disconnecting, Then::Cancel(attempt.clone())),
                State::Waiting(call) => (stopped(), Then::Forget(call.clone())),
                State::Connected(watched) => (State::Disconnecting, Then::Close(watched.clone())),
                State::Disconnecting | State::Restarting => (State::Disconnecting, Then::Wait),
            };
            *state = next;
            then
        };
        let (trigger, over) = Deferred::new();
        inner.stopping.borrow_mut().push(trigger);
        match then {
            Then::Cancel(attempt) => attempt.cancel(),
            Then::Forget(call) => {
                // It is active: the state says so.
                let _ = call.cancel();
                inner.stopped();
            }
            Then::Close(watched) => watched.close(),
            Then::Finish => inner.stopped(),
            Then::Wait => {}
        }
        over
    }

    /// Whether it was started, and not stopped since.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Protocol, service::ClientService};
    /// fn toggle<P: Protocol>(service: &ClientService<P>) {
    ///     if service.running() {
    ///         service.stop_service().detach();
    ///     } else {
    ///         service.start_service();
    ///     }
    /// }
    /// ```
    pub fn running(&self) -> bool {
        !matches!(*self.0.state.borrow(), State::Stopped { .. } | State::Disconnecting)
    }

    /// The protocol of the connection, now or when there is one (Twisted's `whenConnected`).
    ///
    /// With `fail_after_failures`, it fails when so many attempts in a row have failed since it was
    /// called, with the failure of the last. Without, it waits as long as the service runs, and
    /// also for a service to be started that never was.
    ///
    /// # Errors
    ///
    /// The deferred fails with [`CancelledError`] when the service is stopped.
    ///
    /// # Examples
    ///
    /// See [`ClientService`].
    #[track_caller]
    pub fn when_connected(&self, fail_after_failures: Option<u32>) -> Deferred<Rc<P>> {
        let inner = &self.0;
        match &*inner.state.borrow() {
            State::Connected(watched) => return Deferred::succeed(watched.protocol.clone()),
            State::Stopped { ever_started: true } => return Deferred::fail(CancelledError),
            _ => {}
        }
        let number = inner.came.replace(inner.came.get() + 1);
        let row = Rc::downgrade(inner);
        let (trigger, connected) = Deferred::with_canceller(move || {
            let waiting = row.upgrade()?.waiting.borrow_mut().remove(&number);
            drop(waiting);
            None
        });
        let waiting = Waiting { trigger, patience: fail_after_failures };
        inner.waiting.borrow_mut().insert(number, waiting);
        connected
    }
}

impl<P: Protocol> Inner<P> {
    /// Makes an attempt to connect.
    fn attempt(self: &Rc<Self>) {
        // Endpoints and factories are user code: a panic is an attempt that has failed.
        let mut connecting = maybe_deferred(|| (self.connect)(Rc::downgrade(self)));
        drop(self.state.replace(State::Connecting(connecting.cancel_handle())));
        let prepare = self.prepare.borrow().clone();
        let this = self.clone();
        connecting
            .add_callback(move |watched: Rc<Watched<P>>| {
                let prepared = match prepare {
                    Some(prepare) => maybe_deferred(|| prepare(&watched.protocol)),
                    None => Deferred::succeed(()),
                };
                prepared.add_both(move |result| match result {
                    Ok(()) => Deferred::succeed(watched),
                    // The attempt is over when the connection is.
                    Err(failure) => watched.closed().add_callback(|()| Err(failure)),
                })
            })
            .add_both(move |result| this.attempted(result))
            .detach();
    }

    /// An attempt has come to something.
    fn attempted(self: &Rc<Self>, result: Result<Rc<Watched<P>>, Failure>) {
        let result = result.and_then(|watched| match watched.lost.take() {
            Some(reason) => Err(reason),
            None => Ok(watched),
        });
        let was_connecting = matches!(*self.state.borrow(), State::Connecting(_));
        match result {
            Ok(watched) if was_connecting => self.connected(watched),
            // It was stopped, but could not be cancelled any more.
            Ok(watched) => {
                watched.in_service.set(true);
                watched.close();
            }
            Err(failure) if was_connecting => self.failed(failure),
            Err(_) => self.ended(),
        }
    }

    fn connected(&self, watched: Rc<Watched<P>>) {
        let protocol = watched.protocol.clone();
        watched.in_service.set(true);
        drop(self.state.replace(State::Connected(watched)));
        self.failed.set(0);
        for waiting in self.waiting.take().into_values() {
            waiting.trigger.callback(protocol.clone());
        }
    }

    fn failed(self: &Rc<Self>, failure: Failure) {
        self.retry();
        let out_of_patience = {
            let mut waiting = self.waiting.borrow_mut();
            for waiting in waiting.values_mut() {
                waiting.patience = waiting.patience.map(|patience| patience.saturating_sub(1));
            }
            waiting.extract_if(.., |_, waiting| waiting.patience == Some(0)).collect::<Vec<_>>()
        };
        for (_, waiting) in out_of_patience {
            waiting.trigger.errback(failure.clone());
        }
    }

    /// Makes the next attempt after a pause.
    fn retry(self: &Rc<Self>) {
        let failed = self.failed.get().saturating_add(1);
        self.failed.set(failed);
        let policy = self.policy.borrow().clone();
        let mut pause = LONGEST_PAUSE;
        report::guard("a retry policy", || pause = policy(failed));
        let this = self.clone();
        let call = self.clock.schedule(pause, Box::new(move || this.attempt()));
        drop(self.state.replace(State::Waiting(call)));
    }

    /// The connection of the service is gone.
    fn lost(self: &Rc<Self>) {
        let was_wanted = matches!(*self.state.borrow(), State::Connected(_));
        if was_wanted { self.retry() } else { self.ended() }
    }

    /// What was stopped has ended.
    fn ended(self: &Rc<Self>) {
        if matches!(*self.state.borrow(), State::Restarting) {
            self.attempt();
            self.tell_stopped();
        } else {
            drop(self.state.replace(State::Stopped { ever_started: true }));
            self.stopped();
        }
    }

    /// The service is stopped: tells all who wait.
    fn stopped(&self) {
        for waiting in self.waiting.take().into_values() {
            waiting.trigger.errback(CancelledError);
        }
        self.tell_stopped();
    }

    fn tell_stopped(&self) {
        for waiting in self.stopping.take() {
            waiting.callback(());
        }
    }
}

/// A protocol whose end the service hears of.
struct Watched<P: Protocol> {
    protocol: Rc<P>,
    service: Weak<Inner<P>>,
    transport: RefCell<Option<Transport>>,
    /// It is the connection of the service, and no attempt any more.
    in_service: Cell<bool>,
    /// Why it was lost as an attempt.
    lost: Cell<Option<Failure>>,
    /// Waits for the end.
    closing: Cell<Option<Trigger<()>>>,
}

impl<P: Protocol> Watched<P> {
    fn close(&self) {
        if let Some(transport) = self.transport.borrow().clone() {
            transport.lose_connection();
        }
    }

    /// Closes it, and waits for that.
    fn closed(&self) -> Deferred<()> {
        if self.lost.take().is_some() {
            return Deferred::succeed(());
        }
        let (trigger, closed) = Deferred::new();
        self.closing.set(Some(trigger));
        self.close();
        closed
    }
}

impl<P: Protocol> Protocol for Watched<P> {
    fn connection_made(&self, transport: &Transport) {
        *self.transport.borrow_mut() = Some(transport.clone());
        self.protocol.connection_made(transport);
    }

    fn data_received(&self, transport: &Transport, data: Bytes) {
        self.protocol.data_received(transport, data);
    }

    fn connection_lost(&self, reason: Failure) {
        report::guard("a protocol", || self.protocol.connection_lost(reason.clone()));
        if !self.in_service.get() {
            self.lost.set(Some(reason));
            if let Some(closing) = self.closing.take() {
                closing.callback(());
            }
        } else if let Some(service) = self.service.upgrade() {
            service.lost();
        }
    }

    fn is_half_closeable(&self) -> bool {
        self.protocol.is_half_closeable()
    }

    fn read_connection_lost(&self, transport: &Transport) {
        self.protocol.read_connection_lost(transport);
    }

    fn write_connection_lost(&self, transport: &Transport) {
        self.protocol.write_connection_lost(transport);
    }
}

/// Makes protocols that are watched.
struct Watching<F: Factory> {
    factory: Rc<F>,
    service: Weak<Inner<F::Protocol>>,
}

impl<F: Factory> Factory for Watching<F> {
    type Protocol = Watched<F::Protocol>;

    fn build_protocol(&self, peer: &Address) -> Option<Self::Protocol> {
        Some(Watched {
            protocol: Rc::new(self.factory.build_protocol(peer)?),
            service: self.service.clone(),
            transport: RefCell::new(None),
            in_service: Cell::new(false),
            lost: Cell::new(None),
            closing: Cell::new(None),
        })
    }
}

impl<P: Protocol> Clone for ClientService<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Protocol> fmt::Debug for ClientService<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.0.state.borrow() {
            State::Stopped { .. } => "stopped",
            State::Connecting(_) => "connecting",
            State::Waiting(_) => "waiting",
            State::Connected(_) => "connected",
            State::Disconnecting => "disconnecting",
            State::Restarting => "restarting",
        };
        f.debug_struct("ClientService")
            .field("state", &state)
            .field("failed", &self.0.failed)
            .finish_non_exhaustive()
    }
}

/// Pauses that grow (Twisted's `backoffPolicy`): `initial` times `factor` to the number of failures,
/// at most `max`, and so many seconds more as `jitter` gives, so that not all clients of a server
/// come back at once.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::service::backoff_policy;
/// use std::time::Duration;
///
/// let policy = backoff_policy(Duration::from_secs(1), Duration::from_secs(60), 2.0, || 0.5);
/// assert_eq!(policy(1), Duration::from_millis(2_500));
/// assert_eq!(policy(3), Duration::from_millis(8_500));
/// assert_eq!(policy(1_000), Duration::from_millis(60_500));
/// ```
pub fn backoff_policy(
    initial: Duration,
    max: Duration,
    factor: f64,
    jitter: impl Fn() -> f64 + 'static,
) -> impl Fn(u32) -> Duration + 'static {
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    move |failures| {
        let grown = initial.as_secs_f64() * factor.powf(f64::from(failures));
        seconds(grown).min(max).saturating_add(seconds(jitter().max(0.0)))
    }
}
