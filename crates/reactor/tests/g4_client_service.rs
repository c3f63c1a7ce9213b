//! Row G4 of the contract: the service that keeps a connection. Its network is in memory, and its
//! time is wound by hand.

mod common;

use bytes::Bytes;
use common::{Echo, TestResult, failure_of, listen, run, settle, to};
use hereafter::clock::ManualClock;
use hereafter::errors::CancelledError;
use hereafter::{Deferred, Failure, Trigger};
use hereafter_reactor::endpoints::StreamClientEndpoint;
use hereafter_reactor::errors::{ConnectionAborted, ConnectionDone};
use hereafter_reactor::service::{ClientService, backoff_policy};
use hereafter_reactor::testing::StringTransport;
use hereafter_reactor::{Address, Factory, Protocol, Transport};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Gives no connection before it is told to.
#[derive(Clone, Default)]
struct Network {
    asked: Rc<RefCell<Vec<Trigger<()>>>>,
    wires: Rc<RefCell<Vec<StringTransport>>>,
}

impl Network {
    /// Answers the oldest attempt.
    fn answer(&self, result: Result<(), Failure>) {
        let trigger = self.asked.borrow_mut().remove(0);
        trigger.fire(result);
    }

    /// How many attempts wait for an answer.
    fn asked(&self) -> usize {
        self.asked.borrow_mut().retain(|trigger| !trigger.is_cancelled());
        self.asked.borrow().len()
    }

    /// Ends the connection that was made last, as its other side would.
    fn lose(&self) {
        let wire = self.wires.borrow_mut().pop().expect("there is a connection");
        wire.lose(ConnectionDone);
    }

    /// Whether the connection that was made last was told to close.
    fn is_closing(&self) -> bool {
        self.wires.borrow().last().is_some_and(|wire| wire.transport().is_disconnecting())
    }
}

impl StreamClientEndpoint for Network {
    fn connect<F: Factory>(&self, factory: F) -> Deferred<Rc<F::Protocol>> {
        let (trigger, answer) = Deferred::new();
        self.asked.borrow_mut().push(trigger);
        let wires = self.wires.clone();
        answer.map(move |()| {
            let protocol = factory.build_protocol(&Address::Unix(None)).expect("it makes them");
            let protocol = Rc::new(protocol);
            wires.borrow_mut().push(StringTransport::new(protocol.clone()));
            protocol
        })
    }
}

/// One of several, in their order.
struct Numbered(u32);

impl Protocol for Numbered {
    fn data_received(&self, _: &Transport, _: Bytes) {}
}

/// A service that waits as many seconds as attempts have failed.
fn service() -> (ManualClock, Network, ClientService<Numbered>) {
    let (clock, network, made) = (ManualClock::new(), Network::default(), Cell::new(0));
    let factory = move |_: &Address| {
        made.set(made.get() + 1);
        Numbered(made.get())
    };
    let service = ClientService::new(&clock, network.clone(), factory)
        .retry_policy(|failures| SECOND * failures);
    (clock, network, service)
}

fn broken() -> Result<(), Failure> {
    Err(Failure::msg("no way there"))
}

/// The number of the protocol that a deferred has fired with.
#[track_caller]
fn number(connected: Deferred<Rc<Numbered>>) -> u32 {
    let Ok(result) = connected.take_result() else { panic!("it has not fired") };
    result.expect("it is connected").0
}

#[track_caller]
fn failure(connected: Deferred<Rc<Numbered>>) -> Failure {
    let Ok(result) = connected.take_result() else { panic!("it has not fired") };
    failure_of(result)
}

#[test]
fn g4_a_client_service_connects_and_tells_all_who_wait() {
    let (_, network, service) = service();
    let early = service.when_connected(None);
    assert!(!service.running());
    service.start_service();
    service.start_service();
    assert!(service.running());
    let second = service.when_connected(None);
    assert_eq!(network.asked(), 1);
    network.answer(Ok(()));
    assert_eq!((number(early), number(second)), (1, 1));
    assert_eq!(number(service.when_connected(None)), 1);
}

