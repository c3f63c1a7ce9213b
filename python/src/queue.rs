//! `DeferredQueue`.

use crate::attributes::{
    append, attribute, fire, get_state, is_empty, reduced, remove, set_state, take_first,
};
use crate::deferred::Deferred;
use crate::names::name;
use crate::raw::{self, Attached, Slot};
use crate::twisted::twisted;
use crate::world::state;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyGenericAlias, PyTuple, PyType};

#[derive(Default)]
struct QueueState {
    waiting: Slot,
    pending: Slot,
    size: Slot,
    backlog: Slot,
}

/// A queue between those who put objects in and those who wait for them.
///
/// At most `size` objects lie in it, and at most `backlog` calls of `get` wait; `None` is no limit.
#[pyclass(frozen, subclass, weakref, dict, module = "twisted.internet.defer")]
pub(crate) struct DeferredQueue {
    state: Attached<QueueState>,
}

impl DeferredQueue {
    #[inline]
    fn its<'a>(slf: &'a Bound<'_, Self>) -> &'a QueueState {
        slf.get().state.get(slf.py())
    }

    /// Whether `list` may grow by one.
    #[inline]
    fn has_room(list: &Bound<'_, PyAny>, limit: &Bound<'_, PyAny>) -> PyResult<bool> {
        if limit.is_none() { Ok(true) } else { raw::number(list.py(), list.len()?)?.lt(limit) }
    }
}

impl QueueState {
    fn kept(&self) -> [(&'static str, &Slot); 4] {
        [
            ("waiting", &self.waiting),
            ("pending", &self.pending),
            ("size", &self.size),
            ("backlog", &self.backlog),
        ]
    }
}

#[pymethods]
#[allow(non_snake_case, reason = "the names are Twisted's")]
impl DeferredQueue {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords), text_signature = "(size=None, backlog=None)")]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self { state: Attached::new(QueueState::default()) }
    }

    #[pyo3(signature = (size = None, backlog = None))]
    fn __init__<'py>(
        slf: &Bound<'py, Self>,
        size: Option<Bound<'py, PyAny>>,
        backlog: Option<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let its = Self::its(slf);
        let or_none = |limit: Option<_>| limit.unwrap_or_else(|| py.None().into_bound(py));
        let empty = || raw::list(py).map(Bound::into_any);
        its.waiting.set(Some(empty()?));
        its.pending.set(Some(empty()?));
        its.size.set(Some(or_none(size)));
        its.backlog.set(Some(or_none(backlog)));
        Ok(())
    }

    /// Gives an object to whoever has waited longest, or keeps it for who comes next.
    ///
    /// Raises `QueueOverflow` when nobody waits and `size` objects are kept already.
    fn put<'py>(slf: &Bound<'py, Self>, obj: Bound<'py, PyAny>) -> PyResult<()> {
        let its = Self::its(slf);
        let waiting = attribute(slf, &its.waiting, "waiting")?;
        if !is_empty(&waiting)? {
            return fire(&take_first(&waiting)?, obj);
        }
        let pending = attribute(slf, &its.pending, "pending")?;
        if Self::has_room(&pending, &attribute(slf, &its.size, "size")?)? {
            return append(&pending, &obj);
        }
        Err(PyErr::from_value(twisted(slf.py())?.queue_overflow.bind(slf.py()).call0()?))
    }

    /// A Deferred that fires with the next object.
    ///
    /// Raises `QueueUnderflow` when there is none and `backlog` Deferreds wait already. Who cancels the
    /// Deferred takes it out of the line.
    fn get<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Deferred>> {
        let py = slf.py();
        let its = Self::its(slf);
        let pending = attribute(slf, &its.pending, "pending")?;
        if !is_empty(&pending)? {
            return Deferred::made(take_first(&pending)?);
        }
        let waiting = attribute(slf, &its.waiting, "waiting")?;
        if !Self::has_room(&waiting, &attribute(slf, &its.backlog, "backlog")?)? {
            return Err(PyErr::from_value(twisted(py)?.queue_underflow.bind(py).call0()?));
        }
        let waiter = Deferred::make(py)?;
        state(&waiter).canceller.set(Some(slf.getattr(name!(py, _cancelGet))?));
        append(&waiting, waiter.as_any())?;
        Ok(waiter)
    }

    /// Takes a cancelled Deferred out of the line.
    fn _cancelGet<'py>(slf: &Bound<'py, Self>, d: &Bound<'py, PyAny>) -> PyResult<()> {
        remove(&attribute(slf, &Self::its(slf).waiting, "waiting")?, d)
    }

    /// The Deferreds that wait for an object, the oldest first.
    #[getter]
    fn waiting<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        attribute(slf, &Self::its(slf).waiting, "waiting")
    }

    #[setter]
    fn set_waiting<'py>(slf: &Bound<'py, Self>, waiting: Bound<'py, PyAny>) {
        Self::its(slf).waiting.set(Some(waiting));
    }

    /// The objects that wait for somebody to get them, the oldest first.
    #[getter]
    fn pending<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        attribute(slf, &Self::its(slf).pending, "pending")
    }

    #[setter]
    fn set_pending<'py>(slf: &Bound<'py, Self>, pending: Bound<'py, PyAny>) {
        Self::its(slf).pending.set(Some(pending));
    }

    /// How many objects are kept at most; None is no limit.
    #[getter]
    fn size<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        attribute(slf, &Self::its(slf).size, "size")
    }

    #[setter]
    fn set_size<'py>(slf: &Bound<'py, Self>, size: Bound<'py, PyAny>) {
        Self::its(slf).size.set(Some(size));
    }

    /// How many Deferreds wait at most; None is no limit.
    #[getter]
    fn backlog<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        attribute(slf, &Self::its(slf).backlog, "backlog")
    }

    #[setter]
    fn set_backlog<'py>(slf: &Bound<'py, Self>, backlog: Bound<'py, PyAny>) {
        Self::its(slf).backlog.set(Some(backlog));
    }

    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        get_state(slf, &Self::its(slf).kept())
    }

    fn __setstate__<'py>(slf: &Bound<'py, Self>, state: &Bound<'py, PyAny>) -> PyResult<()> {
        set_state(slf, state)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        reduced(slf)
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyGenericAlias>> {
        PyGenericAlias::new(class.py(), class.as_any(), item)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.in_collector().kept().iter().try_for_each(|(_, slot)| slot.visit(&visit))
    }

    fn __clear__(&self) {
        self.state.in_collector().kept().iter().for_each(|(_, slot)| drop(slot.take()));
    }
}
