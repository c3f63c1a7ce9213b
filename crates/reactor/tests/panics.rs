//! User code that panics, wherever the reactor calls it: it is reported, its connection is closed, and
//! everybody else goes on.
//!
//! Every test runs on a reactor of its own, at whose end nothing may be left open. What panics inside
//! a Deferred's chain is tested with `hereafter` itself.

mod common;

use bytes::Bytes;
use common::{Echo, Pair, Recorder, TestResult, failure_of, listen, run, settle, to};
use hereafter::errors::Panicked;
use hereafter::report::{self, Report};
use hereafter::{Deferred, Failure};
use hereafter_reactor::endpoints::{
    ClientEndpoint, StreamClientEndpoint, client_from_string, connect_protocol, wrap_client_tls,
    wrap_server_tls,
};
use hereafter_reactor::endpoints::{Port, ServerEndpoint};
use hereafter_reactor::errors::{ConnectionDone, ConnectionLost, TlsError};
use hereafter_reactor::protocols::{
    Int16StringReceiver, LineProtocol, LineReceiver, StringProtocol,
};
use hereafter_reactor::service::ClientService;
use hereafter_reactor::task::{
    Cooperator, LoopingCall, ManualClock, coiterate, cooperate, defer_later,
};
use hereafter_reactor::testing::StringTransport;
use hereafter_reactor::{
    Address, Factory, Phase, Producer, Protocol, Reactor, RunOptions, SystemEvent, Transport,
};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::cell::{Cell, RefCell};
use std::iter;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The headlines of the reports, all of which must be of panics.
#[track_caller]
fn headlines(reports: &[Report]) -> Vec<&str> {
    assert!(reports.iter().all(|report| report.failure.is::<Panicked>()), "{reports:?}");
    reports.iter().map(|report| report.headline.as_str()).collect()
}

fn panics() {
    panic!("on purpose");
}

/// Its drop panics.
struct Bomb(());

impl Bomb {
    fn hold(&self) {
        let () = self.0;
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a panic in drop");
    }
}

/// A timer fires, a thread answers, and a connection of others carries what is written.
async fn goes_on(reactor: &Reactor, others: &Pair) -> Result<(), Failure> {
    defer_later(reactor, Duration::ZERO, || Ok(())).await?;
    assert_eq!(reactor.defer_to_thread(|| Ok::<_, Failure>(42)).await?, 42);
    others.client.transport().write("still here");
    assert_eq!(others.server.receive(10).await?, b"still here");
    Ok(())
}

async fn closed(others: Pair) -> Result<(), Failure> {
    others.client.transport().lose_connection();
    others.over().await.map(drop)
}

/// What has become of protocols that panic.
#[derive(Default)]
struct Fate {
    lost: Cell<u32>,
    dropped: Cell<u32>,
}

/// Panics in one of its methods, or several.
struct Panics {
    at: &'static [&'static str],
    fate: Rc<Fate>,
}

impl Panics {
    fn at(&self, method: &str) {
        assert!(!self.at.contains(&method), "a panic in {method}");
    }
}

impl Protocol for Panics {
    fn connection_made(&self, _: &Transport) {
        self.at("connection_made");
    }

    fn data_received(&self, transport: &Transport, _: Bytes) {
        self.at("data_received");
        transport.lose_write_connection();
    }

    fn connection_lost(&self, _: Failure) {
        self.fate.lost.set(self.fate.lost.get() + 1);
        self.at("connection_lost");
    }

    fn is_half_closeable(&self) -> bool {
        self.at("is_half_closeable");
        true
    }

    fn read_connection_lost(&self, transport: &Transport) {
        self.at("read_connection_lost");
        transport.lose_connection();
    }

    fn write_connection_lost(&self, _: &Transport) {
        self.at("write_connection_lost");
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.fate.dropped.set(self.fate.dropped.get() + 1);
        self.at("drop");
    }
}

