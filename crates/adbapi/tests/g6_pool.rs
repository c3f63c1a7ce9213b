//! The pool: its limits, its end, and what it says when there is no connection to be had.

mod common;

use common::{count, error_of, run, run_in_file, run_in_memory};
use core::cell::Cell;
use core::time::Duration;
use hereafter::errors::CancelledError;
use hereafter::{Deferred, Failure};
use hereafter_adbapi::{ConnectionPool, Error, params};
use hereafter_reactor::{Reactor, ReactorNotRunning, RunOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;

/// Long enough to open a database, and not long to wait for what will never be free.
const SHORT: Duration = Duration::from_millis(500);

#[test]
fn g6_a_pool_that_is_exhausted_says_so() {
    run(|_| async {
        let pool =
            ConnectionPool::builder("sqlite::memory:").connect_timeout(SHORT).connect().await?;
        let inside = pool.clone();
        let selfish = pool
            .run_interaction(move |_| async move { inside.run_query("SELECT 1", params![]).await });
        assert_eq!(
            error_of(selfish).await,
            "no connection to sqlite::memory: became free within 0.5 s: all 1 are in use; make \
             interactions shorter, or the pool larger by `Builder::max`"
        );
        assert_eq!(count(&pool, "SELECT 1").await?, 1);
        Ok(())
    });
}

#[test]
fn g6_an_interaction_that_waits_for_another_to_write_does_not_wait_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite://{}", folder.path().join("test.db").display());
    run(|_| async {
        let pool = ConnectionPool::builder(address).connect_timeout(SHORT).connect().await?;
        let inside = pool.clone();
        let selfish = pool.run_interaction(move |_| async move {
            inside.run_interaction(|_| async { Ok(()) }).await
        });
        let error = error_of(selfish).await;
        assert!(error.starts_with("another interaction has been writing to sqlite:"), "{error}");
        pool.run_interaction(|_| async { Ok(()) }).await
    });
}

#[test]
fn g6_a_server_that_is_not_there_is_named_without_its_password() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    run(move |_| async move {
        let address = format!("postgres://ada:hunter2@127.0.0.1:{port}/db");
        let pool = ConnectionPool::builder(address).connect_timeout(SHORT).build()?;
        let failure = pool.run_query("SELECT 1", params![]).await.unwrap_err();
        assert!(matches!(failure.check(), Some(Error::Connect { .. })), "{failure}");
        let text = format!("{failure} {pool:?} {}", failure.traceback());
        let start = format!("cannot connect to postgres://ada@127.0.0.1:{port}/db: ");
        assert!(text.starts_with(&start) && text.contains("onnection refused"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        Ok(())
    });
}

#[test]
fn g6_connecting_can_be_cancelled() {
    // It accepts, and never says anything.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("postgres://{}/db", listener.local_addr().unwrap());
    run(|reactor| async move {
        let connecting = ConnectionPool::connect(address);
        hereafter_reactor::task::defer_later(&reactor, Duration::ZERO, || ()).await?;
        connecting.cancel();
        assert!(connecting.await.unwrap_err().is::<CancelledError>());
        Ok(())
    });
}

#[test]
fn g6_closing_waits_for_what_is_under_way_and_refuses_what_comes_later() {
    run_in_file(|pool| async move {
        pool.run_operation("CREATE TABLE t (n)", params![]).await?;
        let (go, gone) = Deferred::new();
        let (entered, inside) = Deferred::new();
        let running = pool.run_interaction(|transaction| async move {
            entered.callback(());
            gone.await?;
            transaction.run_operation("INSERT INTO t VALUES (1)", params![]).await
        });
        inside.await?;
        let closed = pool.close();
        assert!(!closed.has_result());
        let late = error_of(pool.run_query("SELECT 1", params![])).await;
        assert!(late.contains("has been closed"), "{late}");
        go.callback(());
        assert_eq!(running.await?, 1);
        closed.await?;
        assert_eq!((pool.stats().open, pool.stats().in_use), (0, 0));
        pool.close().await
    });
}

#[test]
fn g6_starting_opens_the_connections_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite://{}", folder.path().join("test.db").display());
    run(|_| async {
        let pool = ConnectionPool::builder(address).min(3).max(4).build()?;
        assert_eq!(pool.stats().open, 0);
        pool.start().await?;
        assert_eq!((pool.stats().open, pool.stats().max), (3, 4));
        Ok(())
    });
}

#[test]
fn g6_a_pool_needs_a_reactor() {
    let error = ConnectionPool::builder("sqlite::memory:").build().unwrap_err();
    assert!(matches!(error, Error::NoReactor));
}

#[test]
fn g6_what_comes_of_a_query_finds_a_reactor_that_runs() {
    let reactor = Reactor::new().unwrap();
    let pool = ConnectionPool::builder("sqlite::memory:").build().unwrap();
    let stopping = reactor.clone();
    let one = pool.run_query("SELECT 1", params![]).add_both(move |rows| {
        stopping.stop()?;
        rows
    });
    assert_eq!(pool.stats().open, 0, "nothing is done before the reactor runs");
    reactor.run_with(RunOptions::default().signals(false)).unwrap();
    assert_eq!(one.take_result().unwrap().unwrap().len(), 1);

    let late = pool.run_query("SELECT 1", params![]).take_result().unwrap();
    assert!(late.unwrap_err().is::<ReactorNotRunning>());
}

/// Runs the reactor, stopping it at once when `begin` has returned.
fn stop_after(begin: impl FnOnce(&ConnectionPool) -> Deferred<()> + 'static) -> Option<Failure> {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite://{}", folder.path().join("test.db").display());
    let reactor = Reactor::new().unwrap();
    let (result, stopping) = (Rc::new(Cell::new(None)), reactor.clone());
    let seen = result.clone();
    ConnectionPool::connect(address)
        .map(move |pool| {
            let d = begin(&pool);
            stopping.remote().stop();
            d.add_both(move |result| seen.set(Some(result))).detach();
        })
        .detach();
    reactor.run_with(RunOptions::default().signals(false)).unwrap();
    drop(reactor);
    result.take().expect("it has a result when the reactor has stopped").err()
}

#[test]
fn g6_the_reactor_waits_for_what_is_under_way_when_it_stops() {
    let failure = stop_after(|pool| {
        let outside = pool.clone();
        pool.run_interaction(|transaction| async move {
            transaction.run_operation("CREATE TABLE t (n)", params![]).await?;
            // The pool is not to be gone before this.
            drop(outside);
            Ok(())
        })
    });
    assert!(failure.is_none(), "{failure:?}");
}

#[test]
fn g6_a_pool_may_outlive_its_reactor() {
    let reactor = Reactor::new().unwrap();
    let pool = ConnectionPool::builder("sqlite::memory:").min(1).build().unwrap();
    let kept = pool.run_interaction(|_| std::future::pending::<Result<(), Failure>>());
    reactor.remote().stop();
    drop(reactor);
    drop((pool, kept));
}

#[test]
fn g6_dropping_the_pool_closes_it_when_all_is_done() {
    run_in_memory(|pool| async move {
        let last = pool.run_query("SELECT 1", params![]);
        drop(pool);
        assert_eq!(last.await?.len(), 1);
        Ok(())
    });
}
