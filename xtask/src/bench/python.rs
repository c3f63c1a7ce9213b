//! `cargo xtask bench python`: the wheel beside stock Twisted, in the same interpreter.
//!
//! The measuring is done in Python, by `benches/python/run.py`; here its environment is made.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::python::{self, Environment, Python};
use crate::step::{self, Steps};

/// What the wheel's own environment is to have beside what the tests need.
const REQUIREMENTS: [&str; 1] = ["benches/python/requirements.txt"];
/// What another interpreter is to have.
const PEER_REQUIREMENTS: [&str; 1] = ["benches/python/requirements-peer.txt"];

/// How to run the benchmark.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also write the figures to this file: {"shape": {"stock": us, "hereafter": us, "ratio": x}}.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fewer and shorter rounds: a minute in all, and more noise.
    #[arg(long)]
    quick: bool,
    /// Measure only the shapes whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Put stock Twisted on both sides: every ratio should be 1, and what is not is noise.
    #[arg(long)]
    self_check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new("cargo xtask bench python");
    ensure!(
        python::is_there() || arguments.self_check,
        "there is no wheel in this checkout to measure; `--self-check` measures stock on both sides"
    );
    let environment = Environment::for_tests(&mut steps, &Python::find()?, &REQUIREMENTS)?;
    if !arguments.self_check {
        environment.install_wheel(&mut steps)?;
    }
    let mut command = environment.python(["benches/python/run.py", "--folder"]);
    command.arg(step::target().join("python/bench"));
    // A peer that cannot be had is no reason to measure nothing.
    match Environment::pypy(&mut steps, &PEER_REQUIREMENTS) {
        Ok(Some(pypy)) => drop(command.arg("--pypy").arg(pypy.program("python"))),
        Ok(None) => println!("PyPy is left out: there is no `pypy3` here."),
        Err(error) => println!("PyPy is left out: {error:#}"),
    }
    if let Some(file) = &arguments.json {
        command.arg("--json").arg(std::path::absolute(file).context("the JSON file's path")?);
    }
    if let Some(text) = &arguments.only {
        command.arg("--only").arg(text);
    }
    for (flag, is_set) in [("--quick", arguments.quick), ("--self-check", arguments.self_check)] {
        if is_set {
            command.arg(flag);
        }
    }
    step::run(&mut command)
}
