//! Prints the programs in files of bytes, and runs them: `hereafter-fuzz-programs TARGET FILE...`.

use hereafter_fuzz_programs::Target;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let target = match arguments.next().unwrap_or_default().parse::<Target>() {
        Ok(target) => target,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    for file in arguments {
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("error: reading {file}: {error}");
                return ExitCode::FAILURE;
            }
        };
        println!("{file}:\n{}", target.show(&bytes));
        target.run(&bytes);
        println!("Nothing is wrong with it.");
    }
    ExitCode::SUCCESS
}
