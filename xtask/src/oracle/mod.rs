//! `cargo xtask oracle`: random programs on stock Twisted and on both doors; see `docs/oracle.md`.
//!
//! Everything is handed on to the program `oracle`, save `coverage`, which builds all of it anew:
//! see [`coverage`].

mod coverage;

use anyhow::Result;

use crate::python::{Environment, Python};
use crate::step::{Steps, cargo};

/// How many programs `cargo xtask test` runs: some seconds' worth.
const SHORT: &str = "20000";

/// What is handed on to the oracle.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to hand on; `run --help` tells. `run` is understood where the first is an option.
    /// `coverage` tells how much of the engine the programs of a `run` reach.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    handed_on: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new("cargo xtask oracle");
    let environment = Environment::for_tests(&mut steps, &Python::find()?, &[])?;
    let mut handed_on: Vec<&str> = arguments.handed_on.iter().map(String::as_str).collect();
    if handed_on.first() == Some(&"coverage") {
        return coverage::run(&mut steps, &environment, &handed_on[1..]);
    }
    environment.install_wheel(&mut steps)?;
    if handed_on.first().is_none_or(|first| first.starts_with('-')) {
        handed_on.insert(0, "run");
    }
    ask(&mut steps, &environment, &handed_on)
}

/// The step of `cargo xtask test`. The environment has the wheel already.
///
/// # Errors
///
/// Fails when something differs.
pub(crate) fn test(steps: &mut Steps, environment: &Environment) -> Result<()> {
    ask(steps, environment, &["run", "--programs", SHORT])
}

fn ask(steps: &mut Steps, environment: &Environment, arguments: &[&str]) -> Result<()> {
    let mut command = cargo(["run", "--release", "--quiet", "--package", "hereafter-oracle", "--"]);
    command.args(arguments);
    if matches!(arguments.first(), Some(&("run" | "replay"))) {
        command.arg("--python").arg(environment.program("python"));
    }
    for name in ["HEREAFTER", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"] {
        command.env_remove(name);
    }
    steps.run("the oracle", &mut command)
}
