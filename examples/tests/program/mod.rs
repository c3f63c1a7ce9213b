//! The example programs, which cargo builds beside the tests.

use std::path::PathBuf;
use std::process::Command;

/// The program of an example.
pub(crate) fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.set_file_name("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is not built; run `cargo build --example {name}`", path.display());
    Command::new(path)
}
