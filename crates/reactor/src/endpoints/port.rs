//! Listening: endpoints to listen on, and the ports that come of it.

use super::pause::{Pause, within};
use super::{TIMEOUT, connected, current, tcp, tls};
use crate::errors::CannotListenError;
use crate::open::{Close, Entry, Open};
use crate::protocol::{Address, Factory};
use crate::stream::Wire;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use hereafter::clock::Clock;
use hereafter::{Deferred, Failure, report};
use rustls::ServerConfig;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(unix)]
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// How many may wait to be accepted, as in Twisted.
const BACKLOG: u32 = 50;

/// How long a port lets others have their turn when the process has no file left for a new
/// connection.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// Somewhere to listen (Twisted's `IStreamServerEndpoint`): what
/// [`server_from_string`](super::server_from_string) gives.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::{Reactor, endpoints::ServerEndpoint};
/// use std::net::Ipv4Addr;
///
/// let reactor = Reactor::new()?;
/// let endpoint = ServerEndpoint::tcp(&reactor, Some(Ipv4Addr::LOCALHOST.into()), 8080).backlog(10);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerEndpoint {
    clock: Rc<dyn Clock>,
    kind: Kind,
    backlog: u32,
    tls: Option<Arc<ServerConfig>>,
}

#[derive(Clone)]
enum Kind {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix {
        path: PathBuf,
        mode: u32,
        take_over: bool,
    },
}

impl ServerEndpoint {
    fn new(clock: &(impl Clock + Clone + 'static), kind: Kind) -> Self {
        Self { clock: Rc::new(clock.clone()), kind, backlog: BACKLOG, tls: None }
    }

    /// A TCP port of one interface, or of all of IPv4 (Twisted's `TCP4ServerEndpoint` and
    /// `TCP6ServerEndpoint`). Port 0 is any that is free; [`Port::host`] says which.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, endpoints::ServerEndpoint};
    /// let endpoint = ServerEndpoint::tcp(&Reactor::new()?, None, 8080);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn tcp(
        clock: &(impl Clock + Clone + 'static),
        interface: Option<IpAddr>,
        port: u16,
    ) -> Self {
        let interface = interface.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        Self::new(clock, Kind::Tcp(SocketAddr::new(interface, port)))
    }

    /// A socket in the file system (Twisted's `UNIXServerEndpoint`), for everybody who may reach its
    /// path; see [`mode`](ServerEndpoint::mode).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, endpoints::ServerEndpoint};
    /// let endpoint = ServerEndpoint::unix(&Reactor::new()?, "/run/service.sock").mode(0o660);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn unix(clock: &(impl Clock + Clone + 'static), path: impl Into<PathBuf>) -> Self {
        Self::new(clock, Kind::Unix { path: path.into(), mode: 0o666, take_over: true })
    }

    /// The permissions of the socket's file. Only for sockets in the file system.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, endpoints::ServerEndpoint};
    /// let endpoint = ServerEndpoint::unix(&Reactor::new()?, "/run/service.sock").mode(0o660);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(unix)]
    #[must_use]
    pub fn mode(mut self, permissions: u32) -> Self {
        if let Kind::Unix { mode, .. } = &mut self.kind {
            *mode = permissions;
        }
        self
    }

    /// Whether a socket's file on which nobody listens any more is removed (Twisted's `wantPID`); at
    /// first it is. Only for sockets in the file system.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, endpoints::ServerEndpoint};
    /// let endpoint = ServerEndpoint::unix(&Reactor::new()?, "/run/service.sock").take_over(false);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(unix)]
    #[must_use]
    pub fn take_over(mut self, yes: bool) -> Self {
        if let Kind::Unix { take_over, .. } = &mut self.kind {
            *take_over = yes;
        }
        self
    }

