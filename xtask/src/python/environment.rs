//! The virtual environment under `target/python`, and the wheel in it.
//!
//! Nothing of the machine's own Python is touched. The environment is made anew when the Python or
//! the requirements have changed, which a stamp inside it tells; the wheel is built and installed
//! every time, as cargo knows best what has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::python::Python;
use crate::step::{self, Steps};

/// A virtual environment that has what its requirements ask for.
pub(crate) struct Environment {
    folder: PathBuf,
}

/// What the wheel is built with.
const BUILD: &str = "python/requirements-build.txt";
/// What the tests need beside it, Twisted first of all.
const TESTS: &str = "python/tests/requirements.txt";

impl Environment {
    /// The environment that the tests run in, with what these files ask for beside it.
    ///
    /// # Errors
    ///
    /// Fails when pip cannot install something.
    pub(crate) fn for_tests(steps: &mut Steps, python: &Python, more: &[&str]) -> Result<Self> {
        let files = [&[BUILD, TESTS], more].concat();
        Self::with(steps, python, &format!("venv-{}", python.version()), &Needs::files(&files))
    }

    /// The environment that wheels are built in, for every Python.
    ///
    /// # Errors
    ///
    /// Fails when there is no Python that will do, or when pip cannot install something.
    pub(crate) fn for_building(steps: &mut Steps) -> Result<Self> {
        Self::with(steps, &Python::find()?, "venv-build", &Needs::files(&[BUILD]))
    }

    /// An environment with another version of Twisted, and what its own tests need.
    ///
    /// # Errors
    ///
    /// Fails when pip cannot install something.
    pub(crate) fn of_twisted(steps: &mut Steps, python: &Python, version: &str) -> Result<Self> {
        let line = twisted_requirement()?;
        let (package, _) =
            line.split_once("==").context("the tests need one version of Twisted")?;
        let needs = [Needs::Package(format!("{package}=={version}"))];
        Self::with(steps, python, &format!("venv-{}-twisted-{version}", python.version()), &needs)
    }

    /// An environment with this one package, of one version.
    ///
    /// # Errors
    ///
    /// Fails when pip cannot install it.
    pub(crate) fn of_package(
        steps: &mut Steps,
        python: &Python,
        name: &str,
        package: &str,
    ) -> Result<Self> {
        Self::with(steps, python, name, &[Needs::Package(package.to_owned())])
    }

    /// The environment for `PyPy`, if it is installed.
    ///
    /// # Errors
    ///
    /// Fails when pip cannot install something.
    pub(crate) fn pypy(steps: &mut Steps, requirements: &[&str]) -> Result<Option<Self>> {
        let Some(python) = Python::ask("pypy3") else { return Ok(None) };
        let folder = format!("venv-pypy-{}", python.version());
        Self::with(steps, &python, &folder, &Needs::files(requirements)).map(Some)
    }

    /// An environment made anew, with nothing in it.
    ///
    /// # Errors
    ///
    /// Fails when Python cannot make it.
    pub(crate) fn empty(steps: &mut Steps, python: &Python, name: &str) -> Result<Self> {
        let environment = Self { folder: step::target().join("python").join(name) };
        environment.make(steps, python)?;
        Ok(environment)
    }

    fn with(steps: &mut Steps, python: &Python, name: &str, needs: &[Needs]) -> Result<Self> {
        let environment = Self { folder: step::target().join("python").join(name) };
        let mut stamp = python.described.clone();
        for need in needs {
            stamp += &need.text()?;
        }
        // One stamp for each set of requirements: the benchmark's adds to the tests', and neither
        // is to undo the other.
        let stamps = environment.folder.join("stamps");
        let names: Vec<&str> = needs.iter().map(Needs::name).collect();
        let stamp_file = stamps.join(names.join("+").replace('/', "."));
        if fs::read_to_string(&stamp_file).is_ok_and(|present| present == stamp) {
            return Ok(environment);
        }
        if !environment.has_python(python) {
            environment.make(steps, python)?;
        }
        let mut install = environment.pip(["install", "--quiet"]);
        for need in needs {
            match need {
                Needs::File(file) => install.arg("--requirement").arg(step::root().join(file)),
                Needs::Package(package) => install.arg(package),
            };
        }
        let what = format!("what the Python side needs, for {}", python.named);
        steps.run(what, &mut install)?;
        fs::create_dir_all(&stamps).context("making the folder for stamps")?;
        fs::write(&stamp_file, stamp).context("writing the environment's stamp")?;
        Ok(environment)
    }

