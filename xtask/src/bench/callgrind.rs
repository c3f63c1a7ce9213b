//! Instructions per operation, counted by valgrind.
//!
//! Each case runs twice, the second time twice as often; the difference is free of what the program
//! does before and after.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Operations in the shorter of the two runs.
const RUNS: u32 = 200;

/// Counts the instructions of every selected case of the benchmark program, which is told `always` each time.
///
/// # Errors
///
/// Fails when valgrind is not installed or does not get through.
pub(crate) fn run(program: &Path, always: &[&str], selection: &[String]) -> Result<()> {
    let list = Command::new(program).arg("--list").args(always).args(selection).output()?;
    if !list.status.success() {
        let message = String::from_utf8_lossy(&list.stderr);
        bail!("{}", message.trim().trim_start_matches("error: "));
    }
    println!("{:<24} {:<44} {:>12}", "shape", "system", "instructions");
    for line in String::from_utf8(list.stdout)?.lines() {
        let case = Case::parse(line).with_context(|| format!("a line of `--list`: {line}"))?;
        if case.is_elsewhere() {
            continue;
        }
        let count = case.instructions(program, always)?;
        println!("{:<24} {:<44} {:>12.1}", case.shape, case.system, count);
    }
    Ok(())
}

/// A line of the program's `--list`.
struct Case<'a> {
    shape: &'a str,
    system: &'a str,
    items: u32,
    has_baseline: bool,
}

impl<'a> Case<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut parts = line.split('\t');
        let (shape, system) = (parts.next()?, parts.next()?);
        let (items, has_baseline) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { shape, system, items, has_baseline })
    }

    /// Whether the work is done where valgrind does not see it.
    fn is_elsewhere(&self) -> bool {
        self.system.starts_with("node")
            || self.system.starts_with("KJ")
            || self.shape == "adbapi_postgres"
    }

    fn instructions(&self, program: &Path, always: &[&str]) -> Result<f64> {
        let mut count = self.per_run(program, always)?;
        if self.has_baseline {
            count -= self.per_run(program, &[always, &["--baseline"]].concat())?;
        }
        Ok(count / f64::from(self.items))
    }

    fn per_run(&self, program: &Path, flags: &[&str]) -> Result<f64> {
        let (once, twice) =
            (self.count(program, flags, RUNS)?, self.count(program, flags, 2 * RUNS)?);
        Ok((twice - once) / f64::from(RUNS))
    }

    /// Instructions of a whole run of the program.
    fn count(&self, program: &Path, flags: &[&str], runs: u32) -> Result<f64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args(["--only", self.shape, "--system", self.system])
            .args(["--iterations", &runs.to_string()])
            .args(flags)
            .env_remove("RUST_BACKTRACE")
            .output()
            .context("starting valgrind; is it installed?")?;
        let log = String::from_utf8_lossy(&output.stderr);
        let collected = log.lines().find_map(|line| line.split_once("Collected :"));
        match collected.and_then(|(_, count)| count.trim().parse().ok()) {
            Some(count) if output.status.success() => Ok(count),
            _ => bail!("{} of {} did not get through valgrind:\n{log}", self.shape, self.system),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_list_is_understood() {
        let case = Case::parse("next_link\ttokio oneshot, static maps\t16\ttrue").unwrap();
        assert_eq!((case.shape, case.system), ("next_link", "tokio oneshot, static maps"));
        assert_eq!((case.items, case.has_baseline), (16, true));
        assert!(Case::parse("next_link\ttokio").is_none());
    }
}
