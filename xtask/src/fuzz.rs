//! `cargo xtask fuzz`: libFuzzer on the targets of `fuzz/`; see `docs/reliability.md`.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::nightly;
use crate::step::{self, cargo};

/// The cargo-fuzz that is installed where there is none, or another.
const CARGO_FUZZ: &str = "0.13.1";
/// How often it is said how far the fuzzer is.
const PULSE: Duration = Duration::from_secs(15);

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The targets, one after the other; all of them if none is named.
    #[arg(value_enum)]
    targets: Vec<Target>,
    /// For how many minutes each.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// What looks for errors of memory meanwhile.
    #[arg(long, value_enum, default_value_t = Sanitizer::Address)]
    sanitizer: Sanitizer,
    /// Then make the corpus that is kept with the sources anew: what is found is added to it, and
    /// what reaches nothing of its own is left out.
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Target {
    /// The engine, beside a transcription of Twisted's loop.
    Engine,
    /// Values and closures of every size and alignment, whose drops panic and re-enter.
    Erased,
    /// The public API of the native door.
    Deferred,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Sanitizer {
    Address,
    None,
}

impl Target {
    const ALL: [Self; 3] = [Self::Engine, Self::Erased, Self::Deferred];

    fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Erased => "erased",
            Self::Deferred => "deferred",
        }
    }

    /// What is kept with the sources.
    fn corpus(self) -> PathBuf {
        step::root().join("fuzz/corpus").join(self.name())
    }

    /// What the fuzzer adds to it.
    fn findings(self) -> PathBuf {
        step::target().join("fuzz-corpus").join(self.name())
    }
}

/// What came of one target.
struct Outcome {
    target: Target,
    took: Duration,
    runs: String,
    coverage: String,
    found: Option<PathBuf>,
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    nightly::ensure_there_is_one("fuzzing")?;
    install()?;
    // The fuzzer gets the signal too, and ends by itself; this ends with the summary.
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .context("listening for Ctrl-C")?;
    let targets = if arguments.targets.is_empty() { &Target::ALL[..] } else { &arguments.targets };
    let mut outcomes = Vec::new();
    for target in targets {
        let outcome = fuzz(*target, arguments)?;
        let go_on = outcome.found.is_none() && !INTERRUPTED.load(Ordering::Relaxed);
        outcomes.push(outcome);
        if !go_on {
            break;
        }
        if arguments.keep {
            keep(*target)?;
        }
    }
    println!("\ncargo xtask fuzz:");
    for Outcome { target, took, runs, coverage, found } in &outcomes {
        let found = if found.is_some() { "found something" } else { "found nothing" };
        let (name, took) = (target.name(), took.as_secs());
        println!("  {name:<8} {took:>6} s  {runs:>12} runs  {coverage:>8} edges  {found}");
    }
    for Outcome { target, found, .. } in outcomes {
        if let Some(program) = found {
            show(target, &program);
            bail!("{} found something: {}", target.name(), program.display());
        }
    }
    Ok(())
}

/// `cargo fuzz`, with the arguments that all of its commands take.
fn cargo_fuzz(command: &str, target: Target, sanitizer: Sanitizer) -> Command {
    let mut path = OsString::from(step::target().join("tools/bin"));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let sanitizer = match sanitizer {
        Sanitizer::Address => "address",
        Sanitizer::None => "none",
    };
    let mut fuzz = nightly::cargo(["fuzz", command, "--sanitizer", sanitizer, "--target-dir"]);
    fuzz.arg(step::target().join("fuzz")).arg(target.name()).env("PATH", path);
    fuzz
}

fn install() -> Result<()> {
    let program = step::target().join("tools/bin/cargo-fuzz");
    let there = Command::new(&program).arg("--version").output();
    if there.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains(CARGO_FUZZ)) {
        return Ok(());
    }
    let mut install = cargo(["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked"]);
    install.arg("--root").arg(step::target().join("tools"));
    step::run(&mut install).context("installing cargo-fuzz, which needs the registry")
}

