//! Calls of Python code, and what they raise.

use super::stack::room_on_the_stack;
use super::{Arguments, ending, owned};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use smallvec::SmallVec;

/// The exception that a call raised, and its traceback.
pub(crate) struct Raised<'py> {
    pub(crate) value: Bound<'py, PyAny>,
    pub(crate) traceback: Option<Bound<'py, PyAny>>,
}

impl<'py> Raised<'py> {
    /// The same of an error that went through `PyErr`.
    pub(crate) fn from_error(py: Python<'py>, error: PyErr) -> Self {
        let traceback = error.traceback(py).map(Bound::into_any);
        Self { value: error.into_value(py).into_bound(py).into_any(), traceback }
    }

    /// The same as a `PyErr`.
    pub(crate) fn into_error(self) -> PyErr {
        PyErr::from_value(self.value)
    }

    /// Takes what the interpreter has noted.
    #[cfg(Py_3_12)]
    fn take(py: Python<'py>) -> Self {
        // SAFETY: rule 3: what is fetched is owned by us, and is an exception.
        match unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyErr_GetRaisedException()) } {
            Some(value) => {
                // SAFETY: rule 3.
                let traceback = unsafe {
                    Bound::from_owned_ptr_or_opt(py, ffi::PyException_GetTraceback(value.as_ptr()))
                };
                Self { value, traceback }
            }
            None => Self::from_error(py, super::noted(py)),
        }
    }

    /// Takes what the interpreter has noted.
    #[cfg(not(Py_3_12))]
    fn take(py: Python<'py>) -> Self {
        let (mut kind, mut value, mut traceback) =
            (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: rule 3: what is fetched is owned by us, the value is an exception once it is normal.
        unsafe {
            ffi::PyErr_Fetch(&raw mut kind, &raw mut value, &raw mut traceback);
            ffi::PyErr_NormalizeException(&raw mut kind, &raw mut value, &raw mut traceback);
            drop(Bound::from_owned_ptr_or_opt(py, kind));
            let traceback = Bound::from_owned_ptr_or_opt(py, traceback);
            match Bound::from_owned_ptr_or_opt(py, value) {
                Some(value) => {
                    if let Some(traceback) = &traceback {
                        ffi::PyException_SetTraceback(value.as_ptr(), traceback.as_ptr());
                    }
                    Self { value, traceback }
                }
                None => Self::from_error(py, super::noted(py)),
            }
        }
    }
}

/// Runs `inside` as an `except` clause that handles this exception would.
pub(crate) fn handling<'py, R>(
    value: &Bound<'py, PyAny>,
    traceback: Option<&Bound<'py, PyAny>>,
    inside: impl FnOnce() -> R,
) -> R {
    /// What was handled before; handled again, also when `inside` unwinds.
    struct Former([*mut ffi::PyObject; 3]);
    impl Drop for Former {
        fn drop(&mut self) {
            let [kind, value, traceback] = self.0;
            // SAFETY: attached, as the caller of the function is; it takes over what was lent to us.
            unsafe { ffi::PyErr_SetExcInfo(kind, value, traceback) };
        }
    }
    let mut former = Former([std::ptr::null_mut(); 3]);
    let [kind, old, trace] = &mut former.0;
    // SAFETY: rule 3; what is set is given away, and what is got is owned until it is set again.
    unsafe {
        ffi::PyErr_GetExcInfo(kind, old, trace);
        ffi::PyErr_SetExcInfo(
            value.get_type().into_ptr(),
            value.clone().into_ptr(),
            traceback.map_or(std::ptr::null_mut(), |traceback| traceback.clone().into_ptr()),
        );
    }
    inside()
}

/// What a call of Python code came to.
pub(crate) type Called<'py> = Result<Bound<'py, PyAny>, Raised<'py>>;

#[inline]
fn called(py: Python<'_>, pointer: *mut ffi::PyObject) -> Called<'_> {
    // SAFETY: as in `owned`.
    unsafe { Bound::from_owned_ptr_or_opt(py, pointer) }.ok_or_else(|| Raised::take(py))
}

/// Calls `function` with one argument.
#[inline]
pub(crate) fn call_one<'py>(
    function: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> Called<'py> {
    room_on_the_stack(function.py()).map_err(|error| Raised::from_error(function.py(), error))?;
    let mut room = [std::ptr::null_mut(), argument.as_ptr()];
    // SAFETY: rule 3; the place before the arguments is ours to lend, as the offset flag says.
    let result = unsafe {
        ending::vectorcall(
            function.as_ptr(),
            room.as_mut_ptr().add(1),
            1 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            std::ptr::null_mut(),
        )
    };
    called(function.py(), result)
}

/// Calls `function` with these arguments.
pub(crate) fn call_with<'py>(
    function: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let keywords = keywords.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: rule 3.
    owned(function.py(), unsafe { ending::call(function.as_ptr(), arguments.as_ptr(), keywords) })
}

/// A callable, and what it is given beside the result, laid out as the interpreter wants it for a call.
pub(crate) struct Call {
    pub(crate) function: Py<PyAny>,
    /// The names of those that have one, which come last.
    names: Option<Py<PyTuple>>,
    /// A place that what is called may use, the place of the result, and what is given beside it.
    room: SmallVec<[Option<Py<PyAny>>; 4]>,
}

