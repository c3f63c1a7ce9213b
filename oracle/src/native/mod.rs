//! The oracle's interpreter for the crate `hereafter`.
//!
//! Every deferred of a program is a `Deferred<Value>` in a [`slot`](world::Slot), with its trigger
//! beside it. What ownership does not allow cannot be written here either: a program that uses a
//! deferred after it was given away, say, is told of up to there, with the rule that
//! [ended](world::World::end) it. The rules are listed in `docs/oracle.md`.
//!
//! | module | what |
//! |---|---|
//! | [`world`] | the deferreds and triggers of a program, and what is told of them |
//! | [`operations`] | one operation at a time |
//! | [`links`] | callbacks, errbacks and cancellers |
//! | [`sequential`] | the bodies of coroutines |
//! | [`value`] | what results are, and how they are shown |

mod links;
mod operations;
mod sequential;
mod value;
mod world;

use crate::program::Program;
use anyhow::{Context, Result};
use std::io::{BufRead, Write, stdin, stdout};

/// Answers requests until there are no more; see [`crate::door`].
///
/// # Errors
///
/// Fails when a request is none.
pub(crate) fn serve() -> Result<()> {
    let mut output = stdout().lock();
    for line in stdin().lock().lines() {
        let line = line.context("reading a request")?;
        let programs: Vec<Program> = serde_json::from_str(&line).context("reading programs")?;
        for program in &programs {
            let trace = world::trace(program);
            serde_json::to_writer(&mut output, &trace).context("writing a trace")?;
            output.write_all(b"\n").and_then(|()| output.flush()).context("writing a trace")?;
        }
    }
    Ok(())
}