/// A protocol goes away, once told that its connection is lost, and each of its panics was reported.
async fn ends_once(fate: Rc<Fate>, collector: &report::Collector, at: &[&str]) {
    let gone = fate.clone();
    settle(move || gone.dropped.get() == 1).await;
    assert_eq!(fate.lost.get(), 1, "{at:?}");
    assert_eq!(headlines(&collector.take()).len(), at.len(), "{at:?}");
}

const METHODS: [&[&str]; 8] = [
    &["connection_made"],
    &["data_received"],
    &["is_half_closeable"],
    &["write_connection_lost"],
    &["read_connection_lost"],
    &["connection_lost"],
    &["drop"],
    &["connection_lost", "drop"],
];

/// The other side: says something, and closes in its turn.
fn talker() -> (Recorder, Rc<common::Record>) {
    let (recorder, record) = Recorder::new();
    (recorder.half_closeable(), record)
}

/// One is connected with a protocol that panics: goes through all that may happen to it.
async fn converse(record: &Rc<common::Record>) -> Result<(), Failure> {
    record.when_made().await?;
    let transport = record.transport();
    transport.write("hello");
    // It has closed its side, or has gone altogether.
    record
        .when(|record| {
            let events = record.events.borrow();
            events.contains(&"read closed") || events.contains(&"lost")
        })
        .await?;
    transport.lose_connection();
    record.lost().await.map(drop)
}

#[test]
fn a_method_of_a_protocol_that_is_called_by_a_port() -> TestResult {
    for at in METHODS {
        run(move |reactor| async move {
            let (collector, fate) = (report::collect(), Rc::new(Fate::default()));
            let others = Pair::new(&reactor).await?;
            let seen = fate.clone();
            let factory = move |_: &Address| Panics { at, fate: seen.clone() };
            let port = listen(&reactor, factory).await?;
            let (recorder, record) = talker();
            connect_protocol(&to(&reactor, &port), recorder).await?;
            converse(&record).await?;
            ends_once(fate, &collector, at).await;
            goes_on(&reactor, &others).await?;
            port.stop_listening().await?;
            closed(others).await
        })?;
    }
    Ok(())
}

#[test]
fn a_method_of_a_protocol_that_has_connected() -> TestResult {
    for at in METHODS {
        run(move |reactor| async move {
            let (collector, fate) = (report::collect(), Rc::new(Fate::default()));
            let others = Pair::new(&reactor).await?;
            let (recorder, record) = talker();
            let port = listen(&reactor, common::OneOnly(Cell::new(Some(recorder)))).await?;
            let protocol = Panics { at, fate: fate.clone() };
            let connected = connect_protocol(&to(&reactor, &port), protocol).await;
            if at == ["connection_made"] {
                // It is over before the other side has seen it.
                assert!(failure_of(connected).is::<Panicked>());
            } else {
                drop(connected?);
                converse(&record).await?;
            }
            ends_once(fate, &collector, at).await;
            goes_on(&reactor, &others).await?;
            port.stop_listening().await?;
            closed(others).await
        })?;
    }
    Ok(())
}

