//! `cargo xtask bench`: the measurements.

mod callgrind;
mod linkcheck;
mod native;
mod network;
mod python;
mod soak;

use anyhow::Result;

/// What to measure.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Measure Deferreds beside other promises and futures: time and allocations per operation.
    Native(native::Arguments),
    /// Measure servers beside bare tokio and Twisted: round trips, streams, connections; and timers.
    Network(network::Arguments),
    /// Measure the example `linkcheck` on sites of two sizes: pages per second and memory.
    Linkcheck(linkcheck::Arguments),
    /// Measure the Python door beside stock Twisted: time per operation, memory, whole programs.
    Python(python::Arguments),
    /// Make millions of Deferreds of the Python door in every shape: nothing of them may stay.
    Soak(soak::Arguments),
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Native(arguments) => native::run(arguments),
        Command::Network(arguments) => network::run(arguments),
        Command::Linkcheck(arguments) => linkcheck::run(arguments),
        Command::Python(arguments) => python::run(arguments),
        Command::Soak(arguments) => soak::run(arguments),
    }
}
