//! The Python steps of `cargo xtask test`.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::oracle;
use crate::page;
use crate::python::suites::{AROUND, CORE, Suite};
use crate::python::{Environment, Python, versions};
use crate::step::{self, Steps};

/// Some of Twisted's tests put back the locale that they find. Python gives most of them a name that
/// it then does not know; not so this one, which every system has.
const LOCALE: &str = "C";

/// On what to run, and what beside the usual.
pub(crate) struct Selection {
    /// The Pythons, by version or as `default`, `oldest` or `newest`.
    pub(crate) pythons: Vec<String>,
    /// Every Python that is here, rather than these.
    pub(crate) all_pythons: bool,
    /// Other versions of Twisted to compare on, or `all` of them.
    pub(crate) twisted: Vec<String>,
    /// Compare the whole of Twisted's suite.
    pub(crate) whole: bool,
    /// Look at the inspector's page in a browser.
    pub(crate) page: bool,
}

/// Builds the wheel for each Python, and runs every suite of Python's on it.
///
/// # Errors
///
/// Fails with the first step that does.
pub(crate) fn run(steps: &mut Steps, selection: &Selection) -> Result<()> {
    let pythons =
        if selection.all_pythons { Python::all() } else { Python::chosen(&selection.pythons)? };
    for (at, python) in pythons.iter().enumerate() {
        let environment = Environment::for_tests(steps, python, &[])?;
        let wheel = environment.install_wheel(steps)?;
        suites(steps, &environment, python)?;
        if at == 0 {
            steps.run(
                "the reactor's protocols with Twisted as the other side",
                step::cargo(["test", "--package", "hereafter-reactor", "--test", "twisted"])
                    .env("HEREAFTER_TWISTED_PYTHON", environment.program("python")),
            )?;
            oracle::test(steps, &environment)?;
            if selection.page {
                page::test_python(steps, &environment)?;
            }
        }
        // What is compared with stock differs little from Python to Python, and takes long.
        if at == 0 && !selection.twisted.is_empty() {
            let versions = versions::chosen(&selection.twisted)?;
            versions::run(steps, python, &wheel, &versions)?;
        }
        if at == 0 && selection.whole {
            let folder = step::target().join("python/whole");
            let name = "the whole of Twisted's suite, stock and ours, test by test";
            steps.run(name, &mut compare(&environment, &folder))?;
        }
    }
    Ok(())
}

/// Our own tests, and those of Twisted that are about Deferreds.
fn suites(steps: &mut Steps, environment: &Environment, python: &Python) -> Result<()> {
    steps.run(
        format!("our Python tests, on {}", python.named),
        environment
            .python(["-m", "hereafter", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .arg("python/tests")
            .env("PYRIGHT_PYTHON_CACHE_DIR", step::target().join("python/pyright"))
            .env("MYPY_CACHE_DIR", step::target().join("python/mypy")),
    )?;
    for suite in [&CORE, &AROUND] {
        let name = format!("{}, on {}", suite.name, python.named);
        twisted(steps, environment, name, suite, &[])?;
    }
    let name = format!("{}, inspected, on {}", CORE.name, python.named);
    twisted(steps, environment, name, &CORE, &[("HEREAFTER_INSPECT", "1")])
}

/// Runs one of Twisted's suites under the wheel.
fn twisted(
    steps: &mut Steps,
    environment: &Environment,
    name: String,
    suite: &Suite,
    variables: &[(&str, &str)],
) -> Result<()> {
    let mut command = environment.python(["-m", "hereafter", "-m", "twisted.trial"]);
    command.args(["--reporter=text", "--temp-directory"]);
    command.arg(step::target().join("python/trial"));
    command.env("LC_ALL", LOCALE).envs(variables.iter().copied());
    let output = steps.run_reading(name, command.args(suite.modules))?;
    suite.check(&output)
}

/// What runs Twisted's tests on stock and on ours, and compares; to be told which modules, if not all.
pub(crate) fn compare(environment: &Environment, folder: &Path) -> Command {
    let mut command = environment.python(["python/tests/suite/compare.py", "--folder"]);
    command.arg(folder).args(["--differences", "docs/differences.md"]).env("LC_ALL", LOCALE);
    command
}
