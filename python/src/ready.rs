//! Deferreds that are ready, or may be.

use crate::deferred::{Deferred, as_deferred};
use crate::failure;
use crate::inline::Driver;
use crate::raw::{self, Arguments, Fast};
use crate::twisted::twisted;
use pyo3::intern;
use pyo3::prelude::*;

/// `succeed(result)`.
pub(crate) struct Succeed;

impl Fast for Succeed {
    type Receiver = PyModule;

    #[inline]
    fn quick<'py>(
        module: &Bound<'py, PyModule>,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<Bound<'py, PyAny>> {
        let result = arguments.only(intern!(module.py(), "result"))?;
        Some(Deferred::with_result(Deferred::make_plain(module.py())?, result).into_any())
    }

    fn call<'py>(
        module: &Bound<'py, PyModule>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wrong = || arguments.other_than_one("succeed()", "result");
        let result = arguments.only(intern!(module.py(), "result")).ok_or_else(wrong)?;
        Deferred::made(result).map(Bound::into_any)
    }
}

fn class_debugs(py: Python<'_>) -> PyResult<bool> {
    py.get_type::<Deferred>().getattr(intern!(py, "debug"))?.is_truthy()
}

/// A Deferred that has fired with a failure: what `errback` takes.
#[pyfunction]
#[pyo3(signature = (result = None))]
pub(crate) fn fail<'py>(
    py: Python<'py>,
    result: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, Deferred>> {
    Deferred::made_failed(failure::from_argument(py, result, || class_debugs(py))?)
}

fn failed(py: Python<'_>, error: PyErr) -> PyResult<Bound<'_, Deferred>> {
    Deferred::made_failed(failure::from_error(py, error, class_debugs(py)?)?)
}

/// `execute(callable, *args, **kwargs)`.
pub(crate) struct Execute;

impl Fast for Execute {
    type Receiver = PyModule;

    fn call<'py>(
        module: &Bound<'py, PyModule>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        arguments
            .call_first()
            .and_then(Deferred::made)
            .or_else(|error| failed(module.py(), error))
            .map(Bound::into_any)
    }
}

/// `maybeDeferred(f, *args, **kwargs)`.
pub(crate) struct MaybeDeferred;

impl Fast for MaybeDeferred {
    type Receiver = PyModule;

    fn call<'py>(
        module: &Bound<'py, PyModule>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = module.py();
        let result = match arguments.call_first() {
            Ok(result) => result,
            Err(error) => return failed(py, error).map(Bound::into_any),
        };
        if as_deferred(&result).is_some() {
            return Ok(result);
        }
        let made = if failure::is_failure(&result) {
            Deferred::made_failed(result)
        } else if result.get_type().is(&twisted(py)?.coroutine) {
            Driver::begin(&result)
        } else {
            Deferred::made(result)
        };
        made.map(Bound::into_any)
    }
}

/// Puts in the functions that take their arguments in place.
pub(crate) fn add_functions(module: &Bound<'_, PyModule>) -> PyResult<()> {
    raw::add_function::<Succeed>(
        module,
        c"succeed",
        c"succeed(result)\n--\n\nA Deferred that has fired with `result`.",
    )?;
    raw::add_function::<Execute>(
        module,
        c"execute",
        c"execute(callable, /, *args, **kwargs)\n--\n\nA Deferred that has fired with what the call returned or raised.",
    )?;
    raw::add_function::<MaybeDeferred>(
        module,
        c"maybeDeferred",
        c"maybeDeferred(f, /, *args, **kwargs)\n--\n\nThe Deferred that the call returned, or one for the value, failure or coroutine\n\
          that it returned or the exception that it raised.",
    )
}

/// The Deferred itself, or one that runs the coroutine.
#[pyfunction]
#[pyo3(name = "ensureDeferred")]
pub(crate) fn ensure_deferred(coro: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
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
