//! The doors: child processes that run programs and tell what happened.
//!
//! Each is a process of its own, so that one that crashes or hangs takes nothing with it. A request
//! is a line, a program as JSON; the answer is a line, its trace.

use crate::program::Program;
use anyhow::{Context, Result};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long a program may take. It takes less than a thousandth of a second, and one that computes
/// for longer than a second ends by itself; this is for what only waits, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What can run programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Door {
    /// Twisted as it is.
    #[value(skip)]
    Stock,
    /// Twisted under `python -m hereafter`.
    Python,
    /// The crate `hereafter`.
    Native,
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stock => "stock Twisted",
            Self::Python => "the Python door",
            Self::Native => "the native door",
        })
    }
}

/// How the doors are started.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// A Python that has Twisted and the wheel.
    pub(crate) python: PathBuf,
    /// The interpreter for it.
    pub(crate) interpreter: PathBuf,
}

impl Programs {
    fn command(&self, door: Door) -> Result<Command> {
        Ok(match door {
            Door::Stock | Door::Python => {
                let mut command = Command::new(&self.python);
                if door == Door::Python {
                    command.args(["-m", "hereafter"]);
                }
                command.arg(&self.interpreter);
                command.arg(if door == Door::Python { "hereafter" } else { "stock" });
                // Which side it is on is said above, not by what was set outside.
                command.env_remove("HEREAFTER");
                command
            }
            Door::Native => {
                let own = std::env::current_exe().context("finding this program's own file")?;
                let mut command = Command::new(own);
                command.arg("native");
                command
            }
        })
    }
}

/// A door that is open.
pub(crate) struct Session {
    door: Door,
    programs: Programs,
    process: Option<Process>,
}

struct Process {
    child: Child,
    /// To a thread that writes: a process that hangs does not read, and nobody is to wait for it.
    requests: Sender<Vec<u8>>,
    answers: Receiver<String>,
}

impl Session {
    pub(crate) fn new(door: Door, programs: &Programs) -> Self {
        Self { door, programs: programs.clone(), process: None }
    }

    pub(crate) fn door(&self) -> Door {
        self.door
    }

    /// Hands over programs, and starts the process first if there is none. A process that is found
    /// dead is told of by [`receive`](Self::receive).
    ///
    /// # Errors
    ///
    /// Fails when the process cannot be started.
    pub(crate) fn send(&mut self, batch: &[Program]) -> Result<()> {
        let process = match &mut self.process {
            Some(process) => process,
            none => none.insert(Process::start(self.door, &self.programs)?),
        };
        let mut lines = Vec::new();
        for program in batch {
            serde_json::to_writer(&mut lines, program).context("writing a program as JSON")?;
            lines.push(b'\n');
        }
        let _ = process.requests.send(lines);
        Ok(())
    }

    /// The traces of so many programs: fewer if the process crashed or hung at the one after the
    /// last. The next request then starts another.
    pub(crate) fn receive(&mut self, count: usize) -> Vec<String> {
        let mut traces = Vec::with_capacity(count);
        while let Some(process) = &mut self.process
            && traces.len() < count
        {
            match process.answers.recv_timeout(PATIENCE) {
                Ok(trace) => traces.push(trace),
                Err(_) => self.kill(),
            }
        }
        traces
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(Process { mut child, requests, .. }) = self.process.take() {
            // Everything that was asked for has been told: it ends with its input.
            drop(requests);
            let _ = child.wait();
        }
    }
}

impl Process {
    fn start(door: Door, programs: &Programs) -> Result<Self> {
        let mut command = programs.command(door)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C is for us: the doors end when they are closed.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().with_context(|| format!("starting {door}: {command:?}"))?;
        let mut input = child.stdin.take().expect("it was asked for");
        let output = child.stdout.take().expect("it was asked for");
        let (requests, lines) = channel::<Vec<u8>>();
        thread::spawn(move || {
            for line in lines {
                if input.write_all(&line).and_then(|()| input.flush()).is_err() {
                    break;
                }
            }
        });
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if line.map(|line| sender.send(line)).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, requests, answers })
    }
}
