//! Debug mode: every deferred keeps the stacks of its making and of its first firing.
//!
//! They appear in the report of an unhandled failure and in
//! [`AlreadyCalledError`](crate::errors::AlreadyCalledError). Capturing a stack takes microseconds,
//! so it is off unless the environment variable `HEREAFTER_DEBUG` is set to `1`, or [`enable`] was
//! called (Twisted's `setDebugging`).

use crate::cell::CellRef;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicU8, Ordering};
use std::backtrace::Backtrace;

const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// The stacks of one deferred.
pub(crate) struct Stacks {
    made: Backtrace,
    fired: Option<Backtrace>,
}

/// Turns debug mode on, for deferreds made from now on.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, debug};
/// debug::enable();
/// let (trigger, _d) = Deferred::<u32>::new();
/// let trigger = trigger.shared();
/// trigger.callback(1).unwrap();
/// let error = trigger.callback(2).unwrap_err();
/// assert!(error.to_string().contains("Deferred was created:"));
/// debug::disable();
/// ```
pub fn enable() {
    MODE.store(ON, Ordering::Relaxed);
}

/// Turns debug mode off.
///
/// # Examples
///
/// ```
/// use hereafter::debug;
/// debug::disable();
/// assert!(!debug::enabled());
/// ```
pub fn disable() {
    MODE.store(OFF, Ordering::Relaxed);
}

/// Whether debug mode is on (Twisted's `getDebugging`).
///
/// # Examples
///
/// ```
/// hereafter::debug::enable();
/// assert!(hereafter::debug::enabled());
/// ```
#[inline]
pub fn enabled() -> bool {
    match MODE.load(Ordering::Relaxed) {
        OFF => false,
        ON => true,
        _ => look_at_environment(),
    }
}

#[cold]
fn look_at_environment() -> bool {
    let on = std::env::var_os("HEREAFTER_DEBUG").is_some_and(|value| value == "1");
    MODE.store(if on { ON } else { OFF }, Ordering::Relaxed);
    on
}

#[inline]
pub(crate) fn stacks_of_creation() -> Option<Box<Stacks>> {
    if enabled() { Some(Box::new(capture())) } else { None }
}

#[cold]
fn capture() -> Stacks {
    Stacks { made: Backtrace::force_capture(), fired: None }
}

#[cold]
pub(crate) fn note_firing(cell: &CellRef) {
    cell.with_stacks(|stacks| {
        if let Some(stacks) = stacks {
            stacks.fired.get_or_insert_with(Backtrace::force_capture);
        }
    });
}

/// What the stacks of a deferred say, in Twisted's words.
#[cold]
pub(crate) fn history(cell: &CellRef) -> Option<String> {
    cell.with_stacks(|stacks| {
        let stacks = stacks?;
        let mut text = format!("Deferred was created:\n{}", stacks.made);
        if let Some(fired) = &stacks.fired {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "First Invoker was:\n{fired}");
        }
        Some(text)
    })
}