/// Runs the fuzzer on one target until its time is over, or something is found.
fn fuzz(target: Target, arguments: &Arguments) -> Result<Outcome> {
    let (corpus, findings) = (target.corpus(), target.findings());
    for folder in [&corpus, &findings] {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    step::run(&mut cargo_fuzz("build", target, arguments.sanitizer))?;
    let seconds = arguments.minutes * 60;
    println!("==> fuzzing {} for {} minutes", target.name(), arguments.minutes);
    let mut command = cargo_fuzz("run", target, arguments.sanitizer);
    command.arg(&findings).arg(&corpus).arg("--").arg(format!("-max_total_time={seconds}"));
    command.args(["-max_len=1200", "-len_control=20", "-print_final_stats=1"]);
    let started = Instant::now();
    let mut child = command.stderr(Stdio::piped()).spawn().context("starting cargo fuzz")?;
    let mut outcome = Outcome {
        target,
        took: Duration::ZERO,
        runs: "no".to_owned(),
        coverage: "no".to_owned(),
        found: None,
    };
    let (mut told, mut tail) = (Instant::now(), Vec::new());
    for line in BufReader::new(child.stderr.take().expect("it is piped")).split(b'\n') {
        let line = String::from_utf8_lossy(&line.context("reading from cargo fuzz")?).into_owned();
        outcome.read(&line);
        if told.elapsed() >= PULSE {
            told = Instant::now();
            let (at, runs, edges) = (started.elapsed().as_secs(), &outcome.runs, &outcome.coverage);
            println!("    {at:>6} s  {runs:>12} runs  {edges:>8} edges");
        }
        if !line.starts_with('#') && !line.contains("NEW_FUNC") {
            tail.push(line);
        }
    }
    let status = child.wait().context("waiting for cargo fuzz")?;
    outcome.took = started.elapsed();
    let wrong = !status.success() && !INTERRUPTED.load(Ordering::Relaxed);
    if wrong {
        println!("{}", tail.join("\n"));
    }
    ensure!(!wrong || outcome.found.is_some(), "{} ended with {status}", target.name());
    Ok(outcome)
}

impl Outcome {
    /// Takes what a line of the fuzzer's tells.
    fn read(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        if let Some(runs) = line.strip_prefix('#').and_then(|_| words.next()) {
            runs.trim_start_matches('#').clone_into(&mut self.runs);
            if let Some(coverage) = words.skip_while(|word| *word != "cov:").nth(1) {
                coverage.clone_into(&mut self.coverage);
            }
        } else if let Some(runs) = line.strip_prefix("stat::number_of_executed_units:") {
            runs.trim().clone_into(&mut self.runs);
        } else if let Some((_, program)) = line.split_once("Test unit written to ") {
            self.found = Some(PathBuf::from(program.trim()));
        }
    }
}

/// Prints what was found as a program, and how to run it again without a fuzzer.
fn show(target: Target, program: &Path) {
    let mut replay = cargo(["run", "--quiet", "--package", "hereafter-fuzz-programs", "--"]);
    replay.arg(target.name()).arg(program);
    println!("\nWhat it found, and how to run it again:");
    match step::run(&mut replay) {
        Ok(()) => println!("It is the sanitizer alone that sees it."),
        Err(_) => println!("With `--shrink` behind the file it is made smaller."),
    }
}

/// Makes the corpus of the sources anew of itself and what was found.
fn keep(target: Target) -> Result<()> {
    let (corpus, all) = (target.corpus(), target.findings());
    for entry in std::fs::read_dir(&corpus).context("reading the corpus")? {
        let entry = entry.context("reading the corpus")?;
        std::fs::copy(entry.path(), all.join(entry.file_name())).context("copying the corpus")?;
    }
    std::fs::remove_dir_all(&corpus).context("emptying the corpus")?;
    std::fs::create_dir_all(&corpus).context("making the corpus")?;
    let mut merge = cargo_fuzz("run", target, Sanitizer::Address);
    merge.arg(&corpus).arg(&all).args(["--", "-set_cover_merge=1"]);
    step::run(&mut merge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fuzzer_says_is_read() {
        let mut outcome = Outcome {
            target: Target::Engine,
            took: Duration::ZERO,
            runs: String::new(),
            coverage: String::new(),
            found: None,
        };
        outcome.read("#7539\tNEW    cov: 1574 ft: 8490 corp: 882/50Kb lim: 170 exec/s: 227");
        assert_eq!((outcome.runs.as_str(), outcome.coverage.as_str()), ("7539", "1574"));
        outcome.read("stat::number_of_executed_units: 17187");
        assert_eq!(outcome.runs, "17187");
        outcome.read("artifact_prefix='/a/'; Test unit written to /a/crash-1");
        assert_eq!(outcome.found, Some(PathBuf::from("/a/crash-1")));
    }
}
