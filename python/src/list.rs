//! `DeferredList`, and `gatherResults` on it.

use crate::deferred::{Deferred, as_deferred};
use crate::failure;
use crate::names::name;
use crate::raw::{self, Attached, Slot};
use crate::twisted::twisted;
use crate::world::{Link, fire_next, pass, state};
use hereafter_engine::Step;
use pyo3::PyTypeInfo;
use pyo3::exceptions::{PyAssertionError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyTuple};
use std::cell::Cell;

#[derive(Default)]
struct ListState {
    members: Slot,
    results: Slot,
    on_callback: Cell<bool>,
    on_errback: Cell<bool>,
    consume_errors: Cell<bool>,
    finished: Cell<usize>,
    /// A member is being cancelled that waits for a list, which may be this one and ask for that again.
    cancelling: Cell<bool>,
}

/// Collects the results of several Deferreds.
///
/// Fires with a list of `(success, result)` when all have fired; with `fireOnOneCallback` with
/// `(result, index)` of the first that succeeds; with `fireOnOneErrback` it fails with a `FirstError`
/// for the first that fails. With `consumeErrors` the members' failures become `None` there.
#[pyclass(frozen, subclass, extends = Deferred, module = "twisted.internet.defer")]
pub(crate) struct DeferredList {
    state: Attached<ListState>,
}

impl DeferredList {
    fn its<'a>(slf: &'a Bound<'_, Self>) -> &'a ListState {
        slf.get().state.get(slf.py())
    }

    /// What the list comes to by this result, if it is to fire now.
    fn note<'py>(
        slf: &Bound<'py, Self>,
        index: usize,
        succeeded: bool,
        result: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let its = Self::its(slf);
        let results = match its.results.get(py) {
            Some(results) => results.cast_into::<PyList>()?,
            None => raw::list(py)?,
        };
        let success = PyBool::new(py, succeeded).to_owned().into_any();
        results.set_item(index, raw::tuple(py, &[success, result.clone()])?)?;
        its.finished.set(its.finished.get() + 1);
        if state(slf.as_super()).chain.is_fired() {
            return Ok(None);
        }
        if succeeded && its.on_callback.get() {
            return Ok(Some(
                raw::tuple(py, &[result.clone(), raw::number(py, index)?])?.into_any(),
            ));
        }
        if !succeeded && its.on_errback.get() {
            let index = raw::number(py, index)?;
            let error = twisted(py)?.first_error.bind(py).call1((result, index))?;
            return failure::from_value(error.cast()?).map(Some);
        }
        Ok((its.finished.get() == results.len()).then(|| results.into_any()))
    }

    /// Those of its members that are Deferreds of ours.
    pub(crate) fn members_of<'py>(slf: &Bound<'py, Self>) -> Vec<Bound<'py, Deferred>> {
        let members = Self::its(slf).members.get(slf.py());
        let members = members.and_then(|members| members.cast_into::<PyList>().ok());
        members.iter().flatten().filter_map(|member| as_deferred(&member).cloned()).collect()
    }

    /// A member has a result.
    pub(crate) fn got<'py>(
        slf: &Bound<'py, Self>,
        member: &Bound<'py, Deferred>,
        index: u32,
        result: &Bound<'py, PyAny>,
    ) -> PyResult<Step<Bound<'py, Deferred>>> {
        let py = slf.py();
        let succeeded = !failure::is_failure(result);
        let consumed = !succeeded && Self::its(slf).consume_errors.get();
        let next = match Self::note(slf, index as usize, succeeded, result)? {
            None => None,
            Some(fired) if Deferred::is_plain(slf.as_super()) => fire_next(slf.as_super(), fired)?,
            Some(fired) => {
                Deferred::fire_with(slf.as_super(), fired)?;
                None
            }
        };
        let Some(next) = next else {
            if consumed {
                state(member).result.set(Some(py.None().into_bound(py)));
                return Ok(Step::Ran);
            }
            return Ok(pass(member, result));
        };
        let left = (!consumed).then(|| result.clone().unbind());
        state(member).links.push_front(Link::Over(left));
        Ok(Step::Called(next))
    }

    fn watch<'py>(
        slf: &Bound<'py, Self>,
        members: &Bound<'py, PyAny>,
        on_callback: bool,
        on_errback: bool,
        consume_errors: bool,
    ) -> PyResult<()> {
        let py = slf.py();
        let its = Self::its(slf);
        let members = raw::list_of(members)?;
        its.members.set(Some(members.clone().into_any()));
        its.results.set(Some(raw::nones(py, members.len())?.into_any()));
        if members.is_empty() && !on_callback {
            slf.call_method1(name!(py, callback), (raw::list(py)?,))?;
        }
        its.on_callback.set(on_callback);
        its.on_errback.set(on_errback);
        its.consume_errors.set(consume_errors);
        its.finished.set(0);
        let own = slf.as_any().get_type_ptr() == Self::type_object_raw(py);
        // A program that has the list may add to it meanwhile.
        let mut index = 0;
        while index < members.len() {
            let member = members.get_item(index)?;
            match (as_deferred(&member), u32::try_from(index)) {
                (Some(deferred), Ok(index)) if own && Deferred::is_plain(deferred) => {
                    Deferred::push(deferred, Link::Member(slf.clone().unbind(), index));
                }
                _ => {
                    let method = slf.getattr(name!(py, _cbDeferred))?;
                    let keywords = raw::dict(py)?;
                    for (name, success) in
                        [(name!(py, callbackArgs), true), (name!(py, errbackArgs), false)]
                    {
                        let success = PyBool::new(py, success).to_owned().into_any();
                        let given = raw::tuple(py, &[raw::number(py, index)?, success])?;
                        keywords.set_item(name, given)?;
                    }
                    member.call_method(
                        name!(py, addCallbacks),
                        (&method, &method),
                        Some(&keywords),
                    )?;
                }
            }
            index += 1;
        }
        Ok(())
    }

    fn cancel_members(&self, members: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, cancelling) = (members.py(), &self.state.get(members.py()).cancelling);
        for member in members.try_iter()? {
            let member = member?;
            let innermost = as_deferred(&member).and_then(Deferred::innermost);
            cancelling.set(innermost.is_some_and(|innermost| innermost.cast::<Self>().is_ok()));
            let cancelled = member.call_method0(name!(py, cancel));
            cancelling.set(false);
            if let Err(error) = cancelled {
                let failure = failure::from_error(py, error, false)?;
                let text = raw::text(py, "Exception raised from user supplied canceller")?;
                twisted(py)?.log.bind(py).call_method1(name!(py, failure), (text, failure))?;
            }
        }
        Ok(())
    }

    fn empty() -> PyClassInitializer<Self> {
        PyClassInitializer::from(Deferred::bare())
            .add_subclass(Self { state: Attached::new(ListState::default()) })
    }
}

