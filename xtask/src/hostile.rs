//! `cargo xtask hostile`: the Python door among hostile objects and without memory, its references counted, its accesses
//! watched. `cargo xtask test` runs short forms of all but the last.
//!
//! The work is done in Python, by the programs in `python/tests/hostile`; here their environment is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::python::{self, Environment, Python};
use crate::step::{self, Steps, cargo};

const PROGRAMS: &str = "python/tests/hostile";

/// What to do.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(clap::Subcommand)]
enum Part {
    /// Run random programs among hostile objects on stock Deferreds and on ours, and compare.
    Objects {
        /// For how long.
        #[arg(long, value_name = "N", default_value_t = 10.0)]
        minutes: f64,
        /// Where to begin; each number stands for other programs.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Let each allocation of each operation fail in turn, alone and with all that follow.
    Memory,
    /// Do each operation very often, and count what refers to what.
    References {
        /// Count all references that there are, on this debug build of `CPython`, of the version of `python3`.
        #[arg(long, value_name = "PROGRAM")]
        debug_python: Option<PathBuf>,
    },
    /// Do each operation under valgrind: no invalid access, and nothing lost.
    Valgrind,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new("cargo xtask hostile");
    let environment = Environment::for_tests(&mut steps, &Python::find()?, &[])?;
    environment.install_wheel(&mut steps)?;
    let program = |name: &str| format!("{PROGRAMS}/{name}.py");
    let taken_over = |name: &str| environment.python(["-m", "hereafter", &program(name)]);
    match &arguments.part {
        Part::Objects { minutes, seed } => {
            let last = step::target().join("python/last-program");
            let mut streams = environment.python([program("streams")]);
            streams.args(["--examples", "3000", "--minutes", &minutes.to_string()]);
            streams.args(["--seed", &seed.to_string(), "--last"]).arg(&last);
            steps.run("streams of operations", &mut streams).with_context(|| {
                format!("the last program lies in {}, for --replay of streams.py", last.display())
            })?;
        }
        Part::Memory => {
            steps.run("without memory for one thing", &mut taken_over("nomemory"))?;
            steps.run("without memory from then on", taken_over("nomemory").arg("--all"))?;
        }
        Part::References { debug_python: None } => {
            steps.run("the counts of references", &mut taken_over("references"))?;
        }
        Part::References { debug_python: Some(python) } => {
            on_debug_build(&mut steps, &environment, python, &program("references"))?;
        }
        Part::Valgrind => valgrind(&mut steps, &environment, &program("references"))?,
    }
    steps.summarize();
    Ok(())
}

/// Runs a program on a debug build, with a module that is built for it and what else the tests' environment has.
fn on_debug_build(
    steps: &mut Steps,
    environment: &Environment,
    python: &Path,
    program: &str,
) -> Result<()> {
    let mut counts = Command::new(python);
    counts.args(["-c", "import sys; sys.gettotalrefcount()"]).stderr(Stdio::null());
    ensure!(
        counts.status().is_ok_and(|status| status.success()),
        "{} is no debug build of CPython; Debian's is the package `python3-dbg`",
        python.display()
    );
    let target = step::target().join("python/debug");
    let mut build = cargo(["build", "--release", "--package", "hereafter-python"]);
    build.args(["--features", "extension-module", "--target-dir"]).arg(&target);
    steps.run("the module for the debug build", build.env("PYO3_PYTHON", python))?;
    let (before, after) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let site = target.join("site");
    python::lay_out(&target.join(format!("release/{before}_hereafter{after}")), &site)?;
    let purelib = environment
        .python(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        .output()
        .context("asking where the packages are")?;
    let purelib = String::from_utf8(purelib.stdout)?;
    let paths = [site, purelib.trim().into()];
    let mut command = Command::new(python);
    command.args(["-m", "hereafter", program]).current_dir(step::root());
    command.env("PYTHONPATH", std::env::join_paths(paths)?);
    steps.run("all references", &mut command)
}

/// Runs a program under valgrind, and looks at what it tells of our code.
fn valgrind(steps: &mut Steps, environment: &Environment, program: &str) -> Result<()> {
    let installed = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    ensure!(
        installed.is_ok_and(|status| status.success()),
        "valgrind is not here; most systems have it as a package of that name"
    );
    let log = step::target().join("python/valgrind.log");
    let mut command = Command::new("valgrind");
    command.args(["--leak-check=full", "--show-leak-kinds=definite", "--num-callers=40"]);
    command.arg(format!("--log-file={}", log.display())).arg(environment.program("python"));
    command.args(["-m", "hereafter", program, "--uncounted"]).current_dir(step::root());
    // So that each object is a piece of memory of its own.
    command.env("PYTHONMALLOC", "malloc").env_remove("PYTHONPATH").env_remove("HEREAFTER");
    steps.run("each operation under valgrind", &mut command)?;
    let told = fs::read_to_string(&log).context("reading what valgrind told")?;
    ensure!(told.contains("ERROR SUMMARY"), "valgrind came to no end: {}", log.display());
    let found = findings(&told);
    if let Some(first) = found.first() {
        bail!("valgrind tells of {} in {}; the first is\n{first}", found.len(), log.display());
    }
    println!("valgrind tells of nothing in our code");
    Ok(())
}

/// What is told of our code. What the interpreter does by itself is its own, and so is what the module makes once, for
/// good, when it is imported.
fn findings(told: &str) -> Vec<String> {
    let plain: Vec<&str> = told
        .lines()
        .map(|line| line.split_once("== ").map_or("", |(_, after)| after).trim_end())
        .collect();
    plain
        .split(|line| line.is_empty())
        .filter(|record| record.iter().any(|line| line.contains("_hereafter")))
        .filter(|record| !record.iter().any(|line| line.contains("__pyo3_module_exec")))
        .map(|record| record.join("\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_our_code_is_found() {
        let told = "==7== Invalid read of size 8\n==7==    at 0x1: _hereafter::deferred::start (deferred.rs:1)\n==7== \n\
                    ==7== Use of uninitialised value of size 8\n==7==    at 0x2: PyDict_New (dictobject.c:1)\n==7== \n\
                    ==7== 32 bytes in 1 blocks are definitely lost\n==7==    by 0x3: _hereafter::add (entry.rs:2)\n\
                    ==7==    by 0x4: __pyo3_module_exec (lib.rs:3)\n==7== \n";
        let found = findings(told);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("Invalid read of size 8"), "{found:?}");
    }
}
