//! The soak of the native door: everything at once on one reactor, for as long as is asked for.
//!
//! Loads of every kind run beside one another. Once a minute all of them come to their end, and
//! what is left is looked at: it has to be nothing, and memory must not grow from look to look.
//! Failures that nobody handles, and panics, are part of the loads: each has to be reported, once.
//!
//! | module | what it holds |
//! |---|---|
//! | [`loads`] | what is done |
//! | [`world`] | what the loads share: servers, databases, counts |
//! | [`gauges`] | what is looked at, and how it is judged |
//! | [`allocator`] | counts what is allocated |

mod allocator;
mod gauges;
mod loads;
#[path = "../../crates/adbapi/tests/common/postgres.rs"]
#[allow(dead_code, reason = "adbapi's tests restart servers, too")]
mod postgres;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use hereafter::{Deferred, Failure, gather_results};
use hereafter_reactor::{Reactor, RunOptions};

use crate::gauges::{Gauges, Sample, are_enough, grown};
use crate::loads::{LOADS, Load};
use crate::world::World;

/// Runs loads of every kind on one reactor, and fails if anything of them stays.
#[derive(Parser)]
struct Arguments {
    /// How long to go on.
    #[arg(long, value_name = "N", default_value_t = 30.0)]
    minutes: f64,
    /// What the random choices begin with; at first another each time.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run only the loads whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Leave PostgreSQL out.
    #[arg(long)]
    no_postgres: bool,
}

/// How many looks there are at least.
const LOOKS: f64 = 12.0;

/// How long what is left over may take to go.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            for line in complaints {
                eprintln!("error: {line}");
            }
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("error: {}", failure.traceback());
            ExitCode::FAILURE
        }
    }
}

/// What is wrong in the end.
fn run(arguments: Arguments) -> Result<Vec<String>, Failure> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    fastrand::seed(seed);
    println!("The random choices begin with --seed {seed}.");
    let reactor = Reactor::new()?;
    let result = Rc::new(Cell::new(None));
    let interrupted = Rc::new(Cell::new(false));
    let (keep, stopping, cut_short) = (result.clone(), reactor.remote(), interrupted.clone());
    Deferred::from_coroutine(soak(reactor.clone(), arguments, interrupted))
        .add_both(move |result| {
            keep.set(Some(result));
            stopping.stop();
        })
        .detach();
    // Ctrl-C ends the loads, and they end the program: the reactor would close all that they use.
    Deferred::from_coroutine(async move {
        tokio::signal::ctrl_c().await?;
        println!("It is interrupted, and ends when all that is under way has ended.");
        cut_short.set(true);
        tokio::signal::ctrl_c().await?;
        std::process::exit(130);
        #[allow(unreachable_code, reason = "it says what kind of error there may be")]
        Ok::<(), Failure>(())
    })
    .detach();
    reactor.run_with(RunOptions::default().signals(false)).map_err(Failure::new)?;
    result.take().unwrap_or_else(|| Err(Failure::msg("it has stopped before its end")))
}

async fn soak(
    reactor: Reactor,
    arguments: Arguments,
    interrupted: Rc<Cell<bool>>,
) -> Result<Vec<String>, Failure> {
    let world = World::new(&reactor, !arguments.no_postgres).await?;
    let chosen: Vec<&'static Load> = LOADS
        .iter()
        .filter(|load| arguments.only.as_ref().is_none_or(|text| load.name.contains(text)))
        .filter(|load| world.postgres.is_some() || !load.needs_postgres)
        .collect();
    let total = Duration::from_secs_f64(arguments.minutes * 60.0);
    let period = Duration::from_mins(1).min(total.div_f64(LOOKS));
    let began = Instant::now();
    let counts = Rc::new(RefCell::new(BTreeMap::<&str, u64>::new()));
    let mut samples: Vec<Sample> = Vec::new();
    println!("{}", Gauges::HEADER);
    while began.elapsed() < total && !interrupted.get() {
        let until = Instant::now() + period;
        let running =
            chosen.iter().flat_map(|load| (0..load.at_once).map(move |_| *load)).map(|load| {
                let (world, counts, interrupted) =
                    (world.clone(), counts.clone(), interrupted.clone());
                Deferred::from_coroutine(async move {
                    while Instant::now() < until && !interrupted.get() {
                        let operations = (load.run)(world.clone()).await.map_err(|failure| {
                            Failure::msg(format!(
                                "in the load {}: {}",
                                load.name,
                                failure.traceback()
                            ))
                        })?;
                        *counts.borrow_mut().entry(load.name).or_default() += operations;
                    }
                    Ok(())
                })
            });
        gather_results(running.collect::<Vec<_>>()).await?;
        world.come_to_rest(PATIENCE).await?;
        let sample = Sample {
            after: began.elapsed(),
            operations: counts.borrow().values().sum(),
            gauges: Gauges::look(&reactor),
        };
        println!("{sample}");
        samples.push(sample);
    }
    println!("Operations:");
    for (name, count) in &*counts.borrow() {
        println!("  {count:>12}  {name}");
    }
    println!("  {:>12}  failures and panics reported, all of them meant", world::reported());
    world.close().await?;
    if interrupted.get() && !are_enough(&samples) {
        println!("It was interrupted too early to tell whether anything stays.");
        return Ok(Vec::new());
    }
    let complaints = grown(&samples);
    if complaints.is_empty() {
        println!("Nothing has stayed.");
    }
    Ok(complaints)
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
    fn every_load_gets_through_and_leaves_nothing() -> Result<(), Failure> {
        let reactor = Reactor::new()?;
        let (result, stopping) = (Rc::new(Cell::new(None)), reactor.remote());
        let (keep, inside) = (result.clone(), reactor.clone());
        Deferred::from_coroutine(async move {
            let world = World::new(&inside, false).await?;
            for load in LOADS.iter().filter(|load| !load.needs_postgres) {
                let done = (load.run)(world.clone()).await;
                let done = done.map_err(|why| Failure::msg(format!("{}: {why}", load.name)))?;
                assert!(done > 0, "{}", load.name);
            }
            world.come_to_rest(PATIENCE).await?;
            world.close().await
        })
        .add_both(move |result| {
            keep.set(Some(result));
            stopping.stop();
        })
        .detach();
        reactor.run_with(RunOptions::default().signals(false))?;
        result.take().expect("the reactor was stopped by this")
    }
}
