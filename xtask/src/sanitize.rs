//! `cargo xtask sanitize`: the native tests under `AddressSanitizer` and its search for leaks.

use anyhow::Result;

use crate::nightly;
use crate::step::Steps;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only say whether it can be run: exit code 0 if it can.
    #[arg(long)]
    check: bool,
    /// Only tests whose name contains this text.
    filter: Option<String>,
}

/// The target has to be named: else what runs while building is sanitized too, and macros cannot be.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What compilers say of wrong programs is the same with a sanitizer. The others are tests of what is
/// leaked, with its reason: two that wait for one another, a panic's payload whose drop panics, a
/// coroutine whose thread has ended.
const LEFT_OUT: [&str; 4] = [
    "what_ownership_and_types_forbid",
    "e3_cancelling_a_list_that_a_member_of_it_waits_for",
    "what_a_hook_panics_on_goes_to_stderr",
    "a_waker_that_outlives_the_thread_of_its_coroutine_is_harmless",
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    nightly::ensure_there_is_one("the sanitizer")?;
    if arguments.check {
        return Ok(());
    }
    let mut steps = Steps::new("cargo xtask sanitize");
    let mut command = nightly::cargo(["test", "--target", TARGET, "--lib", "--test", "*"]);
    command.arg("--all-features");
    command.args(["--package", "hereafter-engine", "--package", "hereafter"]);
    command.arg("--");
    for test in LEFT_OUT {
        command.args(["--skip", test]);
    }
    command.args(arguments.filter.as_ref());
    command.env("RUSTFLAGS", "-Zsanitizer=address").env("ASAN_OPTIONS", "detect_leaks=1");
    command.env("CARGO_TARGET_DIR", crate::step::target().join("sanitize"));
    steps.run("the engine and the native door under AddressSanitizer", &mut command)?;
    steps.summarize();
    Ok(())
}
