//! Objects of Python's own classes, made so that it is an error when there is no memory for them: `PyO3` panics then.

use super::owned;
use pyo3::PyTypeInfo;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

/// A string.
pub(crate) fn text<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyString>> {
    let length = text.len().cast_signed();
    // SAFETY: as many bytes lie there, and they are UTF-8; what is made is a string.
    unsafe {
        let made = ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), length);
        Ok(owned(py, made)?.cast_into_unchecked())
    }
}

/// A number.
pub(crate) fn number(py: Python<'_>, number: usize) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: rule 3.
    owned(py, unsafe { ffi::PyLong_FromSize_t(number) })
}

/// A dictionary with nothing in it.
pub(crate) fn dict(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    // SAFETY: rule 3; what is made is a dictionary.
    unsafe { Ok(owned(py, ffi::PyDict_New())?.cast_into_unchecked()) }
}

/// A dictionary of what is in a mapping.
pub(crate) fn dict_of<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = mapping.py();
    let made = dict(py)?;
    // SAFETY: rule 3.
    let updated = unsafe { ffi::PyDict_Update(made.as_ptr(), mapping.as_ptr()) };
    if updated == 0 { Ok(made) } else { Err(super::noted(py)) }
}

/// A list with nothing in it.
pub(crate) fn list(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    // SAFETY: rule 3; what is made is a list.
    unsafe { Ok(owned(py, ffi::PyList_New(0))?.cast_into_unchecked()) }
}

/// A list of `None`, so many times.
pub(crate) fn nones(py: Python<'_>, count: usize) -> PyResult<Bound<'_, PyList>> {
    // SAFETY: rule 3; the list is ours alone, and each place gets a reference of its own.
    unsafe {
        let made = owned(py, ffi::PyList_New(count.cast_signed()))?;
        for index in 0..count.cast_signed() {
            ffi::PyList_SET_ITEM(made.as_ptr(), index, py.None().into_ptr());
        }
        Ok(made.cast_into_unchecked())
    }
}

/// A list of what there is to iterate over.
pub(crate) fn list_of<'py>(iterable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    // SAFETY: rule 3; what is made is a list.
    unsafe {
        let made = ffi::PySequence_List(iterable.as_ptr());
        Ok(owned(iterable.py(), made)?.cast_into_unchecked())
    }
}

/// A tuple of these.
pub(crate) fn tuple<'py>(
    py: Python<'py>,
    items: &[Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyTuple>> {
    // SAFETY: rule 3; the tuple is ours alone, and gets a reference of its own to each in its place.
    unsafe {
        let made = owned(py, ffi::PyTuple_New(items.len().cast_signed()))?;
        for (index, item) in items.iter().enumerate() {
            ffi::PyTuple_SET_ITEM(made.as_ptr(), index.cast_signed(), item.clone().into_ptr());
        }
        Ok(made.cast_into_unchecked())
    }
}

/// An exception of this class; where there is no memory for it, the error that says so.
#[cold]
pub(crate) fn error<E: PyTypeInfo>(py: Python<'_>, said: impl AsRef<str>) -> PyErr {
    let made = text(py, said.as_ref()).and_then(|text| py.get_type::<E>().call1((text,)));
    made.map_or_else(|error| error, PyErr::from_value)
}
