//! What the tests of connections share: a protocol that keeps what happens to it, and a reactor that
//! runs until a coroutine is done.

// Every test program takes what it needs.
#![allow(dead_code)]

use bytes::Bytes;
use hereafter::{Deferred, Failure, Trigger};
use hereafter_reactor::endpoints::{ClientEndpoint, Port, server_from_string};
use hereafter_reactor::{Address, Factory, Protocol, Reactor, RunOptions, Transport};
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::Future;
use std::rc::Rc;

pub(crate) type TestResult = Result<(), Box<dyn Error>>;

/// Runs a coroutine on a reactor of its own; in the end nothing may be left open.
pub(crate) fn run<F, T>(test: impl FnOnce(Reactor) -> F) -> Result<T, Box<dyn Error>>
where
    F: Future<Output = Result<T, Failure>> + 'static,
    T: 'static,
{
    let reactor = Reactor::new()?;
    let result = Rc::new(Cell::new(None));
    let (seen, inside) = (result.clone(), reactor.clone());
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let test = test(reactor.clone());
    let done = Deferred::from_coroutine(async move {
        let result = test.await;
        settle(|| tasks.num_alive_tasks() <= before + SIGNALS).await;
        result
    });
    done.add_both(move |result| {
        let left = (inside.open_connections(), inside.open_ports(), inside.delayed_calls().len());
        seen.set(Some((result, left)));
        // What a test leaves open, the reactor's end closes.
        inside.remote().stop();
    })
    .detach();
    reactor.run()?;
    let (result, left) = result.take().expect("the reactor was stopped by this");
    let result = result?;
    assert_eq!(left, (0, 0, 0), "connections, ports and delayed calls that were left");
    Ok(result)
}

/// Runs a reactor until `d` has fired, and gives back its result.
pub(crate) fn run_until<T: 'static>(
    reactor: &Reactor,
    options: RunOptions,
    d: Deferred<T>,
) -> Result<T, Failure> {
    let (result, remote) = (Rc::new(Cell::new(None)), reactor.remote());
    let seen = result.clone();
    d.add_both(move |result| {
        seen.set(Some(result));
        remote.stop();
    })
    .detach();
    reactor.run_with(options).map_err(Failure::new)?;
    result.take().expect("the reactor was stopped by this")
}

/// The tasks of the reactor itself: one for each signal that it watches for.
const SIGNALS: usize = 2;

/// Lets everybody have their turns until `condition` holds.
pub(crate) async fn settle(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// What has happened to a protocol, in its order.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) transport: RefCell<Option<Transport>>,
    pub(crate) received: RefCell<Vec<u8>>,
    /// The names of the other methods that were called.
    pub(crate) events: RefCell<Vec<&'static str>>,
    pub(crate) reason: RefCell<Option<Failure>>,
    waiting: RefCell<Vec<(Condition, Trigger<()>)>>,
}

type Condition = Box<dyn Fn(&Record) -> bool>;

impl Record {
    pub(crate) fn transport(&self) -> Transport {
        self.transport.borrow().clone().expect("it is connected")
    }

    /// Waits until `condition` holds.
    pub(crate) fn when(&self, condition: impl Fn(&Self) -> bool + 'static) -> Deferred<()> {
        if condition(self) {
            return Deferred::succeed(());
        }
        let (trigger, d) = Deferred::new();
        self.waiting.borrow_mut().push((Box::new(condition), trigger));
        d
    }

    pub(crate) fn when_made(&self) -> Deferred<()> {
        self.when(|record| record.transport.borrow().is_some())
    }

    /// Waits for so many bytes, and takes them.
    pub(crate) async fn receive(self: &Rc<Self>, count: usize) -> Result<Vec<u8>, Failure> {
        self.when(move |record| record.received.borrow().len() >= count).await?;
        Ok(self.received.borrow_mut().drain(..count).collect())
    }

    /// Waits for the end; why it came.
    pub(crate) async fn lost(self: &Rc<Self>) -> Result<Failure, Failure> {
        self.when(|record| record.reason.borrow().is_some()).await?;
        assert_eq!(self.events.borrow().iter().filter(|event| **event == "lost").count(), 1);
        Ok(self.reason.borrow().clone().expect("it is lost"))
    }

    fn note(&self, event: &'static str) {
        self.events.borrow_mut().push(event);
        self.changed();
    }

    fn changed(&self) {
        let waiting = self.waiting.take();
        let (ready, not_yet): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(condition, _)| condition(self));
        self.waiting.borrow_mut().extend(not_yet);
        for (_, trigger) in ready {
            trigger.callback(());
        }
    }
}

