//! Attributes that are kept natively, but are Python objects, for programs read them, change what is
//! in them, and put others in their place; and the copying and pickling of what has them.

use crate::deferred::{Deferred, as_deferred};
use crate::names::name;
use crate::raw::{self, Slot};
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

/// The attribute `name` of `object`, which is kept in `slot`.
///
/// # Errors
///
/// `AttributeError` when there is none yet: a subclass did not call our `__init__`.
#[inline]
pub(crate) fn attribute<'py, T>(
    object: &Bound<'py, T>,
    slot: &Slot,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    slot.get(object.py()).ok_or_else(|| {
        let class = raw::class_name(&object.as_any().get_type());
        raw::error::<PyAttributeError>(
            object.py(),
            format!("'{class}' object has no attribute '{name}'"),
        )
    })
}

/// Whether nothing is in the list.
#[inline]
pub(crate) fn is_empty(list: &Bound<'_, PyAny>) -> PyResult<bool> {
    match list.cast_exact::<PyList>() {
        Ok(list) => Ok(list.is_empty()),
        Err(_) => list.is_truthy().map(|something| !something),
    }
}

/// Puts `item` at the end.
#[inline]
pub(crate) fn append<'py>(list: &Bound<'py, PyAny>, item: &Bound<'py, PyAny>) -> PyResult<()> {
    match list.cast_exact::<PyList>() {
        Ok(list) => list.append(item),
        Err(_) => list.call_method1(name!(list.py(), append), (item,)).map(drop),
    }
}

/// Takes the first item out.
#[inline]
pub(crate) fn take_first<'py>(list: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match list.cast_exact::<PyList>() {
        Ok(list) => {
            let first = list.get_item(0)?;
            list.del_item(0)?;
            Ok(first)
        }
        Err(_) => list.call_method1(name!(list.py(), pop), (0,)),
    }
}

/// Takes `item` out, wherever it is.
pub(crate) fn remove<'py>(list: &Bound<'py, PyAny>, item: &Bound<'py, PyAny>) -> PyResult<()> {
    list.call_method1(name!(list.py(), remove), (item,)).map(drop)
}

/// Fires what has waited in a list.
pub(crate) fn fire<'py>(waiter: &Bound<'py, PyAny>, result: Bound<'py, PyAny>) -> PyResult<()> {
    let name = name!(waiter.py(), callback);
    match as_deferred(waiter) {
        Some(deferred) if Deferred::is_plain(deferred) => Deferred::start(deferred, result),
        _ => waiter.call_method1(name, (result,)).map(drop),
    }
}

/// What is copied or pickled of an object: `kept`, and what the program set beside it.
pub(crate) fn get_state<'py>(
    object: &Bound<'py, PyAny>,
    kept: &[(&str, &Slot)],
) -> PyResult<Bound<'py, PyDict>> {
    let py = object.py();
    let all = raw::dict(py)?;
    for (name, slot) in kept {
        if let Some(value) = slot.get(py) {
            all.set_item(raw::text(py, name)?, value)?;
        }
    }
    all.update(object.getattr(name!(py, __dict__))?.cast()?)?;
    Ok(all)
}

/// Sets what `get_state` gave, or what a subclass has for it.
pub(crate) fn set_state<'py>(object: &Bound<'py, PyAny>, all: &Bound<'py, PyAny>) -> PyResult<()> {
    for (name, value) in all.cast::<PyDict>()? {
        object.setattr(name.cast::<PyString>()?, value)?;
    }
    Ok(())
}

/// How a copy is made: as by default, which for native classes Python does not offer in every protocol.
pub(crate) fn reduced<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let py = object.py();
    let new = py.import(name!(py, copyreg))?.getattr(name!(py, __newobj__))?;
    let state = object.call_method0(name!(py, __getstate__))?;
    let class = raw::tuple(py, &[object.getattr(name!(py, __class__))?])?.into_any();
    raw::tuple(py, &[new, class, state])
}
