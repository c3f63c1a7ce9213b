//! The network benchmark: an echo server on Hereafter beside one on bare tokio and one on Twisted,
//! asked by the same client in the same run; and timers.
//!
//! Each *shape* is one way of asking. The servers take turns, a batch each, then the next round, so
//! that what slows the machine slows all of them alike. A server's figure is that of its fastest
//! batch.
//!
//! | module | what it holds |
//! |---|---|
//! | [`client`] | who asks: bare tokio, for all servers |
//! | [`servers`] | who answers |
//! | [`timers`] | delayed calls, without a network |

mod client;
mod servers;
mod timers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use crate::client::Client;
use crate::servers::Server;

/// Measures servers beside their peers.
#[derive(Parser)]
struct Arguments {
    /// A Python that has Twisted, for the third server.
    #[arg(long, value_name = "PYTHON")]
    twisted: Option<PathBuf>,
    /// Also write the figures to this file: {"shape": {"system": seconds}}.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fewer and shorter rounds, and more noise.
    #[arg(long)]
    quick: bool,
}

/// How long to measure.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    /// What the sizes of the shapes are divided by.
    divisor: u32,
}

/// One way of asking: a name, what it counts, how many there are in a batch, and the asking.
struct Shape {
    name: &'static str,
    unit: &'static str,
    count: u32,
    ask: fn(&Client, &Server, u32) -> Result<Duration>,
}

const MIB: u32 = 1024 * 1024;

const SHAPES: [Shape; 4] = [
    Shape {
        name: "round trips of 64 bytes, one connection",
        unit: "round trips/s",
        count: 20_000,
        ask: |client, server, count| client.round_trips(server, 1, count),
    },
    Shape {
        name: "round trips of 64 bytes, 100 connections",
        unit: "round trips/s",
        count: 50_000,
        ask: |client, server, count| client.round_trips(server, 100, count),
    },
    Shape {
        name: "a stream, there and back",
        unit: "MiB/s",
        count: 512,
        ask: |client, server, count| client.stream(server, u64::from(count) * u64::from(MIB)),
    },
    Shape {
        name: "connections, each with one round trip",
        unit: "connections/s",
        count: 2_000,
        ask: |client, server, count| client.connections(server, count),
    },
];

/// Seconds of a batch, by system, by shape.
type Figures = BTreeMap<&'static str, BTreeMap<&'static str, f64>>;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let effort = if arguments.quick {
        Effort { rounds: 3, divisor: 8 }
    } else {
        Effort { rounds: 10, divisor: 1 }
    };
    let mut servers = vec![Server::hereafter()?, Server::tokio()?];
    match &arguments.twisted {
        Some(python) => servers.push(Server::twisted(python)?),
        None => println!("Twisted is left out: no --twisted PYTHON was given."),
    }
    let client = Client::new()?;
    let mut figures = Figures::new();
    for shape in &SHAPES {
        let count = shape.count / effort.divisor;
        let mut best = BTreeMap::<_, f64>::new();
        for round in 0..=effort.rounds {
            for turn in 0..servers.len() {
                let server = &servers[(turn + round) % servers.len()];
                let took = (shape.ask)(&client, server, count)
                    .with_context(|| format!("{} on {}", shape.name, server.name))?;
                // The first round warms up.
                if round > 0 {
                    let fastest = best.entry(server.name).or_insert(f64::INFINITY);
                    *fastest = fastest.min(took.as_secs_f64());
                }
            }
        }
        print(shape.name, shape.unit, count, &best);
        figures.insert(shape.name, best);
    }
    let count = 1_000_000 / effort.divisor;
    let best = timers::measure(count, effort.rounds.min(3))?;
    print(timers::NAME, "timers/s", count, &best);
    figures.insert(timers::NAME, best);
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// Prints a row for each system, with its time over that of bare tokio.
fn print(name: &str, unit: &str, count: u32, best: &BTreeMap<&'static str, f64>) {
    println!("{name}");
    let tokio = best["tokio"];
    for (system, seconds) in best {
        let rate = f64::from(count) / seconds;
        println!("  {system:<10} {rate:>12.0} {unit:<14} {:>6.2} x tokio's time", seconds / tokio);
    }
}
