//! Twisted's Deferred for Rust.
//!
//! A [`Deferred`] is a result that will be there hereafter, and the chain of callbacks that want
//! it. This crate has what `twisted.internet.defer` has, with types and ownership in the place of
//! conventions. It needs no reactor and no runtime: callbacks run inside the call that fires.
//!
//! ```
//! use hereafter::Deferred;
//! use std::num::ParseIntError;
//!
//! let (trigger, d) = Deferred::<&str>::new();          // whoever makes it gets the trigger
//! let d = d
//!     .add_callback(|text| Ok(text.parse::<u32>()?))   // `?` makes failures
//!     .add_callback(|n| Deferred::succeed(n + 1))      // waits for another deferred
//!     .add_errback(|failure| { failure.trap::<ParseIntError>()?; Ok(0) });
//! trigger.callback("41");                              // the callbacks run in here
//! assert_eq!(d.take_result().unwrap().unwrap(), 42);
//! ```
//!
//! # Where things are
//!
//! | to | there is | Twisted's name |
//! |---|---|---|
//! | make one | [`Deferred::new`], [`Deferred::with_canceller`], [`succeed`], [`fail`] | `Deferred()`, `succeed`, `fail` |
//! | fire one | [`Trigger`], [`SharedTrigger`], [`RemoteTrigger`] | `callback`, `errback` |
//! | add to one | [`map`](Deferred::map), [`add_callback`](Deferred::add_callback), [`add_errback`](Deferred::add_errback), [`add_callbacks`](Deferred::add_callbacks), [`add_both`](Deferred::add_both) | the same |
//! | call what may be asynchronous | [`maybe_deferred`], [`execute`] | `maybeDeferred`, `execute` |
//! | wait for several | [`gather_results`], [`gather`], [`race`], [`DeferredList`] | `gatherResults`, `race`, `DeferredList` |
//! | give up | [`Deferred::cancel`], [`CancelHandle`], [`add_timeout`](Deferred::add_timeout), [`shield`](Deferred::shield) | `cancel`, `addTimeout` |
//! | write downwards | [`Deferred::from_coroutine`], [`inline_callbacks`], `.await` | `fromCoroutine`, `inlineCallbacks` |
//! | take turns | [`DeferredLock`], [`DeferredSemaphore`], [`DeferredQueue`], [`DeferredFilesystemLock`] | the same |
//! | have several waiters | [`Deferred::share`] | |
//! | tell what went wrong | [`Failure`], [`errors`], [`report`], [`debug`] | `Failure`, `setDebugging` |
//! | wait for time | [`clock`] | `IReactorTime`, `task.Clock` |
//! | come from other threads | [`mailbox`], [`Trigger::remote`], [`Deferred::into_send`] | `callFromThread` |
//!
//! # What holds
//!
//! * A deferred fires once. Firing twice does not compile; a [`Trigger`] that is dropped fires with
//!   [`Abandoned`](errors::Abandoned).
//! * Links run in the order in which they were added, synchronously, on one thread.
//! * User code may do anything, from anywhere, to any deferred: nothing is borrowed while it runs.
//! * A panic in user code is caught where that is called: in a link it becomes a [`Failure`], and where
//!   there is no deferred for it (a drop, a waker, a hook) it is [reported](report). A drop that
//!   panics while another panic unwinds ends the process, as always in Rust. With `panic = "abort"`
//!   the crate works, save that any panic ends the process.
//! * Chains and lines of waiting deferreds of any length fire, and are freed, in constant stack.
//! * A failure that nobody handled is reported, once and at once.
//!
//! # Features
//!
//! * `macros` (default): [`inline_callbacks`].
//! * `tracing` (default): reports go through `tracing` when a subscriber is set, else to stderr.
//! * `inspect`: the module `inspect`, which tells why a deferred has not fired.
//! * `page`: what the page of the crate `hereafter-inspector` shows.

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
#[cfg(feature = "inspect")]
pub mod inspect;
mod links;
mod list;
mod locks;
pub mod mailbox;
#[cfg(all(test, loom))]
mod models;
mod outcome;
mod queue;
mod remote;
pub mod report;
mod send;
mod share;
mod sync;
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
