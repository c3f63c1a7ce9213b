//! `cargo xtask oracle coverage`: how much of the engine the oracle's programs reach, on both doors.
//!
//! Both doors are built with instruments, in a folder of their own; a run of the oracle leaves the
//! counts, and LLVM's tools make a report of them. Which branches were taken is told by a nightly
//! compiler alone: where there is none, and none can be had, the report is of lines.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::python::{self, Environment};
use crate::step::{self, Steps};

/// What the report is of.
const ENGINE: &str = "crates/engine/src";
/// As many programs as reach what there is to reach; they take a minute.
const PROGRAMS: &str = "20000";

/// A compiler whose counts can be read.
struct Compiler {
    toolchain: &'static str,
    flags: &'static str,
    /// Where its LLVM tools are.
    tools: PathBuf,
}

const NIGHTLY: (&str, &str) = ("nightly", "-C instrument-coverage -Z coverage-options=branch");
const STABLE: (&str, &str) = ("stable", "-C instrument-coverage");

/// Runs the oracle with these arguments, and reports.
///
/// # Errors
///
/// Fails when a tool is missing that cannot be installed, when something does not build, and when
/// the oracle finds a difference.
pub(super) fn run(steps: &mut Steps, environment: &Environment, arguments: &[&str]) -> Result<()> {
    let compiler = Compiler::find(steps)?;
    let target = step::target().join("coverage");
    let profiles = target.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles).context("removing the counts of an earlier run")?;
    }
    for (package, features) in
        [("hereafter-oracle", None), ("hereafter-python", Some("extension-module"))]
    {
        let mut build = compiler.cargo(&["build", "--package", package]);
        build.args(features.map(|feature| format!("--features={feature}")));
        build.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", compiler.flags);
        build.env("PYO3_PYTHON", environment.program("python"));
        // Build scripts and macros are run with instruments too.
        build.env("LLVM_PROFILE_FILE", target.join("build/%p.profraw"));
        steps.run(format!("{package}, with instruments"), &mut build)?;
    }
    let oracle = target.join("debug").join(format!("oracle{EXE_SUFFIX}"));
    let library = target.join("debug").join(format!("{DLL_PREFIX}_hereafter{DLL_SUFFIX}"));
    let site = target.join("site");
    python::lay_out(&library, &site)?;

    let mut all = Command::new(&oracle);
    all.arg("run").args(arguments).arg("--python").arg(environment.program("python"));
    if !arguments.iter().any(|argument| argument.starts_with("--programs")) {
        all.args(["--programs", PROGRAMS]);
    }
    all.env("PYTHONPATH", &site).env("LLVM_PROFILE_FILE", profiles.join("%p.profraw"));
    steps.run("the oracle", &mut all)?;

    let merged = target.join("oracle.profdata");
    let mut merge = compiler.tool("llvm-profdata");
    merge.args(["merge", "-sparse", "-o"]).arg(&merged).arg(&profiles);
    steps.run("the counts of all processes together", &mut merge)?;
    let of_engine = |tool: &[&str]| {
        let mut command = compiler.tool("llvm-cov");
        command.args(tool).arg(&oracle).arg("-object").arg(&library);
        command.arg("-instr-profile").arg(&merged).arg(step::root().join(ENGINE));
        command
    };
    let shown = target.join("engine.txt");
    let lines = steps.run_reading("every line of the engine", &mut of_engine(&["show"]))?;
    fs::write(&shown, lines).with_context(|| format!("writing {}", shown.display()))?;
    steps.run("what was reached of the engine", &mut of_engine(&["report"]))?;
    println!("\nHow often each line was reached: {}", shown.display());
    Ok(())
}

impl Compiler {
    /// The nightly one, if it can be had with its LLVM tools; else the stable one.
    fn find(steps: &mut Steps) -> Result<Self> {
        if let Some(nightly) = Self::with_tools(steps, NIGHTLY) {
            return Ok(nightly);
        }
        println!("There is no nightly compiler with `llvm-tools`: branches are not told of.");
        let stable = Self::with_tools(steps, STABLE);
        stable.context("LLVM's tools are missing; `rustup component add llvm-tools` installs them")
    }

    fn with_tools(
        steps: &mut Steps,
        (toolchain, flags): (&'static str, &'static str),
    ) -> Option<Self> {
        let present = || {
            let tools = tools(toolchain)?;
            let tool = tools.join(format!("llvm-cov{EXE_SUFFIX}"));
            tool.is_file().then_some(Self { toolchain, flags, tools })
        };
        present().or_else(|| {
            // One that is here stays as it is.
            let install: &[&str] = match tools(toolchain) {
                Some(_) => &["component", "add", "llvm-tools", "--toolchain", toolchain],
                None => &["toolchain", "install", toolchain, "--profile=minimal", "-c=llvm-tools"],
            };
            // What is missing then is told by whoever asked.
            let mut rustup = Command::new("rustup");
            let _ = steps.run(format!("LLVM's tools for {toolchain}"), rustup.args(install));
            present()
        })
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = step::of_toolchain(self.toolchain, "cargo");
        command.args(arguments);
        command
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.tools.join(format!("{name}{EXE_SUFFIX}")));
        command.current_dir(step::root());
        command
    }
}

/// Where a toolchain keeps its LLVM tools.
fn tools(toolchain: &str) -> Option<PathBuf> {
    let mut ask = step::of_toolchain(toolchain, "rustc");
    let told = ask.args(["--print", "target-libdir"]).stderr(Stdio::null()).output().ok()?;
    let libraries = PathBuf::from(String::from_utf8(told.stdout).ok()?.trim());
    told.status.success().then(|| libraries.with_file_name("bin"))
}
