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
        let program: Program = serde_json::from_str(&line).context("reading a program")?;
        let mut told = serde_json::to_vec(&world::trace(&program)).context("writing a trace")?;
        told.push(b'\n');
        output.write_all(&told).and_then(|()| output.flush()).context("writing a trace")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::world::trace;
    use crate::generate;
    use crate::trace::{kind, line};

    fn told(program: &str) -> Vec<String> {
        trace(&serde_json::from_str(program).unwrap()).iter().map(|event| line(event)).collect()
    }

    #[test]
    fn it_tells_what_happens() {
        let link = r#"{"name":1,"do":[{"cancel":0}],"end":{"raise":["e",2]}}"#;
        let told = told(&format!(
            r#"[{{"new":[0,null]}},{{"add_callback":[0,{link}]}},{{"callback":[0,5]}}]"#
        ));
        let expected = "step  0; state  0  false; step  1; step  2; call  1  5; state  0  true; \
                        end; result  0  !E 2; report  !E 2";
        assert_eq!(told.join("; "), expected);
    }

    #[test]
    fn it_ends_where_ownership_does() {
        let told = told(r#"[{"new":[0,null]},{"race":[1,[0]]},{"pause":0},{"cancel":1}]"#);
        assert_eq!(told.last().unwrap(), "ended  a deferred is used that was given away");
    }

    #[test]
    fn many_programs_end_and_free_what_they_made() {
        for number in 0..500 {
            let program = generate::program(9, number);
            let events = trace(&program);
            // A deferred that is chained to a member of the list that it waits for is never freed.
            let chained = events.iter().any(|event| kind(event) == "lenient");
            assert!(chained || events.iter().all(|event| kind(event) != "leak"), "{program:?}");
        }
    }
}
