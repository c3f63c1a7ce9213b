//! Twisted's failures, made without a call of Python code where that comes to the same.

use crate::names::name;
use crate::raw::{self, Raised};
use crate::twisted::{Twisted, twisted};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// What [`from_parts`] gives a failure.
pub(crate) const ATTRIBUTES: [&str; 5] = ["count", "captureVars", "type", "value", "tb"];

/// Whether `object` is a failure.
#[inline]
pub(crate) fn is_failure(object: &Bound<'_, PyAny>) -> bool {
    let kind = object.get_type_ptr();
    raw::is_exception_class(kind)
        && twisted(object.py())
            .is_ok_and(|names| raw::derives(kind, names.failure.bind(object.py()).as_type_ptr()))
}

/// Whether `Failure` is as Twisted made it.
fn is_plain(py: Python<'_>, names: &Twisted) -> bool {
    let class = names.failure.bind(py);
    let plain = names.failure_watch.of(class.as_type_ptr(), || {
        let same = |name: &Bound<'_, PyString>, ours: &Py<PyAny>| {
            class.getattr(name).is_ok_and(|found| found.is(ours))
        };
        u8::from(
            same(name!(py, __init__), &names.failure_init)
                && same(name!(py, throwExceptionIntoGenerator), &names.failure_throw),
        )
    });
    plain != 0
}

/// `Failure()`, made while `error` is being handled.
pub(crate) fn from_error(
    py: Python<'_>,
    error: PyErr,
    capture: bool,
) -> PyResult<Bound<'_, PyAny>> {
    from_raised(Raised::from_error(py, error), capture)
}

/// The same, for what a call raised.
pub(crate) fn from_raised(raised: Raised<'_>, capture: bool) -> PyResult<Bound<'_, PyAny>> {
    from_parts(&raised.value, raised.traceback, capture)
}

/// `Failure(value)` for an exception that was not raised.
pub(crate) fn from_value<'py>(value: &Bound<'py, PyBaseException>) -> PyResult<Bound<'py, PyAny>> {
    from_parts(value.as_any(), raw::traceback(value), false)
}

fn from_parts<'py>(
    value: &Bound<'py, PyAny>,
    traceback: Option<Bound<'py, PyAny>>,
    capture: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    let names = twisted(py)?;
    let class = names.failure.bind(py);
    if !names.failure_is_lazy || !is_plain(py, names) || is_failure(value) {
        // One that takes over the frames of another adds those of the exception that is being handled.
        return raw::handling(value, traceback.as_ref(), || {
            class.call1((value, value.get_type(), traceback.as_ref(), capture))
        });
    }
    let count = name!(py, count);
    let globals = names.failure_globals.bind(py);
    let number = globals.get_item(count)?.map_or(Ok(0_usize), |count| count.extract())? + 1;
    let number = raw::number(py, number)?;
    globals.set_item(count, &number)?;
    // A copy takes less time than a dictionary that grows.
    let attributes = names.failure_attributes.bind(py).copy()?;
    attributes.set_item(count, number)?;
    attributes.set_item(name!(py, r#type), value.get_type())?;
    attributes.set_item(name!(py, value), value)?;
    if let Some(traceback) = traceback {
        attributes.set_item(name!(py, tb), traceback)?;
    }
    if capture {
        attributes.set_item(name!(py, captureVars), true)?;
    }
    raw::new_exception(class, attributes)
}

/// What `errback` takes: a failure, an exception, or nothing for the exception being handled.
pub(crate) fn from_argument<'py>(
    py: Python<'py>,
    argument: Option<Bound<'py, PyAny>>,
    capture: impl FnOnce() -> PyResult<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    let class = twisted(py)?.failure.bind(py);
    match argument {
        None => {
            let keywords = raw::dict(py)?;
            keywords.set_item(name!(py, captureVars), capture()?)?;
            class.call((), Some(&keywords))
        }
        Some(failure) if is_failure(&failure) => Ok(failure),
        Some(other) => match other.cast::<PyBaseException>() {
            Ok(error) => from_value(error),
            Err(_) => class.call1((other,)),
        },
    }
}

/// The failure's exception with its traceback, ready to be thrown; none if its class has ways of its own.
pub(crate) fn plain_exception<'py>(
    failure: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = failure.py();
    let names = twisted(py)?;
    if !failure.get_type().is(&names.failure) || !is_plain(py, names) {
        return Ok(None);
    }
    let Ok(value) = failure.getattr(name!(py, value))?.cast_into::<PyBaseException>() else {
        return Ok(None);
    };
    raw::set_traceback(&value, &failure.getattr(name!(py, tb))?)?;
    // The traceback is gone once a failure was cleaned; the next one takes its frames from this.
    if !names.failure_is_lazy && value.setattr(name!(py, __failure__), failure).is_err() {
        return Ok(None);
    }
    Ok(Some(value.into_any()))
}
