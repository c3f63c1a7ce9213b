//! Other versions of Twisted: the suites that are about Deferreds, on stock Deferreds and on ours.
//!
//! What ends otherwise than in the version that we test against is not looked at one by one here: a
//! test passes there, or it fails on stock as well.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::python::environment::twisted_requirement;
use crate::python::suites::{AROUND, CORE};
use crate::python::tests::compare;
use crate::python::{Environment, Python};
use crate::step::{self, Steps};

/// The releases before the one that we test against, oldest first.
const EARLIER: [&str; 5] = ["24.7.0", "24.10.0", "24.11.0", "25.5.0", "26.4.0"];

/// The versions asked for, where `all` is every one that is supported.
pub(crate) fn chosen(wanted: &[String]) -> Result<Vec<String>> {
    let mut chosen = Vec::new();
    for wanted in wanted {
        if wanted == "all" {
            let line = twisted_requirement()?;
            let (_, newest) = line.split_once("==").context("the tests need one version")?;
            chosen.extend(EARLIER.iter().map(|version| (*version).to_owned()));
            chosen.push(newest.to_owned());
        } else {
            chosen.push(wanted.clone());
        }
    }
    Ok(chosen)
}

/// Compares the suites on each of these versions of Twisted.
///
/// # Errors
///
/// Fails when a test ends otherwise on ours than on stock, after all versions have been run.
pub(crate) fn run(
    steps: &mut Steps,
    python: &Python,
    wheel: &Path,
    versions: &[String],
) -> Result<()> {
    let modules: Vec<&str> = CORE.modules.iter().chain(AROUND.modules).copied().collect();
    let (mut rows, mut different) = (Vec::new(), Vec::new());
    for version in versions {
        let environment = Environment::of_twisted(steps, python, version)?;
        environment.install(steps, wheel)?;
        let folder = step::target().join("python/versions").join(version);
        let mut command = compare(&environment, &folder);
        let name = format!("Twisted {version}, stock and ours, test by test");
        if let Err(error) = steps.run(name, command.args(&modules)) {
            different.push(format!("{error:#}"));
        }
        let row = fs::read_to_string(folder.join("row.md"));
        rows.push(row.with_context(|| format!("what came of Twisted {version}"))?);
    }
    println!("\n| Twisted | Python | tests | pass on stock | pass on Hereafter | differ |");
    println!("|---|---|---|---|---|---|\n{}", rows.concat());
    ensure!(different.is_empty(), "{}", different.join("\n"));
    Ok(())
}
