//! `cargo xtask bench soak`: millions of Deferreds of the Python door, to see that nothing of them stays.
//!
//! The work is done in Python, by `benches/python/soak.py`; here its environment is made.

use anyhow::Result;

use crate::python::{Environment, Python};
use crate::step::Steps;

/// How long to go on.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many Deferreds to make.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    deferreds: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new("cargo xtask bench soak");
    let environment = Environment::for_tests(&mut steps, &Python::find()?, &[])?;
    environment.install_wheel(&mut steps)?;
    let mut command = environment.python(["-m", "hereafter", "benches/python/soak.py"]);
    command.arg("--deferreds").arg(arguments.deferreds.to_string());
    steps.run("the soak", &mut command)
}
