//! The trace file of the process: what happens to its deferreds, for Perfetto.

use super::Noted;
use crate::debug::{self, HISTORIES, TRACES};
use hereafter_insight::{Before, Trace};
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Once, PoisonError, RwLock};

/// The file that is being written, and whether histories were kept before.
static CURRENT: RwLock<Option<(Arc<Trace>, bool)>> = RwLock::new(None);

thread_local! {
    static LEAVING: Leaving = const { Leaving };
}

/// Has what was gathered written when a thread ends, which may be the end of the process.
struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(trace) = current() {
            trace.flush();
        }
    }
}

/// Writes what happens to deferreds that are made from now on, on all threads, into a file for
/// <https://ui.perfetto.dev>: their lives, the links that run, and what waits for what. It ends a trace
/// that was begun before. To set the environment variable `HEREAFTER_TRACE` to the file's path does the
/// same from the start.
///
/// Histories are kept meanwhile. The file is whole, as far as it goes, whenever it was written to: after
/// each second, when a thread ends, and at [`trace_end`].
///
/// # Errors
///
/// Fails when the file cannot be made or written; the error names it. If it cannot be written any more
/// later, that is said once on stderr, and the trace is over.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, inspect};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("out.json");
/// inspect::trace_to(&path)?;
/// let (trigger, d) = Deferred::<u32>::new();
/// trigger.callback(1);
/// let d = d.map(|n| n + 1);
/// inspect::trace_end();
/// assert!(std::fs::read_to_string(&path)?.contains("callback "));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn trace_to(path: impl AsRef<Path>) -> io::Result<()> {
    let trace = Arc::new(Trace::create(path)?);
    let was_on = debug::is_on(HISTORIES);
    let before = put(Some((trace, was_on)));
    debug::switch(HISTORIES | TRACES, true);
    drop(before);
    Ok(())
}

/// Ends the trace file, if one is being written.
///
/// # Examples
///
/// See [`trace_to`].
pub fn trace_end() {
    debug::switch(TRACES, false);
    if let Some((trace, was_on)) = put(None) {
        trace.end();
        if !was_on {
            debug::switch(HISTORIES, false);
        }
    }
}

/// What the environment asks for, which is looked at once; whether a trace was begun.
pub(crate) fn begin_as_told(path: &OsStr) -> bool {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| match Trace::create(path) {
        Ok(trace) => drop(put(Some((Arc::new(trace), false)))),
        Err(error) => {
            let _ = writeln!(io::stderr(), "hereafter: HEREAFTER_TRACE: {error}");
        }
    });
    current().is_some()
}

fn put(next: Option<(Arc<Trace>, bool)>) -> Option<(Arc<Trace>, bool)> {
    core::mem::replace(&mut *CURRENT.write().unwrap_or_else(PoisonError::into_inner), next)
}

fn current() -> Option<Arc<Trace>> {
    let current = CURRENT.read().unwrap_or_else(PoisonError::into_inner);
    Some(current.as_ref()?.0.clone())
}

/// Has something written.
fn write(what: impl FnOnce(&Trace)) {
    if let Some(trace) = current() {
        let _ = LEAVING.try_with(|_| ());
        what(&trace);
    }
}

pub(super) fn made(history: &Noted) {
    write(|trace| trace.made(history, ToString::to_string));
}

pub(super) fn gone(history: &Noted) {
    write(|trace| trace.gone(history, ToString::to_string));
}

pub(super) fn noted(before: Before, history: &Noted) {
    write(|trace| trace.noted(before, history, ToString::to_string));
}
