//! What a page in a browser shows of a running program.
//!
//! A [`Door`] lays plain rows before it, one for each deferred that has not come to its end, and no
//! text that would have to be built for a hundred thousand of them. [`answer`] filters, sorts, groups
//! and counts them here, so that a browser gets what fits on a screen. Of what is gone, a door keeps
//! a [`Journal`], of fixed size.
//!
//! How requests travel is a server's business. Whom it may answer is not: [`Gate`] knows.
//!
//! ```
//! use hereafter_insight::page::{Doing, Door, Journal, Row, Rows, answer};
//! use hereafter_insight::{Moment, Story};
//!
//! struct OnlyOne;
//!
//! impl Door for OnlyOne {
//!     type Place = &'static str;
//!
//!     fn rows(&self) -> Rows<&'static str> {
//!         let row = Row::new(1, "app.rs:3", Moment::now(), Doing::Unfired);
//!         Rows { rows: vec![row], waits: Vec::new() }
//!     }
//!
//!     fn place(&self, place: &&'static str) -> String {
//!         (*place).to_owned()
//!     }
//!
//!     fn story(&self, _number: u64) -> Option<Story> {
//!         None
//!     }
//!
//!     fn journal(&self) -> Journal<&'static str> {
//!         Journal::new()
//!     }
//! }
//!
//! let answer = answer(&OnlyOne, "deferreds?text=app.rs");
//! assert_eq!(answer.status, 200);
//! assert!(answer.body.contains(r#""made":"app.rs:3""#));
//! ```

mod answer;
mod gate;
mod graph;
mod journal;
mod table;
mod told;

pub use answer::{Answer, HEADERS, answer};
pub use gate::{Admitted, Gate};
pub use journal::{Counts, Event, Fate, Journal, Slow, Wanted};

use crate::{Moment, Story};
use core::hash::Hash;
use serde::{Deserialize, Serialize};

/// What a deferred that has not come to its end is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Doing {
    /// Nobody has fired it.
    Unfired,
    /// One of its links is on the call stack.
    Runs,
    /// It is paused.
    Paused,
    /// It waits on another.
    Waits,
    /// It has a failure that nobody has handled.
    Failed,
}

/// Why a deferred may never come to its end, or nobody hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Hint {
    /// Whoever could have fired it has let go of it.
    LostTrigger,
    /// It waits, in the end, on itself, or on one that does. No door has to find that out: it is
    /// seen here.
    WaitsOnItself,
    /// It is paused, and has a result that it could go on with.
    Paused,
    /// It was made inside a link of another, which went on without waiting for it.
    NotWaitedFor,
}

/// One deferred that has not come to its end. `P` is a place in a program, as a door notes it.
///
/// # Examples
///
/// See [the module](self).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Row<P> {
    /// Its number: no other of the same program has it.
    pub number: u64,
    /// Where it was made.
    pub made: P,
    /// When.
    pub born: Moment,
    /// What it does now.
    pub doing: Doing,
    /// How many links are still to come.
    pub ahead: u32,
    /// Why it may never come to its end, or nobody hear of it.
    pub hint: Option<Hint>,
}

impl<P> Row<P> {
    /// One with no links to come, and of which nothing bad is known.
    ///
    /// # Examples
    ///
    /// See [the module](self).
    pub fn new(number: u64, made: P, born: Moment, doing: Doing) -> Self {
        Self { number, made, born, doing, ahead: 0, hint: None }
    }
}

/// All deferreds that have not come to their end, and what waits on what.
///
/// # Examples
///
/// See [the module](self).
#[derive(Debug, Clone)]
pub struct Rows<P> {
    /// One row for each, in any order.
    pub rows: Vec<Row<P>>,
    /// Who waits, on whom: by their numbers, in any order.
    pub waits: Vec<(u64, u64)>,
}

/// A program whose deferreds a page shows.
///
/// # Examples
///
/// See [the module](self).
pub trait Door {
    /// A place in the program. Equal ones must read the same; that different ones may read the
    /// same does no harm.
    type Place: Clone + Eq + Hash;

    /// All that has not come to its end.
    fn rows(&self) -> Rows<Self::Place>;

    /// A place, in words. It is asked for once for each place and answer.
    fn place(&self, place: &Self::Place) -> String;

    /// The whole story of one of them; none if there is no such deferred any more.
    fn story(&self, number: u64) -> Option<Story>;

    /// What is gone.
    fn journal(&self) -> Journal<Self::Place>;
}