/// Panics in one of its methods; as it is, it is a producer.
struct Faulty(&'static str);

impl Faulty {
    fn at(&self, method: &str) {
        assert_ne!(self.0, method, "a panic in {method}");
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.at("drop");
    }
}

/// A factory that panics in one of its methods.
struct Broken {
    faulty: Faulty,
    stopped: Rc<Cell<u32>>,
}

impl Broken {
    fn new(at: &'static str) -> Self {
        Self { faulty: Faulty(at), stopped: Rc::default() }
    }
}

impl Factory for Broken {
    type Protocol = Echo;

    fn build_protocol(&self, _: &Address) -> Option<Echo> {
        self.faulty.at("build_protocol");
        Some(Echo)
    }

    fn start_factory(&self) {
        self.faulty.at("start_factory");
    }

    fn stop_factory(&self) {
        self.stopped.set(self.stopped.get() + 1);
        self.faulty.at("stop_factory");
    }

    fn handshake_failed(&self, _: &Address, _: Failure) {
        self.faulty.at("handshake_failed");
    }
}

#[test]
fn a_factory_that_cannot_start_is_a_port_that_does_not_listen() -> TestResult {
    run(|reactor| async move {
        let factory = Broken::new("start_factory");
        let stopped = factory.stopped.clone();
        assert!(failure_of(listen(&reactor, factory).await).is::<Panicked>());
        assert_eq!(stopped.get(), 0);
        #[cfg(unix)]
        {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("socket");
            let listening =
                ServerEndpoint::unix(&reactor, &path).listen(Broken::new("start_factory"));
            assert!(failure_of(listening.await).is::<Panicked>());
            assert!(!path.exists(), "the socket is not left behind");
        }
        Ok(())
    })
}

#[test]
fn a_factory_that_cannot_build_closes_what_came() -> TestResult {
    run(|reactor| async move {
        let collector = report::collect();
        let port = listen(&reactor, Broken::new("build_protocol")).await?;
        for _ in 0..3 {
            let (recorder, record) = Recorder::new();
            connect_protocol(&to(&reactor, &port), recorder).await?;
            record.lost().await?;
        }
        assert_eq!(headlines(&collector.take()), ["Unhandled error in a factory"; 3]);
        // The other way round, it is `connect` that fails.
        let echo = listen(&reactor, |_: &Address| Echo).await?;
        let connecting = to(&reactor, &echo).connect(Broken::new("build_protocol"));
        assert!(failure_of(connecting.await.map(drop)).is::<Panicked>());
        assert!(collector.take().is_empty());
        echo.stop_listening().await?;
        port.stop_listening().await
    })
}

#[test]
fn a_factory_that_cannot_stop_or_be_dropped() -> TestResult {
    run(|reactor| async move {
        let collector = report::collect();
        let port = listen(&reactor, Broken::new("stop_factory")).await?;
        port.stop_listening().await?;
        assert_eq!(headlines(&collector.take()), ["Unhandled error in a factory"]);
        drop(port);
        let port = listen(&reactor, Broken::new("drop")).await?;
        port.stop_listening().await?;
        drop(port);
        let reports = Rc::new(RefCell::new(Vec::new()));
        let seen = reports.clone();
        settle(move || {
            seen.borrow_mut().extend(collector.take());
            !seen.borrow().is_empty()
        })
        .await;
        let dropped = "Unhandled error in a factory, when it was dropped";
        assert_eq!(headlines(&reports.borrow()), [dropped]);
        // A connection that is there does not fail with its factory.
        let collector = report::collect();
        let (server, record) = Recorder::new();
        let port = listen(&reactor, common::OneOnly(Cell::new(Some(server)))).await?;
        let (client, own) = Recorder::new();
        let (client, bomb) = (Cell::new(Some(client)), Bomb(()));
        let factory = move |_: &Address| {
            bomb.hold();
            client.take().expect("it is asked once")
        };
        drop(to(&reactor, &port).connect(factory).await?);
        assert_eq!(headlines(&collector.take()), [dropped]);
        record.when_made().await?;
        own.transport().lose_connection();
        record.lost().await?;
        port.stop_listening().await
    })
}

impl Producer for Faulty {
    fn resume_producing(&self) {
        self.at("resume");
    }

    fn pause_producing(&self) {
        self.at("pause");
    }

    fn stop_producing(&self) {
        self.at("stop");
    }
}

#[test]
fn a_method_of_a_producer() -> TestResult {
    for (at, streaming) in
        [("resume", true), ("resume", false), ("pause", true), ("stop", true), ("drop", true)]
    {
        run(move |reactor| async move {
            let collector = report::collect();
            let (others, pair) = (Pair::new(&reactor).await?, Pair::new(&reactor).await?);
            let transport = pair.client.transport();
            // It is no affair of whoever registers it or writes.
            transport.register_producer(Rc::new(Faulty(at)), streaming)?;
            transport.write(vec![0; 65 * 1024]);
            if matches!(at, "stop" | "drop") {
                transport.abort_connection();
            }
            let (client, _) = pair.over().await?;
            let its_own = !matches!(at, "stop" | "drop");
            assert_eq!(client.is::<Panicked>(), its_own, "{at} {streaming}: {client:?}");
            let reports = collector.take();
            assert_eq!(headlines(&reports).len(), 1, "{at} {streaming}");
            assert!(reports[0].headline.starts_with("Unhandled error in a producer"));
            goes_on(&reactor, &others).await?;
            closed(others).await
        })?;
    }
    Ok(())
}

#[test]
fn a_producer_that_is_told_that_it_comes_too_late() -> TestResult {
    run(|reactor| async move {
        let collector = report::collect();
        let pair = Pair::new(&reactor).await?;
        let transport = pair.client.transport();
        transport.abort_connection();
        pair.over().await?;
        transport.register_producer(Rc::new(Faulty("stop")), true)?;
        assert_eq!(headlines(&collector.take()), ["Unhandled error in a producer"]);
        Ok(())
    })
}

/// Panics at the line or string `boom`.
struct Picky(Rc<RefCell<Vec<Bytes>>>);

impl Picky {
    fn take(&self, what: Bytes) {
        assert_ne!(what, "boom", "it was said");
        self.0.borrow_mut().push(what);
    }
}

impl LineProtocol for Picky {
    fn line_received(&self, _: &LineReceiver<Self>, line: Bytes) {
        self.take(line);
    }
}

impl StringProtocol<u16> for Picky {
    fn string_received(&self, _: &Int16StringReceiver<Self>, string: Bytes) {
        self.take(string);
    }
}

#[test]
fn a_line_that_is_handed_on_by_somebody_else() {
    let (collector, seen) = (report::collect(), Rc::default());
    let receiver = LineReceiver::new(Picky(Rc::clone(&seen)));
    let wire = StringTransport::new(receiver.clone());
    wire.deliver("one\r\nboom\r\ntwo\r\n");
    assert_eq!(headlines(&collector.take()), ["Unhandled error in a protocol"]);
    assert!(!wire.transport().is_connected());

    let receiver = LineReceiver::new(Picky(Rc::clone(&seen)));
    let wire = StringTransport::new(receiver.clone());
    receiver.pause_producing();
    wire.deliver("one\r\nboom\r\n");
    receiver.resume_producing(); // whoever says so goes on
    assert_eq!(headlines(&collector.take()), ["Unhandled error in a protocol"]);
    assert!(wire.transport().is_disconnecting());
    assert_eq!(*seen.borrow(), ["one", "one"]);
}

#[test]
fn a_string_that_is_handed_on_by_somebody_else() {
    let (collector, seen) = (report::collect(), Rc::default());
    let receiver = Int16StringReceiver::new(Picky(Rc::clone(&seen)));
    let wire = StringTransport::new(receiver.clone());
    receiver.pause_producing();
    wire.deliver(&b"\0\x03one\0\x04boom"[..]);
    receiver.resume_producing();
    assert_eq!(headlines(&collector.take()), ["Unhandled error in a protocol"]);
    assert!(wire.transport().is_disconnecting());
    assert_eq!(*seen.borrow(), ["one"]);
}

#[test]
fn what_was_written_and_panics_when_it_is_dropped() -> TestResult {
    struct Owner;
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &[7; 8 * 1024]
        }
    }
    impl Drop for Owner {
        fn drop(&mut self) {
            panic!("a panic in drop");
        }
    }
    run(|reactor| async move {
        let collector = report::collect();
        let pair = Pair::new(&reactor).await?;
        let pieces = || (0..5).map(|_| Bytes::from_owner(Owner));
        pair.client.transport().write_sequence(pieces());
        assert_eq!(pair.server.receive(5 * 8 * 1024).await?.len(), 5 * 8 * 1024);
        // What is given up is dropped by the end of the connection.
        pair.client.transport().write_sequence(pieces());
        pair.client.transport().abort_connection();
        pair.over().await?;
        let written = "Unhandled error in what was written, when it was dropped";
        assert_eq!(headlines(&collector.take()), [written; 10]);
        Ok(())
    })
}

