//! Where a Deferred was made, and who fired it: noted as Twisted notes it when debugging is on, at a small part of the cost.
//!
//! Twisted formats the whole stack for each Deferred, source lines and all, though next to none of it
//! is ever read. A [`Trail`] notes the places only, and puts them into words when it is asked to.

use crate::names::name;
use crate::raw::{self, Attached, Place};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyString};

/// The places in a stack, outermost first: a sequence of the lines of text that `traceback.format_stack` has for them.
///
/// It holds code, and neither frames nor what is in them, so nothing lives longer by it.
#[pyclass(frozen, sequence, module = "hereafter._hereafter")]
pub(crate) struct Trail {
    places: Attached<Vec<Place>>,
}

impl Trail {
    /// The stack as it is now.
    pub(crate) fn here(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let mut places = raw::stack(py)?;
        places.reverse();
        Bound::new(py, Self { places: Attached::new(places) })
    }

    fn lines<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let places = raw::list(py)?;
        for place in self.places.get(py) {
            let code = place.code(py);
            places.append(raw::tuple(
                py,
                &[
                    code.getattr(name!(py, co_filename))?,
                    raw::number(py, place.line(py))?,
                    code.getattr(name!(py, co_name))?,
                    py.None().into_bound(py),
                ],
            )?)?;
        }
        py.import(name!(py, traceback))?.call_method1(name!(py, format_list), (places,))
    }
}

#[pymethods]
impl Trail {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.lines(py)?.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.lines(py)?.try_iter()
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.lines(py)?.get_item(index)
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.lines(py)?.repr()
    }
}
