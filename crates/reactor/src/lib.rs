#![doc = include_str!("../README.md")]

mod connection;
pub mod endpoints;
pub mod errors;
mod events;
mod open;
mod outgoing;
mod protocol;
pub mod protocols;
mod reactor;
mod remote;
pub mod service;
mod signals;
mod stream;
pub mod task;
pub mod testing;
pub mod threads;
mod transport;

pub use events::{Phase, SystemEvent, TriggerId};
pub use protocol::{Address, Factory, Protocol};
pub use reactor::{Reactor, ReactorError, ReactorNotRunning, RunOptions};
pub use remote::RemoteReactor;
pub use transport::{Producer, Transport};