#[test]
fn a_resolver_of_names() -> TestResult {
    run(|reactor| async move {
        let endpoint = ClientEndpoint::tcp(&reactor, "somewhere.test", 1)
            .resolver(|_, _| -> Deferred<_> { panic!("lost") });
        let (recorder, _) = Recorder::new();
        let failure = failure_of(connect_protocol(&endpoint, recorder).await.map(drop));
        assert_eq!(failure.check::<Panicked>().expect("it panicked").message(), "lost");
        Ok(())
    })
}

/// Panics when it is asked which certificate a client is shown.
#[derive(Debug)]
struct Undecided;

impl ResolvesServerCert for Undecided {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        panic!("undecided")
    }
}

/// Keeps why handshakes have failed.
struct Handshakes(Rc<RefCell<Vec<Failure>>>, &'static str);

impl Factory for Handshakes {
    type Protocol = Echo;

    fn build_protocol(&self, _: &Address) -> Option<Echo> {
        unreachable!("no handshake succeeds")
    }

    fn handshake_failed(&self, _: &Address, failure: Failure) {
        self.0.borrow_mut().push(failure);
        assert_ne!(self.1, "handshake_failed", "a panic in it");
    }
}

#[test]
fn what_tls_asks_in_the_handshake() -> TestResult {
    for at in ["", "handshake_failed"] {
        run(move |reactor| async move {
            let (collector, failures) = (report::collect(), Rc::default());
            let provider = || Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(Undecided));
            let plain = ServerEndpoint::tcp(&reactor, Some(Ipv4Addr::LOCALHOST.into()), 0);
            let endpoint = wrap_server_tls(Arc::new(config), plain);
            let port: Port = endpoint.listen(Handshakes(Rc::clone(&failures), at)).await?;
            let config = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()?
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
            let client = wrap_client_tls(Arc::new(config), "localhost", to(&reactor, &port))?;
            for _ in 0..2 {
                let (recorder, _) = Recorder::new();
                let refused = failure_of(connect_protocol(&client, recorder).await.map(drop));
                assert!(refused.is::<TlsError>(), "{refused:?}");
            }
            let came = failures.clone();
            settle(move || came.borrow().len() == 2).await;
            assert!(failures.borrow().iter().all(Failure::is::<Panicked>), "{failures:?}");
            let told = if at.is_empty() { 0 } else { 2 };
            assert_eq!(headlines(&collector.take()).len(), told);
            port.stop_listening().await
        })?;
    }
    Ok(())
}

