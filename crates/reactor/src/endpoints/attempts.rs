//! Connecting to a host that has several addresses, of which some may not answer ("happy
//! eyeballs", RFC 8305).
//!
//! The next address is tried when the last one has not answered for a while, or when one has
//! failed. The first connection wins; the other attempts are dropped, and their sockets closed.

use super::pause::Pause;
use crate::errors::ConnectError;
use crate::protocol::Address;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use hereafter::Failure;
use hereafter::clock::Clock;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use tokio::net::{TcpSocket, TcpStream};

type Attempt = Pin<Box<dyn Future<Output = Result<TcpStream, ConnectError>>>>;

/// A connection in the making.
pub(super) struct Attempts {
    clock: Rc<dyn Clock>,
    delay: Duration,
    bind: Option<IpAddr>,
    /// Addresses that have not been tried.
    waiting: VecDeque<SocketAddr>,
    running: Vec<Attempt>,
    /// Until the next is tried.
    pause: Option<Pause>,
}

impl Attempts {
    /// `addresses` are in the order of preference, and not none.
    pub(super) fn new(
        clock: Rc<dyn Clock>,
        delay: Duration,
        bind: Option<IpAddr>,
        addresses: Vec<SocketAddr>,
    ) -> Self {
        let waiting = by_turns(addresses);
        Self { clock, delay, bind, waiting, running: Vec::new(), pause: None }
    }
}

impl Future for Attempts {
    type Output = Result<TcpStream, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Some(pause) = &mut self.pause
                && Pin::new(pause).poll(context).is_ready()
            {
                self.pause = None;
            }
            if self.pause.is_none()
                && let Some(address) = self.waiting.pop_front()
            {
                let attempt = connect(address, self.bind);
                self.running.push(Box::pin(attempt));
                self.pause = Some(Pause::new(&*self.clock, self.delay));
                continue;
            }
            let mut failed = None;
            for n in (0..self.running.len()).rev() {
                match self.running[n].as_mut().poll(context) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        drop(self.running.swap_remove(n));
                        failed = Some(error);
                    }
                    Poll::Pending => {}
                }
            }
            match failed {
                None => return Poll::Pending,
                Some(_) if !self.waiting.is_empty() => self.pause = None,
                Some(error) if self.running.is_empty() => return Poll::Ready(Err(error.into())),
                Some(_) => {}
            }
        }
    }
}

async fn connect(to: SocketAddr, bind: Option<IpAddr>) -> Result<TcpStream, ConnectError> {
    let connecting = async {
        let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(bind) = bind {
            let from_there = |error: io::Error| {
                io::Error::new(error.kind(), format!("not from {bind}: {error}"))
            };
            socket.bind(SocketAddr::new(bind, 0)).map_err(from_there)?;
        }
        socket.connect(to).await
    };
    connecting.await.map_err(|source| ConnectError { to: Address::Tcp(to), source })
}

/// The same addresses with the two families by turns, so that one which does not work holds
/// nothing up.
fn by_turns(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_ipv4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = VecDeque::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns_and_the_preferred_one_begins() {
        let parsed = |all: &[&str]| all.iter().map(|one| one.parse().unwrap()).collect::<Vec<_>>();
        let turns = by_turns(parsed(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]));
        assert_eq!(
            Vec::from(turns),
            parsed(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"])
        );
        assert_eq!(Vec::from(by_turns(parsed(&["1.1.1.1:1"]))), parsed(&["1.1.1.1:1"]));
    }
}
