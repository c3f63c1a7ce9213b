//! Everything that the Deferreds are measured beside.
//!
//! | module | peers |
//! |---|---|
//! | [`floor`] | the callbacks called by hand, with nothing in between |
//! | [`channel`] | the one-shot channels that the next two are made with |
//! | [`composed`] | a channel and statically composed combinators, polled by hand |
//! | [`boxed`] | a channel and combinators boxed one by one, polled by hand |
//! | [`tasks`] | tasks on `futures`' `LocalPool` and on tokio's `LocalSet` |
//! | [`child`] | node's Promise, KJ's, and Twisted's adbapi, in child processes |

mod boxed;
mod channel;
mod child;
mod composed;
mod floor;
mod tasks;

use std::path::Path;

use anyhow::Result;

use crate::database;
use crate::measure::Case;

/// The peers that are Rust and run in this process.
pub(crate) fn in_process() -> Vec<Case> {
    let mut cases = floor::cases();
    cases.extend(composed::cases());
    cases.extend(boxed::cases());
    cases.extend(tasks::cases());
    cases.extend(database::peers());
    cases
}

/// The peers that run in processes of their own, if their names are wanted; `notes` says which are
/// not installed.
pub(crate) fn children(
    is_wanted: &dyn Fn(&str) -> bool,
    twisted: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Vec<Case>> {
    child::cases(is_wanted, twisted, notes)
}
