//! What we use of Twisted's own: its failure class, its errors, its log.

use crate::names::name;
use crate::raw::{self, Watch};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

/// Objects of `twisted.internet.defer` and `twisted.python.failure`, looked up once.
pub(crate) struct Twisted {
    pub(crate) failure: Py<PyType>,
    pub(crate) failure_init: Py<PyAny>,
    pub(crate) failure_throw: Py<PyAny>,
    pub(crate) failure_globals: Py<PyDict>,
    /// The attributes of a failure, in their order; without what each has of its own.
    pub(crate) failure_attributes: Py<PyDict>,
    pub(crate) failure_watch: Watch,
    /// Whether a failure works out its frames when it is asked for them, and so begins with what
    /// [`failure`](crate::failure) gives it. Up to Twisted 24.7 it came with them.
    pub(crate) failure_is_lazy: bool,
    pub(crate) debug_info: Py<PyAny>,
    /// The same, with the story of its Deferred.
    pub(crate) telling_info: Py<PyAny>,
    pub(crate) already_called: Py<PyType>,
    /// The same, with a story.
    pub(crate) called_twice: Py<PyAny>,
    pub(crate) cancelled: Py<PyType>,
    pub(crate) cancelled_inline: Py<PyType>,
    pub(crate) first_error: Py<PyType>,
    pub(crate) cancelled_to_timed_out: Py<PyAny>,
    pub(crate) queue_overflow: Py<PyType>,
    pub(crate) queue_underflow: Py<PyType>,
    pub(crate) parse_results: Py<PyAny>,
    pub(crate) not_a_coroutine: Py<PyType>,
    pub(crate) returned_value: Py<PyType>,
    pub(crate) passthru: Py<PyAny>,
    pub(crate) failthru: Py<PyAny>,
    /// What marks the link of a Deferred that waits.
    pub(crate) goes_on: Py<PyAny>,
    /// What stands for no keywords where none can be added.
    pub(crate) no_keywords: Py<PyAny>,
    pub(crate) warn_about_function: Py<PyAny>,
    pub(crate) log: Py<PyAny>,
    pub(crate) is_coroutine: Py<PyAny>,
    pub(crate) coroutine: Py<PyType>,
    pub(crate) generator: Py<PyType>,
    /// `hereafter.defer`'s helper that looks at how `returnValue` was used.
    pub(crate) check_return_value: Py<PyAny>,
    /// The globals of code that acts for us: that of `twisted.internet.defer`, and our own.
    pub(crate) globals: [Py<PyAny>; 2],
}

static TWISTED: PyOnceLock<Twisted> = PyOnceLock::new();

/// Twisted's objects.
///
/// # Errors
///
/// `RuntimeError` when `_bind` was not called, which `hereafter.defer` does.
#[inline]
pub(crate) fn twisted(py: Python<'_>) -> PyResult<&Twisted> {
    TWISTED.get(py).ok_or_else(|| {
        raw::error::<PyRuntimeError>(py, "hereafter._hereafter is used through hereafter.defer")
    })
}

/// Takes the objects from the names of `twisted.internet.defer`; the first call counts.
#[pyfunction]
pub(crate) fn _bind(
    names: &Bound<'_, PyDict>,
    check_return_value: Py<PyAny>,
    telling_info: Py<PyAny>,
    called_twice: Py<PyAny>,
) -> PyResult<()> {
    let py = names.py();
    let name = |wanted: &str| -> PyResult<Bound<'_, PyAny>> {
        names.get_item(wanted)?.ok_or_else(|| {
            raw::error::<PyRuntimeError>(py, format!("twisted.internet.defer has no {wanted}"))
        })
    };
    let class = |wanted: &str| -> PyResult<Py<PyType>> {
        Ok(name(wanted)?.cast_into::<PyType>()?.unbind())
    };
    let failure = name("Failure")?.cast_into::<PyType>()?;
    let attributes = PyDict::new(py);
    for (name, value) in [
        ("count", None),
        ("captureVars", Some(false)),
        ("type", None),
        ("value", None),
        ("tb", None),
    ] {
        attributes.set_item(PyString::intern(py, name), value)?;
    }
    let failure_globals = py.import("twisted.python.failure")?.dict();
    let types = py.import("types")?;
    let bound = Twisted {
        failure_init: failure.getattr("__init__")?.unbind(),
        failure_throw: failure.getattr("throwExceptionIntoGenerator")?.unbind(),
        failure_is_lazy: is_lazy(&failure, &failure_globals)?,
        failure_globals: failure_globals.unbind(),
        failure: failure.unbind(),
        failure_attributes: attributes.unbind(),
        failure_watch: Watch::new(),
        debug_info: name("DebugInfo")?.unbind(),
        telling_info,
        already_called: class("AlreadyCalledError")?,
        called_twice,
        cancelled: class("CancelledError")?,
        cancelled_inline: class("_InternalInlineCallbacksCancelledError")?,
        first_error: class("FirstError")?,
        cancelled_to_timed_out: name("_cancelledToTimedOutError")?.unbind(),
        queue_overflow: class("QueueOverflow")?,
        queue_underflow: class("QueueUnderflow")?,
        parse_results: names
            .get_item("_parseDeferredListResult")?
            .map_or_else(|| py.None(), Bound::unbind),
        not_a_coroutine: class("NotACoroutineError")?,
        returned_value: class("_DefGen_Return")?,
        passthru: name("passthru")?.unbind(),
        failthru: name("_failthru")?.unbind(),
        goes_on: name("_CONTINUE")?.unbind(),
        no_keywords: name("_NONE_KWARGS")?.unbind(),
        warn_about_function: name("warnAboutFunction")?.unbind(),
        log: name("log")?.unbind(),
        is_coroutine: py.import("asyncio")?.getattr("iscoroutine")?.unbind(),
        coroutine: types.getattr("CoroutineType")?.cast_into::<PyType>()?.unbind(),
        generator: types.getattr("GeneratorType")?.cast_into::<PyType>()?.unbind(),
        globals: [
            names.clone().into_any().unbind(),
            check_return_value.bind(py).getattr("__globals__")?.unbind(),
        ],
        check_return_value,
    };
    // A second call finds the same Twisted.
    let _ = TWISTED.set(py, bound);
    Ok(())
}

/// Whether a new failure of this class has just the attributes that we know.
fn is_lazy(failure: &Bound<'_, PyType>, globals: &Bound<'_, PyDict>) -> PyResult<bool> {
    let py = failure.py();
    let count = globals.get_item(name!(py, count))?;
    let probe = failure.call1((raw::error::<PyRuntimeError>(py, "a probe").into_value(py),))?;
    // Failures are numbered, and this one is nobody's.
    globals.set_item(name!(py, count), count)?;
    let attributes = probe.getattr(name!(py, __dict__))?.cast_into::<PyDict>()?;
    Ok(attributes.len() == crate::failure::ATTRIBUTES.len()
        && crate::failure::ATTRIBUTES
            .iter()
            .all(|name| attributes.contains(*name).unwrap_or(false)))
}
