//! What is done, over and over.
//!
//! A load is a coroutine that does something from its beginning to its end and leaves nothing
//! behind; it gives back how many operations that were. What it says that must come out, it checks.

mod chains;
mod database;
mod network;
mod tasks;
mod threads;

use std::rc::Rc;

use hereafter::{Deferred, Failure};

use crate::world::World;

/// Something to do.
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Rc<World>) -> Deferred<u64>,
    /// How many of it go on beside one another.
    pub(crate) at_once: usize,
    pub(crate) needs_postgres: bool,
}

const fn load(name: &'static str, at_once: usize, run: fn(Rc<World>) -> Deferred<u64>) -> Load {
    Load { name, run, at_once, needs_postgres: false }
}

/// All of them.
pub(crate) const LOADS: &[Load] = &[
    load("chains", 1, chains::chains),
    load("lists", 1, chains::lists),
    load("locks and queues", 1, chains::locks),
    load("coroutines", 2, chains::coroutines),
    load("unhandled failures and panics", 1, chains::unhandled),
    load("timers", 2, tasks::timers),
    load("looping calls", 2, tasks::looping),
    load("cooperative tasks", 1, tasks::cooperation),
    load("timeouts", 1, tasks::timeouts),
    load("file locks", 2, tasks::file_locks),
    load("threads of the pool", 2, threads::pool),
    load("threads that fire", 1, threads::remote),
    load("TCP connections", 4, network::tcp),
    load("TLS connections", 2, network::tls),
    #[cfg(unix)]
    load("UNIX connections", 2, network::unix),
    load("ports", 1, network::ports),
    load("client services", 1, network::services),
    load("SQLite", 2, database::sqlite),
    Load { needs_postgres: true, ..load("PostgreSQL", 2, database::postgres) },
];

/// A failure of a load's own.
pub(crate) fn wrong(what: impl std::fmt::Debug) -> Failure {
    Failure::msg(format!("it should not have come to {what:?}"))
}

/// Lets everybody else have a few turns.
pub(crate) async fn some_turns() {
    for _ in 0..fastrand::u32(0..20) {
        tokio::task::yield_now().await;
    }
}
