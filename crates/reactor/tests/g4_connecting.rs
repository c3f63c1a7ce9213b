//! Row G4 of the contract: every stage of a connect succeeds, fails, is cancelled or takes too long,
//! and always comes to one result, with nothing left open.
//!
//! Whether an attempt is under way is read from the kernel's table, so this needs Linux.
#![cfg(target_os = "linux")]

mod common;

use common::{Echo, Recorder, TestResult, failure_of, listen, run, settle, to};
use hereafter::errors::{CancelledError, TimeoutError};
use hereafter::{Deferred, Failure, report};
use hereafter_reactor::endpoints::{
    ClientEndpoint, client_from_string, connect_protocol, server_from_string,
};
use hereafter_reactor::errors::{CannotListenError, ConnectError, DnsLookupError};
use hereafter_reactor::task::ManualClock;
use hereafter_reactor::{Address, Reactor, ReactorNotRunning};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A port that exists and does not answer: nobody accepts there, and no more may wait for that.
struct Silent {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Silent {
    async fn new() -> Result<Self, Failure> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(0)?;
        let address = listener.local_addr()?;
        let mut waiting = Vec::new();
        loop {
            let mut connecting = pin!(TcpStream::connect(address));
            let connected = poll_fn(|context| Poll::Ready(connecting.as_mut().poll(context))).await;
            if attempts_on(address) > 0 {
                return Ok(Self { address, _listener: listener, _waiting: waiting });
            }
            waiting.push(match connected {
                Poll::Ready(connected) => connected?,
                Poll::Pending => connecting.await?,
            });
        }
    }
}

/// How many connections to `address` have been asked for and not answered.
fn attempts_on(address: SocketAddr) -> usize {
    // As the kernel writes it.
    let (port, sent) = (format!(":{:04X}", address.port()), "02");
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("the table of connections");
    let rows =
        table.lines().map(|line| line.split_whitespace().skip(2).take(2).collect::<Vec<_>>());
    rows.filter(|row| matches!(row[..], [to, state] if to.ends_with(&port) && state == sent))
        .count()
}

/// An endpoint whose name has these addresses.
fn at(clock: &ManualClock, addresses: &[SocketAddr]) -> ClientEndpoint {
    let addresses = addresses.to_vec();
    ClientEndpoint::tcp(clock, "several.test", 1)
        .resolver(move |_, _| Deferred::succeed(addresses.clone()))
}

fn port_of(address: &Address) -> SocketAddr {
    match address {
        Address::Tcp(address) => *address,
        other => panic!("{other} is no TCP port"),
    }
}

async fn closed_port(reactor: &Reactor) -> Result<SocketAddr, Failure> {
    let port = listen(reactor, |_: &Address| Echo).await?;
    port.stop_listening().await?;
    Ok(port_of(port.host()))
}

#[test]
fn g4_a_refused_connection_says_who_refused() -> TestResult {
    run(|reactor| async move {
        let address = closed_port(&reactor).await?;
        let endpoint = ClientEndpoint::tcp(&reactor, "127.0.0.1", address.port());
        let failure = failure_of(endpoint.connect(|_: &Address| Echo).await);
        let error = failure.check::<ConnectError>().expect("a ConnectError");
        assert_eq!(error.source.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&format!("cannot connect to {address}: ")));
        Ok(())
    })
}

#[test]
fn g4_a_name_that_cannot_be_looked_up_is_named() -> TestResult {
    run(|reactor| async move {
        // A label cannot be empty, so nobody on the network need be asked.
        let endpoint = client_from_string(&reactor, "tcp:no..name:80")?;
        let failure = failure_of(endpoint.connect(|_: &Address| Echo).await);
        assert_eq!(failure.check::<DnsLookupError>().expect("a DnsLookupError").host, "no..name");

        let nowhere = at(&ManualClock::new(), &[]);
        let failure = failure_of(nowhere.connect(|_: &Address| Echo).await);
        assert!(failure.is::<DnsLookupError>());
        Ok(())
    })
}

#[test]
fn g4_a_name_is_looked_up() -> TestResult {
    run(|reactor| async move {
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let number = port_of(port.host()).port();
        let endpoint = client_from_string(&reactor, &format!("tcp:localhost:{number}"))?;
        let (recorder, record) = Recorder::new();
        connect_protocol(&endpoint, recorder).await?;
        record.transport().write("hello");
        record.receive(5).await?;
        record.transport().lose_connection();
        record.lost().await?;
        port.stop_listening().await
    })
}

