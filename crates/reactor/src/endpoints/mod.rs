//! Endpoints: where to connect to, and where to listen (Twisted's `twisted.internet.endpoints`).
//!
//! An endpoint says how to get a connection, a [`Factory`] what to do with it. They meet in
//! [`ClientEndpoint::connect`] and [`ServerEndpoint::listen`]. Endpoints are mostly made from
//! descriptions, by [`client_from_string`] and [`server_from_string`], so that a program's
//! configuration can say `tcp:8080` today and `tls:8443:privateKey=...` tomorrow.
//!
//! Everything up to the connection is one future: the look-up of a name, in another thread; the
//! attempts on its addresses; the TLS handshake. A cancel drops that future, and with it whatever
//! was open at that stage.

mod attempts;
mod pause;
mod port;
mod strings;
mod tcp;
mod tls;
#[cfg(unix)]
mod unix;

use crate::connection;
use crate::errors::NoProtocol;
use crate::open::{Close, Open};
use crate::protocol::{Address, Factory, Protocol};
use crate::reactor::{Reactor, ReactorNotRunning};
use crate::stream::Wire;
use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use hereafter::clock::Clock;
use hereafter::{CancelHandle, Deferred, Failure, report};
use pause::within;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

pub use port::{Port, ServerEndpoint};
pub use strings::{client_from_string, quote_string_argument, server_from_string};
pub use tls::{wrap_client_tls, wrap_server_tls};

/// How long a connection may take, as in Twisted.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Somewhere to connect to (Twisted's `IStreamClientEndpoint`).
///
/// [`ClientEndpoint`] is the one of this crate. Others wrap it, or stand in for it in tests.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
/// use hereafter_reactor::endpoints::StreamClientEndpoint;
/// use hereafter_reactor::testing::StringTransport;
/// use hereafter_reactor::{Address, Factory};
/// use std::rc::Rc;
///
/// /// Connects with nobody, at once.
/// struct Nobody;
///
/// impl StreamClientEndpoint for Nobody {
///     fn connect<F: Factory>(&self, factory: F) -> Deferred<Rc<F::Protocol>> {
///         let protocol = Rc::new(factory.build_protocol(&Address::Unix(None)).unwrap());
///         StringTransport::new(protocol.clone());
///         Deferred::succeed(protocol)
///     }
/// }
/// ```
pub trait StreamClientEndpoint: 'static {
    /// See [`ClientEndpoint::connect`].
    fn connect<F: Factory>(&self, factory: F) -> Deferred<Rc<F::Protocol>>;
}

/// Somewhere to connect to: what [`client_from_string`] gives. Cheap to clone.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::{Reactor, endpoints::ClientEndpoint};
/// use std::time::Duration;
///
/// let reactor = Reactor::new()?;
/// let endpoint = ClientEndpoint::tcp(&reactor, "example.com", 80).timeout(Duration::from_secs(5));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientEndpoint {
    clock: Rc<dyn Clock>,
    timeout: Duration,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Tcp(tcp::Client),
    #[cfg(unix)]
    Unix(PathBuf),
    Tls(tls::Client),
}

/// A stream in the making.
type Opening<'a> = Pin<Box<dyn Future<Output = Result<Wire, Failure>> + 'a>>;

impl ClientEndpoint {
    fn new(clock: &(impl Clock + Clone + 'static), kind: Kind) -> Self {
        Self { clock: Rc::new(clock.clone()), timeout: TIMEOUT, kind }
    }

    /// A TCP port of a host, by name or address (Twisted's `HostnameEndpoint`, and
    /// `TCP4ClientEndpoint`).
    ///
    /// A name is looked up when a connection is wanted. If it has several addresses, the next is
    /// tried when one has failed, or has not answered for 0.3 seconds; IPv6 and IPv4 take turns.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, endpoints::ClientEndpoint};
    /// let reactor = Reactor::new()?;
    /// let endpoint = ClientEndpoint::tcp(&reactor, "example.com", 80);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn tcp(clock: &(impl Clock + Clone + 'static), host: &str, port: u16) -> Self {
        Self::new(clock, Kind::Tcp(tcp::Client::new(host, port)))
    }

