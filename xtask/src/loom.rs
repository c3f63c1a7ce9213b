//! `cargo xtask loom`: every order in which threads can come to what the crates share.
//!
//! The models are in `crates/hereafter/src/models.rs`. The reactor has none: tokio, on which it stands, is
//! another one under loom's flag.

use anyhow::Result;

use crate::step::{Steps, cargo, target};

/// How far to go.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often a thread may be interrupted in one run; at first as often as can be.
    #[arg(long, value_name = "N")]
    preemptions: Option<u32>,
    /// Only models whose name contains this text.
    filter: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new("cargo xtask loom");
    models(&mut steps, arguments)?;
    steps.summarize();
    Ok(())
}

/// The step of `cargo xtask test`.
///
/// # Errors
///
/// Fails when a model does.
pub(crate) fn test(steps: &mut Steps) -> Result<()> {
    models(steps, &Arguments { preemptions: None, filter: None })
}

fn models(steps: &mut Steps, arguments: &Arguments) -> Result<()> {
    let mut command = cargo(["test", "--package", "hereafter", "--lib"]);
    // With other flags everything is built anew, so it has a folder of its own.
    command.env("RUSTFLAGS", "--cfg loom").arg("--target-dir").arg(target().join("loom"));
    command.arg(format!("models::{}", arguments.filter.as_deref().unwrap_or_default()));
    if let Some(preemptions) = arguments.preemptions {
        command.env("LOOM_MAX_PREEMPTIONS", preemptions.to_string());
    }
    steps.run("the models of what threads share", &mut command)
}
