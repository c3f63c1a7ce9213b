//! One module for each situation that a deferred can get into.

#[path = "../common/mod.rs"]
mod common;

mod auto_traits;
mod clock;
mod drops;
mod filelock;
mod list;
mod locks;
mod mailbox;
mod panics;
mod queue;
mod reentrancy;
mod remote;
mod report;
mod share;
mod threads;
mod timeout;
mod wakers;