#[test]
fn what_the_reactor_calls_by_itself() -> TestResult {
    run(|reactor| async move {
        let collector = report::collect();
        reactor.call_later(Duration::ZERO, || panic!("1"));
        reactor.remote().call_from_thread(|| panic!("2"));
        let remote = reactor.remote();
        reactor.call_in_thread(move || remote.call_from_thread(|| panic!("3")));
        let event = SystemEvent::Custom("everything");
        for phase in [Phase::Before, Phase::During, Phase::After] {
            reactor.add_system_event_trigger(phase, event, panics);
        }
        reactor.fire_system_event(event);
        // Where there is a deferred for it, that has the panic.
        let now = Duration::ZERO;
        let later = defer_later(&reactor, now, || -> Result<(), Failure> { panic!("0") });
        let thread = reactor.defer_to_thread(|| -> Result<(), Failure> { panic!("0") });
        let looping = LoopingCall::new(&reactor, panics).start(now, true).map(drop);
        let counting = LoopingCall::with_count(&reactor, |_| panics()).start(now, false).map(drop);
        let steps =
            coiterate(&reactor, iter::repeat_with(|| -> Result<(), Failure> { panic!("0") }));
        for d in [later, thread, looping, counting, steps] {
            assert!(failure_of(d.await).is::<Panicked>());
        }
        let blocking = reactor.remote();
        let blocked = reactor.defer_to_thread(move || {
            blocking.block_from_thread(|| -> Result<(), Failure> { panic!("0") })
        });
        assert!(failure_of(blocked.await).is::<Panicked>());
        let reports = Rc::new(RefCell::new(Vec::new()));
        let seen = reports.clone();
        settle(move || {
            seen.borrow_mut().extend(collector.take());
            seen.borrow().len() == 6
        })
        .await;
        headlines(&reports.borrow());
        Ok(())
    })
}

