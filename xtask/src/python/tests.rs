//! The Python steps of `cargo xtask test`.

use anyhow::Result;

use crate::python::Environment;
use crate::python::suites::{AROUND, CORE, Suite};
use crate::step::{self, Steps};

/// Some of Twisted's tests put back the locale that they find. Python gives most of them a name that
/// it then does not know; not so this one, which every system has.
const LOCALE: &str = "C";

/// Builds the wheel, and runs every suite of Python's on it.
///
/// # Errors
///
/// Fails with the first step that does.
pub(crate) fn run(steps: &mut Steps, whole_twisted: bool) -> Result<()> {
    let environment = Environment::new(steps, &["python/tests/requirements.txt"])?;
    environment.install_wheel(steps)?;
    steps.run(
        "our Python tests",
        environment
            .python(["-m", "hereafter", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .arg("python/tests")
            .env("PYRIGHT_PYTHON_CACHE_DIR", step::target().join("python/pyright"))
            .env("MYPY_CACHE_DIR", step::target().join("python/mypy")),
    )?;
    for suite in [&CORE, &AROUND] {
        twisted(steps, &environment, suite)?;
    }
    if whole_twisted {
        let mut command = environment.python(["python/tests/suite/whole.py", "--folder"]);
        command.env("LC_ALL", LOCALE);
        command.arg(step::target().join("python/whole"));
        command.args(["--differences", "docs/differences.md"]);
        steps.run("the whole of Twisted's suite, stock and ours, test by test", &mut command)?;
    }
    Ok(())
}

/// Runs one of Twisted's suites under the wheel.
fn twisted(steps: &mut Steps, environment: &Environment, suite: &Suite) -> Result<()> {
    let mut command = environment.python(["-m", "hereafter", "-m", "twisted.trial"]);
    command.args(["--reporter=text", "--temp-directory"]);
    command.arg(step::target().join("python/trial"));
    command.env("LC_ALL", LOCALE);
    let output = steps.run_reading(suite.name, command.args(suite.modules))?;
    suite.check(&output)
}
