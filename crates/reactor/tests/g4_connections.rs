//! Row G4 of the contract: what a connection does with what is written, and how it ends.

mod common;

use bytes::Bytes;
use common::{Echo, Pair, Recorder, TestResult, failure_of, listen, run, settle, to};
use hereafter::errors::Panicked;
use hereafter::report;
use hereafter_reactor::endpoints::connect_protocol;
use hereafter_reactor::errors::{ConnectionAborted, ConnectionDone, ConnectionLost, NoProtocol};
use hereafter_reactor::{Address, Factory, Protocol, Transport};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// More than the operating system takes at once.
const MUCH: usize = 8 * 1024 * 1024;

/// Bytes of which each says where it belongs.
fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

#[test]
fn g4_what_is_written_arrives_in_its_order() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::new(&reactor).await?;
        let (all, transport) = (pattern(300_000), pair.client.transport());
        let mut rest = all.as_slice();
        for size in (1..).map(|n| n * n % 20_011) {
            let (piece, more) = rest.split_at(size.min(rest.len()));
            rest = more;
            if size % 3 == 0 {
                transport.write_sequence([Bytes::copy_from_slice(piece), Bytes::new()]);
            } else {
                transport.write(piece.to_vec());
            }
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(pair.server.receive(all.len()).await?, all);
        pair.server.transport().write("and the other way round");
        assert_eq!(pair.client.receive(23).await?, b"and the other way round");
        pair.client.transport().lose_connection();
        pair.over().await
    })?;
    Ok(())
}

#[test]
fn g4_write_never_blocks_and_a_writer_may_be_anybody() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::new(&reactor).await?;
        let transport = pair.client.transport();
        pair.server.transport().pause_producing();
        transport.write(pattern(MUCH));
        assert_eq!(transport.buffered(), MUCH);
        pair.server.transport().resume_producing();
        assert_eq!(pair.server.receive(MUCH).await?, pattern(MUCH));
        assert_eq!(transport.buffered(), 0);
        transport.lose_connection();
        pair.over().await
    })?;
    Ok(())
}

#[test]
fn g4_lose_connection_sends_what_was_written() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::new(&reactor).await?;
        let transport = pair.client.transport();
        transport.write(pattern(MUCH));
        transport.lose_connection();
        transport.lose_connection();
        assert!(transport.is_disconnecting());
        assert!(transport.is_connected());
        assert_eq!(pair.server.receive(MUCH).await?, pattern(MUCH));
        let (client, server) = pair.over().await?;
        assert!(client.is::<ConnectionDone>() && server.is::<ConnectionDone>());
        assert!(!transport.is_connected());
        transport.write("nobody reads this");
        assert_eq!(transport.buffered(), 0);
        Ok(())
    })
}

#[test]
fn g4_nothing_is_received_after_lose_connection() -> TestResult {
    run(|reactor| async move {
        let closing = |server: Recorder| server.on_data(|transport, _| transport.lose_connection());
        let pair = Pair::with(&reactor, |client| client, closing).await?;
        pair.client.transport().write("first");
        let (client, server) = (pair.client.clone(), pair.server.clone());
        pair.over().await?;
        assert_eq!(server.received.take(), b"first");
        assert_eq!(client.received.take(), b"");
        Ok(())
    })
}

#[test]
fn g4_abort_connection_drops_what_was_written() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::new(&reactor).await?;
        let (transport, client) = (pair.client.transport(), pair.client.clone());
        pair.server.transport().pause_producing();
        transport.write(pattern(MUCH));
        transport.abort_connection();
        transport.abort_connection();
        assert!(client.reason.borrow().is_none(), "connection_lost comes later");
        assert!(client.lost().await?.is::<ConnectionAborted>());
        // The other side sees a reset, not an end.
        pair.server.transport().resume_producing();
        let (_, server) = pair.over().await?;
        assert!(server.is::<ConnectionLost>(), "{server:?}");
        Ok(())
    })
}

#[test]
fn g4_abort_wins_over_lose_connection() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::new(&reactor).await?;
        let transport = pair.client.transport();
        pair.server.transport().pause_producing();
        transport.write(pattern(MUCH));
        transport.lose_connection();
        transport.abort_connection();
        assert!(pair.client.lost().await?.is::<ConnectionAborted>());
        pair.server.transport().abort_connection();
        pair.over().await
    })?;
    Ok(())
}

#[test]
fn g4_a_protocol_that_is_not_half_closeable_ends_with_the_other_side() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::new(&reactor).await?;
        pair.client.transport().lose_write_connection();
        let events = pair.server.clone();
        let (client, server) = pair.over().await?;
        assert!(client.is::<ConnectionDone>() && server.is::<ConnectionDone>());
        assert_eq!(*events.events.borrow(), ["made", "lost"]);
        Ok(())
    })
}

