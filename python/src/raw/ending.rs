//! Calls of Python code that a thread may never come back from, since the interpreter ends meanwhile.
//!
//! Up to `CPython` 3.13 the end of the interpreter ends every other thread as soon as that asks for the lock,
//! wherever it is: by `pthread_exit`, which with the GNU C library unwinds the thread's frames. No frame of Rust
//! may be unwound that way, and the whole process would be aborted. From 3.14 on such a thread stops where it
//! is until the process is over; these calls have it do so on every version.

use pyo3::ffi;

/// Stops the thread when it is unwound.
#[cfg(not(Py_3_14))]
struct Stop;

#[cfg(not(Py_3_14))]
impl Drop for Stop {
    #[cold]
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

/// Makes a call by a pointer of which the compiler knows no more than that what is called may unwind.
macro_rules! call {
    ($function:path as fn($($kind:ty),* $(,)?) -> $result:ty, $($argument:expr),* $(,)?) => {{
        #[cfg(Py_3_14)]
        let result = $function($($argument),*);
        #[cfg(not(Py_3_14))]
        let result = {
            let known: unsafe extern "C" fn($($kind),*) -> $result = $function;
            // The two types differ in what is said of unwinding alone.
            let function = std::mem::transmute::<
                unsafe extern "C" fn($($kind),*) -> $result,
                unsafe extern "C-unwind" fn($($kind),*) -> $result,
            >(known);
            let stop = Stop;
            let result = std::hint::black_box(function)($($argument),*);
            std::mem::forget(stop);
            result
        };
        result
    }};
}

/// `PyObject_Vectorcall`.
///
/// # Safety
///
/// As for that.
#[inline]
pub(super) unsafe fn vectorcall(
    function: *mut ffi::PyObject,
    first: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // Before 3.11 the interpreter has it in a header only, and exports a function that takes names otherwise.
    #[cfg(Py_3_11)]
    use ffi::PyObject_Vectorcall;
    #[cfg(not(Py_3_11))]
    use ffi::PyObject_VectorcallDict as PyObject_Vectorcall;
    // SAFETY: the caller's.
    unsafe {
        if cfg!(not(Py_3_11)) && !names.is_null() {
            return ffi::PyObject_Vectorcall(function, first, count, names);
        }
        call!(
            PyObject_Vectorcall
                as fn(
                    *mut ffi::PyObject,
                    *const *mut ffi::PyObject,
                    usize,
                    *mut ffi::PyObject,
                ) -> *mut ffi::PyObject,
            function,
            first,
            count,
            names
        )
    }
}

/// `PyObject_Call`.
///
/// # Safety
///
/// As for that.
pub(super) unsafe fn call(
    function: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's.
    unsafe {
        call!(
            ffi::PyObject_Call
                as fn(
                    *mut ffi::PyObject,
                    *mut ffi::PyObject,
                    *mut ffi::PyObject,
                ) -> *mut ffi::PyObject,
            function,
            arguments,
            keywords
        )
    }
}

/// `PyIter_Send`.
///
/// # Safety
///
/// As for that.
#[inline]
pub(super) unsafe fn send(
    generator: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: the caller's.
    unsafe {
        call!(
            ffi::PyIter_Send
                as fn(
                    *mut ffi::PyObject,
                    *mut ffi::PyObject,
                    *mut *mut ffi::PyObject,
                ) -> ffi::PySendResult,
            generator,
            value,
            result
        )
    }
}
