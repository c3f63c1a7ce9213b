#![doc = include_str!("../README.md")]
//!
//! * [`History`] is what a door notes of one deferred while things happen to it: places and times,
//!   and no text.
//! * [`Story`] is that put into words, together with what the deferred is doing now. It is a tree,
//!   because what a deferred waits on has a story of its own; `Display` draws it.
//! * `page` (feature `page`) is what a page in a browser shows of a running program.
#![forbid(unsafe_code)]

mod history;
#[cfg(feature = "page")]
pub mod page;
mod story;

pub use history::{History, Moment, Ran};
pub use story::{End, Kind, Now, Story, Told};
