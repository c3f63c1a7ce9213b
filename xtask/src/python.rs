//! The Python door: an environment of its own, the wheel in it, and everything that is run there.
//!
//! | module | what |
//! |---|---|
//! | [`environment`] | finds a Python, makes the virtual environment, builds the wheel and installs it |
//! | [`suites`] | Twisted's own suites, and how many tests each must have run |
//! | [`tests`] | the steps that `cargo xtask test` takes |

mod environment;
mod suites;
mod tests;

pub(crate) use environment::Environment;
pub(crate) use tests::run as test;

use crate::step;

/// Whether this checkout has the wheel at all; without it nothing here has anything to do.
pub(crate) fn is_there() -> bool {
    step::root().join("python/pyproject.toml").is_file()
}