#[test]
fn g4_a_client_service_connects_again_with_growing_pauses() {
    let (clock, network, service) = service();
    service.start_service();
    for failures in 1..=3 {
        network.answer(broken());
        clock.advance(SECOND * failures * 9 / 10);
        assert_eq!(network.asked(), 0);
        clock.advance(SECOND * failures / 10);
        assert_eq!(network.asked(), 1);
    }
    network.answer(Ok(()));
    assert_eq!(number(service.when_connected(None)), 1);

    // The count begins anew.
    network.lose();
    let next = service.when_connected(None);
    clock.advance(SECOND);
    network.answer(Ok(()));
    assert_eq!(number(next), 2);
}

#[test]
fn g4_when_connected_loses_its_patience() {
    let (clock, network, service) = service();
    service.start_service();
    let (one, two) = (service.when_connected(Some(1)), service.when_connected(Some(2)));
    let patient = service.when_connected(None);
    network.answer(broken());
    assert_eq!(failure(one).to_string(), "no way there");
    let late = service.when_connected(Some(2));
    clock.advance(SECOND);
    network.answer(broken());
    assert_eq!(failure(two).to_string(), "no way there");
    clock.advance(SECOND * 2);
    network.answer(Ok(()));
    assert_eq!((number(late), number(patient)), (1, 1));
}

#[test]
fn g4_a_wait_for_a_connection_can_be_cancelled() {
    let (_, network, service) = service();
    service.start_service();
    let (one, other) = (service.when_connected(None), service.when_connected(None));
    one.cancel();
    assert!(failure(one).is::<CancelledError>());
    network.answer(Ok(()));
    assert_eq!(number(other), 1);
}

#[test]
fn g4_stop_before_start_and_twice() {
    let (_, _, service) = service();
    let waiting = service.when_connected(None);
    assert!(service.stop_service().has_result());
    assert!(failure(waiting).is::<CancelledError>());
    assert!(service.stop_service().has_result());
    assert!(failure(service.when_connected(None)).is::<CancelledError>());
}

#[test]
fn g4_stop_while_connecting_gives_up() {
    let (clock, network, service) = service();
    service.start_service();
    let waiting = service.when_connected(None);
    let stopped = service.stop_service();
    assert!(stopped.has_result());
    assert_eq!(network.asked(), 0);
    assert!(failure(waiting).is::<CancelledError>());
    assert!(clock.delayed_calls().is_empty());
    service.start_service();
    assert_eq!(network.asked(), 1);
}

#[test]
fn g4_stop_while_waiting_gives_up() {
    let (clock, network, service) = service();
    service.start_service();
    network.answer(broken());
    let waiting = service.when_connected(None);
    assert!(service.stop_service().has_result());
    assert!(failure(waiting).is::<CancelledError>());
    assert!(clock.delayed_calls().is_empty());
    assert!(!service.running());
}

