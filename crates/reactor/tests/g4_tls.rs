//! Row G4 of the contract: TLS, and what is said when it cannot be agreed on.

mod common;

use common::{Echo, OneOnly, Recorder, TestResult, failure_of, listen, run, settle};
use hereafter::Failure;
use hereafter::errors::{CancelledError, TimeoutError};
use hereafter_reactor::endpoints::{
    ClientEndpoint, Port, client_from_string, connect_protocol, server_from_string,
};
use hereafter_reactor::errors::{ConnectionDone, ConnectionLost, TlsError};
use hereafter_reactor::task::ManualClock;
use hereafter_reactor::{Address, Factory, Protocol, Reactor, Transport};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tempfile::TempDir;

/// A folder with an authority that is trusted, and certificates of several kinds.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let (key, mut params) = (KeyPair::generate()?, CertificateParams::new(Vec::new())?);
        params.distinguished_name.push(DnType::CommonName, "an authority for tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::create_dir(folder.path().join("trusted"))?;
        fs::write(folder.path().join("trusted/ca.pem"), params.self_signed(&key)?.pem())?;
        // Of no use, and passed over.
        fs::write(folder.path().join("trusted/broken.pem"), "nothing")?;
        fs::write(folder.path().join("trusted/README"), "nothing")?;
        Ok(Self { folder, issuer: Issuer::new(params, key) })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a certificate and its key into one file; the file's name.
    fn issue(
        &self,
        host: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<String, Failure> {
        let (key, mut params) = (KeyPair::generate()?, CertificateParams::new([host.to_owned()])?);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer)?;
        let path = self.path(&format!("{host}.pem"));
        fs::write(&path, certificate.pem() + &key.serialize_pem())?;
        Ok(path.display().to_string())
    }

    /// The description of a client that trusts this authority.
    fn client(&self, host: &str, port: &Port) -> String {
        let (trusted, port) = (self.path("trusted"), port.host().port().expect("it is TCP"));
        format!(
            "tls:{host}:{port}:trustRoots={}:endpoint=tcp\\:127.0.0.1\\:{port}",
            trusted.display()
        )
    }
}

async fn listen_tls(reactor: &Reactor, file: &str, factory: impl Factory) -> Result<Port, Failure> {
    let description = format!("ssl:0:privateKey={file}:interface=127.0.0.1");
    server_from_string(reactor, &description)?.listen(factory).await
}

#[test]
fn g4_tls_carries_what_is_written() -> TestResult {
    run(|reactor| async move {
        let authority = Authority::new()?;
        let file = authority.issue("good.test", |_| ())?;
        let port = listen_tls(&reactor, &file, |_: &Address| Echo).await?;
        let endpoint = client_from_string(&reactor, &authority.client("good.test", &port))?;
        let (recorder, record) = Recorder::new();
        connect_protocol(&endpoint, recorder).await?;
        let sent = vec![b'x'; 3_000_000];
        record.transport().set_tcp_no_delay(true)?;
        record.transport().write(sent.clone());
        assert_eq!(record.receive(sent.len()).await?, sent);
        record.transport().lose_connection();
        assert!(record.lost().await?.is::<ConnectionDone>());
        port.stop_listening().await?;
        let open = reactor.clone();
        settle(move || open.open_connections() == 0).await;
        Ok(())
    })
}

#[test]
fn g4_tls_ends_in_good_order_on_both_sides() -> TestResult {
    run(|reactor| async move {
        let authority = Authority::new()?;
        let file = authority.issue("good.test", |_| ())?;
        let (recorder, server) = Recorder::new();
        let factory = OneOnly(Cell::new(Some(recorder)));
        let port = listen_tls(&reactor, &file, factory).await?;
        let endpoint = client_from_string(&reactor, &authority.client("good.test", &port))?;
        let (recorder, client) = Recorder::new();
        connect_protocol(&endpoint, recorder).await?;
        client.transport().write("the last words");
        client.transport().lose_connection();
        assert!(server.lost().await?.is::<ConnectionDone>());
        assert_eq!(server.received.take(), b"the last words");

        // One that is broken off is no end in good order: something may be missing.
        let (recorder, server) = Recorder::new();
        let factory = OneOnly(Cell::new(Some(recorder)));
        let second = listen_tls(&reactor, &file, factory).await?;
        let endpoint = client_from_string(&reactor, &authority.client("good.test", &second))?;
        let (recorder, client) = Recorder::new();
        connect_protocol(&endpoint, recorder).await?;
        server.when_made().await?;
        client.transport().abort_connection();
        assert!(server.lost().await?.is::<ConnectionLost>());
        second.stop_listening().await?;
        port.stop_listening().await
    })
}

