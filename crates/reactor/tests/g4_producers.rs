//! Row G4 of the contract: back-pressure, by producers of both kinds.

mod common;

use bytes::Bytes;
use common::{Echo, Pair, Recorder, TestResult, listen, run, to};
use hereafter::errors::Panicked;
use hereafter::report;
use hereafter_reactor::endpoints::connect_protocol;
use hereafter_reactor::errors::{ConnectionDone, ProducerRegistered};
use hereafter_reactor::testing::StringTransport;
use hereafter_reactor::{Address, Producer, Protocol, Transport};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const KIB: usize = 1024;

/// Keeps what it is told.
#[derive(Default)]
struct Told(RefCell<Vec<&'static str>>);

impl Producer for Told {
    fn resume_producing(&self) {
        self.0.borrow_mut().push("resume");
    }

    fn pause_producing(&self) {
        self.0.borrow_mut().push("pause");
    }

    fn stop_producing(&self) {
        self.0.borrow_mut().push("stop");
    }
}

struct Discard;

impl Protocol for Discard {
    fn data_received(&self, _: &Transport, _: Bytes) {}
}

#[test]
fn g4_a_streaming_producer_is_paused_and_resumed() -> TestResult {
    let (wire, told) = (StringTransport::new(Discard), Rc::new(Told::default()));
    let transport = wire.transport();
    transport.register_producer(told.clone(), true)?;
    transport.write(vec![0; 64 * KIB]);
    assert!(told.0.take().is_empty());
    transport.write("x");
    transport.write("it is told once");
    assert_eq!(told.0.take(), ["pause"]);
    wire.take();
    assert_eq!(told.0.take(), ["resume"]);
    wire.take();
    assert!(told.0.take().is_empty());
    transport.unregister_producer();
    transport.write(vec![0; 65 * KIB]);
    wire.lose(ConnectionDone);
    assert!(told.0.take().is_empty());
    Ok(())
}

#[test]
fn g4_a_pull_producer_is_asked_when_all_is_taken() -> TestResult {
    let (wire, told) = (StringTransport::new(Discard), Rc::new(Told::default()));
    let transport = wire.transport();
    transport.register_producer(told.clone(), false)?;
    assert_eq!(told.0.take(), ["resume"]);
    transport.write(vec![0; 65 * KIB]);
    assert!(told.0.take().is_empty());
    wire.take();
    assert_eq!(told.0.take(), ["resume"]);
    Ok(())
}

#[test]
fn g4_the_end_stops_the_producer() -> TestResult {
    let (wire, told) = (StringTransport::new(Discard), Rc::new(Told::default()));
    let transport = wire.transport();
    transport.register_producer(told.clone(), true)?;
    let second = transport.register_producer(Rc::new(Told::default()), true);
    assert_eq!(second, Err(ProducerRegistered));
    wire.lose(ConnectionDone);
    assert_eq!(told.0.take(), ["stop"]);
    // One that comes too late is stopped at once.
    transport.register_producer(told.clone(), false)?;
    assert_eq!(told.0.take(), ["stop"]);
    assert_eq!(Rc::strong_count(&told), 1);
    Ok(())
}

/// Writes so many pieces, one whenever it is asked.
struct Pieces {
    left: Cell<usize>,
    to: Transport,
}

impl Producer for Pieces {
    fn resume_producing(&self) {
        if self.left.get() == 0 {
            self.to.unregister_producer();
        } else {
            self.left.set(self.left.get() - 1);
            self.to.write(vec![7; KIB]);
        }
    }
}

#[test]
fn g4_lose_connection_waits_for_the_producer() -> TestResult {
    run(|reactor| async move {
        let pair = Pair::new(&reactor).await?;
        let to = pair.client.transport();
        let producer = Rc::new(Pieces { left: Cell::new(1000), to: to.clone() });
        to.register_producer(producer.clone(), false)?;
        to.lose_connection();
        assert_eq!(pair.server.receive(1000 * KIB).await?, vec![7; 1000 * KIB]);
        let (client, _) = pair.over().await?;
        assert!(client.is::<ConnectionDone>());
        assert_eq!(Rc::strong_count(&producer), 1);
        Ok(())
    })
}

/// Writes as fast as it may, until it has written so much.
struct Flood {
    left: Cell<usize>,
    paused: Cell<bool>,
    to: RefCell<Option<Transport>>,
    /// The most that has waited at once.
    most: Cell<usize>,
}

impl Producer for Flood {
    fn resume_producing(&self) {
        self.paused.set(false);
        let to = self.to.borrow().clone().expect("it is registered with it");
        while !self.paused.get() && self.left.get() > 0 {
            self.left.set(self.left.get() - KIB);
            to.write(vec![9; KIB]);
            self.most.set(self.most.get().max(to.buffered()));
        }
        if self.left.get() == 0 {
            to.unregister_producer();
            to.lose_connection();
        }
    }

    fn pause_producing(&self) {
        self.paused.set(true);
    }
}

#[test]
fn g4_a_slow_reader_keeps_memory_bounded() -> TestResult {
    const MUCH: usize = 64 * KIB * KIB;
    run(|reactor| async move {
        // The reader rests after every piece.
        let count = Rc::new(Cell::new(0));
        let counted = count.clone();
        let server = move |server: Recorder| {
            server.on_data(move |transport, data| {
                counted.set(counted.get() + data.len());
                transport.pause_producing();
                let transport = transport.clone();
                tokio::task::spawn_local(async move {
                    tokio::task::yield_now().await;
                    transport.resume_producing();
                });
            })
        };
        let pair = Pair::with(&reactor, |client| client, server).await?;
        let flood = Rc::new(Flood {
            left: Cell::new(MUCH),
            paused: Cell::new(false),
            to: RefCell::new(Some(pair.client.transport())),
            most: Cell::new(0),
        });
        pair.client.transport().register_producer(flood.clone(), true)?;
        flood.resume_producing();
        pair.over().await?;
        assert_eq!(count.get(), MUCH);
        assert_eq!(flood.most.get(), 65 * KIB);
        Ok(())
    })
}

#[test]
fn g4_a_transport_is_the_producer_of_what_it_receives() -> TestResult {
    run(|reactor| async move {
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let (recorder, record) = Recorder::new();
        connect_protocol(&to(&reactor, &port), recorder).await?;
        let transport = record.transport();
        // Nobody takes what the echo sends, so in the end it takes nothing either.
        transport.pause_producing();
        transport.write(vec![3; 64 * KIB * KIB]);
        let mut before = usize::MAX;
        while transport.buffered() != before {
            before = transport.buffered();
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        assert!(before > 0);
        transport.resume_producing();
        assert_eq!(record.receive(64 * KIB * KIB).await?.len(), 64 * KIB * KIB);
        transport.lose_connection();
        record.lost().await?;
        port.stop_listening().await
    })
}

struct PanicsWhenResumed;

impl Producer for PanicsWhenResumed {
    fn resume_producing(&self) {
        panic!("no more");
    }
}

#[test]
fn g4_a_panic_in_a_producer_aborts_the_connection() -> TestResult {
    run(|reactor| async move {
        let collector = report::collect();
        let pair = Pair::new(&reactor).await?;
        let transport = pair.client.transport();
        transport.register_producer(Rc::new(PanicsWhenResumed), true)?;
        transport.write(vec![0; 65 * KIB]);
        let (client, _) = pair.over().await?;
        assert!(client.is::<Panicked>());
        let reports = collector.take();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].headline, "Unhandled error in a producer");
        Ok(())
    })
}