    /// A socket in the file system (Twisted's `UNIXClientEndpoint`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, endpoints::ClientEndpoint};
    /// let reactor = Reactor::new()?;
    /// let endpoint = ClientEndpoint::unix(&reactor, "/run/service.sock");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn unix(clock: &(impl Clock + Clone + 'static), path: impl Into<PathBuf>) -> Self {
        Self::new(clock, Kind::Unix(path.into()))
    }

    /// How long a connection may take, from the look-up to the end of the TLS handshake; at first
    /// 30 seconds. Then it fails with [`TimeoutError`](hereafter::errors::TimeoutError).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, endpoints::ClientEndpoint};
    /// use std::time::Duration;
    /// let reactor = Reactor::new()?;
    /// let endpoint = ClientEndpoint::tcp(&reactor, "example.com", 80).timeout(Duration::from_secs(5));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The address of this host to connect from (Twisted's `bindAddress`); `None` leaves that to
    /// the operating system. Only for TCP.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, endpoints::ClientEndpoint};
    /// use std::net::Ipv4Addr;
    /// let reactor = Reactor::new()?;
    /// let endpoint = ClientEndpoint::tcp(&reactor, "localhost", 80)
    ///     .bind_address(Some(Ipv4Addr::LOCALHOST.into()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn bind_address(mut self, bind: Option<IpAddr>) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.bind = bind;
        }
        self
    }

    /// Who looks up the host's name (Twisted's `installNameResolver`); at first the operating
    /// system does, in another thread. Only for TCP.
    ///
    /// `resolver` gets the name and the port, and gives the addresses in the order in which they
    /// are preferred.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// use hereafter_reactor::{Reactor, endpoints::ClientEndpoint};
    /// let reactor = Reactor::new()?;
    /// let endpoint = ClientEndpoint::tcp(&reactor, "service.test", 80)
    ///     .resolver(|_name, port| Deferred::succeed(vec![([127, 0, 0, 1], port).into()]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn resolver(
        mut self,
        resolver: impl Fn(&str, u16) -> Deferred<Vec<SocketAddr>> + 'static,
    ) -> Self {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.resolver = Some(Rc::new(resolver));
        }
        self
    }

    /// Connects: a deferred of the protocol that `factory` makes, when the connection is there and
    /// [`connection_made`](Protocol::connection_made) has been called (Twisted's `connect`).
    ///
    /// It needs the reactor of this thread, which need not run yet.
    ///
    /// # Errors
    ///
    /// The deferred fails with [`DnsLookupError`](crate::errors::DnsLookupError),
    /// [`ConnectError`](crate::errors::ConnectError), [`TlsError`](crate::errors::TlsError),
    /// [`TimeoutError`](hereafter::errors::TimeoutError), [`NoProtocol`] or, where the reactor's
    /// time is over, [`ReactorNotRunning`]; and with the panic of the factory or of
    /// `connection_made`. When the reactor stops, it is cancelled.
    ///
    /// # Cancelling
    ///
    /// Gives up, at whatever stage it is, and closes what was open: the result is
    /// [`CancelledError`](hereafter::errors::CancelledError). Dropping the deferred does not: the
    /// connection is made all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use hereafter_reactor::{Address, Protocol, Reactor, Transport};
    /// use hereafter_reactor::endpoints::{client_from_string, server_from_string};
    /// use hereafter_reactor::errors::ConnectError;
    ///
    /// struct Talk;
    ///
    /// impl Protocol for Talk {
    ///     fn connection_made(&self, transport: &Transport) {
    ///         transport.write("hello\r\n");
    ///     }
    ///     fn data_received(&self, _: &Transport, data: Bytes) {
    ///         println!("{data:?}");
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// let remote = reactor.remote();
    /// client_from_string(&reactor, "tcp:127.0.0.1:1")?
    ///     .connect(|_: &Address| Talk)
    ///     .add_callbacks(
    ///         |_talk| Ok(()),
    ///         |failure| { failure.trap::<ConnectError>()?; Ok(()) },
    ///     )
    ///     .add_both(move |_| remote.stop());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn connect<F: Factory>(&self, factory: F) -> Deferred<Rc<F::Protocol>> {
        let open = match current() {
            Ok(open) => open,
            Err(failure) => return Deferred::fail(failure),
        };
        let this = self.clone();
        let mut opening = Deferred::from_future(async move { this.open().await });
        let attempt: Rc<dyn Close> = Rc::new(Attempt(opening.cancel_handle()));
        let entry = open.add_attempt(Rc::downgrade(&attempt));
        // What follows is no part of the future: once there is a connection, a cancel comes too
        // late for it, and must not drop it half made.
        opening
            .add_both(move |opened| {
                drop((entry, attempt));
                opened
            })
            .add_callback(move |wire| {
                let connected = connected(&factory, wire, &open);
                // What becomes of the factory is nothing that the connection could fail of.
                report::guard("a factory, when it was dropped", || drop(factory));
                connected
            })
    }

    /// Opens a stream.
    fn open(&self) -> Opening<'_> {
        let opening: Opening<'_> = match &self.kind {
            Kind::Tcp(tcp) => Box::pin(tcp.open(self.clock.clone())),
            #[cfg(unix)]
            Kind::Unix(path) => Box::pin(unix::open(path)),
            Kind::Tls(tls) => Box::pin(tls.open()),
        };
        Box::pin(within(&*self.clock, self.timeout, opening))
    }
}