#[test]
fn g4_tls_closes_one_direction_alone() -> TestResult {
    run(|reactor| async move {
        let authority = Authority::new()?;
        let file = authority.issue("good.test", |_| ())?;
        let (recorder, server) = Recorder::new();
        let factory = OneOnly(Cell::new(Some(recorder.half_closeable())));
        let port = listen_tls(&reactor, &file, factory).await?;
        let endpoint = client_from_string(&reactor, &authority.client("good.test", &port))?;
        let (recorder, client) = Recorder::new();
        connect_protocol(&endpoint, recorder.half_closeable()).await?;
        client.transport().write(vec![b'x'; 1_000_000]);
        client.transport().lose_write_connection();
        server.when(|record| record.events.borrow().contains(&"read closed")).await?;
        assert_eq!(server.received.take().len(), 1_000_000);
        server.transport().write(vec![b'y'; 1_000_000]);
        server.transport().lose_connection();
        assert!(client.lost().await?.is::<ConnectionDone>());
        assert_eq!(client.received.take().len(), 1_000_000);
        assert!(server.lost().await?.is::<ConnectionDone>());
        port.stop_listening().await
    })
}

/// Keeps what it hears of handshakes.
struct Hears(Rc<RefCell<Vec<Failure>>>);

impl Factory for Hears {
    type Protocol = Echo;

    fn build_protocol(&self, _: &Address) -> Option<Echo> {
        panic!("no handshake succeeds");
    }

    fn handshake_failed(&self, _: &Address, failure: Failure) {
        self.0.borrow_mut().push(failure);
    }
}

/// What connecting to a server with such a certificate fails with.
async fn refusal(
    reactor: &Reactor,
    authority: &Authority,
    file: &str,
    host: &str,
) -> Result<String, Failure> {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let port = listen_tls(reactor, file, Hears(heard.clone())).await?;
    let endpoint = client_from_string(reactor, &authority.client(host, &port))?;
    let failure = failure_of(endpoint.connect(|_: &Address| Echo).await);
    let error = failure.check::<TlsError>().expect("a TlsError");
    assert_eq!(error.peer, host);
    let server = heard.clone();
    settle(move || !server.borrow().is_empty()).await;
    assert!(heard.borrow()[0].is::<TlsError>());
    port.stop_listening().await?;
    Ok(failure.to_string())
}

#[test]
fn g4_a_certificate_for_another_name_is_refused() -> TestResult {
    run(|reactor| async move {
        let authority = Authority::new()?;
        let file = authority.issue("good.test", |_| ())?;
        let told = refusal(&reactor, &authority, &file, "wrong.test").await?;
        assert!(told.starts_with("the TLS handshake with wrong.test failed: "), "{told}");
        assert!(told.contains("not valid for name \"wrong.test\""), "{told}");
        assert!(told.contains("good.test"), "{told}");
        Ok(())
    })
}

#[test]
fn g4_an_expired_certificate_is_refused() -> TestResult {
    run(|reactor| async move {
        let authority = Authority::new()?;
        let file = authority.issue("old.test", |params| {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        })?;
        let told = refusal(&reactor, &authority, &file, "old.test").await?;
        assert!(told.contains("certificate expired"), "{told}");
        Ok(())
    })
}

#[test]
fn g4_a_self_signed_certificate_is_refused() -> TestResult {
    run(|reactor| async move {
        let authority = Authority::new()?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["own.test".to_owned()])?.self_signed(&key)?;
        let path = authority.path("own.pem");
        fs::write(&path, certificate.pem() + &key.serialize_pem())?;
        let file = path.display().to_string();
        let told = refusal(&reactor, &authority, &file, "own.test").await?;
        assert!(told.contains("it is self-signed, or its issuer is not among"), "{told}");
        Ok(())
    })
}

