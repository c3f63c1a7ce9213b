//! How generators and coroutines are run: what they are sent, in which context, and how their calls are counted.

use super::{ending, owned};
use pyo3::ffi;
use pyo3::prelude::*;

/// What a generator or coroutine did when it was sent something.
pub(crate) enum Sent<'py> {
    Yielded(Bound<'py, PyAny>),
    Returned(Bound<'py, PyAny>),
    Raised(PyErr),
}

/// Sends `value` into `generator`.
#[inline]
pub(crate) fn send<'py>(generator: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> Sent<'py> {
    let py = generator.py();
    let mut result = std::ptr::null_mut();
    // SAFETY: rule 3; `result` is owned by us for all but the error.
    let how = unsafe { ending::send(generator.as_ptr(), value.as_ptr(), &raw mut result) };
    match (how, owned(py, result)) {
        (ffi::PySendResult::PYGEN_NEXT, Ok(yielded)) => Sent::Yielded(yielded),
        (ffi::PySendResult::PYGEN_RETURN, Ok(returned)) => Sent::Returned(returned),
        (_, Err(error)) => Sent::Raised(error),
        (_, Ok(_)) => Sent::Raised(super::noted(py)),
    }
}

/// Runs `inside`, which runs a frame of Python code, so that this frame and the call of the native function
/// that does no more than run it count as one towards the recursion limit; and with them the call of the
/// Python function that does no more than call that, if it is a `WRAPPED` one.
///
/// On `CPython` 3.12 and 3.13 calls of Python functions are counted apart, and [`call_by`] spares that one;
/// what native code calls has a lower limit there, and each frame that it runs counts as two. Later versions
/// look at the stack instead.
pub(crate) fn as_one_call<const WRAPPED: bool, R>(
    _attached: Python<'_>,
    inside: impl FnOnce() -> R,
) -> R {
    /// How many calls have been counted; from 3.11 on the interpreter makes native calls without.
    const fn counted(wrapped: bool) -> usize {
        if cfg!(Py_3_14) {
            0
        } else if cfg!(Py_3_12) {
            2
        } else {
            wrapped as usize + !cfg!(Py_3_11) as usize
        }
    }
    /// Counts the calls again, also when `inside` unwinds.
    struct Again<const WRAPPED: bool>;
    impl<const WRAPPED: bool> Drop for Again<WRAPPED> {
        fn drop(&mut self) {
            for _ in 0..counted(WRAPPED) {
                // SAFETY: attached; it cannot fail, for there is the room that was made below.
                unsafe { ffi::Py_EnterRecursiveCall(c"".as_ptr()) };
            }
        }
    }
    for _ in 0..counted(WRAPPED) {
        // SAFETY: these calls, or what called them, are counted until they return.
        unsafe { ffi::Py_LeaveRecursiveCall() };
    }
    let _again = Again::<WRAPPED>;
    inside()
}

/// A copy of the current context.
#[inline]
pub(crate) fn copy_context(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: rule 3.
    owned(py, unsafe { ffi::PyContext_CopyCurrent() })
}

/// Runs `inside` in `context`.
#[inline]
pub(crate) fn in_context<R>(context: &Bound<'_, PyAny>, inside: impl FnOnce() -> R) -> PyResult<R> {
    let py = context.py();
    // SAFETY: the object is one that `copy_context` made.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(super::noted(py));
    }
    let result = inside();
    // SAFETY: as above.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(super::noted(py));
    }
    Ok(result)
}
