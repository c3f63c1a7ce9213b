//! The oracle: random Deferred programs, run on stock Twisted and on both doors of Hereafter, and
//! compared. `docs/oracle.md` tells of it; `cargo xtask oracle` runs it.
//!
//! | module | what |
//! |---|---|
//! | [`program`] | what a program is made of |
//! | [`generate`] | programs at random |
//! | [`door`] | the processes that run them: `python/interpreter.py`, or [`native`] |
//! | [`native`] | the interpreter for the crate `hereafter` |
//! | [`trace`], [`compare`] | what they tell, and whether it is the same |
//! | [`shrink`] | a smaller program that shows the same |
//! | [`campaign`] | many programs, and what came of them |

mod campaign;
mod compare;
mod door;
mod generate;
mod native;
mod program;
mod shrink;
mod trace;

use anyhow::{Context, Result};
use campaign::Doors;
use clap::{Parser, Subcommand};
use door::{Door, Programs};
use program::Program;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Random Deferred programs, run on stock Twisted and on Hereafter, and compared.
///
/// It ends with 0 if nothing was found, with 1 if something was, and with 2 if it could not go on.
#[derive(Parser)]
#[command(name = "oracle")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run many programs. What differs is shrunk and printed.
    Run(campaign::Arguments),
    /// Run the program in a file, and print what differs; or all that happened, if nothing does.
    Replay {
        #[command(flatten)]
        doors: DoorArguments,
        /// Look for a smaller program that shows it, too.
        #[arg(long)]
        shrink: bool,
        /// A program as JSON, as it was printed; `-` is standard input.
        file: PathBuf,
    },
    /// Print a program of a campaign.
    Show {
        /// The seed of the campaign.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Which of its programs.
        number: u64,
    },
    /// Run programs from standard input on the native door; it is how the oracle starts itself.
    Native,
}

/// What is compared with stock, and how Python is started.
#[derive(clap::Args)]
struct DoorArguments {
    /// A Python that has Twisted and the wheel.
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
    /// The doors to compare with stock Twisted.
    #[arg(long, value_delimiter = ',', default_values = ["python", "native"])]
    doors: Vec<Door>,
}

impl DoorArguments {
    fn open(&self, without: &[String]) -> Doors {
        let interpreter = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/interpreter.py");
        let programs = Programs { python: self.python.clone(), interpreter };
        Doors::new(&self.doors, &programs, without)
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Run(arguments) => campaign::run(&arguments),
        Command::Replay { doors, shrink, file } => replay(&mut doors.open(&[]), shrink, &file),
        Command::Show { seed, number } => {
            println!("{}", serde_json::to_string(&generate::program(seed, number))?);
            Ok(true)
        }
        Command::Native => native::serve().map(|()| true),
    }
}

fn replay(doors: &mut Doors, shrink: bool, file: &Path) -> Result<bool> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("reading {}", file.display()))?;
    let program: Program = serde_json::from_str(&text)
        .with_context(|| format!("{} is no program; see docs/oracle.md", file.display()))?;
    let Some((_, finding)) = doors.first_finding(std::slice::from_ref(&program))? else {
        for (door, trace) in doors.traces(&program)? {
            println!("{door}:\n{}", trace::lines(&trace)?);
        }
        println!("Nothing differs{}.", doors.kept().describe());
        return Ok(true);
    };
    if shrink {
        let smallest = doors.shrink(program)?;
        let (small, finding) =
            smallest.context("the program showed something once, and no more")?;
        println!("{}\n{finding}", serde_json::to_string(&small)?);
    } else {
        println!("{finding}");
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
