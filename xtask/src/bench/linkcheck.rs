//! `cargo xtask bench linkcheck`: the example on sites of two sizes.
//!
//! Two sizes, because the growth of the memory from one to the other is what a page really costs.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::site::{self, Plan};
use crate::step::{self, cargo};

/// How large a site to check.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Pages of the larger site; the smaller one has a fifth of them.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(5..))]
    pages: u32,
    /// Runs of each size; the fastest counts, and the largest memory.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let build = ["build", "--release", "--package", "hereafter-examples", "--example", "linkcheck"];
    step::run(&mut cargo(build))?;
    let small = measure(arguments.pages / 5, arguments.runs)?;
    let large = measure(arguments.pages, arguments.runs)?;

    println!(
        "\n{:>8} {:>9} {:>9} {:>9} {:>11}",
        "pages", "links", "seconds", "pages/s", "peak MiB"
    );
    for run in [&small, &large] {
        println!(
            "{:>8} {:>9} {:>9.2} {:>9.0} {:>11}",
            run.pages,
            run.links,
            run.took.as_secs_f64(),
            f64::from(run.pages) / run.took.as_secs_f64(),
            run.peak.map_or("-".to_owned(), |bytes| format!("{:.1}", mebibytes(bytes))),
        );
    }
    if let (Some(least), Some(most)) = (small.peak, large.peak) {
        let growth = most.saturating_sub(least) / u64::from(large.pages - small.pages);
        println!("\nEach further page takes {growth} bytes of memory.");
    } else {
        println!("\nThis system has no /proc to read a process's peak memory from.");
    }
    println!("One process checks the site and serves it, both on this machine.");
    Ok(())
}

/// What checking a site took.
struct Measured {
    pages: u32,
    links: u32,
    took: Duration,
    /// The most memory that was resident, in bytes.
    peak: Option<u64>,
}

/// Writes a site and checks it so many times.
fn measure(pages: u32, runs: u32) -> Result<Measured> {
    let folder = tempfile::tempdir().context("making a folder for the site")?;
    let totals = site::write(Plan { pages, broken: 0, seed: 1 }, folder.path())?;
    let program = step::target()
        .join("release/examples")
        .join(format!("linkcheck{}", std::env::consts::EXE_SUFFIX));
    let mut took = Duration::MAX;
    let mut peak = None;
    for _ in 0..runs {
        let mut command = Command::new(&program);
        command.args(["--quiet", "--no-external"]).arg(folder.path());
        let started = Instant::now();
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        peak = peak.max(watch(child)?);
        took = took.min(started.elapsed());
    }
    Ok(Measured { pages, links: totals.links, took, peak })
}

/// Waits for the program to end and returns the most memory it had, as far as the system tells.
///
/// The kernel's own high-water mark is read over and over, as it is gone with the process; only
/// what is added in the last few milliseconds can be missed.
fn watch(mut child: Child) -> Result<Option<u64>> {
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        let mark = fs::read_to_string(&status_file).ok().and_then(|status| high_water(&status));
        peak = peak.max(mark);
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "linkcheck found faults in a site that has none ({status})");
            return Ok(peak);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The line `VmHWM:  1234 kB` of a process's status, in bytes.
fn high_water(status: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[expect(clippy::cast_precision_loss, reason = "it is rounded to one digit anyway")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read() {
        let status = "Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t    1234 kB\n";
        assert_eq!(high_water(status), Some(1234 * 1024));
        assert_eq!(high_water("Name:\tx\n"), None);
    }
}
