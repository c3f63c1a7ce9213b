//! Every program of the corpus, in which each fuzz target keeps what led it somewhere new.

use hereafter_fuzz_programs::Target;
use std::path::PathBuf;

fn replay(target: Target) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target.name());
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry of the folder can be read").path())
        .collect();
    files.sort();
    assert!(files.len() > 100, "the corpus of {target} is not there: {} files", files.len());
    for file in files {
        let bytes = std::fs::read(&file).expect("a program can be read");
        // Printed only if the test fails, and then the last one is the one that failed.
        println!("cargo run -p hereafter-fuzz-programs -- {target} {}", file.display());
        target.run(&bytes);
    }
}

#[test]
fn the_corpus_of_the_engine_shows_nothing_wrong() {
    replay(Target::Engine);
}

#[test]
fn the_corpus_of_the_erased_values_shows_nothing_wrong() {
    replay(Target::Erased);
}

#[test]
fn the_corpus_of_the_public_interface_shows_nothing_wrong() {
    replay(Target::Deferred);
}
