//! The trace file of the process: what happens to its Deferreds, for Perfetto.

use super::{Noted, Spot, Switches, switch};
use hereafter_insight::{Before, History, Trace};
use pyo3::prelude::*;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The file that is being written, and whether histories were kept before.
static CURRENT: Mutex<Option<(Arc<Trace>, bool)>> = Mutex::new(None);

fn put(next: Option<(Arc<Trace>, bool)>) -> Option<(Arc<Trace>, bool)> {
    core::mem::replace(&mut *CURRENT.lock().unwrap_or_else(PoisonError::into_inner), next)
}

fn current() -> Option<Arc<Trace>> {
    Some(CURRENT.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.0.clone())
}

/// Writes what happens to Deferreds that are made from now on into a file for Perfetto (<https://ui.perfetto.dev>), until
/// `trace_end` or the end of the program. Histories are kept meanwhile.
#[pyfunction]
pub(super) fn trace_to(py: Python<'_>, path: PathBuf) -> PyResult<()> {
    let trace = Arc::new(Trace::create(path)?);
    let end = wrap_pyfunction!(trace_end, py)?;
    py.import("atexit")?.call_method1("register", (end,))?;
    drop(put(Some((trace, super::is_on()))));
    switch(|before| Switches { histories: true, traced: true, ..before });
    Ok(())
}

/// Ends the trace file, if one is being written.
#[pyfunction]
pub(super) fn trace_end() {
    if let Some((trace, was_on)) = put(None) {
        trace.end();
        switch(|before| Switches {
            histories: before.histories && was_on,
            traced: false,
            ..before
        });
    }
}

/// Begins the trace file that the environment asks for. A program is not kept from running by one that cannot be
/// written.
pub(super) fn begin_as_told(py: Python<'_>) {
    let path = std::env::var_os("HEREAFTER_TRACE").filter(|path| !path.is_empty());
    if let Some(Err(error)) = path.map(|path| trace_to(py, path.into())) {
        let _ = writeln!(io::stderr(), "hereafter: HEREAFTER_TRACE: {}", error.value(py));
    }
}

/// Has something written.
fn write(noted: &Noted, what: impl FnOnce(&Trace, &History<Spot>)) {
    if let Some(trace) = current() {
        what(&trace, &noted.history.borrow());
    }
}

fn text(py: Python<'_>, place: Spot) -> String {
    place.text(py).unwrap_or_else(|| "no Python code".to_owned())
}

pub(super) fn made(py: Python<'_>, noted: &Noted) {
    write(noted, |trace, history| trace.made(history, |place| text(py, *place)));
}

/// A Deferred has been freed, and left this.
#[cold]
#[inline(never)]
pub(super) fn gone(noted: &Noted) {
    Python::attach(|py| {
        write(noted, |trace, history| trace.gone(history, |place| text(py, *place)));
    });
}

pub(super) fn noted(py: Python<'_>, noted: &Noted, before: Before) {
    write(noted, |trace, history| trace.noted(before, history, |place| text(py, *place)));
}