#[test]
fn g4_half_closeable_protocols_go_on_in_the_other_direction() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::with(&reactor, Recorder::half_closeable, Recorder::half_closeable).await?;
        let (client, server) = (pair.client.clone(), pair.server.clone());
        client.transport().write(pattern(MUCH));
        client.transport().lose_write_connection();
        assert_eq!(server.receive(MUCH).await?, pattern(MUCH));
        server.when(|record| record.events.borrow().contains(&"read closed")).await?;
        assert_eq!(*client.events.borrow(), ["made", "write closed"]);
        client.transport().write("too late");
        server.transport().write(pattern(MUCH));
        assert_eq!(client.receive(MUCH).await?, pattern(MUCH));
        server.transport().lose_connection();
        let (client_reason, server_reason) = pair.over().await?;
        assert!(client_reason.is::<ConnectionDone>() && server_reason.is::<ConnectionDone>());
        assert!(server.received.borrow().is_empty());
        Ok(())
    })
}

#[test]
fn g4_a_connection_with_both_halves_closed_is_over() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::with(&reactor, Recorder::half_closeable, Recorder::half_closeable).await?;
        pair.client.transport().lose_write_connection();
        pair.server.transport().lose_write_connection();
        let (client, server) = pair.over().await?;
        assert!(client.is::<ConnectionDone>() && server.is::<ConnectionDone>());
        Ok(())
    })
}

#[test]
fn g4_pause_producing_stops_what_is_received() -> TestResult {
    run(|reactor| async move {
        let pausing = |server: Recorder| server.on_data(|transport, _| transport.pause_producing());
        let pair = Pair::with(&reactor, |client| client, pausing).await?;
        pair.client.transport().write(pattern(MUCH));
        pair.server.when(|record| !record.received.borrow().is_empty()).await?;
        let some = pair.server.received.borrow().len();
        assert!(some < MUCH);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pair.server.received.borrow().len(), some);
        pair.client.transport().abort_connection();
        pair.server.transport().lose_connection();
        pair.over().await
    })?;
    Ok(())
}

/// Panics in the method of a name.
struct Panics(&'static str, Rc<Cell<u32>>);

impl Panics {
    fn at(&self, method: &str) {
        assert_ne!(self.0, method, "a panic in {method}");
    }
}

impl Protocol for Panics {
    fn connection_made(&self, _: &Transport) {
        self.at("connection_made");
    }

    fn data_received(&self, transport: &Transport, _: Bytes) {
        transport.write("half an answer");
        self.at("data_received");
    }

    fn connection_lost(&self, reason: hereafter::Failure) {
        assert!(reason.is::<Panicked>() || self.0 == "connection_lost", "{reason:?}");
        self.1.set(self.1.get() + 1);
        self.at("connection_lost");
    }

    fn is_half_closeable(&self) -> bool {
        true
    }

    fn read_connection_lost(&self, transport: &Transport) {
        self.at("read_connection_lost");
        transport.lose_connection();
    }
}

#[test]
fn g4_a_panic_in_a_protocol_aborts_its_connection_and_no_other() -> TestResult {
    for method in ["connection_made", "data_received", "read_connection_lost", "connection_lost"] {
        run(move |reactor| async move {
            let (collector, lost) = (report::collect(), Rc::new(Cell::new(0)));
            let count = lost.clone();
            let port = listen(&reactor, move |_: &Address| Panics(method, count.clone())).await?;
            let (recorder, record) = Recorder::new();
            connect_protocol(&to(&reactor, &port), recorder).await?;
            if method == "data_received" {
                record.transport().write("hello");
            } else {
                record.transport().lose_write_connection();
            }
            let reason = record.lost().await?;
            assert_eq!(reason.is::<ConnectionLost>(), method != "connection_lost", "{reason:?}");
            assert!(record.received.borrow().is_empty());
            let gone = lost.clone();
            settle(move || gone.get() == 1).await;
            let reports = collector.take();
            assert_eq!(reports.len(), 1, "{method}: {reports:?}");
            assert_eq!(reports[0].headline, "Unhandled error in a protocol");
            assert!(reports[0].failure.to_string().contains("a panic in"));
            port.stop_listening().await
        })?;
    }
    Ok(())
}

#[test]
fn g4_a_panic_in_connection_made_fails_connect() -> TestResult {
    run(|reactor| async move {
        let collector = report::collect();
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let lost = Rc::new(Cell::new(0));
        let panics = Panics("connection_made", lost.clone());
        let failure = failure_of(connect_protocol(&to(&reactor, &port), panics).await);
        assert!(failure.is::<Panicked>());
        assert_eq!((lost.get(), collector.take().len()), (1, 1));
        port.stop_listening().await?;
        let open = reactor.clone();
        settle(move || open.open_connections() == 0).await;
        Ok(())
    })
}

/// Makes no protocol, and counts when it starts and stops.
#[derive(Default)]
struct Refuses(Rc<Cell<(u32, u32, u32)>>);

impl Factory for Refuses {
    type Protocol = Echo;

    fn build_protocol(&self, _: &Address) -> Option<Echo> {
        let (started, stopped, refused) = self.0.get();
        self.0.set((started, stopped, refused + 1));
        None
    }

    fn start_factory(&self) {
        let (started, stopped, refused) = self.0.get();
        self.0.set((started + 1, stopped, refused));
    }

    fn stop_factory(&self) {
        let (started, stopped, refused) = self.0.get();
        self.0.set((started, stopped + 1, refused));
    }
}

#[test]
fn g4_a_factory_may_refuse_and_is_told_of_its_port() -> TestResult {
    run(|reactor| async move {
        let counts = Rc::new(Cell::new((0, 0, 0)));
        let port = listen(&reactor, Refuses(counts.clone())).await?;
        let (recorder, record) = Recorder::new();
        connect_protocol(&to(&reactor, &port), recorder).await?;
        assert!(record.lost().await?.is::<ConnectionDone>());
        let own = Rc::new(Cell::new((0, 0, 0)));
        let failure = failure_of(to(&reactor, &port).connect(Refuses(own.clone())).await);
        assert!(failure.is::<NoProtocol>());
        assert_eq!(own.get(), (0, 0, 1));
        settle({
            let counts = counts.clone();
            move || counts.get() == (1, 0, 2)
        })
        .await;
        port.stop_listening().await?;
        port.stop_listening().await?;
        assert_eq!(counts.get(), (1, 1, 2));
        Ok(())
    })
}

#[test]
fn g4_addresses_and_options_are_those_of_the_socket() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::new(&reactor).await?;
        let (client, server) = (pair.client.transport(), pair.server.transport());
        assert_eq!(client.peer(), server.host());
        assert_eq!(client.host(), server.peer());
        assert_eq!(client.peer(), pair.port.host());
        client.set_tcp_no_delay(true)?;
        client.set_tcp_keep_alive(true)?;
        client.lose_connection();
        pair.over().await?;
        let gone = client.set_tcp_no_delay(true).unwrap_err();
        assert_eq!(gone.kind(), std::io::ErrorKind::NotConnected);
        Ok(())
    })
}

