//! `cargo xtask bench network`: builds and runs the benchmark of servers and timers.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::python;
use crate::step::{self, Steps, cargo};

/// How to run the benchmark.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also write the figures to this file: {"shape": {"system": seconds}}.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fewer and shorter rounds: some seconds in all, and more noise.
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    step::run(&mut cargo(["build", "--release", "--package", "hereafter-benches"]))?;
    let program =
        step::target().join("release").join(format!("network{}", std::env::consts::EXE_SUFFIX));
    let mut command = std::process::Command::new(&program);
    python::add_twisted(&mut command, &mut Steps::new("cargo xtask bench network"));
    if arguments.quick {
        command.arg("--quick");
    }
    if let Some(file) = &arguments.json {
        let file = std::path::absolute(file).context("the JSON file's path")?;
        command.arg("--json").arg(file);
    }
    step::run(&mut command)
}