    /// How many may wait to be accepted; at first 50.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, endpoints::ServerEndpoint};
    /// let endpoint = ServerEndpoint::tcp(&Reactor::new()?, None, 8080).backlog(1000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    pub(super) fn with_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Listens: `factory` makes a protocol for each connection that comes (Twisted's `listen`).
    ///
    /// The deferred has its result at once. It needs the reactor of this thread, which need not run
    /// yet; the first connections then wait for it.
    ///
    /// # Errors
    ///
    /// The deferred fails with [`CannotListenError`], or with
    /// [`ReactorNotRunning`](crate::ReactorNotRunning) where the reactor's time is over; and with
    /// the panic of [`start_factory`](Factory::start_factory).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use hereafter_reactor::endpoints::server_from_string;
    /// use hereafter_reactor::{Address, Protocol, Reactor, Transport};
    ///
    /// struct Echo;
    ///
    /// impl Protocol for Echo {
    ///     fn data_received(&self, transport: &Transport, data: Bytes) {
    ///         transport.write(data);
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// let listening = server_from_string(&reactor, "tcp:0:interface=127.0.0.1")?
    ///     .listen(|_: &Address| Echo)
    ///     .add_callback(|port| {
    ///         println!("listening on {}", port.host());
    ///         port.stop_listening()
    ///     });
    /// assert!(listening.has_result());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn listen<F: Factory>(&self, factory: F) -> Deferred<Port> {
        Deferred::ready(self.listen_now(factory))
    }

    fn listen_now<F: Factory>(&self, factory: F) -> Result<Port, Failure> {
        let open = current()?;
        let (listener, host) =
            self.bind().map_err(|source| CannotListenError { on: self.to_string(), source })?;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| factory.start_factory())) {
            give_back(&host);
            return Err(Failure::from_panic(panic));
        }
        let listening = Rc::new(Listening {
            host,
            listener: RefCell::new(Some(listener)),
            acceptor: Rc::new(Acceptor { factory, open: open.clone() }),
            clock: self.clock.clone(),
            tls: self.tls.clone(),
            waker: RefCell::new(None),
            entry: Cell::new(None),
        });
        let as_open: Rc<dyn Close> = listening.clone();
        listening.entry.set(Some(open.add_port(Rc::downgrade(&as_open))));
        tokio::task::spawn_local(listening.clone().accept_all());
        Ok(Port(listening))
    }

    fn bind(&self) -> io::Result<(Listener, Address)> {
        match &self.kind {
            Kind::Tcp(address) => {
                let listener = tcp::listen(*address, self.backlog)?;
                let host = Address::Tcp(listener.local_addr()?);
                Ok((Listener::Tcp(listener), host))
            }
            #[cfg(unix)]
            Kind::Unix { path, mode, take_over } => {
                let listener = super::unix::listen(path, *mode, self.backlog, *take_over)?;
                Ok((Listener::Unix(listener), Address::Unix(Some(path.clone()))))
            }
        }
    }
}

impl fmt::Display for ServerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Kind::Unix { path, .. } => path.display().fmt(f),
        }
    }
}

impl fmt::Debug for ServerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls.is_some() { "tls on " } else { "" };
        write!(f, "<ServerEndpoint {tls}{self}>")
    }
}