#[test]
fn at_the_end_of_the_reactor() -> TestResult {
    let collector = report::collect();
    let reactor = Reactor::new()?;
    let seen = Rc::new(Cell::new(false));
    for phase in [Phase::Before, Phase::During, Phase::After] {
        reactor.add_system_event_trigger(phase, SystemEvent::Startup, panics);
        reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, panics);
    }
    let saw = seen.clone();
    reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, move || saw.set(true));
    // These are not called, and each panics when it is dropped.
    let pool = reactor.thread_pool();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    pool.adjust(1, 1);
    pool.call_in_thread(move || blocked.recv().unwrap_or_default());
    for _ in 0..3 {
        let bomb = Bomb(());
        pool.call_in_thread(move || bomb.hold());
        let bomb = Bomb(());
        reactor.call_later(Duration::from_hours(1), move || bomb.hold());
        let bomb = Bomb(());
        reactor.add_system_event_trigger(Phase::After, SystemEvent::Custom("never"), move || {
            bomb.hold();
        });
    }
    reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, move || drop(release));
    reactor.remote().stop();
    reactor.run_with(RunOptions::default().signals(false).thread_patience(Duration::ZERO))?;
    assert!(seen.get());
    assert_eq!(
        headlines(&collector.take()).len(),
        6 + 3,
        "the calls in threads, which are queued no more"
    );
    drop(reactor);
    assert_eq!(headlines(&collector.take()).len(), 3 + 3);
    // There is nothing wrong with the thread.
    run(|reactor| async move { defer_later(&reactor, Duration::ZERO, || Ok(())).await })
}

/// Endless steps, whose drop panics.
struct Steps(Bomb);

impl Iterator for Steps {
    type Item = Result<(), Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.hold();
        Some(Ok(()))
    }
}

#[test]
fn the_steps_of_a_task_when_they_are_dropped() -> TestResult {
    let collector = report::collect();
    let clock = ManualClock::new();
    let cooperator = Cooperator::with_slice(&clock, Duration::from_hours(1));
    let ends = cooperator.coiterate(Steps(Bomb(())).take(3));
    let fails = cooperator.coiterate(Steps(Bomb(())).map(|_| Err::<(), _>(Failure::msg("no"))));
    let panics =
        cooperator.coiterate(Steps(Bomb(())).map(|_| -> Result<(), Failure> { panic!("no") }));
    let others = cooperator.coiterate((0..10).map(|_| Ok(())));
    clock.advance(Duration::from_secs(1));
    for (d, succeeds) in [(ends, true), (fails, false), (panics, false), (others, true)] {
        let result = d.take_result().expect("it is done");
        assert_eq!(result.is_ok(), succeeds);
    }
    let dropped = "Unhandled error in the steps of a task, when they were dropped";
    assert_eq!(headlines(&collector.take()), [dropped; 3]);
    // One that is stopped, and two that are never done, on a reactor.
    let reactor = Reactor::new()?;
    let stopped = cooperate(&reactor, Steps(Bomb(())));
    let done = stopped.when_done();
    stopped.stop()?;
    assert!(done.take_result().expect("it is done").is_err());
    let [first, second] = [(); 2].map(|()| cooperate(&reactor, Steps(Bomb(()))));
    drop((first, second, stopped));
    drop(reactor);
    assert_eq!(headlines(&collector.take()), [dropped; 3]);
    Ok(())
}

