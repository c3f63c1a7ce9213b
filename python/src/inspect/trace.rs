//! The trace file of the process: what happens to its Deferreds, for Perfetto.

use super::story::place_text;
use super::{Noted, Somewhere, Switches, switch};
use crate::deferred::Deferred;
use crate::raw::Attached;
use hereafter_engine::{Event, Step};
use hereafter_insight::{End, History, Moment, Trace};
use pyo3::prelude::*;
use std::cell::RefCell;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// The file that is being written.
static CURRENT: Attached<RefCell<Option<Trace>>> = Attached::new(RefCell::new(None));

/// Writes what happens to Deferreds that are made from now on into a file for https://ui.perfetto.dev.
#[pyfunction]
pub(super) fn trace_to(py: Python<'_>, path: PathBuf) -> PyResult<()> {
    let trace = Trace::create(path)?;
    // What is gathered is to be written at the end of the process.
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(trace_end, py)?,))?;
    let before = CURRENT.get(py).replace(Some(trace));
    switch(|before| Switches { histories: true, trace: true, ..before });
    drop(before);
    Ok(())
}

/// Ends the trace file, if one is being written. Histories go on.
#[pyfunction]
pub(super) fn trace_end(py: Python<'_>) {
    switch(|before| Switches { trace: false, ..before });
    if let Some(trace) = CURRENT.get(py).take() {
        trace.end();
    }
}

/// Begins the trace file that the environment asks for.
pub(super) fn begin_as_told(py: Python<'_>) {
    let Some(path) = std::env::var_os("HEREAFTER_TRACE").filter(|path| !path.is_empty()) else {
        return;
    };
    if let Err(error) = trace_to(py, path.into()) {
        let _ = writeln!(io::stderr(), "hereafter: HEREAFTER_TRACE: {}", error.value(py));
    }
}

/// Has something written of a Deferred that the trace covers.
fn write(py: Python<'_>, history: &History<Somewhere>, what: impl FnOnce(&Trace, u64)) {
    let Ok(current) = CURRENT.get(py).try_borrow() else { return };
    if let Some(trace) = current.as_ref().filter(|trace| trace.covers(history.born())) {
        what(trace, history.number());
    }
}

fn made_text(py: Python<'_>, history: &History<Somewhere>) -> String {
    let nowhere = || "a Deferred".to_owned();
    history.made().as_ref().map_or_else(nowhere, |made| place_text(py, made))
}

pub(super) fn made(py: Python<'_>, history: &History<Somewhere>) {
    write(py, history, |trace, number| {
        trace.made(number, &made_text(py, history), history.born());
    });
}

pub(super) fn gone(py: Python<'_>, history: &History<Somewhere>) {
    write(py, history, |trace, number| {
        let now = Moment::now();
        if history.current().is_some_and(|(ran, _)| matches!(ran.end, End::Returned(_))) {
            trace.resumed(number, now);
        }
        trace.gone(number, &made_text(py, history), now);
    });
}

/// What has happened, and is in the history by now.
pub(super) fn happened(py: Python<'_>, noted: &Noted, event: &Event<'_, Bound<'_, Deferred>>) {
    let Ok(history) = noted.history.try_borrow() else { return };
    write(py, &history, |trace, number| match event {
        Event::Fired => trace.fired(number, Moment::now()),
        Event::Cancelled => trace.cancelled(number, Moment::now()),
        Event::Resumed => trace.resumed(number, Moment::now()),
        Event::Ran(Step::Ran | Step::Returned) => {
            if let Some(ran) = history.latest().filter(|ran| ran.end != End::Passed) {
                let place = |added: Somewhere| Some(place_text(py, added.as_ref()?));
                trace.ran(number, &ran.with_place(place));
            }
        }
        _ => {}
    });
}
