//! Twisted's Deferred for Rust.
#![doc = "(documentation follows)"]

mod calls;
mod cell;
pub mod clock;
mod coroutine;
pub mod debug;
mod deferred;
mod driver;
#[allow(unsafe_code, reason = "this is the one module that has it; see its head")]
mod erased;
pub mod errors;
mod failure;
mod filelock;
mod links;
mod list;
mod locks;
pub mod mailbox;
mod outcome;
mod queue;
mod remote;
pub mod report;
mod send;
mod share;
mod timeout;
mod trigger;
mod waiters;

pub use calls::{execute, fail, maybe_deferred, passthru, succeed};
pub use deferred::{CancelHandle, Deferred, PauseGuard};
pub use failure::{Detail, ErrorTypes, Failure};
pub use filelock::DeferredFilesystemLock;
#[cfg(feature = "macros")]
pub use hereafter_macros::inline_callbacks;
pub use list::{DeferredList, Gather, gather, gather_results, race};
pub use locks::{DeferredLock, DeferredSemaphore, LockGuard, Permit};
pub use outcome::Outcome;
pub use queue::DeferredQueue;
pub use remote::RemoteTrigger;
pub use send::SendDeferred;
pub use share::Shared;
pub use trigger::{SharedTrigger, Trigger};
