//! The virtual environment under `target/python`, and the wheel in it.
//!
//! Nothing of the machine's own Python is touched. The environment is made anew when the Python or
//! the requirements have changed, which a stamp inside it tells; the wheel is built and installed
//! every time, as cargo knows best what has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::step::{self, Steps};

/// The oldest Python that the wheel is built for.
const OLDEST: (u32, u32) = (3, 10);

/// A virtual environment that has what its requirements ask for.
pub(crate) struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// The environment for the Python that is found first, with these files of requirements.
    ///
    /// # Errors
    ///
    /// Fails when there is no Python of a version that will do, or when pip cannot install something.
    pub(crate) fn new(steps: &mut Steps, requirements: &[&str]) -> Result<Self> {
        let python = Python::find()?;
        Self::with(steps, &python, &format!("venv-{}", python.version()), requirements)
    }

    /// The environment for `PyPy`, if it is installed.
    ///
    /// # Errors
    ///
    /// Fails when pip cannot install something.
    pub(crate) fn pypy(steps: &mut Steps, requirements: &[&str]) -> Result<Option<Self>> {
        let Some(python) = Python::ask("pypy3") else { return Ok(None) };
        let folder = format!("venv-pypy-{}", python.version());
        Self::with(steps, &python, &folder, requirements).map(Some)
    }

    fn with(steps: &mut Steps, python: &Python, name: &str, requirements: &[&str]) -> Result<Self> {
        let environment = Self { folder: step::target().join("python").join(name) };
        let mut stamp = python.described.clone();
        for file in requirements {
            let text = fs::read_to_string(step::root().join(file));
            stamp += &text.with_context(|| format!("reading {file}"))?;
        }
        // One stamp for each set of requirements: the benchmark's adds to the tests', and neither
        // is to undo the other.
        let stamps = environment.folder.join("stamps");
        let stamp_file = stamps.join(requirements.join("+").replace('/', "."));
        if fs::read_to_string(&stamp_file).is_ok_and(|present| present == stamp) {
            return Ok(environment);
        }
        if !environment.has_python(python) {
            let mut make = Command::new(&python.program);
            make.args(["-m", "venv", "--clear"]).arg(&environment.folder);
            steps.run(format!("a virtual environment for {}", python.named), &mut make).context(
                "Python's own `venv` makes it; where that is packaged apart, as on Debian, \
                 install the package `python3-venv`",
            )?;
        }
        let mut install = environment.pip(["install", "--quiet"]);
        for file in requirements {
            install.arg("--requirement").arg(step::root().join(file));
        }
        steps.run("what the Python side needs", &mut install)?;
        fs::create_dir_all(&stamps).context("making the folder for stamps")?;
        fs::write(&stamp_file, stamp).context("writing the environment's stamp")?;
        Ok(environment)
    }

    /// Whether the environment has been made from this very Python, and still works.
    fn has_python(&self, python: &Python) -> bool {
        Python::ask(self.program("python")).is_some_and(|own| own.described == python.described)
    }

    /// Builds the wheel for this environment and installs it there.
    ///
    /// # Errors
    ///
    /// Fails when it does not build, or when what is built is not one wheel.
    pub(crate) fn install_wheel(&self, steps: &mut Steps) -> Result<()> {
        let wheels = step::target().join("python/wheels");
        // Only what is built now is to be found there.
        if wheels.exists() {
            fs::remove_dir_all(&wheels).context("removing the wheels of earlier builds")?;
        }
        let mut build = Command::new(self.program("maturin"));
        build.args(["build", "--release", "--manifest-path", "python/Cargo.toml", "--interpreter"]);
        build.arg(self.program("python")).arg("--out").arg(&wheels);
        build.current_dir(step::root()).env("CARGO_TARGET_DIR", step::target());
        steps.run("the wheel", &mut build)?;
        let wheel = only_file(&wheels)?;
        let mut install = self.pip(["install", "--quiet", "--force-reinstall", "--no-deps"]);
        steps.run("the wheel goes into the environment", install.arg(wheel))
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

    fn pip<const N: usize>(&self, arguments: [&str; N]) -> Command {
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

/// A Python that answered.
struct Python {
    program: PathBuf,
    /// Such as `CPython 3.11`.
    named: String,
    /// Everything that makes it another one: the full version and where it is installed.
    described: String,
}

impl Python {
    /// The `python3` or `python` of the search path.
    fn find() -> Result<Self> {
        let found: Vec<Self> = ["python3", "python"].iter().filter_map(Self::ask).collect();
        let named: Vec<&str> = found.iter().map(|python| python.named.as_str()).collect();
        let named = named.join(" and ");
        if let Some(python) = found.into_iter().find(Self::will_do) {
            return Ok(python);
        }
        let (major, minor) = OLDEST;
        if named.is_empty() {
            bail!(
                "the Python steps need CPython {major}.{minor} or later, and there is no `python3` \
                 here; install one, or leave the steps out with `--no-python`"
            );
        }
        bail!(
            "the Python steps need CPython {major}.{minor} or later, and `python3` here is {named}; \
             put a later one first in PATH, or leave the steps out with `--no-python`"
        );
    }

    /// Asks a program what Python it is; None if it is none.
    fn ask(program: impl AsRef<Path>) -> Option<Self> {
        const QUESTION: &str = "import platform, sys; \
            print(platform.python_implementation(), '%d.%d' % sys.version_info[:2]); \
            print(sys.version, sys.base_prefix)";
        let program = program.as_ref().to_owned();
        let output = Command::new(&program).args(["-c", QUESTION]).output().ok()?;
        let answer = String::from_utf8(output.stdout).ok()?;
        let (named, described) = answer.split_once('\n')?;
        Some(Self { program, named: named.trim().to_owned(), described: described.to_owned() })
    }

    fn will_do(&self) -> bool {
        let Some((name, version)) = self.named.split_once(' ') else { return false };
        name == "CPython" && numbers(version).is_some_and(|version| version >= OLDEST)
    }

    fn version(&self) -> &str {
        self.named.split_once(' ').map_or("unknown", |(_, version)| version)
    }
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
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

    fn python(named: &str) -> Python {
        Python { program: "python3".into(), named: named.into(), described: named.into() }
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(python("CPython 3.10").will_do());
        assert!(python("CPython 3.13").will_do());
        assert!(!python("CPython 3.9").will_do());
        assert!(!python("CPython 2.7").will_do());
        assert!(!python("PyPy 3.11").will_do());
    }

    #[test]
    fn what_is_no_python_is_none() {
        assert!(Python::ask("no-such-program").is_none());
    }

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
