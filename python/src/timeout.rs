//! `Deferred.addTimeout`.

use crate::deferred::{Deferred, as_deferred};
use crate::names::name;
use crate::raw::{Attached, Raised, Slot};
use crate::twisted::twisted;
use crate::world::{Link, settle_own, state};
use hereafter_engine::Step;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use std::cell::Cell;

/// One timeout of one Deferred: what the clock calls, and the Deferred's link.
#[pyclass(frozen, module = "twisted.internet.defer")]
pub(crate) struct Timeout {
    state: Attached<TimeoutState>,
}

#[derive(Default)]
struct TimeoutState {
    deferred: Slot,
    seconds: Slot,
    on_cancel: Slot,
    delayed_call: Slot,
    timed_out: Cell<bool>,
    converted: Cell<bool>,
}

impl TimeoutState {
    fn slots(&self) -> [&Slot; 4] {
        [&self.deferred, &self.seconds, &self.on_cancel, &self.delayed_call]
    }
}

impl Timeout {
    fn its<'a>(slf: &'a Bound<'_, Self>) -> &'a TimeoutState {
        slf.get().state.get(slf.py())
    }

    /// Twisted's `addTimeout`.
    pub(crate) fn add<'py>(
        deferred: &Bound<'py, Deferred>,
        seconds: Bound<'py, PyAny>,
        clock: &Bound<'py, PyAny>,
        on_cancel: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = deferred.py();
        let its = TimeoutState::default();
        its.deferred.set(Some(deferred.clone().into_any()));
        its.seconds.set(Some(seconds.clone()));
        its.on_cancel.set(on_cancel);
        let timeout = Bound::new(py, Self { state: Attached::new(its) })?;
        let delayed = clock.call_method1(name!(py, callLater), (seconds, &timeout))?;
        Self::its(&timeout).delayed_call.set(Some(delayed));
        // Where they run at once, the first of the two callbacks may pause what holds the second.
        if Deferred::is_plain(deferred) && !state(deferred).chain.is_fired() {
            Deferred::push(deferred, Link::Timeout(timeout.unbind(), None));
            return Ok(deferred.clone().into_any());
        }
        let add = name!(py, addBoth);
        let converted =
            deferred.call_method1(add, (timeout.getattr(name!(py, convertCancelled))?,))?;
        converted.call_method1(add, (timeout.getattr(name!(py, cancelTimeout))?,))
    }

    /// Whether all that is left is to stop the clock.
    pub(crate) fn has_converted(slf: &Bound<'_, Self>) -> bool {
        Self::its(slf).converted.get()
    }

    /// The link of a Deferred with this result.
    pub(crate) fn step<'py>(
        slf: &Bound<'py, Self>,
        deferred: &Bound<'py, Deferred>,
        result: &Bound<'py, PyAny>,
    ) -> Step<Bound<'py, Deferred>> {
        let its = Self::its(slf);
        let converts = its.timed_out.get() || as_deferred(result).is_some();
        let stopped = if converts && !its.converted.replace(true) {
            // It may come to another Deferred; what is left to do follows that one's result.
            state(deferred).links.push_front(Link::Timeout(slf.clone().unbind(), None));
            Self::convertCancelled(slf, result.clone())
        } else {
            Self::cancelTimeout(slf, result.clone())
        };
        let stopped = stopped.map_err(|error| Raised::from_error(slf.py(), error));
        settle_own(deferred, stopped)
    }
}

#[pymethods]
#[allow(non_snake_case, reason = "the names are Twisted's")]
impl Timeout {
    /// The time is up.
    fn __call__(slf: &Bound<'_, Self>) -> PyResult<()> {
        let its = Self::its(slf);
        its.timed_out.set(true);
        let Some(deferred) = its.deferred.get(slf.py()) else { return Ok(()) };
        deferred.call_method0(name!(slf.py(), cancel)).map(drop)
    }

    /// What a `DelayedCall` says that it calls: the function that Twisted has for it.
    #[getter]
    #[allow(clippy::unused_self, reason = "the attribute is the object's; the class has its own")]
    fn __qualname__(&self) -> &'static str {
        "Deferred.addTimeout.<locals>.timeItOut"
    }

    /// What the result becomes: another one, if the time was up.
    fn convertCancelled<'py>(
        slf: &Bound<'py, Self>,
        result: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let its = Self::its(slf);
        if !its.timed_out.get() {
            return Ok(result);
        }
        let convert = match its.on_cancel.get(py) {
            Some(given) if given.is_truthy()? => given,
            _ => twisted(py)?.cancelled_to_timed_out.bind(py).clone(),
        };
        convert.call1((result, its.seconds.get(py)))
    }

    /// There is a result: the clock has nothing to call any more.
    fn cancelTimeout<'py>(
        slf: &Bound<'py, Self>,
        result: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let its = Self::its(slf);
        drop(its.deferred.take());
        if let Some(delayed) = its.delayed_call.take() {
            let delayed = delayed.bind(py);
            if delayed.call_method0(name!(py, active))?.is_truthy()? {
                delayed.call_method0(name!(py, cancel))?;
            }
        }
        Ok(result)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.in_collector().slots().iter().try_for_each(|slot| slot.visit(&visit))
    }

    fn __clear__(&self) {
        self.state.in_collector().slots().iter().for_each(|slot| drop(slot.take()));
    }
}