/// Keeps what happens to it, and does with data what it was told to.
pub(crate) struct Recorder {
    pub(crate) record: Rc<Record>,
    pub(crate) half_closeable: bool,
    pub(crate) on_data: OnData,
}

type OnData = Box<dyn Fn(&Transport, Bytes)>;

impl Recorder {
    pub(crate) fn new() -> (Self, Rc<Record>) {
        let record = Rc::new(Record::default());
        let recorder =
            Self { record: record.clone(), half_closeable: false, on_data: Box::new(|_, _| ()) };
        (recorder, record)
    }

    pub(crate) fn half_closeable(mut self) -> Self {
        self.half_closeable = true;
        self
    }

    pub(crate) fn on_data(mut self, call: impl Fn(&Transport, Bytes) + 'static) -> Self {
        self.on_data = Box::new(call);
        self
    }
}

impl Protocol for Recorder {
    fn connection_made(&self, transport: &Transport) {
        *self.record.transport.borrow_mut() = Some(transport.clone());
        self.record.note("made");
    }

    fn data_received(&self, transport: &Transport, data: Bytes) {
        self.record.received.borrow_mut().extend_from_slice(&data);
        (self.on_data)(transport, data);
        self.record.changed();
    }

    fn connection_lost(&self, reason: Failure) {
        *self.record.reason.borrow_mut() = Some(reason);
        self.record.note("lost");
    }

    fn is_half_closeable(&self) -> bool {
        self.half_closeable
    }

    fn read_connection_lost(&self, _: &Transport) {
        self.record.note("read closed");
    }

    fn write_connection_lost(&self, _: &Transport) {
        self.record.note("write closed");
    }
}

/// Listens on a free port of loopback.
pub(crate) async fn listen(reactor: &Reactor, factory: impl Factory) -> Result<Port, Failure> {
    server_from_string(reactor, "tcp:0:interface=127.0.0.1")?.listen(factory).await
}

/// An endpoint that leads to a port.
pub(crate) fn to(reactor: &Reactor, port: &Port) -> ClientEndpoint {
    ClientEndpoint::tcp(reactor, "127.0.0.1", port.host().port().expect("it is a TCP port"))
}

/// A client and a server that are connected with each other.
pub(crate) struct Pair {
    pub(crate) port: Port,
    pub(crate) client: Rc<Record>,
    pub(crate) server: Rc<Record>,
}

impl Pair {
    pub(crate) async fn new(reactor: &Reactor) -> Result<Self, Failure> {
        Self::with(reactor, |client| client, |server| server).await
    }

    pub(crate) async fn with(
        reactor: &Reactor,
        client: impl FnOnce(Recorder) -> Recorder,
        server: impl FnOnce(Recorder) -> Recorder,
    ) -> Result<Self, Failure> {
        let (recorder, server_record) = Recorder::new();
        let recorder = Cell::new(Some(server(recorder)));
        let port = listen(reactor, OneOnly(recorder)).await?;
        let (recorder, client_record) = Recorder::new();
        let recorder = client(recorder);
        hereafter_reactor::endpoints::connect_protocol(&to(reactor, &port), recorder).await?;
        server_record.when_made().await?;
        Ok(Self { port, client: client_record, server: server_record })
    }

    /// Waits until both sides have lost the connection; why each has.
    pub(crate) async fn over(self) -> Result<(Failure, Failure), Failure> {
        self.port.stop_listening().await?;
        Ok((self.client.lost().await?, self.server.lost().await?))
    }
}

/// Takes one connection, and refuses all others.
pub(crate) struct OneOnly<P>(pub(crate) Cell<Option<P>>);

impl<P: Protocol> Factory for OneOnly<P> {
    type Protocol = P;

    fn build_protocol(&self, _: &Address) -> Option<P> {
        self.0.take()
    }
}

/// Sends back what comes, and no more than the other side takes.
#[derive(Debug)]
pub(crate) struct Echo;

impl Protocol for Echo {
    fn connection_made(&self, transport: &Transport) {
        transport.register_producer(Rc::new(transport.clone()), true).expect("it is the first");
    }

    fn data_received(&self, transport: &Transport, data: Bytes) {
        transport.write(data);
    }
}

/// An error that a test expects.
#[track_caller]
pub(crate) fn failure_of<T>(result: Result<T, Failure>) -> Failure {
    match result {
        Ok(_) => panic!("it has not failed"),
        Err(failure) => failure,
    }
}
