//! Protocols and factories: what is done with the bytes of a connection.
//!
//! All methods take `&self`. A protocol is reached from several sides at once: by its connection,
//! by whoever connected it, and by its own calls on the transport, which may come back to it. With
//! `&mut self` one of them would have to wait for another; with `&self` the protocol keeps what
//! changes in `Cell`s and `RefCell`s, for as short as it likes, and nothing is borrowed while its
//! methods run.

use crate::transport::Transport;
use bytes::Bytes;
use core::fmt;
use hereafter::Failure;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

/// What is done with the bytes of one connection (Twisted's `Protocol`).
///
/// The reactor calls [`connection_made`](Protocol::connection_made) once, then
/// [`data_received`](Protocol::data_received) as often as there is something, and in the end
/// [`connection_lost`](Protocol::connection_lost), exactly once. No two of these calls overlap, and
/// none of them comes out of a call on the transport.
///
/// # Panics
///
/// A panic in a method aborts the connection: it is reported, and is the reason of
/// `connection_lost`. The reactor goes on.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use hereafter_reactor::testing::StringTransport;
/// use hereafter_reactor::{Protocol, Transport};
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn data_received(&self, transport: &Transport, data: Bytes) {
///         transport.write(data);
///     }
/// }
///
/// let wire = StringTransport::new(Echo);
/// wire.deliver("hello");
/// assert_eq!(wire.value(), "hello");
/// ```
pub trait Protocol: 'static {
    /// The connection is there (Twisted's `connectionMade`).
    ///
    /// Whoever wants to write later keeps a clone of `transport`.
    fn connection_made(&self, transport: &Transport) {
        let _ = transport;
    }

    /// Some bytes have come (Twisted's `dataReceived`): any number from one on, cut where the
    /// network liked to.
    ///
    /// They are part of a larger buffer, which `data` keeps in memory; who keeps a few bytes for long
    /// copies them.
    fn data_received(&self, transport: &Transport, data: Bytes);

    /// The connection is gone (Twisted's `connectionLost`).
    ///
    /// `reason` is [`ConnectionDone`](crate::errors::ConnectionDone) where it was closed in good
    /// order by either side, and else [`ConnectionLost`](crate::errors::ConnectionLost),
    /// [`ConnectionAborted`](crate::errors::ConnectionAborted), or the panic of a method.
    fn connection_lost(&self, reason: Failure) {
        let _ = reason;
    }

    /// Whether the protocol goes on when one direction of the connection is closed (whether it is
    /// Twisted's `IHalfCloseableProtocol`).
    ///
    /// At first it is not: when the other side has sent all, the connection is closed, and what was
    /// still to be sent is dropped.
    fn is_half_closeable(&self) -> bool {
        false
    }

    /// The other side has sent all that it has to send (Twisted's `readConnectionLost`). Called only
    /// where the protocol is half closeable; what is written still arrives.
    fn read_connection_lost(&self, transport: &Transport) {
        let _ = transport;
    }

    /// All has been sent that was to be before
    /// [`lose_write_connection`](Transport::lose_write_connection), and the other side told so
    /// (Twisted's `writeConnectionLost`). Called only where the protocol is half closeable.
    fn write_connection_lost(&self, transport: &Transport) {
        let _ = transport;
    }
}

impl<P: Protocol + ?Sized> Protocol for Rc<P> {
    fn connection_made(&self, transport: &Transport) {
        (**self).connection_made(transport);
    }

    fn data_received(&self, transport: &Transport, data: Bytes) {
        (**self).data_received(transport, data);
    }

    fn connection_lost(&self, reason: Failure) {
        (**self).connection_lost(reason);
    }

    fn is_half_closeable(&self) -> bool {
        (**self).is_half_closeable()
    }

    fn read_connection_lost(&self, transport: &Transport) {
        (**self).read_connection_lost(transport);
    }

    fn write_connection_lost(&self, transport: &Transport) {
        (**self).write_connection_lost(transport);
    }
}

/// What makes a protocol for each connection (Twisted's `Factory`).
///
/// A closure that takes the other side's address is one.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use hereafter_reactor::{Address, Factory, Protocol, Transport};
/// use std::cell::Cell;
///
/// struct Discard;
///
/// impl Protocol for Discard {
///     fn data_received(&self, _: &Transport, _: Bytes) {}
/// }
///
/// /// Takes ten connections, and no more.
/// #[derive(Default)]
/// struct Ten(Cell<u32>);
///
/// impl Factory for Ten {
///     type Protocol = Discard;
///
///     fn build_protocol(&self, _peer: &Address) -> Option<Discard> {
///         self.0.set(self.0.get() + 1);
///         (self.0.get() <= 10).then_some(Discard)
///     }
/// }
///
/// // All the same, and as many as come.
/// let endless = |_peer: &Address| Discard;
/// # fn is_factory(_: impl Factory) {}
/// # is_factory(endless);
/// # is_factory(Ten::default());
/// ```
pub trait Factory: 'static {
    /// What it makes.
    type Protocol: Protocol;

    /// Makes the protocol of a connection to `peer` (Twisted's `buildProtocol`). With `None`, the
    /// connection is closed.
    fn build_protocol(&self, peer: &Address) -> Option<Self::Protocol>;

    /// A port begins to listen for this factory (Twisted's `doStart`).
    fn start_factory(&self) {}

    /// The port listens no more (Twisted's `doStop`). Connections may go on.
    fn stop_factory(&self) {}

    /// Somebody has reached the port, but not agreed on TLS with it: there is no connection, and no
    /// protocol. On the open network that is not unusual, so at first nothing is done about it.
    fn handshake_failed(&self, peer: &Address, failure: Failure) {
        let _ = (peer, failure);
    }
}

impl<P: Protocol, F: Fn(&Address) -> P + 'static> Factory for F {
    type Protocol = P;

    fn build_protocol(&self, peer: &Address) -> Option<P> {
        Some(self(peer))
    }
}

/// An end of a connection (Twisted's `IPv4Address`, `IPv6Address` and `UNIXAddress`).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::Address;
/// let address = Address::Tcp("127.0.0.1:8080".parse()?);
/// assert_eq!(address.port(), Some(8080));
/// assert_eq!(address.to_string(), "127.0.0.1:8080");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port of a host.
    Tcp(SocketAddr),
    /// A socket in the file system. The clients of one mostly have no name.
    Unix(Option<PathBuf>),
}

impl Address {
    /// The number of the port, where there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Address;
    /// assert_eq!(Address::Unix(Some("/run/service".into())).port(), None);
    /// ```
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => path.display().fmt(f),
            Self::Unix(None) => f.write_str("a socket without a name"),
        }
    }
}
