//! `cargo xtask soak`: mixed load for as long as is asked for, to see that nothing of it stays.
//!
//! The native door's is the program `soak` of the benchmarks, which prints what it looks at, and gets
//! the database that it needs here. The Python door's is `benches/python/soak_mixed.py`, which gets an
//! environment with Twisted and the wheel.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::postgresql;
use crate::python::{Environment, Python};
use crate::step::{self, Steps, cargo};

/// What to run, and for how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which of the doors.
    #[arg(long, value_enum, default_value = "native")]
    door: Door,
    /// How long to go on; Ctrl-C ends it earlier, with a summary.
    #[arg(long, value_name = "N", default_value_t = 30.0)]
    minutes: f64,
    /// Handed on to the program; `--help` tells.
    #[arg(last = true, value_name = "ARGUMENTS")]
    handed_on: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Door {
    /// The crates, on a reactor: chains, timers, threads, connections, databases, file locks.
    Native,
    /// The Python door, in a program of Twisted's.
    Python,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new("cargo xtask soak");
    match arguments.door {
        Door::Native => native(&mut steps, arguments),
        Door::Python => python(&mut steps, arguments),
    }
}

fn native(steps: &mut Steps, arguments: &Arguments) -> Result<()> {
    steps.run(
        "building the native soak",
        &mut cargo(["build", "--release", "--package", "hereafter-benches", "--bin", "soak"]),
    )?;
    let name = format!("soak{}", std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(step::target().join("release").join(name));
    command.arg("--minutes").arg(arguments.minutes.to_string()).args(&arguments.handed_on);
    match postgresql::provide(steps) {
        Ok(None) => {}
        Ok(Some(path)) => {
            command.env("PATH", path);
        }
        Err(error) => {
            println!("PostgreSQL is left out: {error:#}");
            command.arg("--no-postgres");
        }
    }
    // Each of the failures that are meant would pay for a backtrace.
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    last_step("the native soak", command)
}

fn python(steps: &mut Steps, arguments: &Arguments) -> Result<()> {
    let environment = Environment::for_tests(steps, &Python::find()?, &[])?;
    environment.install_wheel(steps)?;
    let mut command = environment.python(["-m", "hereafter", "benches/python/soak_mixed.py"]);
    command.arg("--minutes").arg(arguments.minutes.to_string()).args(&arguments.handed_on);
    last_step("the soak of the Python door", command)
}

/// Runs a command that ends at Ctrl-C on its own terms, with a summary: where that can be done, it
/// takes our place, so that nobody is told before it is through that it has ended.
fn last_step(name: &str, mut command: Command) -> Result<()> {
    println!("\n==> {name}");
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        Err(command.exec()).with_context(|| format!("starting {name}"))
    }
    #[cfg(not(unix))]
    step::run(&mut command).context(name.to_owned())
}
