//! The Python door: an environment of its own, the wheel in it, and everything that is run there.
//!
//! | module | what |
//! |---|---|
//! | [`interpreters`] | finds the Pythons that are here |
//! | [`environment`] | makes a virtual environment, builds the wheel and installs it |
//! | [`suites`] | Twisted's own suites, and how many tests each must have run |
//! | [`tests`] | the steps that `cargo xtask test` takes |
//! | [`versions`] | the suites on other versions of Twisted, stock and ours |
//! | [`wheels`] | `cargo xtask wheels`: everything that is to be published |

mod environment;
mod interpreters;
mod suites;
mod tests;
mod versions;
pub(crate) mod wheels;

pub(crate) use environment::Environment;
pub(crate) use interpreters::Python;
pub(crate) use tests::{Selection, run as test};

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::{self, Steps};

/// Whether this checkout has the wheel at all; without it nothing here has anything to do.
pub(crate) fn is_there() -> bool {
    step::root().join("python/pyproject.toml").is_file()
}

/// The Python package as it would be installed, with this library.
///
/// # Errors
///
/// Fails when a file cannot be copied; the error says which part.
pub(crate) fn lay_out(library: &Path, site: &Path) -> Result<()> {
    let package = site.join("hereafter");
    fs::create_dir_all(&package).context("making a folder for the package")?;
    let sources = step::root().join("python/hereafter");
    for file in fs::read_dir(&sources).with_context(|| format!("reading {}", sources.display()))? {
        let file = file?;
        if file.file_type()?.is_file() {
            fs::copy(file.path(), package.join(file.file_name()))?;
        }
    }
    let name = if cfg!(windows) { "_hereafter.pyd" } else { "_hereafter.so" };
    fs::copy(library, package.join(name)).context("copying the library")?;
    Ok(())
}

/// Tells a benchmark of a Python that has Twisted, to measure that too.
pub(crate) fn add_twisted(benchmark: &mut Command, steps: &mut Steps) {
    let environment = Python::find().and_then(|python| Environment::for_tests(steps, &python, &[]));
    match environment {
        Ok(environment) => drop(benchmark.arg("--twisted").arg(environment.program("python"))),
        // A peer that cannot be had is no reason to measure nothing.
        Err(error) => println!("Twisted cannot be had: {error:#}"),
    }
}
