//! `cargo xtask tsan`: the tests in which threads meet, under the thread sanitizer.
//!
//! It sees what each thread reads and writes, and tells of two that touch the same place with nothing
//! between them. The standard library is built for it, too, or its locks would be strangers.

use std::process::Stdio;

use anyhow::{Result, ensure};

use crate::nightly;
use crate::step::{self, Steps, target};

/// The one for which it is built; a sanitizer needs to be told one.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Test programs, and which of their tests: all, where none are named.
const TESTS: [(&str, &str, &[&str]); 3] = [
    ("hereafter", "situations", &["threads::", "remote::", "mailbox::", "into_send"]),
    ("hereafter-reactor", "threads", &[]),
    ("hereafter-reactor", "g2_threads", &[]),
];

/// Nothing to choose.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the thread sanitizer is used on x86-64 Linux alone; `cargo xtask loom` runs anywhere"
    );
    let mut steps = Steps::new("cargo xtask tsan");
    if !has_sources() {
        nightly::install(&mut steps, "installing the standard library's sources", "rust-src")?;
    }
    for (package, program, filters) in TESTS {
        let mut command = nightly::cargo(["test", "-Zbuild-std", "--target", TARGET]);
        command.arg("--target-dir").arg(target().join("tsan"));
        command.args(["--package", package, "--test", program, "--"]).args(filters);
        command.env("RUSTFLAGS", "-Zsanitizer=thread").env("RUST_BACKTRACE", "0");
        steps.run(format!("{package}'s {program}"), &mut command)?;
    }
    steps.summarize();
    Ok(())
}

/// Whether nightly is there, with the sources of its standard library.
fn has_sources() -> bool {
    let mut rustc = step::of_toolchain("nightly", "rustc");
    let Ok(output) = rustc.args(["--print", "sysroot"]).stderr(Stdio::null()).output() else {
        return false;
    };
    let sysroot = String::from_utf8_lossy(&output.stdout);
    std::path::Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std").is_dir()
}