impl Call {
    /// How many places come before what is given beside the result.
    const BEFORE: usize = 2;

    fn with(
        function: Py<PyAny>,
        names: Option<Py<PyTuple>>,
        given: impl Iterator<Item = Py<PyAny>>,
    ) -> Self {
        let mut room = SmallVec::from_buf_and_len([const { None }; 4], Self::BEFORE);
        room.extend(given.map(Some));
        Self { function, names, room }
    }

    /// A call of the first of these with all others beside the result.
    pub(crate) fn of_first(arguments: &Arguments<'_, '_>) -> Self {
        let all = arguments.len() + arguments.named();
        Self::with(
            arguments.get(0).unbind(),
            arguments.names().map(Bound::unbind),
            (1..all).map(|index| arguments.get(index).unbind()),
        )
    }

    pub(crate) fn new(
        function: Bound<'_, PyAny>,
        arguments: Vec<Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let arguments = arguments.into_iter().map(Bound::unbind);
        let Some(keywords) = keywords.filter(|keywords| !keywords.is_empty()) else {
            return Ok(Self::with(function.unbind(), None, arguments));
        };
        let py = function.py();
        let (names, values): (Vec<_>, Vec<_>) = keywords.iter().unzip();
        let names = super::tuple(py, &names)?;
        if names.iter_borrowed().any(|name| !name.is_instance_of::<PyString>()) {
            return Err(super::error::<PyTypeError>(py, "keywords must be strings"));
        }
        let given = arguments.chain(values.into_iter().map(Bound::unbind));
        Ok(Self::with(function.unbind(), Some(names.unbind()), given))
    }

    /// Whether nothing is given beside the result.
    pub(crate) fn is_bare(&self) -> bool {
        self.room.len() == Self::BEFORE
    }

    /// Hands out all that it holds.
    pub(crate) fn take_apart(self, take: impl FnMut(Py<PyAny>)) {
        let names = self.names.map(Py::into_any);
        self.room.into_iter().flatten().chain(names).chain([self.function]).for_each(take);
    }

    /// Calls it with the result first.
    pub(crate) fn call<'py>(&mut self, result: &Bound<'py, PyAny>) -> Called<'py> {
        let py = result.py();
        room_on_the_stack(py).map_err(|error| Raised::from_error(py, error))?;
        self.room[Self::BEFORE - 1] = Some(result.clone().unbind());
        let names = self.names.as_ref().map(|names| names.bind(py));
        let count = self.room.len() - 1 - names.map_or(0, PyTupleMethods::len);
        // SAFETY: as in `call_one`. A `Py` is a pointer to an object, and where there is none it is null; nobody
        // else has the room, and what is called leaves it as it was.
        let called = unsafe {
            ending::vectorcall(
                self.function.as_ptr(),
                self.room.as_mut_ptr().add(1).cast(),
                count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                names.map_or(std::ptr::null_mut(), Bound::as_ptr),
            )
        };
        self::called(py, called)
    }

    fn given<'a, 'py>(&'a self, py: Python<'py>) -> impl Iterator<Item = Bound<'py, PyAny>> + 'a
    where
        'py: 'a,
    {
        self.room[Self::BEFORE..].iter().flatten().map(move |given| given.bind(py).clone())
    }

    /// What is given beside the result without a name.
    pub(crate) fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let named = self.names.as_ref().map_or(0, |names| names.bind(py).len());
        let given: Vec<_> = self.given(py).collect();
        super::tuple(py, &given[..given.len() - named])
    }

    /// What is given by name.
    pub(crate) fn keywords<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let keywords = super::dict(py)?;
        if let Some(names) = self.names.as_ref().map(|names| names.bind(py)) {
            let given: Vec<_> = self.given(py).collect();
            let values = &given[given.len() - names.len()..];
            for (name, value) in names.iter().zip(values) {
                keywords.set_item(name, value)?;
            }
        }
        Ok(keywords)
    }

    /// The same call once more; runs no code of anybody else's.
    pub(crate) fn copy(&self, py: Python<'_>) -> Self {
        let names = self.names.as_ref().map(|names| names.clone_ref(py));
        Self::with(self.function.clone_ref(py), names, self.given(py).map(Bound::unbind))
    }

    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.names)?;
        self.room.iter().flatten().try_for_each(|object| visit.call(object))
    }
}

/// Runs `inside` where an error may be on its way already, as there may be when an object is freed.
pub(crate) fn between_errors<R>(_attached: Python<'_>, inside: impl FnOnce() -> R) -> R {
    // SAFETY: rule 3: what is fetched is ours until it is put back.
    #[cfg(Py_3_12)]
    unsafe {
        let error = ffi::PyErr_GetRaisedException();
        let result = inside();
        ffi::PyErr_SetRaisedException(error);
        result
    }
    // SAFETY: as above.
    #[cfg(not(Py_3_12))]
    unsafe {
        let (mut kind, mut value, mut traceback) =
            (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        ffi::PyErr_Fetch(&raw mut kind, &raw mut value, &raw mut traceback);
        let result = inside();
        ffi::PyErr_Restore(kind, value, traceback);
        result
    }
}
