//! Ready-made protocols: lines, and strings with their length before them (Twisted's
//! `twisted.protocols.basic`).
//!
//! Where Twisted has classes to inherit from, there are receivers to put a protocol into. A
//! receiver is the [`Protocol`](crate::Protocol) that the connection knows; it cuts what comes into
//! messages and hands them to yours, together with itself, to answer through.

mod lines;
mod strings;

pub use lines::{LineProtocol, LineReceiver};
pub use strings::{
    Int8StringReceiver, Int16StringReceiver, Int32StringReceiver, IntStringReceiver, Prefix,
    StringProtocol,
};
