//! What a connection runs over: tokio's streams, and TLS over any of them.

use crate::protocol::Address;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A stream of bytes in both directions, with the options that transports have.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// See [`Transport::set_tcp_no_delay`](crate::Transport::set_tcp_no_delay).
    fn set_no_delay(&self, on: bool) -> io::Result<()>;

    /// See [`Transport::set_tcp_keep_alive`](crate::Transport::set_tcp_keep_alive).
    fn set_keep_alive(&self, on: bool) -> io::Result<()>;

    /// Has the drop of the stream tell the other side that the connection was broken off, where
    /// there is a way to say so.
    fn reset_when_dropped(&self);
}

impl Stream for TcpStream {
    fn set_no_delay(&self, on: bool) -> io::Result<()> {
        self.set_nodelay(on)
    }

    fn set_keep_alive(&self, on: bool) -> io::Result<()> {
        socket2::SockRef::from(self).set_keepalive(on)
    }

    fn reset_when_dropped(&self) {
        // Where it cannot be set, the connection is closed in the ordinary way.
        let _ = self.set_zero_linger();
    }
}

#[cfg(unix)]
impl Stream for UnixStream {
    fn set_no_delay(&self, _on: bool) -> io::Result<()> {
        Err(not_tcp())
    }

    fn set_keep_alive(&self, _on: bool) -> io::Result<()> {
        Err(not_tcp())
    }

    fn reset_when_dropped(&self) {}
}

#[cfg(unix)]
fn not_tcp() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the connection does not run over TCP")
}

impl Stream for Box<dyn Stream> {
    fn set_no_delay(&self, on: bool) -> io::Result<()> {
        (**self).set_no_delay(on)
    }

    fn set_keep_alive(&self, on: bool) -> io::Result<()> {
        (**self).set_keep_alive(on)
    }

    fn reset_when_dropped(&self) {
        (**self).reset_when_dropped();
    }
}

impl Stream for tokio_rustls::client::TlsStream<Box<dyn Stream>> {
    fn set_no_delay(&self, on: bool) -> io::Result<()> {
        self.get_ref().0.set_no_delay(on)
    }

    fn set_keep_alive(&self, on: bool) -> io::Result<()> {
        self.get_ref().0.set_keep_alive(on)
    }

    fn reset_when_dropped(&self) {
        self.get_ref().0.reset_when_dropped();
    }
}

impl Stream for tokio_rustls::server::TlsStream<Box<dyn Stream>> {
    fn set_no_delay(&self, on: bool) -> io::Result<()> {
        self.get_ref().0.set_no_delay(on)
    }

    fn set_keep_alive(&self, on: bool) -> io::Result<()> {
        self.get_ref().0.set_keep_alive(on)
    }

    fn reset_when_dropped(&self) {
        self.get_ref().0.reset_when_dropped();
    }
}

/// A stream that is open, and has no protocol yet. A drop closes it.
pub(crate) struct Wire {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) host: Address,
    pub(crate) peer: Address,
}

impl Wire {
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        let (host, peer) = (stream.local_addr()?, stream.peer_addr()?);
        Ok(Self { stream: Box::new(stream), host: Address::Tcp(host), peer: Address::Tcp(peer) })
    }

    #[cfg(unix)]
    pub(crate) fn unix(stream: UnixStream) -> io::Result<Self> {
        let address = |address: tokio::net::unix::SocketAddr| {
            Address::Unix(address.as_pathname().map(Into::into))
        };
        let (host, peer) = (address(stream.local_addr()?), address(stream.peer_addr()?));
        Ok(Self { stream: Box::new(stream), host, peer })
    }
}
