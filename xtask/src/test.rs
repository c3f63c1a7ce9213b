//! `cargo xtask test`: every suite from a bare checkout, and whether the crates can be published.

use anyhow::Result;

use crate::python;
use crate::step::{Steps, cargo};

/// What to leave out.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of a command line")]
pub(crate) struct Arguments {
    /// Leave out the publishing check, which asks the registry whether our dependencies are there.
    #[arg(long)]
    no_publish_check: bool,
    /// Leave out the Python door: no Python is needed then.
    #[arg(long)]
    no_python: bool,
    /// Run the Python door's tests alone.
    #[arg(long, conflicts_with = "no_python")]
    only_python: bool,
    /// Also run the whole of Twisted's suite, stock and ours, and compare every outcome.
    #[arg(long, conflicts_with = "no_python")]
    twisted_full: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new("cargo xtask test");
    if !arguments.only_python {
        rust(&mut steps, arguments)?;
    }
    if python::is_there() && !arguments.no_python {
        python::test(&mut steps, arguments.twisted_full)?;
    }
    steps.summarize();
    Ok(())
}

/// The crates.
fn rust(steps: &mut Steps, arguments: &Arguments) -> Result<()> {
    // An example that has unit tests is built by `cargo test` as a test alone, yet its integration
    // tests run the program itself.
    steps.run(
        "the example programs",
        &mut cargo(["build", "--workspace", "--examples", "--all-features"]),
    )?;
    // Documentation tests are part of it, and with them every code block of the guide.
    steps.run(
        "the whole workspace, all features",
        &mut cargo(["test", "--workspace", "--all-features"]),
    )?;
    steps.run(
        "hereafter without its default features",
        &mut cargo(["test", "--package", "hereafter", "--no-default-features"]),
    )?;
    if !arguments.no_publish_check {
        // Each crate is built from its own package, so a file that the package lacks is noticed.
        steps.run(
            "the crates can be published",
            &mut cargo(["publish", "--workspace", "--dry-run", "--allow-dirty"]),
        )?;
    }
    Ok(())
}
