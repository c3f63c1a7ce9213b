//! The unsafe room: what the rest of the crate needs from the interpreter and `PyO3` has no safe name for.
//!
//! * `store.rs`: where a deferred keeps objects and links;
//! * `call.rs`: calls of Python code, and what they raise; `resume.rs`: how generators and coroutines are run; `ending.rs`:
//!   what becomes of a thread in such a call when the interpreter ends;
//! * `class.rs`: what can be told of a class; `layout.rs`: how objects of ours are made, awaited and freed;
//! * `made.rs`: objects of Python's own classes;
//! * `entry.rs`: functions and methods of ours that take their arguments where the interpreter laid them;
//! * `stack.rs`: how deep it goes, and where it is; `frame.rs`: the latter in fewer steps;
//! * `roll.rs`: which objects are alive.
//!
//! # Why this is sound
//!
//! 1. [`Attached`] holds state that only a thread attached to the interpreter touches. Every safe way
//!    to it takes a [`Python`] token, and the module asks for the global interpreter lock, so that only
//!    one thread has a token at a time. A thread that detaches cannot carry a `&T` out, for `T` is not
//!    `Sync`, and `Python::detach` takes nothing that is not `Send`.
//! 2. [`Queue`] lends nothing: its methods move links in and out, and run no code of anybody else's.
//! 3. The calls below pass on pointers that live longer than the call, and turn each owned pointer
//!    into a `Bound` at once.

#![allow(unsafe_code)]

mod call;
mod class;
mod ending;
mod entry;
mod frame;
mod layout;
mod made;
mod resume;
mod roll;
mod stack;
mod store;

pub(crate) use call::{Call, Called, Raised, between_errors, call_one, call_with, handling};
pub(crate) use class::{
    Watch, as_instance, can_be_awaited, class, class_name, derives, exception, has_attributes,
    is_exception_class, is_heap_class, is_taken_apart, new_exception, set_traceback, traceback,
};
pub(crate) use entry::{
    Arguments, Fast, add_class_method, add_function, add_method, call_by, construct, construct_by,
    first_closed_over,
};
pub(crate) use frame::{Instruction, instructions};
pub(crate) use layout::{Awaits, Finalized, Known, Layout, await_by, finalize, is_past_finalizing};
pub(crate) use made::{dict, dict_of, error, list, list_of, nones, number, text, tuple};
pub(crate) use resume::{Sent, as_one_call, copy_context, in_context, send};
pub(crate) use roll::{Roll, references};
pub(crate) use stack::{Place, frames, globals, place, room_on_the_stack, stack};
pub(crate) use store::{Queue, Slot};

use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;

/// State that is touched by attached threads only.
pub(crate) struct Attached<T>(T);

// SAFETY: see rule 1 at the head of this module.
unsafe impl<T> Sync for Attached<T> {}
// SAFETY: see rule 1; the state is dropped by an attached thread, which is what frees objects.
unsafe impl<T> Send for Attached<T> {}

impl<T> Attached<T> {
    pub(crate) const fn new(state: T) -> Self {
        Self(state)
    }

    #[inline]
    pub(crate) fn get(&self, _attached: Python<'_>) -> &T {
        &self.0
    }

    /// For whoever has it alone, as one does that is being freed.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }

    /// For the cycle collector, which has no token to show, but holds the lock.
    pub(crate) fn in_collector(&self) -> &T {
        &self.0
    }
}

/// The number of the interpreter that the thread is attached to; no other of this process has it, or ever had.
pub(crate) fn interpreter(py: Python<'_>) -> PyResult<i64> {
    // SAFETY: an attached thread has an interpreter.
    let number = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if number < 0 { Err(noted(py)) } else { Ok(number) }
}

#[inline]
fn owned(py: Python<'_>, pointer: *mut ffi::PyObject) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: every caller hands in what a call of the interpreter has just returned as owned.
    unsafe { Bound::from_owned_ptr_or_opt(py, pointer) }.ok_or_else(|| noted(py))
}

/// The error that the interpreter has noted; where it has no memory for a call, it may have noted none.
#[cold]
fn noted(py: Python<'_>) -> PyErr {
    let none = || error::<PySystemError>(py, "a call failed and noted no exception");
    PyErr::take(py).unwrap_or_else(none)
}
