//! Deferreds that are ready, or may be.

use crate::deferred::{Deferred, as_deferred};
use crate::failure;
use crate::inline::Driver;
use crate::names::name;
use crate::raw::{self, Arguments, Fast};
use crate::twisted::twisted;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// `succeed(result)`.
pub(crate) struct Succeed;

impl Fast for Succeed {
    type Receiver = PyModule;

    #[inline]
    fn quick<'py>(
        module: &Bound<'py, PyModule>,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<Bound<'py, PyAny>> {
        let result = arguments.only(name!(module.py(), result))?;
        let new = match Deferred::make_plain(module.py()) {
            Some(new) => Deferred::with_result(new, result),
            None => Deferred::made_of(Deferred::make_noted(module.py())?, result),
        };
        Some(new.into_any())
    }

    fn call<'py>(
        module: &Bound<'py, PyModule>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wrong = || arguments.other_than_one("succeed()", "result");
        let result = arguments.only(name!(module.py(), result)).ok_or_else(wrong)?;
        Deferred::made(result).map(Bound::into_any)
    }
}

fn class_debugs(py: Python<'_>) -> PyResult<bool> {
    py.get_type::<Deferred>().getattr(name!(py, debug))?.is_truthy()
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

/// A callable, and all that it is to be called with.
type Whole<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>);

/// The callable that is given first, or by `name`, and all that it is to be called with.
pub(crate) fn named_first<'py>(
    arguments: &Arguments<'_, 'py>,
    of: &str,
    name: &str,
) -> PyResult<Whole<'py>> {
    let py = arguments.py();
    let keywords = arguments.keywords()?;
    if arguments.len() > 0 {
        return Ok((arguments.get(0), arguments.tuple(1)?, keywords));
    }
    let missing = || {
        raw::error::<PyTypeError>(
            py,
            format!("{of}() missing 1 required positional argument: '{name}'"),
        )
    };
    let keywords = keywords.ok_or_else(missing)?;
    let name = raw::text(py, name)?;
    let function = keywords.get_item(&name)?.ok_or_else(missing)?;
    keywords.del_item(name)?;
    Ok((function, arguments.tuple(0)?, Some(keywords)))
}

/// Calls what `named_first` finds; the outer error is that there is nothing to call.
#[inline]
fn call<'py>(
    arguments: &Arguments<'_, 'py>,
    of: &str,
    name: &str,
) -> PyResult<PyResult<Bound<'py, PyAny>>> {
    if arguments.len() > 0 {
        return Ok(arguments.call_first());
    }
    let (function, arguments, keywords) = named_first(arguments, of, name)?;
    Ok(raw::call_with(&function, &arguments, keywords.as_ref()))
}

/// `execute(callable, *args, **kwargs)`.
pub(crate) struct Execute;

impl Fast for Execute {
    type Receiver = PyModule;

    fn call<'py>(
        module: &Bound<'py, PyModule>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = module.py();
        match call(arguments, "execute", "callable")? {
            Ok(result) => Deferred::made(result),
            Err(error) => Deferred::made_failed(failure::from_error(py, error, class_debugs(py)?)?),
        }
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
        let called = call(arguments, "maybeDeferred", "f")?;
        Outcome::of(module.py(), called).into_deferred().map(Bound::into_any)
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
        c"execute(callable, *args, **kwargs)\n--\n\nA Deferred that has fired with what the call returned or raised.",
    )?;
    raw::add_function::<MaybeDeferred>(
        module,
        c"maybeDeferred",
        c"maybeDeferred(f, *args, **kwargs)\n--\n\nThe Deferred that the call returned, or one for the value, failure or coroutine\n\
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
    let py = coro.py();
    if Driver::can_drive(&coro)? {
        let begun = raw::as_one_call::<false, _>(py, || Driver::begin(&coro));
        return begun.map(Bound::into_any);
    }
    let text =
        raw::text(py, &format!("{} is not a coroutine or a Deferred", coro.repr()?.to_str()?))?;
    Err(PyErr::from_value(twisted(py)?.not_a_coroutine.bind(py).call1((text,))?))
}
