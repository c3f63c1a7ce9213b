//! The nightly toolchain, for what no other can do.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::step::{self, Steps};

/// `cargo` of the nightly toolchain.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = step::of_toolchain("nightly", "cargo");
    command.args(arguments);
    command
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

/// Whether this works on the nightly toolchain.
pub(crate) fn works<const N: usize>(arguments: [&str; N]) -> bool {
    let mut command = cargo(arguments);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Sees to it that there is one; `what` needs it.
///
/// # Errors
///
/// Fails when there is no nightly toolchain; the error says how to get one.
pub(crate) fn ensure_there_is_one(what: &str) -> Result<()> {
    ensure!(
        works(["--version"]),
        "{what} needs a nightly toolchain: `rustup toolchain install nightly --profile minimal`"
    );
    Ok(())
}
