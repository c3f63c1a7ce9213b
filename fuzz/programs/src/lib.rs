//! Programs made of bytes: what the fuzz targets run.
//!
//! A fuzzer makes bytes; the bytes make a [`program`], a list of operations on deferreds and some
//! *blocks*, lists of operations that callbacks, cancellers and drops run from inside. What a
//! program of each [`Target`] does, and what is checked while it does, stands at the head of the
//! target's module:
//!
//! | target | what |
//! |---|---|
//! | [`engine`] | the engine, beside a transcription of Twisted's own loop |
//! | [`erased`] | values and closures of every size and alignment, whose drops panic and re-enter |
//! | [`deferred`] | the public API, all of it together |
//!
//! The same programs run without a fuzzer: `tests/corpus.rs` replays the corpus, and the binary of
//! this crate one program, after it has printed it.

pub mod deferred;
pub mod engine;
pub mod erased;
pub mod program;
pub mod tokens;

use std::fmt;
use std::str::FromStr;

/// What can be fuzzed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The engine.
    Engine,
    /// The erased values and closures of the native door.
    Erased,
    /// The public API of the native door.
    Deferred,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Engine, Self::Erased, Self::Deferred];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Erased => "erased",
            Self::Deferred => "deferred",
        }
    }

    /// Runs the program that these bytes make.
    ///
    /// # Panics
    ///
    /// When something that must hold does not.
    pub fn run(self, bytes: &[u8]) {
        match self {
            Self::Engine => engine::run(&program::parse(bytes)),
            Self::Erased => erased::run(&program::parse(bytes)),
            Self::Deferred => deferred::run(&program::parse(bytes)),
        }
    }

    /// The program that these bytes make, for people.
    pub fn show(self, bytes: &[u8]) -> String {
        match self {
            Self::Engine => program::parse::<engine::Op>(bytes).to_string(),
            Self::Erased => program::parse::<erased::Op>(bytes).to_string(),
            Self::Deferred => program::parse::<deferred::Op>(bytes).to_string(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|target| target.name() == name);
        found.ok_or_else(|| format!("there is no target \"{name}\": engine, erased or deferred"))
    }
}
