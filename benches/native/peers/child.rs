//! Peers of other languages, each in a child process that takes turns with the cases in here.
//!
//! A child first prints one line that names what it can do, as `shape:items:baseline` with 0 or 1
//! for `baseline`. It then answers every line `shape main N` or `shape baseline N` with the
//! nanoseconds that N runs took, and ends when its input does.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::measure::{Case, Kind, Run, System};
use crate::shapes;

const NODE: System = System::new("node Promise", Kind::Erased);
const KJ: System = System::new("KJ promise", Kind::Erased);
const TWISTED: System = System::new("Twisted's adbapi", Kind::Erased);

/// The cases of node, of KJ and of Twisted, as far as they are wanted and installed; `twisted` is a Python that has it.
pub(super) fn cases(
    is_wanted: &dyn Fn(&str) -> bool,
    twisted: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    if is_wanted(TWISTED.name) {
        if let Some(python) = twisted {
            let mut command = Command::new(python);
            command.args(["-c", include_str!("adbapi.py")]);
            cases.extend(cases_of(TWISTED, command, None)?);
        } else {
            notes.push("Twisted's adbapi is left out: no --twisted PYTHON was given".to_owned());
        }
    }
    if is_wanted(NODE.name) {
        if is_there("node") {
            let mut node = Command::new("node");
            node.args(["--eval", include_str!("promise.js")]);
            cases.extend(cases_of(NODE, node, None)?);
        } else {
            notes.push("node is not installed, so its Promise is left out".to_owned());
        }
    }
    if is_wanted(KJ.name) {
        if let Some((program, folder)) = compile_kj()? {
            cases.extend(cases_of(KJ, program, Some(folder))?);
        } else {
            let missing = "g++ or kj/async.h (Debian: libcapnp-dev) is not installed";
            notes.push(format!("KJ is left out: {missing}"));
        }
    }
    Ok(cases)
}

/// Whether a program answers to `--version`.
fn is_there(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Compiles the program that uses KJ; `None` if the machine has no compiler or no KJ.
fn compile_kj() -> Result<Option<(Command, TempDir)>> {
    if !is_there("g++") {
        return Ok(None);
    }
    let folder = tempfile::tempdir().context("making a folder for the KJ program")?;
    let source = folder.path().join("promise.c++");
    let program = folder.path().join("promise");
    std::fs::write(&source, include_str!("promise.c++"))?;
    let status = Command::new("g++")
        .args(["-O2", "-w", "-o"])
        .arg(&program)
        .arg(&source)
        .args(["-lkj-async", "-lkj"])
        .stderr(Stdio::null())
        .status()
        .context("running g++")?;
    Ok(status.success().then(|| (Command::new(program), folder)))
}

/// Starts the child, reads what it can do and makes a case of each.
fn cases_of(system: System, command: Command, folder: Option<TempDir>) -> Result<Vec<Case>> {
    let (child, greeting) = Peer::start(system, command, folder)?;
    let child = Rc::new(RefCell::new(child));
    let mut cases = Vec::new();
    for word in greeting.split_whitespace() {
        let mut parts = word.split(':');
        let (Some(name), Some(items), Some(baseline)) = (parts.next(), parts.next(), parts.next())
        else {
            anyhow::bail!("{} names a shape in a form that is not known: {word}", system.name);
        };
        let shape = shapes::ALL
            .iter()
            .find(|shape| shape.name == name)
            .with_context(|| format!("{} names a shape that is not known: {name}", system.name))?
            .name;
        let items =
            items.parse().with_context(|| format!("the items of {word} of {}", system.name))?;
        let mut case = Case::timed(shape, system, ask(&child, shape, "main")).elsewhere();
        if baseline == "1" {
            case = case.less_timed(ask(&child, shape, "baseline"));
        }
        cases.push(case.per(items));
    }
    Ok(cases)
}

fn ask(child: &Rc<RefCell<Peer>>, shape: &'static str, part: &'static str) -> Run {
    let child = Rc::clone(child);
    Box::new(move |n| child.borrow_mut().run(shape, part, n))
}

/// A child process and the two pipes to it.
struct Peer {
    system: System,
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Holds the program, if it was compiled for this run.
    _folder: Option<TempDir>,
}

impl Peer {
    fn start(
        system: System,
        mut command: Command,
        folder: Option<TempDir>,
    ) -> Result<(Self, String)> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", system.name))?;
        let requests = process.stdin.take();
        let answers = process.stdout.take().context("the child's output is a pipe")?;
        let mut peer =
            Self { system, process, requests, answers: BufReader::new(answers), _folder: folder };
        let greeting = peer.line()?;
        Ok((peer, greeting))
    }

    fn run(&mut self, shape: &str, part: &str, n: u32) -> Result<Duration> {
        let requests = self.requests.as_mut().context("the child's input is a pipe")?;
        writeln!(requests, "{shape} {part} {n}")
            .with_context(|| format!("asking {} for {shape}", self.system.name))?;
        let answer = self.line()?;
        let nanoseconds = answer
            .trim()
            .parse()
            .with_context(|| format!("{} answered {answer:?} to {shape}", self.system.name))?;
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "{} ended early", self.system.name);
        Ok(line)
    }
}

impl Drop for Peer {
    /// The child ends when its input does.
    fn drop(&mut self) {
        self.requests = None;
        drop(self.process.wait());
    }
}
