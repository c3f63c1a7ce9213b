//! Ready-made protocols: lines, and strings with their length before them (Twisted's
//! `twisted.protocols.basic`).
//!
//! Where Twisted has classes to inherit from, there are receivers to put a protocol into. A
//! receiver is the [`Protocol`](crate::Protocol) that the connection knows; it cuts what comes into
//! messages and hands them to yours, together with itself, to answer through.

mod lines;
mod strings;

use crate::transport::Transport;

pub use lines::{LineProtocol, LineReceiver};
pub use strings::{
    Int8StringReceiver, Int16StringReceiver, Int32StringReceiver, IntStringReceiver, Prefix,
    StringProtocol,
};

/// Has a receiver hand on what has waited, for whoever asks for that: a panic in the protocol is no
/// affair of his.
fn go_on(transport: Option<Transport>, hand_on: impl FnOnce()) {
    match transport {
        Some(transport) => transport.0.call_from_outside("a protocol", hand_on),
        None => hand_on(),
    }
}
