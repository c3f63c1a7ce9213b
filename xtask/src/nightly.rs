//! The nightly toolchain, for what no other can do.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::step;

/// `cargo` of the nightly toolchain, free of what the running cargo has set for its own toolchain.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments).current_dir(step::root());
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command
}

/// Whether this works on the nightly toolchain.
pub(crate) fn works<const N: usize>(arguments: [&str; N]) -> bool {
    let mut command = cargo(arguments);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

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
