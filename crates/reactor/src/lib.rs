#![doc = include_str!("../README.md")]

mod events;
mod reactor;
mod remote;
mod signals;
pub mod task;
pub mod threads;

pub use events::{Phase, SystemEvent, TriggerId};
pub use reactor::{Reactor, ReactorError, ReactorNotRunning, RunOptions};
pub use remote::RemoteReactor;