#[pymethods]
#[allow(non_snake_case, reason = "the names are Twisted's")]
impl DeferredList {
    #[new]
    #[pyo3(
        signature = (*_arguments, **_keywords),
        text_signature = "(deferredList, fireOnOneCallback=False, fireOnOneErrback=False, consumeErrors=False)"
    )]
    fn new(
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        Self::empty()
    }

    #[pyo3(signature = (deferredList, fireOnOneCallback = None, fireOnOneErrback = None, consumeErrors = None))]
    fn __init__<'py>(
        slf: &Bound<'py, Self>,
        deferredList: &Bound<'py, PyAny>,
        fireOnOneCallback: Option<&Bound<'py, PyAny>>,
        fireOnOneErrback: Option<&Bound<'py, PyAny>>,
        consumeErrors: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        Deferred::initialise(slf.as_super(), None)?;
        let on = |flag: Option<&Bound<'py, PyAny>>| {
            flag.map_or(Ok(false), pyo3::types::PyAnyMethods::is_truthy)
        };
        Self::watch(
            slf,
            deferredList,
            on(fireOnOneCallback)?,
            on(fireOnOneErrback)?,
            on(consumeErrors)?,
        )
    }

    fn _cbDeferred<'py>(
        slf: &Bound<'py, Self>,
        result: Bound<'py, PyAny>,
        index: usize,
        succeeded: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(fired) = Self::note(slf, index, succeeded, &result)? {
            Deferred::fire_with(slf.as_super(), fired)?;
        }
        Ok((succeeded || !Self::its(slf).consume_errors.get()).then_some(result))
    }

    /// Cancels every member, unless the list has fired.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if slf.getattr(name!(py, called))?.is_truthy()? {
            return Ok(());
        }
        let its = Self::its(slf);
        let Some(members) = its.members.get(py) else { return Ok(()) };
        if its.cancelling.get() { Ok(()) } else { slf.get().cancel_members(&members) }
    }

    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let its = Self::its(slf);
        let all = Deferred::__getstate__(slf.as_super())?;
        for (name, slot) in [("_deferredList", &its.members), ("resultList", &its.results)] {
            if let Some(value) = slot.get(slf.py()) {
                all.set_item(raw::text(slf.py(), name)?, value)?;
            }
        }
        let py = slf.py();
        all.set_item(name!(py, fireOnOneCallback), its.on_callback.get())?;
        all.set_item(name!(py, fireOnOneErrback), its.on_errback.get())?;
        all.set_item(name!(py, consumeErrors), its.consume_errors.get())?;
        all.set_item(name!(py, finishedCount), raw::number(py, its.finished.get())?)?;
        Ok(all)
    }

    /// What has come so far: `(success, result)` of each member, or None.
    #[getter]
    fn resultList<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyAny>> {
        Self::its(slf).results.get(slf.py())
    }

    #[setter]
    fn set_resultList<'py>(slf: &Bound<'py, Self>, results: Bound<'py, PyAny>) {
        Self::its(slf).results.set(Some(results));
    }

    #[getter(_deferredList)]
    fn members<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyAny>> {
        Self::its(slf).members.get(slf.py())
    }

    #[setter(_deferredList)]
    fn set_members<'py>(slf: &Bound<'py, Self>, members: Bound<'py, PyAny>) {
        Self::its(slf).members.set(Some(members));
    }

    /// Whether the first member that succeeds fires the list.
    #[getter]
    fn fireOnOneCallback(slf: &Bound<'_, Self>) -> bool {
        Self::its(slf).on_callback.get()
    }

    #[setter]
    fn set_fireOnOneCallback(slf: &Bound<'_, Self>, on: bool) {
        Self::its(slf).on_callback.set(on);
    }

    /// Whether the first member that fails fires the list.
    #[getter]
    fn fireOnOneErrback(slf: &Bound<'_, Self>) -> bool {
        Self::its(slf).on_errback.get()
    }

    #[setter]
    fn set_fireOnOneErrback(slf: &Bound<'_, Self>, on: bool) {
        Self::its(slf).on_errback.set(on);
    }

    /// Whether the members' failures become None there.
    #[getter]
    fn consumeErrors(slf: &Bound<'_, Self>) -> bool {
        Self::its(slf).consume_errors.get()
    }

    #[setter]
    fn set_consumeErrors(slf: &Bound<'_, Self>, on: bool) {
        Self::its(slf).consume_errors.set(on);
    }

    /// How many members have a result.
    #[getter]
    fn finishedCount(slf: &Bound<'_, Self>) -> usize {
        Self::its(slf).finished.get()
    }

    #[setter]
    fn set_finishedCount(slf: &Bound<'_, Self>, count: usize) {
        Self::its(slf).finished.set(count);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let its = self.state.in_collector();
        its.members.visit(&visit)?;
        its.results.visit(&visit)
    }

    fn __clear__(&self) {
        let its = self.state.in_collector();
        drop((its.members.take(), its.results.take()));
    }
}

