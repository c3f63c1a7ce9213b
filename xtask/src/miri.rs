//! `cargo xtask miri`: the tests of the crate with `unsafe` code, under Miri.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::nightly;
use crate::step::Steps;

/// What to run under Miri.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run with this memory model alone.
    #[arg(long, value_enum)]
    model: Option<Model>,
    /// Only say whether Miri is installed: exit code 0 if it is.
    #[arg(long)]
    check: bool,
    /// Only install what is missing.
    #[arg(long, conflicts_with = "check")]
    install: bool,
    /// Only the suites that go furthest into the module with `unsafe`: a few minutes in all.
    #[arg(long)]
    quick: bool,
    /// With so many seeds: each gives other addresses, and other turns to threads.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u32,
    /// Only tests whose name contains this text.
    filter: Option<String>,
}

/// Which accesses through which pointers are allowed; a program should be right under both.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Model {
    /// Stacked Borrows, the stricter one.
    Stacked,
    /// Tree Borrows, the newer one.
    Tree,
}

impl Model {
    const BOTH: [Self; 2] = [Self::Stacked, Self::Tree];

    fn name(self) -> &'static str {
        match self {
            Self::Stacked => "Stacked Borrows",
            Self::Tree => "Tree Borrows",
        }
    }

    /// Isolation is off because property tests look at the environment and the current folder.
    fn flags(self) -> &'static str {
        match self {
            Self::Stacked => "-Zmiri-strict-provenance -Zmiri-disable-isolation",
            Self::Tree => "-Zmiri-strict-provenance -Zmiri-disable-isolation -Zmiri-tree-borrows",
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.check {
        ensure!(is_installed(), "Miri is not installed; `cargo xtask miri --install` adds it");
        return Ok(());
    }
    let mut steps = Steps::new("cargo xtask miri");
    if !is_installed() {
        nightly::install(&mut steps, "installing Miri", "miri,rust-src")?;
    }
    if arguments.install {
        return Ok(());
    }
    for model in arguments.model.map_or(Model::BOTH.to_vec(), |model| vec![model]) {
        for seed in 0..arguments.seeds {
            let mut command = command(arguments);
            command.env("MIRIFLAGS", format!("{} -Zmiri-seed={seed}", model.flags()));
            steps.run(format!("hereafter under {}, seed {seed}", model.name()), &mut command)?;
        }
    }
    steps.summarize();
    Ok(())
}

fn command(arguments: &Arguments) -> Command {
    // Documentation tests are left out: each is a program of its own that Miri would start
    // from nothing, and they take no path that the suites do not.
    let mut command = nightly::cargo(["miri", "test", "--package", "hereafter"]);
    if arguments.quick {
        command.args(["--test", "situations", "--test", "allocations"]);
    } else {
        command.args(["--lib", "--tests"]);
    }
    // A backtrace for each new failure is most of what Miri would do.
    command.args(arguments.filter.as_ref()).env("RUST_BACKTRACE", "0");
    command
}

fn is_installed() -> bool {
    nightly::works(["miri", "--version"])
}