#[test]
fn g4_cancel_while_the_name_is_looked_up() -> TestResult {
    run(|reactor| async move {
        // Before anything has begun, and when it has.
        for begun in [false, true] {
            let (trigger, found) = Deferred::<Vec<SocketAddr>>::new();
            let found = Cell::new(Some(found));
            let endpoint = ClientEndpoint::tcp(&reactor, "slow.test", 80)
                .resolver(move |_, _| found.take().expect("it is asked once"));
            let connecting = endpoint.connect(|_: &Address| Echo);
            if begun {
                tokio::task::yield_now().await;
            }
            connecting.cancel();
            assert!(trigger.is_cancelled());
            assert!(failure_of(connecting.await).is::<CancelledError>());
        }
        let connecting =
            client_from_string(&reactor, "tcp:localhost:80")?.connect(|_: &Address| Echo);
        connecting.cancel();
        assert!(connecting.has_result());
        assert!(failure_of(connecting.await).is::<CancelledError>());
        Ok(())
    })
}

#[test]
fn g4_cancel_while_connecting_closes_the_socket() -> TestResult {
    run(|reactor| async move {
        let silent = Silent::new().await?;
        let endpoint = ClientEndpoint::tcp(&reactor, "127.0.0.1", silent.address.port());
        let connecting = endpoint.connect(|_: &Address| Echo);
        assert_eq!(attempts_on(silent.address), 1);
        tokio::task::yield_now().await;
        assert!(!connecting.has_result());
        connecting.cancel();
        assert_eq!(attempts_on(silent.address), 0);
        assert!(failure_of(connecting.await).is::<CancelledError>());
        Ok(())
    })
}

#[test]
fn g4_cancel_after_the_connection_is_there_does_nothing() -> TestResult {
    run(|reactor| async move {
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let (recorder, record) = Recorder::new();
        let connecting = connect_protocol(&to(&reactor, &port), recorder);
        record.when_made().await?;
        connecting.cancel();
        connecting.await?;
        record.transport().write("hello");
        record.receive(5).await?;
        record.transport().lose_connection();
        record.lost().await?;
        port.stop_listening().await
    })
}

#[test]
fn g4_a_connect_whose_deferred_is_dropped_goes_on() -> TestResult {
    run(|reactor| async move {
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let (recorder, record) = Recorder::new();
        drop(connect_protocol(&to(&reactor, &port), recorder));
        record.when_made().await?;
        record.transport().lose_connection();
        record.lost().await?;
        port.stop_listening().await
    })
}

#[test]
fn g4_a_connect_that_takes_too_long_fails() -> TestResult {
    run(|_| async move {
        let (silent, clock) = (Silent::new().await?, ManualClock::new());
        let endpoint = client_from_string(
            &clock,
            &format!("tcp:127.0.0.1:{}:timeout=2.5", silent.address.port()),
        )?;
        let connecting = endpoint.connect(|_: &Address| Echo);
        tokio::task::yield_now().await;
        clock.advance(Duration::from_millis(2_499));
        tokio::task::yield_now().await;
        assert!(!connecting.has_result());
        clock.advance(Duration::from_millis(1));
        let failure = failure_of(connecting.await);
        let after = failure.check::<TimeoutError>().expect("a TimeoutError").after;
        assert_eq!(after, Duration::from_millis(2_500));
        assert!(clock.delayed_calls().is_empty());
        Ok(())
    })
}

#[test]
fn g4_a_look_up_that_takes_too_long_fails() -> TestResult {
    run(|_| async move {
        let clock = ManualClock::new();
        let collector = report::collect();
        let cancelled = Rc::new(Cell::new(false));
        let noted = cancelled.clone();
        let (_trigger, found) = Deferred::<Vec<SocketAddr>>::with_canceller(move || {
            noted.set(true);
            None
        });
        let found = Cell::new(Some(found));
        let endpoint = ClientEndpoint::tcp(&clock, "slow.test", 80)
            .resolver(move |_, _| found.take().expect("it is asked once"));
        let connecting = endpoint.connect(|_: &Address| Echo);
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(30));
        assert!(failure_of(connecting.await).is::<TimeoutError>());
        assert!(cancelled.get());
        assert!(collector.take().is_empty());
        assert!(clock.delayed_calls().is_empty());
        Ok(())
    })
}

#[test]
fn g4_an_address_that_does_not_answer_holds_nothing_up() -> TestResult {
    run(|reactor| async move {
        let (silent, clock) = (Silent::new().await?, ManualClock::new());
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let endpoint = at(&clock, &[silent.address, port_of(port.host())]);
        let (recorder, record) = Recorder::new();
        let connecting = connect_protocol(&endpoint, recorder);
        tokio::task::yield_now().await;
        clock.advance(Duration::from_millis(299));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(!connecting.has_result());
        assert_eq!(attempts_on(silent.address), 1);
        clock.advance(Duration::from_millis(1));
        connecting.await?;
        assert_eq!(attempts_on(silent.address), 0);
        assert_eq!(record.transport().peer(), port.host());
        assert!(clock.delayed_calls().is_empty());
        record.transport().lose_connection();
        record.lost().await?;
        port.stop_listening().await
    })
}