#[test]
fn the_function_of_a_looping_call_when_it_is_dropped() {
    let collector = report::collect();
    let bomb = Bomb(());
    let looping = LoopingCall::new(&ManualClock::new(), move || bomb.hold());
    drop(looping);
    let dropped = "Unhandled error in the function of a looping call, when it was dropped";
    assert_eq!(headlines(&collector.take()), [dropped]);
}

/// An endpoint that panics as often as it is told to, and then hands over to another.
struct Moody(Cell<u32>, ClientEndpoint);

impl StreamClientEndpoint for Moody {
    fn connect<F: Factory>(&self, factory: F) -> Deferred<Rc<F::Protocol>> {
        if let Some(left) = self.0.get().checked_sub(1) {
            self.0.set(left);
            panic!("not now");
        }
        self.1.connect(factory)
    }
}

#[test]
fn what_a_client_service_asks() -> TestResult {
    run(|reactor| async move {
        let collector = report::collect();
        let others = Pair::new(&reactor).await?;
        let port = listen(&reactor, |_: &Address| Echo).await?;
        let (clock, fate) = (ManualClock::new(), Rc::new(Fate::default()));
        let (seen, unprepared) = (fate.clone(), Cell::new(2_u32));
        let service = ClientService::new(
            &clock,
            Moody(Cell::new(2), to(&reactor, &port)),
            move |_: &Address| Panics { at: &[], fate: seen.clone() },
        )
        .retry_policy(|failures| {
            assert_ne!(failures, 1, "no idea");
            Duration::from_secs(1)
        })
        .prepare_connection(move |_| -> Result<(), Failure> {
            if let Some(left) = unprepared.get().checked_sub(1) {
                unprepared.set(left);
                panic!("not prepared");
            }
            Ok(())
        });
        service.start_service();
        let hasty = service.when_connected(Some(1));
        assert_eq!(clock.delayed_calls()[0].time(), Duration::from_mins(1), "the policy panicked");
        assert_eq!(headlines(&collector.take()), ["Unhandled error in a retry policy"]);
        let connected = service.when_connected(None).map(|_| -> u32 { panic!("whoever waits") });
        let again = service.when_connected(None);
        // The second attempt panics like the first; then two are not prepared; the last one stays.
        for _ in 0..4 {
            let waiting = clock.clone();
            settle(move || !waiting.delayed_calls().is_empty()).await;
            clock.advance(Duration::from_mins(1));
        }
        assert!(failure_of(hasty.await.map(drop)).is::<Panicked>());
        assert!(failure_of(connected.await).is::<Panicked>());
        drop(again.await?);
        assert_eq!(fate.lost.get(), 2, "the two that were not prepared are closed");
        service.stop_service().await?;
        port.stop_listening().await?;
        goes_on(&reactor, &others).await?;
        closed(others).await
    })
}

#[test]
fn a_connection_may_end_in_any_way_beside_one_that_panics() -> TestResult {
    run(|reactor| async move {
        let collector = report::collect();
        let pair = Pair::with(
            &reactor,
            |client| client,
            |server| {
                server.on_data(|transport, _| {
                    transport.lose_connection();
                    panic!("after it has said goodbye");
                })
            },
        )
        .await?;
        pair.client.transport().write("hello");
        let (client, server) = pair.over().await?;
        assert!(client.is::<ConnectionLost>() || client.is::<ConnectionDone>(), "{client:?}");
        assert!(server.is::<Panicked>());
        assert_eq!(headlines(&collector.take()), ["Unhandled error in a protocol"]);
        assert!(client_from_string(&reactor, "tcp:127.0.0.1:1").is_ok());
        Ok(())
    })
}
