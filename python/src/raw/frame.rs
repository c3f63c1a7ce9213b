//! Which instructions are being run, without objects being made of their frames.
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
    #[cfg(Py_3_12)]
    use std::ffi::c_char;
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
    #[cfg(not(Py_3_12))]
    #[repr(C)]
    pub(super) struct Frame {
        objects: [*mut c_void; 4],
        pub(super) code: *const ffi::PyObject,
        object: *mut c_void,
        pub(super) before: *const Self,
        pub(super) instruction: *const u16,
    }

    /// `_PyInterpreterFrame`.
    #[cfg(Py_3_12)]
    #[repr(C)]
    pub(super) struct Frame {
        pub(super) code: *const ffi::PyObject,
        pub(super) before: *const Self,
        objects: [*mut c_void; 5],
        pub(super) instruction: *const u16,
        top: c_int,
        way_back: u16,
        owner: c_char,
    }

    impl Frame {
        /// Whether it stands for a call from outside of Python, and has no code.
        #[inline]
        pub(super) fn is_entry(&self) -> bool {
            #[cfg(Py_3_12)]
            return self.owner == 3;
            #[cfg(not(Py_3_12))]
            false
        }
    }
}

/// The instructions that the frames of this thread are at, the innermost first. Among them may be one of a frame that
/// is only just being begun, which nobody is ever told of by the public way.
#[cfg(all(Py_3_11, not(Py_3_14), not(Py_GIL_DISABLED)))]
#[inline]
pub(crate) fn instructions(_py: Python<'_>) -> impl Iterator<Item = Instruction> {
    use pyo3::ffi;
    // SAFETY: an attached thread has a state, which lies as `known` says.
    let mut next = unsafe {
        let thread = ffi::PyThreadState_Get().cast::<known::Thread>();
        #[cfg(Py_3_13)]
        let frame = (*thread).frame;
        #[cfg(not(Py_3_13))]
        let frame = (*(*thread).stack).frame;
        frame
    };
    std::iter::from_fn(move || {
        // SAFETY: frames that are being run are alive, and lie as `known` says too; the callers in this crate compare
        // what they get, by which no frame ends. Code is as long as its class says, and its instructions lie behind
        // that.
        unsafe {
            let mut frame = next.as_ref()?;
            while frame.is_entry() {
                frame = frame.before.as_ref()?;
            }
            next = frame.before;
            let class = (&raw const ffi::PyCode_Type).cast::<ffi::PyTypeObject>();
            let first = frame.code.addr().wrapping_add_signed((*class).tp_basicsize);
            #[allow(clippy::cast_possible_truncation, reason = "no code is as long as that")]
            let offset = frame.instruction.addr().wrapping_sub(first) as u32;
            Some(Instruction { code: frame.code.addr(), offset: offset.cast_signed() })
        }
    })
}

/// The same, in a version that is not known.
#[cfg(not(all(Py_3_11, not(Py_3_14), not(Py_GIL_DISABLED))))]
pub(crate) fn instructions(py: Python<'_>) -> impl Iterator<Item = Instruction> {
    super::frames(py).map_while(|frame| Some(super::place(&frame).ok()?.instruction()))
}
