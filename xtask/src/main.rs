//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! | module | command |
//! |---|---|
//! | [`mod@test`] | `test`: every suite, and whether the crates can be published |
//! | [`abort`] | the crates built with `panic = "abort"` |
//! | [`loom`] | `loom`: what threads share, in every order that there is |
//! | [`miri`] | `miri`: the suites that look for undefined behaviour |
//! | [`hostile`] | `hostile`: the Python door among hostile objects, without memory, counted, watched |
//! | [`mod@bench`] | `bench native`, `bench linkcheck`, `bench python`, `bench soak`: the measurements |
//! | [`fuzz`] | `fuzz`: programs made by a fuzzer, on the engine and the native door |
//! | [`sanitize`] | `sanitize`: the native tests under a sanitizer |
//! | [`nightly`] | the toolchain that some of these need |
//! | [`oracle`] | `oracle`: random programs, on stock Twisted and on both doors |
//! | [`page`] | `page`: the page that shows a program's Deferreds, built and tried in a browser |
//! | [`postgresql`] | what adbapi's tests need of it |
//! | [`python`] | `wheels`; the environment for the Python door, and its suites |
//! | [`soak`] | `soak`: everything at once for half an hour, to see that nothing of it stays |
//! | [`site`] | `site`: a web site to try a link checker on |
//! | [`tsan`] | `tsan`: the tests in which threads meet, under the thread sanitizer |
//! | [`step`] | what they share: named steps that show what they run |

mod abort;
mod bench;
mod fuzz;
mod hostile;
mod loom;
mod miri;
mod nightly;
mod oracle;
mod page;
mod postgresql;
mod python;
mod sanitize;
mod site;
mod soak;
mod step;
mod test;
mod tsan;

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
    /// Run the models of what threads share, in every order that there is.
    Loom(loom::Arguments),
    /// Run programs made by a fuzzer on the engine and the native door.
    Fuzz(fuzz::Arguments),
    /// Run the native tests under `AddressSanitizer`, which looks for leaks too.
    Sanitize(sanitize::Arguments),
    /// Run random Deferred programs on stock Twisted and on both doors, and compare.
    Oracle(oracle::Arguments),
    /// Run the Python door among hostile objects and without memory; count its references, watch its accesses.
    Hostile(hostile::Arguments),
    /// Build the wheels for every Python that is here, and the source distribution.
    Wheels(python::wheels::Arguments),
    /// Measure, beside peers.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Build the page that shows a program's Deferreds, or try it in a browser.
    Page(page::Arguments),
    /// Run the tests in which threads meet under the thread sanitizer.
    Tsan(tsan::Arguments),
    /// Do everything at once for half an hour, and fail if anything of it stays.
    Soak(soak::Arguments),
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
        Command::Loom(arguments) => loom::run(arguments),
        Command::Fuzz(arguments) => fuzz::run(arguments),
        Command::Sanitize(arguments) => sanitize::run(arguments),
        Command::Oracle(arguments) => oracle::run(arguments),
        Command::Hostile(arguments) => hostile::run(arguments),
        Command::Wheels(arguments) => python::wheels::run(arguments),
        Command::Bench(command) => bench::run(command),
        Command::Page(arguments) => page::run(arguments),
        Command::Tsan(arguments) => tsan::run(arguments),
        Command::Soak(arguments) => soak::run(arguments),
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
