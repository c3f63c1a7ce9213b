//! Connections without a network, for tests of protocols (Twisted's `twisted.internet.testing`).

use crate::connection::Channel;
use crate::protocol::{Address, Protocol};
use crate::transport::Transport;
use bytes::{Buf, Bytes};
use core::fmt;
use hereafter::Failure;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// A connection that ends in the test (Twisted's `StringTransport`).
///
/// What the protocol writes stays here, to be looked at. It needs no reactor.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use hereafter_reactor::testing::StringTransport;
/// use hereafter_reactor::{Protocol, Transport};
///
/// struct Quote;
///
/// impl Protocol for Quote {
///     fn connection_made(&self, transport: &Transport) {
///         transport.write("An apple a day keeps the doctor away\r\n");
///         transport.lose_connection();
///     }
///     fn data_received(&self, _: &Transport, _: Bytes) {}
/// }
///
/// let wire = StringTransport::new(Quote);
/// assert!(wire.value().starts_with(b"An apple"));
/// assert!(wire.transport().is_disconnecting());
/// ```
pub struct StringTransport(Rc<Channel>);

impl StringTransport {
    /// Connects `protocol`, between two addresses that mean nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::{Protocol, Transport, testing::StringTransport};
    /// # struct Discard;
    /// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: bytes::Bytes) {} }
    /// let wire = StringTransport::new(Discard);
    /// assert_eq!(wire.transport().peer().to_string(), "192.168.1.1:54321");
    /// ```
    pub fn new(protocol: impl Protocol) -> Self {
        let address =
            |ip: [u8; 4], port| Address::Tcp(SocketAddr::new(Ipv4Addr::from(ip).into(), port));
        Self::between(protocol, address([10, 0, 0, 1], 12345), address([192, 168, 1, 1], 54321))
    }

    /// Connects `protocol`, between two given addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::{Address, Protocol, Transport, testing::StringTransport};
    /// # struct Discard;
    /// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: bytes::Bytes) {} }
    /// let wire = StringTransport::between(Discard, Address::Unix(None), Address::Unix(None));
    /// ```
    pub fn between(protocol: impl Protocol, host: Address, peer: Address) -> Self {
        let this = Self(Channel::new((host, peer), None, Rc::new(protocol)));
        this.0.call(Protocol::connection_made);
        this.settle();
        this
    }

    /// The transport that the protocol has.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::{Protocol, Transport, testing::StringTransport};
    /// # struct Discard;
    /// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: bytes::Bytes) {} }
    /// assert!(StringTransport::new(Discard).transport().is_connected());
    /// ```
    pub fn transport(&self) -> Transport {
        Transport(self.0.clone())
    }

    /// Has the protocol receive `data`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::{Protocol, Transport, testing::StringTransport};
    /// # struct Echo;
    /// # impl Protocol for Echo {
    /// #     fn data_received(&self, transport: &Transport, data: bytes::Bytes) {
    /// #         transport.write(data);
    /// #     }
    /// # }
    /// let wire = StringTransport::new(Echo);
    /// wire.deliver("hello");
    /// assert_eq!(wire.value(), "hello");
    /// ```
    pub fn deliver(&self, data: impl Into<Bytes>) {
        self.0.received(data.into());
        self.settle();
    }

    /// What was written and not taken.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::{Protocol, Transport, testing::StringTransport};
    /// # struct Discard;
    /// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: bytes::Bytes) {} }
    /// let wire = StringTransport::new(Discard);
    /// wire.transport().write("hello");
    /// assert_eq!(wire.value(), "hello");
    /// ```
    pub fn value(&self) -> Bytes {
        let value = self.take_written();
        self.0.outgoing.borrow_mut().push(&value);
        value
    }

    /// Takes what was written, as the network would: a producer that was paused, or waits to be
    /// asked, goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::{Protocol, Transport, testing::StringTransport};
    /// # struct Discard;
    /// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: bytes::Bytes) {} }
    /// let wire = StringTransport::new(Discard);
    /// wire.transport().write("hello");
    /// assert_eq!(wire.take(), "hello");
    /// assert_eq!(wire.take(), "");
    /// ```
    pub fn take(&self) -> Bytes {
        let taken = self.take_written();
        self.0.ask_producer();
        self.settle();
        taken
    }

    /// Whether the protocol receives: it has not paused its transport.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::{Protocol, Transport, testing::StringTransport};
    /// # struct Discard;
    /// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: bytes::Bytes) {} }
    /// let wire = StringTransport::new(Discard);
    /// wire.transport().pause_producing();
    /// assert!(!wire.is_producing());
    /// ```
    pub fn is_producing(&self) -> bool {
        self.0.reading.get()
    }

    /// Whether the connection was aborted, by the protocol or for its panic.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::{Protocol, Transport, testing::StringTransport};
    /// # struct Discard;
    /// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: bytes::Bytes) {} }
    /// let wire = StringTransport::new(Discard);
    /// wire.transport().abort_connection();
    /// assert!(wire.is_aborted());
    /// ```
    pub fn is_aborted(&self) -> bool {
        self.0.aborting.get()
    }

    /// Ends the connection: the protocol's `connection_lost` is called, if it has not been.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::{Protocol, Transport, testing::StringTransport};
    /// # struct Discard;
    /// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: bytes::Bytes) {} }
    /// use hereafter_reactor::errors::ConnectionDone;
    /// let wire = StringTransport::new(Discard);
    /// wire.lose(ConnectionDone);
    /// assert!(!wire.transport().is_connected());
    /// ```
    #[track_caller]
    pub fn lose(&self, reason: impl Into<Failure>) {
        self.0.finish(reason.into());
    }

    fn take_written(&self) -> Bytes {
        // It is dropped here, where nothing is borrowed.
        let mut outgoing = self.0.outgoing.take();
        outgoing.copy_to_bytes(outgoing.len())
    }

    /// Does what the task of a connection would, where a protocol has aborted it.
    fn settle(&self) {
        if let Some(reason) = self.0.take_doom() {
            self.0.finish(reason);
        }
    }
}

impl fmt::Debug for StringTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StringTransport").field(&self.transport()).finish()
    }
}