impl StreamClientEndpoint for ClientEndpoint {
    #[track_caller]
    fn connect<F: Factory>(&self, factory: F) -> Deferred<Rc<F::Protocol>> {
        Self::connect(self, factory)
    }
}

impl fmt::Debug for ClientEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Tcp(tcp) => write!(f, "<ClientEndpoint tcp:{}:{}>", tcp.host, tcp.port),
            #[cfg(unix)]
            Kind::Unix(path) => write!(f, "<ClientEndpoint unix:{}>", path.display()),
            Kind::Tls(tls) => {
                write!(f, "<ClientEndpoint tls to {} over {:?}>", tls.host(), tls.inner)
            }
        }
    }
}

/// Connects one protocol that is there already (Twisted's `connectProtocol`).
///
/// # Cancelling
///
/// As [`ClientEndpoint::connect`].
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use hereafter_reactor::endpoints::{client_from_string, connect_protocol};
/// use hereafter_reactor::{Protocol, Reactor, Transport};
///
/// struct Discard;
/// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: Bytes) {} }
///
/// let reactor = Reactor::new()?;
/// let endpoint = client_from_string(&reactor, "tcp:127.0.0.1:1")?;
/// let connecting = connect_protocol(&endpoint, Discard);
/// # drop(connecting.add_errback(|f| f.raise()).add_both(|_| ()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn connect_protocol<P: Protocol>(
    endpoint: &impl StreamClientEndpoint,
    protocol: P,
) -> Deferred<Rc<P>> {
    endpoint.connect(Once(Cell::new(Some(protocol))))
}

/// Gives the protocol that it was made with, once.
struct Once<P>(Cell<Option<P>>);

impl<P: Protocol> Factory for Once<P> {
    type Protocol = P;

    fn build_protocol(&self, _peer: &Address) -> Option<P> {
        self.0.take()
    }
}

/// A connection in the making, which the end of the reactor gives up.
struct Attempt(CancelHandle);

impl Close for Attempt {
    fn close(&self) {
        self.0.cancel();
    }
}

/// What is open on the reactor of this thread, which has to be there.
fn current() -> Result<Open, Failure> {
    let reactor = Reactor::current().filter(|reactor| !reactor.is_over());
    Ok(reactor.ok_or(ReactorNotRunning)?.open().clone())
}

/// There is a connection: makes its protocol.
fn connected<F: Factory>(factory: &F, wire: Wire, open: &Open) -> Result<Rc<F::Protocol>, Failure> {
    let protocol = Rc::new(factory.build_protocol(&wire.peer).ok_or(NoProtocol)?);
    connection::start(wire, protocol.clone(), open)?;
    Ok(protocol)
}
