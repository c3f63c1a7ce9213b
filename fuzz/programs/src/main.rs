//! Prints the program in a file of bytes and runs it: `hereafter-fuzz-programs TARGET FILE`. With
//! `--shrink` behind it, a smaller program that fails too is looked for first, and kept in the file.

use hereafter_fuzz_programs::Target;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let (target, file, shrinks) = match arguments {
        [target, file] => (target, file, false),
        [target, file, "--shrink"] => (target, file, true),
        _ => return Err("what is asked for is: TARGET FILE [--shrink]".to_owned()),
    };
    let (target, file): (Target, _) = (target.parse()?, Path::new(file));
    let mut bytes =
        std::fs::read(file).map_err(|error| format!("reading {}: {error}", file.display()))?;
    if shrinks {
        bytes = smaller(target, bytes, &file.with_extension("try"))?;
        std::fs::write(file, &bytes).map_err(|error| format!("writing it back: {error}"))?;
    }
    println!("{}", target.show(&bytes));
    target.run(&bytes);
    println!("Nothing is wrong with it.");
    Ok(())
}

/// The smallest program that still fails, found by leaving bytes out.
fn smaller(target: Target, mut bytes: Vec<u8>, attempt: &Path) -> Result<Vec<u8>, String> {
    if !fails(target, &bytes, attempt)? {
        return Err("it does not fail, at least without a sanitizer".to_owned());
    }
    let mut length = bytes.len();
    while length > 0 {
        let mut start = 0;
        while start + length <= bytes.len() {
            let mut less = bytes.clone();
            less.drain(start..start + length);
            if fails(target, &less, attempt)? {
                bytes = less;
            } else {
                start += 1;
            }
        }
        length = if length > 16 { length / 2 } else { length - 1 };
    }
    std::fs::remove_file(attempt).map_err(|error| format!("cleaning up: {error}"))?;
    Ok(bytes)
}

/// Whether it fails, in a process of its own: what has failed leaves its traces.
fn fails(target: Target, bytes: &[u8], attempt: &Path) -> Result<bool, String> {
    let told = |error| format!("trying a smaller one: {error}");
    std::fs::write(attempt, bytes).map_err(told)?;
    let mut command = Command::new(std::env::current_exe().map_err(told)?);
    command.arg(target.name()).arg(attempt).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(!command.status().map_err(told)?.success())
}