#[test]
fn g4_a_protocol_may_do_anything_to_its_transport_at_any_time() -> TestResult {
    run(|reactor| async move {
        // Everything at once, in one call.
        let wild = |server: Recorder| {
            server.on_data(|transport, data| {
                transport.write(data);
                transport.pause_producing();
                transport.resume_producing();
                transport.register_producer(Rc::new(transport.clone()), true).unwrap();
                transport.unregister_producer();
                transport.lose_write_connection();
                transport.lose_connection();
                transport.write("!");
            })
        };
        let pair = Pair::with(&reactor, |client| client, wild).await?;
        pair.client.transport().write("hello");
        let client = pair.client.clone();
        pair.over().await?;
        assert_eq!(client.received.take(), b"hello!");
        Ok(())
    })
}

#[test]
fn g4_thousands_of_connections_come_and_go() -> TestResult {
    run(|reactor| async move {
        let port = listen(&reactor, |_: &Address| Echo).await?;
        for _ in 0..40 {
            let mut records = Vec::new();
            for _ in 0..50 {
                let (recorder, record) = Recorder::new();
                let connecting = connect_protocol(&to(&reactor, &port), recorder);
                records.push((connecting, record));
            }
            for (n, (connecting, record)) in records.into_iter().enumerate() {
                connecting.await?;
                record.transport().write("hello");
                assert_eq!(record.receive(5).await?, b"hello");
                if n % 2 == 0 {
                    record.transport().lose_connection();
                } else {
                    record.transport().abort_connection();
                }
                record.lost().await?;
            }
        }
        port.stop_listening().await?;
        let open = reactor.clone();
        settle(move || open.open_connections() == 0).await;
        Ok(())
    })
}

thread_local! {
    static TO: RefCell<Option<Transport>> = const { RefCell::new(None) };
}

/// Writes when it is dropped.
struct LastWords(Vec<u8>);

impl AsRef<[u8]> for LastWords {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        TO.with_borrow(|to| to.as_ref().expect("it is connected").write("!"));
    }
}

#[test]
fn g4_what_is_written_may_use_the_transport_when_it_is_dropped() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::new(&reactor).await?;
        let transport = pair.client.transport();
        TO.set(Some(transport.clone()));
        for size in [10, 1_000_000] {
            transport.write(Bytes::from_owner(LastWords(vec![b'x'; size])));
            let received = pair.server.receive(size + 1).await?;
            assert_eq!((received[0], received[size]), (b'x', b'!'));
        }
        // What is never sent is dropped with the connection.
        transport.write(Bytes::from_owner(LastWords(vec![b'x'; 1_000_000])));
        transport.abort_connection();
        pair.over().await
    })?;
    Ok(())
}
