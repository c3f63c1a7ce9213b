//! Which instruction is being run, without an object being made of the frame.
//!
//! The public way to ask makes an object of each frame that it is asked about, which takes longer than to make a
//! Deferred. So what it would look at is read here where it lies, in those versions of `CPython` in which that is
//! known: a version does not move it, since debuggers and switchers of stacks read the same. In others, the public way is
//! taken.
//!
//! What is read is compared, and nothing else: who asks knows the place of an instruction by the public way.

use super::Place;
use pyo3::prelude::*;

/// An instruction of Python code: what is the same for the same place, as long as that code is alive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// The address of the code.
    pub(crate) code: usize,
    /// Where in it, in bytes.
    pub(crate) offset: std::ffi::c_int,
}

impl Place {
    /// The instruction that is there.
    pub(crate) fn instruction(&self) -> Instruction {
        let code = self.code.peek().map_or(0, |(code, _)| code.addr());
        Instruction { code, offset: self.offset }
    }
}

#[cfg(all(Py_3_11, not(Py_3_14), not(Py_GIL_DISABLED)))]
mod known {
    use pyo3::ffi;
    use std::ffi::{c_int, c_void};

    /// How many fields of a thread are plain numbers.
    const NUMBERS: usize = if cfg!(Py_3_13) { 9 } else { 7 };

    /// `PyThreadState`, up to what is looked at.
    #[repr(C)]
    pub(super) struct Thread {
        links: [*mut c_void; 3],
        #[cfg(Py_3_13)]
        breaker: usize,
        numbers: [c_int; NUMBERS],
        #[cfg(Py_3_13)]
        pub(super) frame: *const Frame,
        #[cfg(not(Py_3_13))]
        pub(super) stack: *const Stack,
    }

    /// `_PyCFrame`.
    #[cfg(not(Py_3_13))]
    #[repr(C)]
    pub(super) struct Stack {
        #[cfg(not(Py_3_12))]
        is_traced: u8,
        pub(super) frame: *const Frame,
    }

    /// `_PyInterpreterFrame`.
    #[repr(C)]
    pub(super) struct Frame {
        #[cfg(not(Py_3_12))]
        before: [*mut c_void; 4],
        pub(super) code: *const ffi::PyObject,
        #[cfg(not(Py_3_12))]
        between: [*mut c_void; 2],
        #[cfg(Py_3_12)]
        between: [*mut c_void; 6],
        pub(super) instruction: *const u16,
    }
}

/// The instruction that this thread is at; none if that is no Python code. It may be one of a frame that is only just
/// being begun, which nobody is ever told of.
#[cfg(all(Py_3_11, not(Py_3_14), not(Py_GIL_DISABLED)))]
#[inline]
pub(crate) fn instruction(_py: Python<'_>) -> Option<Instruction> {
    use pyo3::ffi;
    // SAFETY: an attached thread has a state, which lies as `known` says, and the frame that it is at is alive and
    // lies so too. Code begins with an object as long as its class says, and its instructions lie behind that; in
    // the few frames that are no code's, what is worked out is the address of nothing known.
    unsafe {
        let thread = ffi::PyThreadState_Get().cast::<known::Thread>();
        #[cfg(Py_3_13)]
        let frame = (*thread).frame;
        #[cfg(not(Py_3_13))]
        let frame = (*(*thread).stack).frame;
        let frame = frame.as_ref()?;
        let first = (&raw const ffi::PyCode_Type).cast::<ffi::PyTypeObject>();
        let before = frame.code.addr().wrapping_add_signed((*first).tp_basicsize);
        #[allow(clippy::cast_possible_truncation, reason = "no code is as long as that")]
        let offset = frame.instruction.addr().wrapping_sub(before) as u32;
        Some(Instruction { code: frame.code.addr(), offset: offset.cast_signed() })
    }
}

/// The same, of a version that is not known.
#[cfg(not(all(Py_3_11, not(Py_3_14), not(Py_GIL_DISABLED))))]
pub(crate) fn instruction(py: Python<'_>) -> Option<Instruction> {
    Some(super::place(&super::stack::current(py)?).ok()?.instruction())
}
