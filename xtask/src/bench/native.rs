//! `cargo xtask bench native`: builds and runs the benchmark program.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::bench::callgrind;
use crate::python;
use crate::step::{self, Steps, cargo};

/// How to run the benchmark.
#[derive(clap::Args)]
pub(crate) struct Arguments {
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
    /// Measure Deferreds with inspection compiled in: off, and on. No peers.
    #[arg(long)]
    inspect: bool,
    /// Count instructions with valgrind instead: the same figures on every run.
    #[arg(long, conflicts_with_all = ["json", "quick"])]
    callgrind: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut build = cargo(["build", "--release", "--package", "hereafter-benches"]);
    if arguments.inspect {
        build.args(["--features", "inspect"]);
    }
    step::run(&mut build)?;
    let program =
        step::target().join("release").join(format!("native{}", std::env::consts::EXE_SUFFIX));
    let always: &[&str] = if arguments.inspect { &["--inspect"] } else { &[] };
    let mut selection: Vec<String> = Vec::new();
    for (flag, value) in [("--only", &arguments.only), ("--system", &arguments.system)] {
        if let Some(value) = value {
            selection.extend([flag.to_owned(), value.clone()]);
        }
    }
    if arguments.callgrind {
        return callgrind::run(&program, always, &selection);
    }
    let mut command = std::process::Command::new(&program);
    command.args(always).args(&selection);
    python::add_twisted(&mut command, &mut Steps::new("cargo xtask bench native"));
    if arguments.quick {
        command.arg("--quick");
    }
    if let Some(file) = &arguments.json {
        let file = std::path::absolute(file).context("the JSON file's path")?;
        command.arg("--json").arg(file);
    }
    // Each new failure would pay for a backtrace.
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    step::run(&mut command)
}
