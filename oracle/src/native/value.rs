//! What results are, and how they are shown: as the interpreter for Python shows them.

use crate::program::{Class, Error};
use hereafter::Failure;
use hereafter::errors::{
    Abandoned, CancelledError, CycleError, FailureGroup, FirstError, Panicked, TimeoutError,
};
use std::fmt;

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Int(i64),
    /// What is only ever looked at: nothing, a lock, what a list made of its members.
    Shown(String),
}

impl Value {
    pub(crate) fn none() -> Self {
        Self::Shown("None".to_owned())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Shown(text) => text.fmt(f),
        }
    }
}

/// What a deferred ends with.
pub(crate) type Outcome = Result<Value, Failure>;

/// What programs raise.
#[derive(Debug)]
pub(crate) struct Raised(Class, i64);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.0, self.1)
    }
}

impl std::error::Error for Raised {}

pub(crate) fn failure(error: Error) -> Failure {
    Failure::new(Raised(error.0, error.1))
}

/// Raises an error where nothing can be given back: a panic, which says what it was.
pub(crate) fn panic_with(error: Error) -> ! {
    std::panic::resume_unwind(Box::new(Raised(error.0, error.1).to_string()))
}

/// What `raise` does: an error is given back, and what is no `Exception` is a panic.
pub(crate) fn raise(error: Error) -> Failure {
    if error.0 == Class::B { panic_with(error) } else { failure(error) }
}

/// Whether a handler for that class catches it.
pub(crate) fn catches(class: Class, failure: &Failure) -> bool {
    let raised = failure.check::<Raised>().map(|raised| raised.0);
    let is_base = raised == Some(Class::B) || failure.is::<Panicked>();
    match class {
        Class::E => matches!(raised, Some(Class::E | Class::F)),
        Class::F => raised == Some(Class::F),
        Class::B => is_base,
        Class::Cancelled => failure.is::<CancelledError>(),
        Class::Any => !is_base,
        Class::All => true,
    }
}

pub(crate) fn show(outcome: &Outcome) -> String {
    match outcome {
        Ok(value) => value.to_string(),
        Err(failure) => show_failure(failure),
    }
}

pub(crate) fn show_failure(failure: &Failure) -> String {
    if failure.is::<Raised>() || failure.is::<Panicked>() {
        let text = failure.to_string();
        format!("!{}", text.strip_prefix("panicked: ").unwrap_or(&text))
    } else if failure.is::<CancelledError>() {
        "!CancelledError".to_owned()
    } else if let Some(timeout) = failure.check::<TimeoutError>() {
        format!("!TimeoutError ({}, 'Deferred')", timeout.after.as_secs())
    } else if let Some(first) = failure.check::<FirstError>() {
        format!("!FirstError #{} {}", first.index, show_failure(&first.failure))
    } else if let Some(group) = failure.check::<FailureGroup>() {
        format!("!FailureGroup [{}]", joined(group.failures.iter().map(show_failure)))
    } else {
        format!("!{failure:?}")
    }
}

pub(crate) fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// The rule by which a failure is one that Twisted does not have.
pub(crate) fn ours_alone(failure: &Failure) -> Option<&'static str> {
    if failure.is::<CycleError>() {
        Some("a deferred would wait on itself")
    } else if failure.is::<Abandoned>() {
        Some("a trigger was dropped")
    } else {
        None
    }
}
