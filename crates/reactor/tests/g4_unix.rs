//! Row G4 of the contract: sockets in the file system.
#![cfg(unix)]

mod common;

use common::{Echo, Recorder, TestResult, failure_of, run};
use hereafter::Failure;
use hereafter_reactor::endpoints::{client_from_string, connect_protocol, server_from_string};
use hereafter_reactor::errors::{CannotListenError, ConnectError, ConnectionDone};
use hereafter_reactor::{Address, Reactor};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

async fn talk(reactor: &Reactor, path: &Path) -> Result<(), Failure> {
    let endpoint = client_from_string(reactor, &format!("unix:{}", path.display()))?;
    let (recorder, record) = Recorder::new();
    connect_protocol(&endpoint, recorder).await?;
    assert_eq!(*record.transport().peer(), Address::Unix(Some(path.to_owned())));
    assert_eq!(*record.transport().host(), Address::Unix(None));
    let not_tcp = record.transport().set_tcp_no_delay(true).unwrap_err();
    assert_eq!(not_tcp.kind(), ErrorKind::Unsupported);
    record.transport().write("hello");
    assert_eq!(record.receive(5).await?, b"hello");
    record.transport().lose_connection();
    assert!(record.lost().await?.is::<ConnectionDone>());
    let open = reactor.clone();
    common::settle(move || open.open_connections() == 0).await;
    Ok(())
}

#[test]
fn g4_unix_sockets_carry_what_is_written() -> TestResult {
    run(|reactor| async move {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("with : and = in it");
        let quoted = hereafter_reactor::endpoints::quote_string_argument(&path.to_string_lossy());
        let description = format!("unix:address={quoted}:mode=640");
        let port = server_from_string(&reactor, &description)?.listen(|_: &Address| Echo).await?;
        assert_eq!(*port.host(), Address::Unix(Some(path.clone())));
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o7777, 0o640);
        let endpoint = client_from_string(&reactor, &format!("unix:path={quoted}"))?;
        let (recorder, record) = Recorder::new();
        connect_protocol(&endpoint, recorder).await?;
        record.transport().lose_connection();
        record.lost().await?;
        port.stop_listening().await?;
        assert!(!path.exists());
        let failure = failure_of(endpoint.connect(|_: &Address| Echo).await);
        let error = failure.check::<ConnectError>().expect("a ConnectError");
        assert_eq!(error.source.kind(), ErrorKind::NotFound);
        assert_eq!(error.to, Address::Unix(Some(path)));
        let open = reactor.clone();
        common::settle(move || open.open_connections() == 0).await;
        Ok(())
    })
}

#[test]
fn g4_a_socket_that_was_left_behind_is_taken_over() -> TestResult {
    run(|reactor| async move {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("socket");
        drop(UnixListener::bind(&path)?);
        let listen = |more: &str| {
            let description = format!("unix:{}{more}", path.display());
            Ok::<_, Failure>(server_from_string(&reactor, &description)?.listen(|_: &Address| Echo))
        };
        let failure = failure_of(listen(":lockfile=0")?.await);
        assert!(failure.is::<CannotListenError>());
        let port = listen("")?.await?;
        talk(&reactor, &path).await?;

        // One that is in use is not.
        let failure = failure_of(listen("")?.await);
        let error = failure.check::<CannotListenError>().expect("a CannotListenError");
        assert_eq!(error.on, path.display().to_string());
        assert_eq!(error.source.kind(), ErrorKind::AddrInUse);
        talk(&reactor, &path).await?;
        port.stop_listening().await?;

        // Nor is a file that is no socket.
        fs::write(&path, "precious")?;
        assert!(failure_of(listen("")?.await).is::<CannotListenError>());
        assert_eq!(fs::read_to_string(&path)?, "precious");
        Ok(())
    })
}
