#![doc = include_str!("../README.md")]
//!
//! * [`History`] is what a door notes of one deferred while things happen to it: places and times,
//!   and no text.
//! * [`Story`] is that put into words, together with what the deferred is doing now. It is a tree,
//!   because what a deferred waits on has a story of its own; `Display` writes it down, and
//!   [`to_svg`](Story::to_svg) and [`to_dot`](Story::to_dot) draw it.
//! * [`Trace`] writes what happens into a file, for Perfetto.
//! * [`Roll`] has all that are alive, by their numbers.
//! * `page` (feature `page`) is what a page in a browser shows of a running program.
#![forbid(unsafe_code)]

mod drawing;
mod history;
mod moment;
mod name;
#[cfg(feature = "page")]
pub mod page;
mod roll;
mod story;
mod trace;

pub use history::{Before, History, Ran};
pub use moment::Moment;
pub use name::Name;
pub use roll::Roll;
pub use story::{End, Kind, Now, Story, Told};
pub use trace::Trace;
