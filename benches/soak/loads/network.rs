//! Connections of every kind, which end in every way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hereafter::errors::CancelledError;
use hereafter::{Deferred, Failure, Trigger};
use hereafter_reactor::endpoints::{ClientEndpoint, connect_protocol, server_from_string};
use hereafter_reactor::service::ClientService;
use hereafter_reactor::{Address, Protocol, Transport};

use super::{some_turns, wrong};
use crate::world::{ABORT, CLOSE, World};

/// Asks an echo server, and tells when all has come back and when it is over.
#[derive(Default)]
struct Asker {
    transport: RefCell<Option<Transport>>,
    missing: Cell<usize>,
    answered: Cell<Option<Trigger<()>>>,
    lost: Cell<bool>,
    over: Cell<Option<Trigger<()>>>,
    panics: bool,
    aborts: bool,
}

impl Asker {
    fn transport(&self) -> Result<Transport, Failure> {
        self.transport.borrow().clone().ok_or_else(|| wrong("a connection that was not made"))
    }

    fn ask(&self, message: Vec<u8>) -> Result<Deferred<()>, Failure> {
        let (trigger, answered) = Deferred::new();
        self.missing.set(message.len());
        self.answered.set(Some(trigger));
        self.transport()?.write(message);
        Ok(answered)
    }

    fn over(&self) -> Deferred<()> {
        if self.lost.get() {
            return Deferred::succeed(());
        }
        let (trigger, over) = Deferred::new();
        self.over.set(Some(trigger));
        over
    }
}

impl Protocol for Asker {
    fn connection_made(&self, transport: &Transport) {
        *self.transport.borrow_mut() = Some(transport.clone());
        if self.aborts {
            transport.abort_connection();
        }
    }

    fn data_received(&self, _: &Transport, data: Bytes) {
        assert!(!self.panics, "meant");
        let missing = self.missing.get().saturating_sub(data.len());
        self.missing.set(missing);
        if missing == 0
            && let Some(answered) = self.answered.take()
        {
            answered.callback(());
        }
    }

    fn connection_lost(&self, reason: Failure) {
        self.lost.set(true);
        // A transport and its protocol hold one another.
        self.transport.take();
        if let Some(answered) = self.answered.take() {
            answered.errback(reason);
        }
        if let Some(over) = self.over.take() {
            over.callback(());
        }
    }
}

/// A message of a length that is mostly small.
fn message(order: u8) -> Vec<u8> {
    let length = if fastrand::u32(0..10) == 0 {
        fastrand::usize(1..300_000)
    } else {
        fastrand::usize(1..2000)
    };
    vec![order; length]
}

fn connections(world: Rc<World>, endpoint: fn(&World) -> &ClientEndpoint) -> Deferred<u64> {
    Deferred::from_coroutine(async move {
        let endpoint = endpoint(&world);
        match fastrand::u32(0..8) {
            // Given up, at whatever stage it is.
            0 => {
                let connecting = connect_protocol(endpoint, Asker::default());
                some_turns().await;
                connecting.cancel();
                match connecting.await {
                    Ok(protocol) => {
                        protocol.transport()?.abort_connection();
                        protocol.over().await?;
                    }
                    Err(failure) if failure.is::<CancelledError>() => {}
                    Err(failure) => return Err(failure),
                }
            }
            // Nobody waits for it.
            1 => connect_protocol(endpoint, Asker { aborts: true, ..Asker::default() }).detach(),
            // The protocol panics.
            2 => {
                world.expect_reports(1);
                let protocol =
                    connect_protocol(endpoint, Asker { panics: true, ..Asker::default() }).await?;
                drop(protocol.ask(message(b'a'))?.add_errback(|_| Ok(())));
                protocol.over().await?;
            }
            // The server closes, or breaks off.
            3 | 4 => {
                let order = if fastrand::bool() { CLOSE } else { ABORT };
                let protocol = connect_protocol(endpoint, Asker::default()).await?;
                drop(protocol.ask(message(order))?.add_errback(|_| Ok(())));
                protocol.over().await?;
            }
            // We do, with something on the way.
            5 => {
                let protocol = connect_protocol(endpoint, Asker::default()).await?;
                drop(protocol.ask(message(b'a'))?.add_errback(|_| Ok(())));
                some_turns().await;
                if fastrand::bool() {
                    protocol.transport()?.abort_connection();
                } else {
                    protocol.transport()?.lose_connection();
                }
                protocol.over().await?;
            }
            // All goes well.
            _ => {
                let protocol = connect_protocol(endpoint, Asker::default()).await?;
                for _ in 0..fastrand::u32(1..10) {
                    protocol.ask(message(b'a'))?.await?;
                }
                protocol.transport()?.lose_connection();
                protocol.over().await?;
            }
        }
        Ok(1)
    })
}

pub(crate) fn tcp(world: Rc<World>) -> Deferred<u64> {
    connections(world, |world| &world.tcp)
}

pub(crate) fn tls(world: Rc<World>) -> Deferred<u64> {
    connections(world, |world| &world.tls)
}

#[cfg(unix)]
pub(crate) fn unix(world: Rc<World>) -> Deferred<u64> {
    connections(world, |world| &world.unix)
}

/// A port that is there for one connection, or for none.
pub(crate) fn ports(world: Rc<World>) -> Deferred<u64> {
    Deferred::from_coroutine(async move {
        let reactor = &world.reactor;
        let factory = |_: &Address| Asker::default();
        let port =
            server_from_string(reactor, "tcp:0:interface=127.0.0.1")?.listen(factory).await?;
        let number = port.host().port().unwrap_or_default();
        let endpoint = ClientEndpoint::tcp(reactor, "127.0.0.1", number);
        if fastrand::bool() {
            let protocol = connect_protocol(&endpoint, Asker::default()).await?;
            port.stop_listening().await?;
            protocol.transport()?.lose_connection();
            protocol.over().await?;
        } else {
            port.stop_listening().await?;
            if connect_protocol(&endpoint, Asker { aborts: true, ..Asker::default() }).await.is_ok()
            {
                return Err(wrong("a port that is closed and takes connections"));
            }
        }
        // So many ports in a short time would be more than the operating system has.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(1)
    })
}

/// A connection that is made again whenever it is lost.
pub(crate) fn services(world: Rc<World>) -> Deferred<u64> {
    Deferred::from_coroutine(async move {
        let service =
            ClientService::new(&world.reactor, world.tcp.clone(), |_: &Address| Asker::default())
                .retry_policy(|_| Duration::from_micros(500));
        service.start_service();
        for _ in 0..fastrand::u32(0..5) {
            let protocol = service.when_connected(None).await?;
            protocol.transport()?.abort_connection();
            protocol.over().await?;
            // The protocol hears of the end before the service does.
            tokio::task::yield_now().await;
        }
        some_turns().await;
        service.stop_service().await?;
        Ok(1)
    })
}