/// What connections come from.
enum Listener {
    Tcp(tokio::net::TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl Listener {
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Wire>> {
        match self {
            Self::Tcp(listener) => {
                listener.poll_accept(context).map(|one| one.and_then(|(one, _)| Wire::tcp(one)))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                listener.poll_accept(context).map(|one| one.and_then(|(one, _)| Wire::unix(one)))
            }
        }
    }
}

/// A factory, of which the type need not be known.
trait Accept {
    fn connected(&self, wire: Wire);
    fn handshake_failed(&self, peer: &Address, failure: Failure);
    fn stop(&self);
}

struct Acceptor<F> {
    factory: F,
    open: Open,
}

impl<F: Factory> Accept for Acceptor<F> {
    fn connected(&self, wire: Wire) {
        // One that is refused is closed, and one whose protocol panicked has been reported.
        report::guard("a factory", || drop(connected(&self.factory, wire, &self.open)));
    }

    fn handshake_failed(&self, peer: &Address, failure: Failure) {
        report::guard("a factory", || self.factory.handshake_failed(peer, failure));
    }

    fn stop(&self) {
        report::guard("a factory", || self.factory.stop_factory());
    }
}

/// Something that listens (Twisted's `IListeningPort`); got by [`ServerEndpoint::listen`].
///
/// Clones are handles on the same one. Dropping them does not close it: it listens until
/// [`stop_listening`](Port::stop_listening), or the end of the reactor.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::endpoints::Port;
/// fn close(port: &Port) {
///     println!("closing {}", port.host());
///     port.stop_listening().detach();
/// }
/// # let _ = close;
/// ```
#[derive(Clone)]
pub struct Port(Rc<Listening>);

struct Listening {
    host: Address,
    /// Gone when it is closed.
    listener: RefCell<Option<Listener>>,
    acceptor: Rc<dyn Accept>,
    clock: Rc<dyn Clock>,
    tls: Option<Arc<ServerConfig>>,
    /// Who runs the task that accepts.
    waker: RefCell<Option<Waker>>,
    entry: Cell<Option<Entry>>,
}

impl Listening {
    /// The task of a port.
    async fn accept_all(self: Rc<Self>) {
        while let Some(accepted) = poll_fn(|context| self.poll_accept(context)).await {
            match accepted {
                Ok(wire) => self.accepted(wire),
                // It was gone before it was accepted.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    report::failure("Error in a port that accepts connections", error.into());
                    Pause::new(&*self.clock, EXHAUSTED).await;
                }
            }
        }
        // The factory goes with the port, if this was the last that held it.
        report::guard("a factory, when it was dropped", || drop(self));
    }

    /// The next connection; none when the port is closed.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<Option<io::Result<Wire>>> {
        *self.waker.borrow_mut() = Some(context.waker().clone());
        match &*self.listener.borrow() {
            Some(listener) => listener.poll_accept(context).map(Some),
            None => Poll::Ready(None),
        }
    }

    fn accepted(&self, wire: Wire) {
        let acceptor = self.acceptor.clone();
        let Some(config) = self.tls.clone() else { return acceptor.connected(wire) };
        let (clock, peer) = (self.clock.clone(), wire.peer.clone());
        tokio::task::spawn_local(async move {
            let mut handshake = pin!(within(&*clock, TIMEOUT, tls::accept(config, wire)));
            // A configuration may come with code of its own: who is shown which certificate, say.
            let shaken = poll_fn(|context| {
                catch_unwind(AssertUnwindSafe(|| handshake.as_mut().poll(context)))
                    .unwrap_or_else(|panic| Poll::Ready(Err(Failure::from_panic(panic))))
            });
            match shaken.await {
                Ok(wire) => acceptor.connected(wire),
                Err(failure) => acceptor.handshake_failed(&peer, failure),
            }
        });
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | NotConnected)
}

impl Close for Listening {
    fn close(&self) {
        if self.listener.take().is_none() {
            return;
        }
        give_back(&self.host);
        drop(self.entry.take());
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        self.acceptor.stop();
    }
}

/// Removes what a listener leaves behind when it is closed: a socket in the file system.
fn give_back(host: &Address) {
    if let Address::Unix(Some(path)) = host {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(path);
    }
}

impl Port {
    /// The address that it listens on (Twisted's `getHost`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::endpoints::Port;
    /// fn number(port: &Port) -> u16 {
    ///     port.host().port().unwrap()
    /// }
    /// # let _ = number;
    /// ```
    pub fn host(&self) -> &Address {
        &self.0.host
    }

    /// Closes it (Twisted's `stopListening`): nobody can connect any more by the time that this
    /// returns, and the deferred has fired. Connections that there are go on.
    ///
    /// May be repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::endpoints::Port;
    /// fn close(port: &Port) {
    ///     assert!(port.stop_listening().has_result());
    /// }
    /// # let _ = close;
    /// ```
    pub fn stop_listening(&self) -> Deferred<()> {
        self.0.close();
        Deferred::succeed(())
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Port {}>", self.host())
    }
}
