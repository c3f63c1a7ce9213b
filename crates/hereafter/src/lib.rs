//! Twisted's Deferred for Rust.
#![doc = "(documentation follows)"]


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
mod links;
pub mod mailbox;
mod outcome;
mod remote;
pub mod report;
mod trigger;

pub use deferred::{CancelHandle, Deferred, PauseGuard};
pub use failure::{Detail, ErrorTypes, Failure};
pub use outcome::Outcome;
pub use remote::RemoteTrigger;
pub use trigger::{SharedTrigger, Trigger};