#[test]
fn g4_an_address_that_refuses_makes_way_at_once() -> TestResult {
    run(|reactor| async move {
        let (closed, clock) = (closed_port(&reactor).await?, ManualClock::new());
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let (recorder, record) = Recorder::new();
        connect_protocol(&at(&clock, &[closed, port_of(port.host())]), recorder).await?;
        record.transport().lose_connection();
        record.lost().await?;

        // Where all refuse, the last is the one that is told of.
        let failure = failure_of(at(&clock, &[closed, closed]).connect(|_: &Address| Echo).await);
        assert_eq!(failure.check::<ConnectError>().expect("it").to, Address::Tcp(closed));
        port.stop_listening().await
    })
}

#[test]
fn g4_bind_address_is_where_a_connection_comes_from() -> TestResult {
    run(|reactor| async move {
        let (recorder, server) = Recorder::new();
        let port = listen(&reactor, common::OneOnly(Cell::new(Some(recorder)))).await?;
        let number = port_of(port.host()).port();
        let description = format!("tcp:127.0.0.1:{number}:bindAddress=127.0.0.2");
        let (recorder, client) = Recorder::new();
        connect_protocol(&client_from_string(&reactor, &description)?, recorder).await?;
        server.when_made().await?;
        assert_eq!(port_of(server.transport().peer()).ip(), Ipv4Addr::new(127, 0, 0, 2));
        client.transport().lose_connection();
        server.lost().await?;

        // From there, nothing of the other family can be reached.
        let description = format!("tcp:127.0.0.1:{number}:bindAddress=\\:\\:1");
        let endpoint = client_from_string(&reactor, &description)?;
        let failure = failure_of(endpoint.connect(|_: &Address| Echo).await);
        assert!(failure.to_string().contains("no address to reach from ::1"), "{failure}");
        port.stop_listening().await
    })
}

#[test]
fn g4_a_port_that_is_taken_is_named() -> TestResult {
    run(|reactor| async move {
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let description = format!("tcp:{}:interface=127.0.0.1", port_of(port.host()).port());
        let again = server_from_string(&reactor, &description)?.listen(|_: &Address| Echo);
        let failure = failure_of(again.await);
        let error = failure.check::<CannotListenError>().expect("a CannotListenError");
        assert_eq!(error.on, port.host().to_string());
        assert_eq!(error.source.kind(), ErrorKind::AddrInUse);
        port.stop_listening().await
    })
}

#[test]
fn g4_a_port_that_has_stopped_refuses_and_its_connections_go_on() -> TestResult {
    run(|reactor| async move {
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let (recorder, record) = Recorder::new();
        connect_protocol(&to(&reactor, &port), recorder).await?;
        record.transport().write("hello");
        record.receive(5).await?;
        assert_eq!((reactor.open_connections(), reactor.open_ports()), (2, 1));
        assert!(port.stop_listening().has_result());
        assert_eq!((reactor.open_connections(), reactor.open_ports()), (2, 0));
        assert!(
            failure_of(to(&reactor, &port).connect(|_: &Address| Echo).await).is::<ConnectError>()
        );
        record.transport().write("again");
        record.receive(5).await?;
        record.transport().lose_connection();
        record.lost().await?;
        let open = reactor.clone();
        settle(move || open.open_connections() == 0).await;
        Ok(())
    })
}

#[test]
fn g4_the_end_of_the_reactor_closes_what_is_open() -> TestResult {
    let reactor = Reactor::new()?;
    let record = Rc::new(RefCell::new(None));
    let (inside, kept) = (reactor.clone(), record.clone());
    let (_trigger, found) = Deferred::<Vec<SocketAddr>>::new();
    let found = Cell::new(Some(found));
    let connecting = ClientEndpoint::tcp(&reactor, "slow.test", 80)
        .resolver(move |_, _| found.take().expect("it is asked once"))
        .connect(|_: &Address| Echo);
    let going = Deferred::from_coroutine(async move {
        let pair = common::Pair::new(&inside).await?;
        *kept.borrow_mut() = Some(pair);
        inside.stop()?;
        Ok(())
    });
    reactor.run()?;
    assert!(going.has_result());
    let given_up = connecting.take_result().expect("it was given up");
    assert!(failure_of(given_up).is::<CancelledError>());
    let pair = record.take().expect("they were connected");
    for side in [&pair.client, &pair.server] {
        let reason = side.reason.borrow().clone().expect("it is lost");
        assert_eq!(reason.to_string(), "the connection was lost: the reactor has stopped");
        assert_eq!(*side.events.borrow(), ["made", "lost"]);
        assert!(!side.transport().is_connected());
    }
    assert_eq!((reactor.open_connections(), reactor.open_ports()), (0, 0));

    // After that, nothing can be opened any more.
    let endpoint = ClientEndpoint::tcp(&reactor, "127.0.0.1", 80);
    let late = endpoint.connect(|_: &Address| Echo).take_result().expect("it has fired");
    assert!(failure_of(late).is::<ReactorNotRunning>());
    let late = server_from_string(&reactor, "tcp:0")?.listen(|_: &Address| Echo);
    assert!(failure_of(late.take_result().expect("it has fired")).is::<ReactorNotRunning>());
    Ok(())
}