    fn make(&self, steps: &mut Steps, python: &Python) -> Result<()> {
        let mut make = Command::new(&python.program);
        make.args(["-m", "venv", "--clear"]).arg(&self.folder);
        steps.run(format!("a virtual environment for {}", python.named), &mut make).context(
            "Python's own `venv` makes it; where that is packaged apart, as on Debian, \
             install the package `python3-venv`",
        )
    }

    /// Whether the environment has been made from this very Python, and still works.
    fn has_python(&self, python: &Python) -> bool {
        Python::ask(self.program("python")).is_some_and(|own| own.described == python.described)
    }

    /// Builds the wheel for this environment and installs it there; returns where it lies.
    ///
    /// # Errors
    ///
    /// Fails when it does not build, or when what is built is not one wheel.
    pub(crate) fn install_wheel(&self, steps: &mut Steps) -> Result<PathBuf> {
        let wheels = self.folder.join("wheel");
        // Only what is built now is to be found there.
        if wheels.exists() {
            fs::remove_dir_all(&wheels).context("removing the wheel of an earlier build")?;
        }
        let mut build = self.maturin("build", &wheels);
        build.args(["--release", "--interpreter"]).arg(self.program("python"));
        steps.run("the wheel", &mut build)?;
        let wheel = only_file(&wheels)?;
        self.install(steps, &wheel)?;
        Ok(wheel)
    }

    /// Installs a wheel in the place of another of the same version, and nothing that it needs.
    ///
    /// # Errors
    ///
    /// Fails when pip cannot install it.
    pub(crate) fn install(&self, steps: &mut Steps, wheel: &Path) -> Result<()> {
        let mut install = self.pip(["install", "--quiet", "--force-reinstall", "--no-deps"]);
        steps.run("the wheel goes into the environment", install.arg(wheel))
    }

    /// What builds wheels and source distributions, told what of and where to.
    pub(crate) fn maturin(&self, what: &str, out: &Path) -> Command {
        let mut command = Command::new(self.program("maturin"));
        command.args([what, "--manifest-path", "python/Cargo.toml", "--out"]).arg(out);
        command.current_dir(step::root()).env("CARGO_TARGET_DIR", step::target());
        command
    }

    /// This environment's `python` with these arguments, in the root of the checkout.
    pub(crate) fn python<I>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item: AsRef<std::ffi::OsStr>>,
    {
        let mut command = Command::new(self.program("python"));
        command.args(arguments).current_dir(step::root());
        // What is measured or tested says itself whether the wheel is to take over.
        for name in ["HEREAFTER", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn pip<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = self.python(["-m", "pip", "--disable-pip-version-check"]);
        command.args(arguments);
        command
    }

    /// One of the environment's programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let folder = if cfg!(windows) { "Scripts" } else { "bin" };
        self.folder.join(folder).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// What an environment is to have.
enum Needs {
    /// What a file of requirements asks for.
    File(String),
    /// One package, of one version.
    Package(String),
}

impl Needs {
    fn files(files: &[&str]) -> Vec<Self> {
        files.iter().map(|file| Self::File((*file).to_owned())).collect()
    }

    fn name(&self) -> &str {
        let (Self::File(name) | Self::Package(name)) = self;
        name
    }

    fn text(&self) -> Result<String> {
        match self {
            Self::File(file) => read(file),
            Self::Package(package) => Ok(package.clone()),
        }
    }
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(step::root().join(file)).with_context(|| format!("reading {file}"))
}

/// The line that says which Twisted the tests run on, and what they need of it.
pub(crate) fn twisted_requirement() -> Result<String> {
    let text = read(TESTS)?;
    let line = text.lines().find(|line| line.starts_with("Twisted"));
    Ok(line.with_context(|| format!("{TESTS} does not say which Twisted"))?.to_owned())
}

/// The one file of a folder.
fn only_file(folder: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let files: Vec<PathBuf> = files.map(|file| Ok(file?.path())).collect::<std::io::Result<_>>()?;
    ensure!(files.len() == 1, "there should be one wheel in {}: {files:?}", folder.display());
    Ok(files.into_iter().next().expect("there is one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_wheels_are_one_too_many() {
        let folder = tempfile::tempdir().unwrap();
        assert!(only_file(folder.path()).is_err());
        fs::write(folder.path().join("a.whl"), "").unwrap();
        assert_eq!(only_file(folder.path()).unwrap(), folder.path().join("a.whl"));
        fs::write(folder.path().join("b.whl"), "").unwrap();
        assert!(only_file(folder.path()).is_err());
    }
}
