//! Whether the crates can be built with `panic = "abort"`, and what a panic does then.
//!
//! The flag is given to each of our crates alone: their dependencies need not be built once more, and
//! a program may mix both.

use anyhow::{Context, Result, ensure};

use crate::step::{Steps, cargo, target};

const CRATES: [&str; 5] =
    ["hereafter-engine", "hereafter-insight", "hereafter", "hereafter-reactor", "hereafter-adbapi"];

/// What `crates/hereafter/examples/panics.rs` says before the panic, and with what it panics.
const BEFORE: &str = "Built so that panics end the process.";
const MESSAGE: &str = "on purpose";

/// The step of `cargo xtask test`.
///
/// # Errors
///
/// Fails when a crate cannot be built so, or when a panic does not end the process, with a word.
pub(crate) fn test(steps: &mut Steps) -> Result<()> {
    for name in CRATES {
        let mut check = cargo(["rustc", "--lib", "--profile", "check", "--all-features"]);
        check.args(["--package", name, "--", "-C", "panic=abort", "-D", "warnings"]);
        steps.run(format!("{name} with panic = \"abort\""), &mut check)?;
    }
    let mut build = cargo(["rustc", "--package", "hereafter", "--example", "panics"]);
    build.args(["--", "-C", "panic=abort"]);
    steps.run("a program with panic = \"abort\"", &mut build)?;
    let name = format!("panics{}", std::env::consts::EXE_SUFFIX);
    let program = target().join("debug").join("examples").join(name);
    let output = std::process::Command::new(&program)
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(
        !output.status.success() && said.trim() == BEFORE && complained.contains(MESSAGE),
        "a panic in a program with panic = \"abort\" should end it with a word ({}): {said}{complained}",
        output.status
    );
    Ok(())
}
