//! The oracle: random Deferred programs, run on stock Twisted and on Hereafter, and compared.

mod campaign;
mod compare;
mod door;
mod generate;
mod native;
mod program;
mod shrink;
mod trace;

use anyhow::Result;
use campaign::Doors;
use clap::Parser;
use door::{Door, Programs};
use std::path::PathBuf;

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    python: PathBuf,
    #[arg(long)]
    programs: u64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(long, default_value_t = 5)]
    findings: u64,
    #[arg(long)]
    print: bool,
    #[arg(long)]
    native: bool,
}

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("native") {
        return native::serve();
    }
    let arguments = Arguments::parse();
    let programs = Programs {
        python: arguments.python,
        interpreter: concat!(env!("CARGO_MANIFEST_DIR"), "/python/interpreter.py").into(),
    };
    if arguments.print {
        println!("{}", serde_json::to_string(&campaign::batch(arguments.seed, 0, arguments.programs))?);
        return Ok(());
    }
    let mut doors = Doors::new(&if arguments.native { vec![Door::Native] } else { vec![Door::Python] }, &programs);
    let (mut first, mut found) = (0, 0);
    while first < arguments.programs {
        let batch = campaign::batch(arguments.seed, first, 200.min(arguments.programs - first));
        match doors.first_finding(&batch)? {
            None => first += batch.len() as u64,
            Some((at, finding)) => {
                let number = first + at as u64;
                println!("program {number}: {}", finding);
                let (small, finding) = doors.shrink(batch[at].clone())?;
                println!("{}\n{finding}", serde_json::to_string(&small)?);
                first = number + 1;
                found += 1;
                if found >= arguments.findings {
                    break;
                }
            }
        }
    }
    println!("{first} programs, {found} findings; kept: {:?}", doors.kept);
    Ok(())
}
