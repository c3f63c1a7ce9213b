//! `await` of a Deferred, and `yield from` one.

use crate::deferred::Deferred;
use crate::failure;
use crate::inline::Driver;
use crate::names::name;
use crate::raw::{self, Attached, Awaits, Known, Layout, Sent, Slot};
use crate::world::{Link, state};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

/// What awaits a Deferred: yields it until it has a result.
#[pyclass(frozen, module = "twisted.internet.defer")]
pub(crate) struct Awaiter {
    deferred: Attached<Slot<Deferred>>,
}

static AWAITER: Layout = Layout::new();

impl Known for Awaiter {
    #[inline]
    fn layout() -> &'static Layout {
        &AWAITER
    }

    #[inline]
    fn spend(&mut self) -> bool {
        self.deferred.in_collector().set(None);
        true
    }
}

impl Awaits for Deferred {
    type Awaiter = Awaiter;

    #[inline]
    fn awaiter(slf: &Bound<'_, Self>) -> Awaiter {
        Awaiter { deferred: Attached::new(Slot::of(slf.clone())) }
    }

    #[inline]
    fn go_on<'py>(awaiter: &Bound<'py, Awaiter>) -> Option<Sent<'py>> {
        let py = awaiter.py();
        let deferred = awaiter.get().deferred.get(py).get(py)?;
        if must_wait(&deferred) {
            return Some(Sent::Yielded(deferred.into_any()));
        }
        state(&deferred)
            .result
            .get(py)
            .filter(|result| !failure::is_failure(result))
            .map(Sent::Returned)
    }
}

fn must_wait(deferred: &Bound<'_, Deferred>) -> bool {
    let its = state(deferred);
    if !its.chain.is_fired() {
        return true;
    }
    // A pause holds up no run that has begun. Where only those who wait are left in it, nothing would
    // be new for them, and to wait once more would never end.
    let only_waits = |link: &Link| match link {
        Link::Resume(_) => Ok(()),
        Link::Both(function, _) if function.bind(deferred.py()).is_instance_of::<Driver>() => {
            Ok(())
        }
        _ => Err(()),
    };
    its.chain.paused() != 0 && !(its.chain.is_running() && its.links.each(only_waits).is_ok())
}

impl Awaiter {
    /// Whether this Deferred is what is awaited.
    pub(crate) fn awaits(slf: &Bound<'_, Self>, deferred: &Bound<'_, Deferred>) -> bool {
        let awaited = slf.get().deferred.get(slf.py()).peek();
        awaited.is_some_and(|(object, _)| object == deferred.as_ptr())
    }

    fn advance<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match Deferred::go_on(slf) {
            Some(Sent::Yielded(deferred)) => return Ok(deferred),
            Some(Sent::Returned(result)) => {
                return Err(PyErr::from_value(py.get_type::<PyStopIteration>().call1((result,))?));
            }
            Some(Sent::Raised(_)) | None => {}
        }
        let gone = || raw::error::<PyRuntimeError>(py, "what awaited a Deferred was taken apart");
        let deferred = slf.get().deferred.get(py).get(py).ok_or_else(gone)?;
        let its = state(&deferred);
        let result = its.result.get(py).unwrap_or_else(|| py.None().into_bound(py));
        its.forget_failure(py);
        let raised = match failure::plain_exception(&result)? {
            Some(value) => PyErr::from_value(value),
            None => match result.call_method0(name!(py, raiseException)) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            },
        };
        if !raised.is_instance_of::<PyStopIteration>(py) {
            return Err(raised);
        }
        // Let through, it would say that the wait is over and has a value. Generators do the same.
        let told = raw::error::<PyRuntimeError>(py, "generator raised StopIteration");
        told.set_cause(py, Some(raised.clone_ref(py)));
        told.set_context(py, Some(raised));
        Err(told)
    }
}

#[pymethods]
impl Awaiter {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::advance(slf)
    }

    /// Goes on; what is sent does not matter, the Deferred's result counts.
    fn send<'py>(
        slf: &Bound<'py, Self>,
        _value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::advance(slf)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.deferred.in_collector().visit(&visit)
    }
}
