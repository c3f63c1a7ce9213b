//! `cargo xtask page`: builds the page that shows a running program's Deferreds, and tries it in a
//! browser.
//!
//! What it is built into lies in the repository beside its sources, so that whoever builds the crates
//! needs no Node.js. A test sees that it is what the sources give.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::postgresql::is_root;
use crate::python::Environment;
use crate::step::{Steps, cargo, root, target};

/// What to do with the page.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Build nothing, but see that what lies there is what the sources give, and try it in a browser.
    #[arg(long)]
    test: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new("cargo xtask page");
    if arguments.test {
        let example = ["build", "--package", "hereafter-examples", "--example", "inspected"];
        steps.run("the program that is inspected", &mut cargo(example))?;
        test(&mut steps)?;
    } else {
        install(&mut steps)?;
        build(&mut steps, &sources().join("dist"))?;
    }
    steps.summarize();
    Ok(())
}

/// Whether the page is what its sources give, and what is seen on it of the example `inspected`,
/// which must have been built.
pub(crate) fn test(steps: &mut Steps) -> Result<()> {
    install(steps)?;
    let built = target().join("page/dist");
    build(steps, &built)?;
    is_same(&built, &sources().join("dist"))?;
    let program = || Command::new(target().join("debug/examples/inspected"));
    let many = || {
        let mut many = program();
        many.args(["--pending", "100000"]);
        many
    };
    in_browser(steps, "native", &mut program(), &mut many())
}

/// Looks at the Python door's page, of the same program in Python.
pub(crate) fn test_python(steps: &mut Steps, environment: &Environment) -> Result<()> {
    install(steps)?;
    let inspect = ["-m", "hereafter", "--inspect", "examples/inspected.py"];
    let many = inspect.into_iter().chain(["--pending", "100000"]);
    in_browser(steps, "python", &mut environment.python(inspect), &mut environment.python(many))
}

/// Looks at a program's page in a browser, and at the page of one with a hundred thousand pending
/// Deferreds. Both print the address of their page. What is to be seen of the first stands in
/// `tests/expected/DOOR.json`.
fn in_browser(
    steps: &mut Steps,
    door: &str,
    program: &mut Command,
    many: &mut Command,
) -> Result<()> {
    provide_browser(steps)?;
    let (program, many) = (Running::start(program)?, Running::start(many)?);
    let expected = sources().join("tests/expected").join(door).with_extension("json");
    let mut npm = npm(["test"]);
    npm.env("PAGE_URL", &program.url)
        .env("PAGE_MANY_URL", &many.url)
        .env("PAGE_EXPECTED", expected)
        .env("PAGE_PICTURES", target().join("page/pictures").join(door));
    steps.run(format!("the {door} door's page in a browser"), &mut npm)
}

/// A program with a page; it ends with this.
struct Running {
    child: Child,
    url: String,
}

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        let (printed, print) = std::io::pipe().context("making a pipe")?;
        let command = command.stdin(Stdio::null()).stdout(print.try_clone()?).stderr(print);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        // Its own end of the pipe would keep that open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Self { child, url: String::new() };
        let mut lines = BufReader::new(printed).lines();
        while let Some(line) = lines.next() {
            let line = line.context("reading what the program prints")?;
            if let Some(at) = line.find("http://") {
                line[at..].clone_into(&mut running.url);
                // What else it prints is taken in, so that it can.
                thread::spawn(move || lines.for_each(drop));
                return Ok(running);
            }
        }
        anyhow::bail!("{command:?} ended, and has not said where its page is")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // That it has ended by itself is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sources() -> PathBuf {
    root().join("crates/insight/page")
}

fn npm<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(sources());
    command
}

fn install(steps: &mut Steps) -> Result<()> {
    let advice = "the page is built with Node.js 20.19 or newer and its npm; install them, or leave the page \
                  out with `cargo xtask test --no-page`";
    let mut npm = npm(["ci", "--no-audit", "--no-fund"]);
    steps.run("what the page is built with", &mut npm).context(advice)
}

fn build(steps: &mut Steps, into: &Path) -> Result<()> {
    let mut npm = npm(["run", "build", "--", "--emptyOutDir", "--outDir"]);
    steps.run("the page, from its sources", npm.arg(into))
}

fn is_same(built: &Path, kept: &Path) -> Result<()> {
    for file in ["index.html", "content-security-policy.txt"] {
        let read = |folder: &Path| {
            let path = folder.join(file);
            fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        ensure!(
            read(built)? == read(kept)?,
            "{} is not what its sources give; build it again with `cargo xtask page`",
            kept.join(file).display()
        );
    }
    Ok(())
}

/// Adds a browser where there is none, for root; others are told what to install.
fn provide_browser(steps: &mut Steps) -> Result<()> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path)
        .any(|folder| names.iter().any(|name| folder.join(name).is_file()));
    if is_there || std::env::var_os("CHROMIUM").is_some() {
        return Ok(());
    }
    let advice = "the page is tried in Chromium, which is missing; install it (Debian: `apt-get install \
                  chromium`), set CHROMIUM to where it is, or leave the page out with \
                  `cargo xtask test --no-page`";
    ensure!(is_root(), advice);
    let mut apt = Command::new("sh");
    apt.args([
        "-c",
        "apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends chromium",
    ]);
    steps.run("Chromium, from the system's packages", &mut apt).context(advice)
}
