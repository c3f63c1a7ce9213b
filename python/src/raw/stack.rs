//! How much of the machine's stack is left, and what is on the interpreter's.

use super::{Slot, owned};
#[cfg(not(Py_3_11))]
use crate::names::name;
use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::Cell;

/// How much of the machine's stack must be left for Python code to be run: how deep it goes cannot be told.
const STACK_RESERVE: usize = 128 * 1024;

std::thread_local! {
    /// Where this thread's stack ends, and from where on nothing is to be called; not known at first.
    static STACK: Cell<(usize, usize)> = const { Cell::new((0, usize::MAX)) };
}

/// Refuses to go deeper when the machine's stack is nearly used up, which no recursion limit knows of.
#[inline]
pub(crate) fn room_on_the_stack(py: Python<'_>) -> PyResult<()> {
    let mark = 0_u8;
    let here = (&raw const mark).addr();
    if here > STACK.get().1 { Ok(()) } else { look_at_the_stack(py, here) }
}

#[cold]
fn look_at_the_stack(py: Python<'_>, here: usize) -> PyResult<()> {
    if STACK.get().1 == usize::MAX {
        let left = stacker::remaining_stack().unwrap_or(here);
        let end = here.saturating_sub(left);
        // A thread may have been given less than the whole reserve.
        STACK.set((end, end.saturating_add(STACK_RESERVE.min(left / 4))));
    }
    let (end, floor) = STACK.get();
    // What is beyond the end is another stack, of which nothing is known.
    if here > floor || here < end {
        return Ok(());
    }
    Err(super::error::<pyo3::exceptions::PyRecursionError>(
        py,
        "Deferreds are nested too deeply for the stack of this thread",
    ))
}

/// A place in code that was being run.
pub(crate) struct Place {
    pub(super) code: Slot,
    /// Of the instruction, in bytes.
    pub(super) offset: std::ffi::c_int,
}

impl Place {
    /// The code.
    pub(crate) fn code<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.code.get(py).unwrap_or_else(|| py.None().into_bound(py))
    }

    /// The line in the source; 0 if the code does not say.
    pub(crate) fn line(&self, py: Python<'_>) -> usize {
        let Some(code) = self.code.get(py) else { return 0 };
        // SAFETY: `place` found the code in a frame, so that is what it is.
        let line = unsafe { ffi::PyCode_Addr2Line(code.as_ptr().cast(), self.offset) };
        usize::try_from(line).unwrap_or(0)
    }
}

/// The frames of Python code that are being run by this thread, innermost first. None is made an object before it is
/// come to.
pub(crate) fn frames(py: Python<'_>) -> impl Iterator<Item = Bound<'_, PyAny>> {
    let mut last: Option<Bound<'_, PyAny>> = None;
    let next = move || {
        let next = last.as_ref().map_or_else(|| current(py), before);
        last.clone_from(&next);
        next
    };
    std::iter::from_fn(next).fuse()
}

/// The frame that is being run; none if that is no Python code.
fn current(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: what the interpreter lends us is made our own before anything else is asked of it.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast::<ffi::PyObject>()) }
}

/// The globals of the code in a frame.
pub(crate) fn globals<'py>(frame: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // A function for it came with 3.11 only.
    #[cfg(not(Py_3_11))]
    return frame.getattr(name!(frame.py(), f_globals)).ok();
    // SAFETY: rule 3; it is a frame.
    #[cfg(Py_3_11)]
    owned(frame.py(), unsafe { ffi::PyFrame_GetGlobals(frame.as_ptr().cast()) }).ok()
}

/// Where a frame stands.
pub(crate) fn place(frame: &Bound<'_, PyAny>) -> PyResult<Place> {
    // SAFETY: rule 3; it is a frame, and a frame has code.
    let code = owned(frame.py(), unsafe { ffi::PyFrame_GetCode(frame.as_ptr().cast()) }.cast())?;
    // A function for it came with 3.11 only.
    #[cfg(not(Py_3_11))]
    let offset = frame.getattr(name!(frame.py(), f_lasti))?.extract()?;
    // SAFETY: as above.
    #[cfg(Py_3_11)]
    let offset = unsafe { ffi::PyFrame_GetLasti(frame.as_ptr().cast()) };
    Ok(Place { code: Slot::of(code), offset })
}

/// The frame that called this one; none if there is none, or no memory to say which.
fn before<'py>(frame: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: rule 3; it is a frame.
    unsafe {
        let back = ffi::PyFrame_GetBack(frame.as_ptr().cast());
        if back.is_null() {
            ffi::PyErr_Clear();
        }
        Bound::from_owned_ptr_or_opt(frame.py(), back.cast::<ffi::PyObject>())
    }
}

/// Where these frames stand.
///
/// The line of each is worked out when it is asked for: that takes several times as long as all this.
pub(crate) fn stack(py: Python<'_>) -> PyResult<Vec<Place>> {
    frames(py).map(|frame| place(&frame)).collect()
}
