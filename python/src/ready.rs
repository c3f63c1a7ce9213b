//! Deferreds that are ready, or may be.

use crate::deferred::{Deferred, as_deferred};
use crate::failure;
use crate::inline::Driver;
use crate::raw::{self, Arguments, Fast};
use crate::twisted::twisted;
use pyo3::intern;
use pyo3::prelude::*;

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
pub(crate) fn fail<'py>(
    py: Python<'py>,
    result: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, Deferred>> {
    Deferred::made_failed(failure::from_argument(py, result, || class_debugs(py))?)
}

/// What a call came to, for those who take a Deferred, a coroutine, a value and an exception alike.
pub(crate) enum Outcome<'py> {
    /// A value, or a failure.
    Result(Bound<'py, PyAny>),
    Deferred(Bound<'py, Deferred>),
}

impl<'py> Outcome<'py> {
    #[inline]
    pub(crate) fn of(py: Python<'py>, called: PyResult<Bound<'py, PyAny>>) -> Self {
        called.and_then(|result| Self::of_value(py, result)).unwrap_or_else(|error| {
            let failure = class_debugs(py).and_then(|debug| failure::from_error(py, error, debug));
            // An error of making the failure is all there is to tell then.
            Self::Result(
                failure.unwrap_or_else(|second| second.into_value(py).into_bound(py).into_any()),
            )
        })
    }

    #[inline]
    fn of_value(py: Python<'py>, result: Bound<'py, PyAny>) -> PyResult<Self> {
        if result.get_type().is(&twisted(py)?.coroutine) {
            return Driver::begin(&result).map(Self::Deferred);
        }
        Ok(match as_deferred(&result) {
            Some(deferred) => Self::Deferred(deferred.clone()),
            None => Self::Result(result),
        })
    }

    /// The Deferred, or one that has fired.
    #[inline]
    pub(crate) fn into_deferred(self) -> PyResult<Bound<'py, Deferred>> {
        match self {
            Self::Deferred(deferred) => Ok(deferred),
            Self::Result(result) if failure::is_failure(&result) => Deferred::made_failed(result),
            Self::Result(result) => Deferred::made(result),
        }
    }
}

/// `execute(callable, *args, **kwargs)`.
pub(crate) struct Execute;

impl Fast for Execute {
    fn call<'py>(
        module: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = module.py();
        let called = arguments.call_first();
        called
            .and_then(Deferred::made)
            .or_else(|error| {
                Deferred::made_failed(failure::from_error(py, error, class_debugs(py)?)?)
            })
            .map(Bound::into_any)
    }
}

/// `maybeDeferred(f, *args, **kwargs)`.
pub(crate) struct MaybeDeferred;

impl Fast for MaybeDeferred {
    #[inline]
    fn call<'py>(
        module: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = module.py();
        Outcome::of(py, arguments.call_first()).into_deferred().map(Bound::into_any)
    }
}

/// Puts in the functions that take their arguments in place.
pub(crate) fn add_functions(module: &Bound<'_, PyModule>) -> PyResult<()> {
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
