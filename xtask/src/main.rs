//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! | module | command |
//! |---|---|
//! | [`mod@test`] | `test`: every suite, and whether the crates can be published |
//! | [`miri`] | `miri`: the suites that look for undefined behaviour |
//! | [`hostile`] | `hostile`: the Python door among hostile objects, without memory, counted, watched |
//! | [`mod@bench`] | `bench native`, `bench linkcheck`, `bench python`, `bench soak`: the measurements |
//! | [`oracle`] | `oracle`: random programs, on stock Twisted and on both doors |
//! | [`postgresql`] | what adbapi's tests need of it |
//! | [`python`] | `wheels`; the environment for the Python door, and its suites |
//! | [`site`] | `site`: a web site to try a link checker on |
//! | [`step`] | what they share: named steps that show what they run |

mod bench;
mod hostile;
mod miri;
mod oracle;
mod postgresql;
mod python;
mod site;
mod step;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test of the workspace, then check that the crates can be published.
    Test(test::Arguments),
    /// Run the tests of the crate with `unsafe` code under Miri, with both of its memory models.
    Miri(miri::Arguments),
    /// Run random Deferred programs on stock Twisted and on both doors, and compare.
    Oracle(oracle::Arguments),
    /// Run the Python door among hostile objects and without memory; count its references, watch its accesses.
    Hostile(hostile::Arguments),
    /// Build the wheels for every Python that is here, and the source distribution.
    Wheels(python::wheels::Arguments),
    /// Measure, beside peers.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Write a site of linked HTML pages: the same one every time, of any size.
    Site(site::Arguments),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        // Not left to the standard library, which would bury it under a backtrace if one is on.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Test(arguments) => test::run(arguments),
        Command::Miri(arguments) => miri::run(arguments),
        Command::Oracle(arguments) => oracle::run(arguments),
        Command::Hostile(arguments) => hostile::run(arguments),
        Command::Wheels(arguments) => python::wheels::run(arguments),
        Command::Bench(command) => bench::run(command),
        Command::Site(arguments) => site::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
