//! Runs a coroutine on a reactor of its own, to the end.

#![allow(dead_code, reason = "each of the test programs uses a part of it")]

use core::future::Future;
use hereafter::{Deferred, Failure};
use hereafter_adbapi::{ConnectionPool, params};
use hereafter_reactor::{Reactor, RunOptions};
use std::cell::Cell;
use std::rc::Rc;

/// Runs `test`, and panics with its failure.
pub(crate) fn run<F: Future<Output = Result<(), Failure>> + 'static>(
    test: impl FnOnce(Reactor) -> F,
) {
    let reactor = Reactor::new().unwrap();
    let (result, seen) = (Rc::new(Cell::new(None)), reactor.clone());
    let keep = result.clone();
    Deferred::from_coroutine(test(reactor.clone()))
        .add_both(move |result| {
            keep.set(Some(result));
            seen.remote().stop();
        })
        .detach();
    reactor.run_with(RunOptions::default().signals(false)).unwrap();
    if let Err(failure) = result.take().expect("the reactor was stopped by this") {
        panic!("{}", failure.traceback());
    }
}

/// Runs `test` with a database in memory.
pub(crate) fn run_in_memory<F: Future<Output = Result<(), Failure>> + 'static>(
    test: impl FnOnce(ConnectionPool) -> F + 'static,
) {
    run(|_| async { test(ConnectionPool::connect("sqlite::memory:").await?).await });
}

/// Runs `test` with a database in a file, and five connections to it.
pub(crate) fn run_in_file<F: Future<Output = Result<(), Failure>> + 'static>(
    test: impl FnOnce(ConnectionPool) -> F + 'static,
) {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite://{}", folder.path().join("test.db").display());
    run(|_| async { test(ConnectionPool::connect(address).await?).await });
}

/// How many rows a table has.
pub(crate) async fn count(pool: &ConnectionPool, sql: &'static str) -> Result<i64, Failure> {
    Ok(pool.run_query(sql, params![]).await?[0].get(0)?)
}

/// The text of the failure that `d` must have.
pub(crate) async fn error_of<T: 'static>(d: Deferred<T>) -> String {
    match d.await {
        Ok(_) => panic!("it should have failed"),
        Err(failure) => failure.to_string(),
    }
}
