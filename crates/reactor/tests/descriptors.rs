//! A process that has no more file descriptors: it is told, keeps its port, and goes on when there are some
//! again.

#![cfg(unix)]

mod common;

use common::{Recorder, TestResult, failure_of, run, settle};
use hereafter::report;
use hereafter_reactor::endpoints::{ClientEndpoint, ServerEndpoint, connect_protocol};
use hereafter_reactor::errors::ConnectError;
use hereafter_reactor::task::ManualClock;
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

/// How many descriptors the process may have.
const LIMIT: u32 = 64;

/// The number that systems of Unix's kind give to "too many open files".
const EMFILE: i32 = 24;

/// Takes all descriptors that are left.
fn take_all() -> Vec<File> {
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(EMFILE), "{error}");
                return files;
            }
        }
    }
}

/// Runs this test again in a process of its own, whose limit is low; whether this is that process.
fn with_few_descriptors(name: &str) -> bool {
    if std::env::var_os("HEREAFTER_TEST_CHILD").is_some() {
        return true;
    }
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -n {LIMIT} && exec \"$@\""), "sh"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture"])
        .env("HEREAFTER_TEST_CHILD", "1")
        .output()
        .expect("a shell");
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}{complained}");
    false
}

#[test]
fn a_port_without_descriptors_waits_for_them() -> TestResult {
    if !with_few_descriptors("a_port_without_descriptors_waits_for_them") {
        return Ok(());
    }
    run(|reactor| async move {
        let (collector, clock) = (report::collect(), ManualClock::new());
        let (recorder, record) = Recorder::new();
        let endpoint = ServerEndpoint::tcp(&clock, Some(Ipv4Addr::LOCALHOST.into()), 0);
        let factory = common::OneOnly(std::cell::Cell::new(Some(recorder)));
        let port = endpoint.listen(factory).await?;
        let number = port.host().port().expect("it is TCP");
        // It is there before the port has had a turn.
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, number))?;
        client.write_all(b"hello")?;
        let files = take_all();
        for attempt in 1..=3 {
            // One attempt, and the next when its time has come: it does not spin meanwhile.
            let waiting = clock.clone();
            settle(move || !waiting.delayed_calls().is_empty()).await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let reports = collector.take();
            assert_eq!(reports.len(), 1, "attempt {attempt}: {reports:?}");
            assert_eq!(reports[0].headline, "Error in a port that accepts connections");
            let error =
                reports[0].failure.check::<std::io::Error>().expect("an error of the system");
            assert_eq!(error.raw_os_error(), Some(EMFILE));
            if attempt < 3 {
                clock.advance(Duration::from_secs(1));
            }
        }
        drop(files);
        clock.advance(Duration::from_secs(1));
        assert_eq!(record.receive(5).await?, b"hello");
        record.transport().lose_connection();
        record.lost().await?;
        assert!(reactor.running());
        port.stop_listening().await
    })
}

#[test]
fn a_connect_without_descriptors_fails_and_says_so() -> TestResult {
    if !with_few_descriptors("a_connect_without_descriptors_fails_and_says_so") {
        return Ok(());
    }
    run(|reactor| async move {
        let port = common::listen(&reactor, |_: &hereafter_reactor::Address| common::Echo).await?;
        let endpoint = ClientEndpoint::tcp(&reactor, "127.0.0.1", port.host().port().unwrap_or(0));
        let files = take_all();
        let (recorder, _) = Recorder::new();
        let failure = failure_of(connect_protocol(&endpoint, recorder).await.map(drop));
        let error = failure.check::<ConnectError>().expect("it could not connect");
        assert_eq!(error.source.raw_os_error(), Some(EMFILE));
        assert!(failure.to_string().contains("127.0.0.1"), "{failure}");
        drop(files);
        let (recorder, record) = Recorder::new();
        connect_protocol(&endpoint, recorder).await?;
        record.transport().lose_connection();
        record.lost().await?;
        let open = reactor.clone();
        settle(move || open.open_connections() == 0).await;
        port.stop_listening().await
    })
}