/// The values of a list of `(success, value)`, all of which succeeded.
#[pyfunction]
#[pyo3(name = "_parseDeferredListResult", signature = (results, _fire_on_one_errback = false, /), text_signature = "(resultList, fireOnOneErrback=False, /)")]
pub(crate) fn parse_results<'py>(
    results: &Bound<'py, PyAny>,
    _fire_on_one_errback: bool,
) -> PyResult<Bound<'py, PyList>> {
    let py = results.py();
    let values = raw::list(py)?;
    for item in results.try_iter()? {
        let item = item?;
        let failed = || Err(raw::error::<PyAssertionError>(py, "a member of the list failed"));
        if item.is_none() {
            return failed();
        }
        let (success, value) = two(&item)?;
        if !success.is_truthy()? {
            return failed();
        }
        values.append(value)?;
    }
    Ok(values)
}

/// The two things that something is made of, as Python takes it apart.
fn two<'py>(item: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if let Ok(pair) = item.cast_exact::<PyTuple>()
        && let (Ok(first), Ok(second)) = (pair.get_item(0), pair.get_item(1))
        && pair.len() == 2
    {
        return Ok((first, second));
    }
    let mut parts = item.try_iter()?;
    let mut next = |count: usize| {
        let few = format!("not enough values to unpack (expected 2, got {count})");
        parts.next().unwrap_or_else(|| Err(raw::error::<PyValueError>(item.py(), few)))
    };
    let (first, second) = (next(0)?, next(1)?);
    match parts.next() {
        None => Ok((first, second)),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) => {
            let many = "too many values to unpack (expected 2)";
            Err(raw::error::<PyValueError>(item.py(), many))
        }
    }
}

/// A Deferred that fires with the list of all values, or with a `FirstError` for the first failure.
///
/// Cancelling it cancels all. With `consumeErrors` the members' failures become `None` there.
#[pyfunction]
#[pyo3(name = "gatherResults", signature = (deferredList, consumeErrors = false))]
#[allow(non_snake_case, reason = "the names are Twisted's")]
pub(crate) fn gather_results<'py>(
    deferredList: &Bound<'py, PyAny>,
    consumeErrors: bool,
) -> PyResult<Bound<'py, DeferredList>> {
    let py = deferredList.py();
    let list = Bound::new(py, DeferredList::empty())?;
    Deferred::initialise(list.as_super(), None)?;
    DeferredList::watch(&list, deferredList, false, true, consumeErrors)?;
    let parse = twisted(py)?.parse_results.clone_ref(py);
    Deferred::push(list.as_super(), Link::Callback(parse, None));
    Ok(list)
}
