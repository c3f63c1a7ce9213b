//! `cargo xtask test`: every suite from a bare checkout, and whether the crates can be published.

use anyhow::Result;

use crate::abort;
use crate::loom;
use crate::page;
use crate::postgresql;
use crate::python::{self, Selection};
use crate::step::{Steps, cargo};

/// What to leave out, and what to add.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of a command line")]
pub(crate) struct Arguments {
    /// Leave out the publishing check, which asks the registry whether our dependencies are there.
    #[arg(long)]
    no_publish_check: bool,
    /// Leave out the page that shows a program's Deferreds: no Node.js and no browser is needed then.
    #[arg(long)]
    no_page: bool,
    /// Leave out the Python door: no Python is needed then.
    #[arg(long)]
    no_python: bool,
    /// Run the Python door's tests alone.
    #[arg(long, conflicts_with = "no_python")]
    only_python: bool,
    /// Run the Python door's tests on this Python: a version such as 3.12, or default, oldest or
    /// newest of those that are here. May be given several times.
    #[arg(long, value_name = "VERSION", conflicts_with = "no_python", default_values = ["default"])]
    python: Vec<String>,
    /// Run the Python door's tests on every Python that is here.
    #[arg(long, conflicts_with_all = ["no_python", "python"])]
    all_pythons: bool,
    /// Also compare, test by test, stock Deferreds and ours on this version of Twisted, or on all
    /// that are supported. May be given several times.
    #[arg(long, value_name = "VERSION", conflicts_with = "no_python")]
    twisted: Vec<String>,
    /// Also run the whole of Twisted's suite, stock and ours, and compare every outcome.
    #[arg(long, conflicts_with = "no_python")]
    twisted_full: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new("cargo xtask test");
    if !arguments.only_python {
        rust(&mut steps, arguments)?;
    }
    if python::is_there() && !arguments.no_python {
        let selection = Selection {
            pythons: arguments.python.clone(),
            all_pythons: arguments.all_pythons,
            twisted: arguments.twisted.clone(),
            whole: arguments.twisted_full,
            page: !arguments.no_page,
        };
        python::test(&mut steps, &selection)?;
    }
    steps.summarize();
    Ok(())
}

/// The crates.
fn rust(steps: &mut Steps, arguments: &Arguments) -> Result<()> {
    // An example that has unit tests is built by `cargo test` as a test alone, yet its integration
    // tests run the program itself.
    steps.run(
        "the example programs",
        &mut cargo(["build", "--workspace", "--examples", "--all-features"]),
    )?;
    // Documentation tests are part of it, and with them every code block of the guide.
    let mut whole = cargo(["test", "--workspace", "--all-features"]);
    if let Some(path) = postgresql::provide(steps)? {
        whole.env("PATH", path);
    }
    steps.run("the whole workspace, all features", &mut whole)?;
    steps.run(
        "hereafter without its default features",
        &mut cargo(["test", "--package", "hereafter", "--no-default-features"]),
    )?;
    inspected(steps)?;
    if !arguments.no_page {
        page::test(steps)?;
    }
    loom::test(steps)?;
    abort::test(steps)?;
    if !arguments.no_publish_check {
        forget_packages();
        // Each crate is built from its own package, so a file that the package lacks is noticed.
        steps.run(
            "the crates can be published",
            &mut cargo(["publish", "--workspace", "--dry-run", "--allow-dirty"]),
        )?;
    }
    Ok(())
}

/// What is tried where nothing is inspected alone: what a deferred takes and what is said of it then,
/// and what does not compile.
const UNINSPECTED: [&str; 5] = [
    "counted::",
    "a9_firing_a_shared_trigger_twice_is_already_called",
    "c3_the_report_says_what_happened_and_where",
    "c6_debug_mode_is_off_unless_asked_for",
    "what_ownership_and_types_forbid",
];

/// Inspection must change nothing else.
fn inspected(steps: &mut Steps) -> Result<()> {
    let mut tests = cargo(["test", "--package", "hereafter", "--package", "hereafter-reactor"]);
    tests.args(["--all-features", "--tests", "--"]);
    tests.args(UNINSPECTED.iter().flat_map(|name| ["--skip", name]));
    steps.run("the native door, inspected", tests.env("HEREAFTER_INSPECT", "1"))
}

/// Has cargo forget our crates as they were packaged before. It unpacks them beside those of other
/// registries, and takes a version that it has there already for the same.
fn forget_packages() {
    let home = std::env::var_os("CARGO_HOME").map(std::path::PathBuf::from);
    let Some(home) = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))) else { return };
    let entries =
        |folder: &std::path::Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let begins =
        |entry: &std::fs::DirEntry, with| entry.file_name().to_string_lossy().starts_with(with);
    for kind in ["src", "cache"] {
        // A registry in a folder has no host before the sign.
        for registry in
            entries(&home.join("registry").join(kind)).filter(|entry| begins(entry, "-"))
        {
            for package in entries(&registry.path()).filter(|entry| begins(entry, "hereafter")) {
                // What cannot be removed shows in the step that follows.
                let _ = match kind {
                    "src" => std::fs::remove_dir_all(package.path()),
                    _ => std::fs::remove_file(package.path()),
                };
            }
        }
    }
}