#[test]
fn g4_a_server_that_does_not_speak_tls_is_refused() -> TestResult {
    /// Speaks first.
    struct Greets;

    impl Protocol for Greets {
        fn connection_made(&self, transport: &Transport) {
            transport.write("220 hello\r\n");
        }

        fn data_received(&self, _: &Transport, _: bytes::Bytes) {}
    }

    run(|reactor| async move {
        let authority = Authority::new()?;
        let port = listen(&reactor, |_: &Address| Greets).await?;
        let endpoint = client_from_string(&reactor, &authority.client("good.test", &port))?;
        let failure = failure_of(endpoint.connect(|_: &Address| Echo).await);
        assert!(failure.is::<TlsError>(), "{failure:?}");
        port.stop_listening().await?;
        let open = reactor.clone();
        settle(move || open.open_connections() == 0).await;
        Ok(())
    })
}

#[test]
fn g4_a_client_shows_its_certificate() -> TestResult {
    run(|reactor| async move {
        let authority = Authority::new()?;
        let server = authority.issue("good.test", |_| ())?;
        let client = authority.issue("client.test", |_| ())?;
        let port = listen_tls(&reactor, &server, |_: &Address| Echo).await?;
        // This server does not ask for it, but a key that does not fit would be refused here.
        let description = authority.client("good.test", &port);
        let endpoint =
            client_from_string(&reactor, &format!("{description}:certificate={client}"))?;
        let (recorder, record) = Recorder::new();
        connect_protocol(&endpoint, recorder).await?;
        record.transport().write("hello");
        record.receive(5).await?;
        let wrong = format!("{description}:certificate={client}:privateKey={server}");
        let told = client_from_string(&reactor, &wrong).unwrap_err().to_string();
        assert!(told.contains("privateKey is") && told.contains("cannot be used"), "{told}");
        record.transport().lose_connection();
        record.lost().await?;
        port.stop_listening().await?;
        let open = reactor.clone();
        settle(move || open.open_connections() == 0).await;
        Ok(())
    })
}

/// A server that takes the connection, and says nothing.
async fn silent(reactor: &Reactor) -> Result<(Port, Rc<common::Record>), Failure> {
    let (recorder, record) = Recorder::new();
    let port = listen(reactor, OneOnly(Cell::new(Some(recorder)))).await?;
    Ok((port, record))
}

#[test]
fn g4_cancel_while_the_handshake_is_under_way() -> TestResult {
    run(|reactor| async move {
        let authority = Authority::new()?;
        let (port, server) = silent(&reactor).await?;
        let endpoint = client_from_string(&reactor, &authority.client("good.test", &port))?;
        let connecting = endpoint.connect(|_: &Address| Echo);
        // The client's part of the handshake has come.
        server.when(|record| !record.received.borrow().is_empty()).await?;
        connecting.cancel();
        assert!(failure_of(connecting.await).is::<CancelledError>());
        server.lost().await?;
        port.stop_listening().await
    })
}

#[test]
fn g4_a_handshake_that_takes_too_long_fails() -> TestResult {
    run(|reactor| async move {
        let (authority, clock) = (Authority::new()?, ManualClock::new());
        let (port, server) = silent(&reactor).await?;
        let description = authority.client("good.test", &port) + ":timeout=7";
        let connecting = client_from_string(&clock, &description)?.connect(|_: &Address| Echo);
        server.when(|record| !record.received.borrow().is_empty()).await?;
        clock.advance(Duration::from_secs(7));
        assert!(failure_of(connecting.await).is::<TimeoutError>());
        assert!(clock.delayed_calls().is_empty());
        server.lost().await?;
        port.stop_listening().await
    })
}

#[test]
fn g4_a_client_that_never_shakes_hands_is_given_up() -> TestResult {
    run(|reactor| async move {
        let (authority, clock) = (Authority::new()?, ManualClock::new());
        let file = authority.issue("good.test", |_| ())?;
        let heard = Rc::new(RefCell::new(Vec::new()));
        let description = format!("tls:0:privateKey={file}:interface=127.0.0.1");
        let port = server_from_string(&clock, &description)?.listen(Hears(heard.clone())).await?;
        let number = port.host().port().expect("it is TCP");
        let (recorder, record) = Recorder::new();
        let endpoint = ClientEndpoint::tcp(&reactor, "127.0.0.1", number);
        connect_protocol(&endpoint, recorder).await?;
        let accepted = clock.clone();
        settle(move || !accepted.delayed_calls().is_empty()).await;
        clock.advance(Duration::from_secs(30));
        record.lost().await?;
        assert!(heard.borrow()[0].is::<TimeoutError>());
        port.stop_listening().await
    })
}
