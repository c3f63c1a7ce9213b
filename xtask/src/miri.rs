//! `cargo xtask miri`: the tests of the crate with `unsafe` code, under Miri.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::step::{self, Steps};

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

    fn step(self) -> &'static str {
        match self {
            Self::Stacked => "hereafter under Stacked Borrows",
            Self::Tree => "hereafter under Tree Borrows",
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
        install(&mut steps, "installing Miri", "miri,rust-src")?;
    }
    if arguments.install {
        return Ok(());
    }
    for model in arguments.model.map_or(Model::BOTH.to_vec(), |model| vec![model]) {
        // Documentation tests are left out: each is a program of its own that Miri would start
        // from nothing, and they take no path that the suites do not.
        let mut command = nightly(["miri", "test", "--package", "hereafter"]);
        if arguments.quick {
            command.args(["--test", "situations", "--test", "allocations"]);
        } else {
            command.args(["--lib", "--tests"]);
        }
        command.args(arguments.filter.as_ref()).env("MIRIFLAGS", model.flags());
        // A backtrace for each new failure is most of what Miri would do.
        command.env("RUST_BACKTRACE", "0");
        steps.run(model.step(), &mut command)?;
    }
    steps.summarize();
    Ok(())
}

fn is_installed() -> bool {
    nightly(["miri", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Adds the nightly toolchain, or what it lacks.
///
/// # Errors
///
/// Fails when rustup is missing or cannot reach its server.
pub(crate) fn install(steps: &mut Steps, name: &str, components: &str) -> Result<()> {
    let components = format!("--component={components}");
    let mut rustup = Command::new("rustup");
    steps.run(
        name,
        rustup.args(["toolchain", "install", "nightly", "--profile=minimal", &components]),
    )
}

/// `cargo` of the nightly toolchain.
pub(crate) fn nightly<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = step::of_toolchain("nightly", "cargo");
    command.args(arguments);
    command
}
