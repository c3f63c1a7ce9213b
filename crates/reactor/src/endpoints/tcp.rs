//! TCP: looking up a name, and connecting to one of its addresses.

use super::attempts::Attempts;
use crate::errors::{ConnectionLost, DnsLookupError};
use crate::stream::Wire;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use hereafter::clock::Clock;
use hereafter::{Deferred, Failure};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use tokio::net::{TcpListener, TcpSocket};

/// How long an address has to itself before the next is tried, as in Twisted's `HostnameEndpoint`.
const ATTEMPT_DELAY: Duration = Duration::from_millis(300);

type Resolver = dyn Fn(&str, u16) -> Deferred<Vec<SocketAddr>>;

/// A host to connect to.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) bind: Option<IpAddr>,
    pub(super) resolver: Option<Rc<Resolver>>,
}

impl Client {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, bind: None, resolver: None }
    }

    pub(super) async fn open(&self, clock: Rc<dyn Clock>) -> Result<Wire, Failure> {
        let mut addresses = self.look_up().await?;
        if let Some(bind) = self.bind {
            // One of the other family cannot be reached from there.
            addresses.retain(|address| address.is_ipv4() == bind.is_ipv4());
        }
        if addresses.is_empty() {
            let source = match self.bind {
                Some(bind) => io::Error::other(format!("it has no address to reach from {bind}")),
                None => io::Error::other("it has no address"),
            };
            return Err(self.not_found(source));
        }
        let stream = Attempts::new(clock, ATTEMPT_DELAY, self.bind, addresses).await?;
        // Of a connection that is gone already, there is nothing to tell but that.
        Wire::tcp(stream).map_err(|source| ConnectionLost { source }.into())
    }

    async fn look_up(&self) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(address) = self.host.parse() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        if let Some(resolver) = &self.resolver {
            return Asked(Some(resolver(&self.host, self.port))).await;
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        Ok(found.map_err(|source| self.not_found(source))?.collect())
    }

    fn not_found(&self, source: io::Error) -> Failure {
        Failure::new(DnsLookupError { host: self.host.clone(), source })
    }
}

/// A resolver was asked. If the answer is not waited for any longer, it is cancelled.
struct Asked(Option<Deferred<Vec<SocketAddr>>>);

impl Future for Asked {
    type Output = Result<Vec<SocketAddr>, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.0.as_mut().expect("it is not polled after it has given its result");
        let answer = ready!(Pin::new(answer).poll(context));
        self.0 = None;
        Poll::Ready(answer)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer.cancel();
            // Nobody is left whom a failure would tell anything.
            answer.add_errback(|_| Ok(Vec::new())).detach();
        }
    }
}

/// Listens on a port.
pub(super) fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port that was just in use may be taken again; on Windows this would mean something else.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}
