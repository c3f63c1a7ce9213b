//! Deferreds that are ready, or may be.

use crate::deferred::{Deferred, as_deferred};
use crate::failure;
use crate::inline::Driver;
use crate::twisted::twisted;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// A Deferred that has fired with `result`.
#[pyfunction]
pub(crate) fn succeed(result: Bound<'_, PyAny>) -> PyResult<Bound<'_, Deferred>> {
    Deferred::made(result)
}

fn class_debugs(py: Python<'_>) -> PyResult<bool> {
    py.get_type::<Deferred>().getattr(intern!(py, "debug"))?.is_truthy()
}

/// A Deferred that has fired with a failure: what `errback` takes.
#[pyfunction]
#[pyo3(signature = (result = None))]
pub(crate) fn fail<'py>(py: Python<'py>, result: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, Deferred>> {
    Deferred::made_failed(failure::from_argument(py, result, || class_debugs(py))?)
}

fn failed(py: Python<'_>, error: PyErr) -> PyResult<Bound<'_, Deferred>> {
    Deferred::made_failed(failure::from_error(py, error, class_debugs(py)?)?)
}

/// A Deferred that has fired with what the call returned or raised.
#[pyfunction]
#[pyo3(signature = (callable, /, *args, **kwargs))]
pub(crate) fn execute<'py>(
    callable: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, Deferred>> {
    match callable.call(args, kwargs) {
        Ok(result) => Deferred::made(result),
        Err(error) => failed(callable.py(), error),
    }
}

/// The Deferred that the call returned, or one for the value, failure or coroutine that it returned or the exception that it raised.
#[pyfunction]
#[pyo3(name = "maybeDeferred", signature = (f, /, *args, **kwargs))]
pub(crate) fn maybe_deferred<'py>(
    f: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, Deferred>> {
    let py = f.py();
    let result = match f.call(args, kwargs) {
        Ok(result) => result,
        Err(error) => return failed(py, error),
    };
    if let Some(deferred) = as_deferred(&result) {
        return Ok(deferred.clone());
    }
    if failure::is_failure(&result) {
        return Deferred::made_failed(result);
    }
    if result.get_type().is(&twisted(py)?.coroutine) {
        return Driver::begin(&result);
    }
    Deferred::made(result)
}

/// The Deferred itself, or one that runs the coroutine.
#[pyfunction]
#[pyo3(name = "ensureDeferred")]
pub(crate) fn ensure_deferred<'py>(coro: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if as_deferred(&coro).is_some() {
        return Ok(coro);
    }
    if Driver::can_drive(&coro)? {
        return Ok(Driver::begin(&coro)?.into_any());
    }
    let py = coro.py();
    let text = format!("{} is not a coroutine or a Deferred", coro.repr()?.to_str()?);
    Err(PyErr::from_value(twisted(py)?.not_a_coroutine.bind(py).call1((text,))?))
}

