//! The native benchmark: Deferreds beside the promises and futures that others offer, in one run.
//!
//! Every *shape* (say, "create, three callbacks, fire, take the result") is done by every *system*
//! that can do it, with the same closures and values. All Rust systems run in this process; node,
//! KJ and Twisted run as children that stay alive and take turns with the rest, batch by batch.
//!
//! | module | what it holds |
//! |---|---|
//! | [`measure`] | a case, the rounds, the figures |
//! | [`shapes`] | the list of shapes and what each means |
//! | [`work`] | the values, callbacks and errors that all systems share |
//! | [`ours`] | the shapes done with Hereafter |
//! | [`peers`] | the shapes done with everything else |
//! | [`database`] | the shapes of adbapi, ours and sqlx's |
//! | [`report`] | the table and the JSON file |
//! | [`allocator`] | counts allocations |

// A chain of 19 statically composed combinators is one type, and a deep one.
#![recursion_limit = "512"]

mod allocator;
mod database;
mod measure;
mod ours;
mod peers;
mod report;
mod shapes;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::measure::{Case, Effort};

/// Measures Deferreds beside their peers: nanoseconds and allocations per operation.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags")]
struct Arguments {
    /// Also write the figures to this file: {"shape": {"system": {"ns": 1.0, "allocs": 1.0}}}.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fewer and shorter rounds: a few seconds in all, and more noise.
    #[arg(long)]
    quick: bool,
    /// Measure this shape alone.
    #[arg(long, value_name = "SHAPE")]
    only: Option<String>,
    /// Measure only the systems whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Measure Deferreds with inspection off and on, and no peers.
    #[arg(long)]
    inspect: bool,
    /// A Python that has Twisted, whose adbapi is measured beside ours.
    #[arg(long, value_name = "PYTHON")]
    twisted: Option<PathBuf>,
    /// Name the cases and measure nothing: shape, system, items per run, whether it has a baseline.
    #[arg(long)]
    list: bool,
    /// Run the one selected case this many times, untimed; for a profiler.
    #[arg(long, value_name = "N")]
    iterations: Option<u32>,
    /// With `--iterations`: run what the case subtracts instead of the case.
    #[arg(long, requires = "iterations")]
    baseline: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // Not left to the standard library, which would bury it under a backtrace if one is on.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let mut notes = Vec::new();
    let mut cases = all(arguments, &mut notes)?;
    select(&mut cases, arguments);
    cases.retain(|case| {
        let Some(missing) = database::missing(case.shape) else { return true };
        if !notes.iter().any(|note| note == missing) {
            notes.push(missing.to_owned());
        }
        false
    });
    ensure!(!cases.is_empty(), "no case is selected; `--list` names them all");

    if arguments.list {
        for case in &cases {
            println!(
                "{}\t{}\t{}\t{}",
                case.shape,
                case.system.name,
                case.items(),
                case.has_baseline()
            );
        }
        return Ok(());
    }
    if let Some(iterations) = arguments.iterations {
        ensure!(
            cases.len() == 1,
            "`--iterations` needs `--only` and `--system` to select one case"
        );
        return cases[0].run_untimed(iterations, arguments.baseline);
    }

    if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
        notes.push("RUST_BACKTRACE is set: every new failure pays for a backtrace".to_owned());
    }
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    let mut results = Vec::new();
    for shape in shapes::ALL {
        let mut group: Vec<Case> = cases.extract_if(.., |case| case.shape == shape.name).collect();
        if !group.is_empty() {
            let figures = measure::interleaved(&mut group, effort)?;
            report::print_shape(shape, &figures);
            results.push((shape, figures));
        }
    }
    if arguments.inspect {
        report::print_inspected(&results);
    } else {
        report::print_summary(&results, &notes);
    }
    if let Some(path) = &arguments.json {
        report::write_json(&results, path)?;
    }
    Ok(())
}

/// Every case that there is.
fn all(arguments: &Arguments, notes: &mut Vec<String>) -> Result<Vec<Case>> {
    #[cfg(feature = "inspect")]
    if arguments.inspect {
        return Ok(ours::off_and_on());
    }
    ensure!(!arguments.inspect, "`--inspect` needs a program built with the feature `inspect`");
    let mut cases = ours::cases();
    cases.extend(peers::in_process());
    if arguments.iterations.is_none() {
        let is_wanted =
            |name: &str| arguments.system.as_ref().is_none_or(|text| name.contains(text));
        cases.extend(peers::children(&is_wanted, arguments.twisted.as_deref(), notes)?);
    }
    Ok(cases)
}

/// Keeps the cases that the command line asks for. A system's whole name means that one alone, even
/// where it begins another's.
fn select(cases: &mut Vec<Case>, arguments: &Arguments) {
    if let Some(shape) = &arguments.only {
        cases.retain(|case| case.shape == shape);
    }
    if let Some(text) = &arguments.system {
        let is_whole = cases.iter().any(|case| case.system.name == text);
        cases.retain(|case| {
            if is_whole { case.system.name == text } else { case.system.name.contains(text) }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_shape_is_done_by_us_and_by_a_peer() {
        let (ours, peers) = (ours::cases(), peers::in_process());
        for shape in shapes::ALL {
            let count = |cases: &[Case]| cases.iter().filter(|c| c.shape == shape.name).count();
            assert_eq!(count(&ours), 1, "{}", shape.name);
            assert!(count(&peers) > 0, "{}", shape.name);
        }
    }

    #[test]
    fn every_case_gets_through() {
        for case in &mut ours::cases().into_iter().chain(peers::in_process()).collect::<Vec<_>>() {
            case.run_untimed(2, false).unwrap();
            if case.has_baseline() {
                case.run_untimed(2, true).unwrap();
            }
        }
    }

    #[test]
    fn no_case_has_a_shape_that_is_not_listed() {
        for case in ours::cases().into_iter().chain(peers::in_process()) {
            assert!(shapes::ALL.iter().any(|shape| shape.name == case.shape), "{}", case.shape);
        }
    }
}
