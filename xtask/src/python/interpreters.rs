//! The Pythons of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// The versions of `CPython` that the wheel is built for, oldest first.
pub(crate) const VERSIONS: [(u32, u32); 4] = [(3, 10), (3, 11), (3, 12), (3, 13)];

/// A Python that answered.
#[derive(Clone)]
pub(crate) struct Python {
    pub(crate) program: PathBuf,
    /// Such as `CPython 3.11`.
    pub(crate) named: String,
    /// Everything that makes it another one: the full version and where it is installed.
    pub(crate) described: String,
}

impl Python {
    /// The `python3` or `python` of the search path.
    ///
    /// # Errors
    ///
    /// Fails when there is none, or none of a version that will do.
    pub(crate) fn find() -> Result<Self> {
        let found: Vec<Self> = ["python3", "python"].iter().filter_map(Self::ask).collect();
        let named: Vec<&str> = found.iter().map(|python| python.named.as_str()).collect();
        let named = named.join(" and ");
        if let Some(python) = found.into_iter().find(Self::will_do) {
            return Ok(python);
        }
        let (major, minor) = VERSIONS[0];
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

    /// One Python of every version that the wheel is built for and that is here, oldest first.
    ///
    /// Looked for under their names in the search path, and among those that pyenv has.
    pub(crate) fn all() -> Vec<Self> {
        let of_pyenv = of_pyenv();
        let of_version = |version| {
            let own_name = PathBuf::from(format!("python{}", written(version)));
            let names = ["python3".into(), own_name].into_iter().chain(of_pyenv.iter().cloned());
            names.filter_map(Self::ask).find(|python| python.is(version))
        };
        VERSIONS.into_iter().filter_map(of_version).collect()
    }

    /// The Pythons that are asked for, each once: `3.12`, or `default`, `oldest` or `newest`.
    ///
    /// # Errors
    ///
    /// Fails when one of them is not here; the error names those that are.
    pub(crate) fn chosen(wanted: &[String]) -> Result<Vec<Self>> {
        let all = Self::all();
        let mut chosen: Vec<Self> = Vec::new();
        for wanted in wanted {
            let python = match wanted.as_str() {
                "default" => Some(Self::find()?),
                "oldest" => all.first().cloned(),
                "newest" => all.last().cloned(),
                version => all.iter().find(|python| python.version() == version).cloned(),
            };
            let python = python.with_context(|| {
                let here: Vec<&str> = all.iter().map(Self::version).collect();
                format!(
                    "there is no CPython {wanted} here, but {}; one is found as `python{wanted}` \
                     in PATH, or when pyenv has it",
                    if here.is_empty() { "none at all".to_owned() } else { here.join(", ") }
                )
            })?;
            if chosen.iter().all(|other| other.version() != python.version()) {
                chosen.push(python);
            }
        }
        ensure!(!chosen.is_empty(), "no Python was asked for");
        Ok(chosen)
    }

    /// Asks a program what Python it is; None if it is none.
    pub(crate) fn ask(program: impl AsRef<Path>) -> Option<Self> {
        const QUESTION: &str = "import platform, sys; \
            print(platform.python_implementation(), '%d.%d' % sys.version_info[:2]); \
            print(sys.version, sys.base_prefix)";
        let program = program.as_ref().to_owned();
        let output = Command::new(&program).args(["-c", QUESTION]).output().ok()?;
        let answer = String::from_utf8(output.stdout).ok()?;
        let (named, described) = answer.split_once('\n')?;
        Some(Self { program, named: named.trim().to_owned(), described: described.to_owned() })
    }

    fn is(&self, version: (u32, u32)) -> bool {
        self.named == format!("CPython {}", written(version))
    }

    fn will_do(&self) -> bool {
        let Some((name, version)) = self.named.split_once(' ') else { return false };
        name == "CPython" && numbers(version).is_some_and(|version| version >= VERSIONS[0])
    }

    /// Such as `3.11`.
    pub(crate) fn version(&self) -> &str {
        self.named.split_once(' ').map_or("unknown", |(_, version)| version)
    }
}

/// What pyenv has installed, whether or not it has put it into the search path.
fn of_pyenv() -> Vec<PathBuf> {
    let Ok(answer) = Command::new("pyenv").arg("root").output() else { return Vec::new() };
    let root = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    let Ok(versions) = std::fs::read_dir(root.join("versions")) else { return Vec::new() };
    let mut programs: Vec<PathBuf> =
        versions.flatten().map(|version| version.path().join("bin/python")).collect();
    programs.sort();
    programs
}

/// A version as one writes it.
pub(crate) fn written((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
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
    fn what_is_not_here_is_named() {
        let error = Python::chosen(&["3.1".to_owned()]).err().expect("nobody has it");
        assert!(error.to_string().contains("there is no CPython 3.1 here, but"), "{error}");
    }
}