#[test]
fn g4_stop_closes_the_connection_and_waits_for_that() {
    let (clock, network, service) = service();
    service.start_service();
    network.answer(Ok(()));
    let stopped = service.stop_service();
    assert!(network.is_closing());
    assert!(!stopped.has_result() && !service.running());
    let again = service.stop_service();
    let waiting = service.when_connected(None);
    network.lose();
    assert!(stopped.has_result() && again.has_result());
    assert!(failure(waiting).is::<CancelledError>());
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn g4_start_while_stopping_begins_when_that_is_over() {
    let (_, network, service) = service();
    service.start_service();
    network.answer(Ok(()));
    let stopped = service.stop_service();
    service.start_service();
    let next = service.when_connected(None);
    assert_eq!(network.asked(), 0);
    network.lose();
    assert!(stopped.has_result());
    network.answer(Ok(()));
    assert_eq!(number(next), 2);
    assert!(service.running());
}

#[test]
fn g4_a_connection_is_prepared_before_anybody_gets_it() {
    let (clock, network, service) = service();
    let prepared = Rc::new(RefCell::new(Vec::new()));
    let asked = prepared.clone();
    let service = service.prepare_connection(move |_| {
        let (trigger, d) = Deferred::<()>::new();
        asked.borrow_mut().push(trigger);
        d
    });
    service.start_service();
    let (patient, hasty) = (service.when_connected(None), service.when_connected(Some(1)));
    network.answer(Ok(()));
    assert!(!patient.has_result());

    // One that is not fit is closed, and counts as a failed attempt.
    prepared.borrow_mut().remove(0).errback(Failure::msg("not welcome"));
    assert!(network.is_closing());
    assert!(!hasty.has_result());
    network.lose();
    assert_eq!(failure(hasty).to_string(), "not welcome");
    clock.advance(SECOND);
    network.answer(Ok(()));
    prepared.borrow_mut().remove(0).callback(());
    assert_eq!(number(patient), 2);
}

#[test]
fn g4_a_connection_that_is_lost_while_it_is_prepared_is_a_failed_attempt() {
    let (clock, network, service) = service();
    let (trigger, preparing) = Deferred::<()>::new();
    let preparing = Cell::new(Some(preparing));
    let service = service
        .prepare_connection(move |_| preparing.take().unwrap_or_else(|| Deferred::succeed(())));
    service.start_service();
    let waiting = service.when_connected(Some(1));
    network.answer(Ok(()));
    network.wires.borrow_mut().pop().expect("it is connected").lose(ConnectionAborted);
    trigger.callback(());
    assert!(failure(waiting).is::<ConnectionAborted>());
    clock.advance(SECOND);
    network.answer(Ok(()));
    assert_eq!(number(service.when_connected(None)), 2);
}

#[test]
fn g4_stop_while_a_connection_is_prepared_closes_it() {
    let (_, network, service) = service();
    let (_trigger, preparing) = Deferred::<()>::new();
    let preparing = Cell::new(Some(preparing));
    let service = service.prepare_connection(move |_| preparing.take().expect("it is asked once"));
    service.start_service();
    network.answer(Ok(()));
    let stopped = service.stop_service();
    assert!(network.is_closing());
    assert!(!stopped.has_result());
    network.lose();
    assert!(stopped.has_result());
}

#[test]
fn g4_whoever_is_called_may_use_the_service() {
    let (clock, network, service) = service();
    service.start_service();
    let inside = service.clone();
    let stopped = service.when_connected(Some(1)).add_both(move |_| inside.stop_service());
    network.answer(broken());
    assert!(stopped.has_result());
    assert!(!service.running());
    assert!(clock.delayed_calls().is_empty());

    let inside = service.clone();
    service.start_service();
    let stopped = service.when_connected(None).add_callback(move |_| inside.stop_service());
    network.answer(Ok(()));
    assert!(network.is_closing());
    network.lose();
    assert!(stopped.has_result());
}

#[test]
fn g4_the_pauses_of_a_policy_grow_to_a_limit() {
    let policy = backoff_policy(SECOND, SECOND * 60, 1.5, || 0.25);
    let pauses = [1, 2, 5, 11, u32::MAX].map(|failures| policy(failures).as_millis());
    assert_eq!(pauses, [1_750, 2_500, 7_843, 60_250, 60_250]);
}

#[test]
fn g4_a_client_service_keeps_a_real_connection() -> TestResult {
    run(|reactor| async move {
        let clock = ManualClock::new();
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let made = Rc::new(Cell::new(0));
        let count = made.clone();
        let factory = move |_: &Address| {
            count.set(count.get() + 1);
            Breaks
        };
        let service = ClientService::new(&clock, to(&reactor, &port), factory)
            .retry_policy(|_| Duration::from_secs(5));
        service.start_service();
        for n in 1..=3 {
            service.when_connected(Some(1)).await?;
            assert_eq!(made.get(), n);
            // It breaks off as soon as the echo answers.
            let waiting = clock.clone();
            settle(move || !waiting.delayed_calls().is_empty()).await;
            clock.advance(Duration::from_secs(5));
        }
        service.stop_service().await?;
        port.stop_listening().await?;
        let open = reactor.clone();
        settle(move || open.open_connections() == 0).await;
        Ok(())
    })
}

/// Says something, and breaks off at the answer.
struct Breaks;

impl Protocol for Breaks {
    fn connection_made(&self, transport: &Transport) {
        transport.write("hello");
    }

    fn data_received(&self, transport: &Transport, _: Bytes) {
        transport.abort_connection();
    }
}
