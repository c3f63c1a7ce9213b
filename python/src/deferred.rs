//! `Deferred`, as Python sees it.

use crate::attributes::{get_state, reduced, set_state};
use crate::awaiter::Awaiter;
use crate::callbacks::{self, call_of};
use crate::failure;
use crate::inspect;
use crate::names::name;
use crate::raw::{self, Attached, Awaits, Finalized, Known, Layout, Slot, Watch};
use crate::timeout::Timeout;
use crate::trail::Trail;
use crate::twisted::twisted;
use crate::world::{Link, Pair, PyWorld, State, state};
use hereafter_engine::{Claim, Graveyard, World};
use pyo3::PyTypeInfo;
use pyo3::exceptions::PyAttributeError;
use pyo3::ffi::PyTypeObject;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyGenericAlias, PyList, PyString, PyTuple, PyType};

/// A callback which will be put off until later.
///
/// A Deferred is a result that is not there yet, and the chain of callbacks that want it. Callbacks
/// are added with `addCallback`, `addErrback`, `addBoth` and `addCallbacks`; whoever makes the
/// Deferred fires it with `callback` or `errback`.
///
/// `canceller` is called with the Deferred when somebody cancels it before it fired; where it does
/// not fire the Deferred, or there is none, the Deferred fires with a `CancelledError`.
#[pyclass(frozen, subclass, weakref, dict, module = "twisted.internet.defer")]
pub(crate) struct Deferred {
    state: Attached<State>,
}

/// What class an object has to be of to be one of ours.
pub(crate) struct Ours;

impl Ours {
    #[inline]
    pub(crate) fn derives(py: Python<'_>, kind: *mut PyTypeObject) -> bool {
        raw::is_heap_class(kind) && raw::derives(kind, Deferred::type_object_raw(py))
    }
}

/// The object as a deferred, by its type alone.
#[inline]
pub(crate) fn as_deferred<'a, 'py>(
    object: &'a Bound<'py, PyAny>,
) -> Option<&'a Bound<'py, Deferred>> {
    if raw::is_heap_class(object.get_type_ptr()) { raw::as_instance(object) } else { None }
}

/// The classes of Deferreds, oldest first; Twisted's `_DEFERRED_SUBCLASSES`.
static CLASSES: PyOnceLock<Py<PyList>> = PyOnceLock::new();

pub(crate) fn classes(py: Python<'_>) -> PyResult<&Bound<'_, PyList>> {
    let classes = CLASSES
        .get_or_try_init(py, || PyList::new(py, [py.get_type::<Deferred>()]).map(Bound::unbind));
    Ok(classes?.bind(py))
}

/// The methods that we do ourselves what they do where the class has them as we made them.
const METHODS: [&str; 8] = [
    "callback",
    "errback",
    "addCallbacks",
    "addBoth",
    "_startRunCallbacks",
    "_runCallbacks",
    "__getattribute__",
    CANCEL,
];

/// The last of them, which `DeferredList` has its own of.
const CANCEL: &str = "cancel";

/// All of a class's methods but `cancel` are as we made them, and debugging is off.
const PLAIN: u8 = 1;
/// And `cancel` too.
const PLAIN_CANCEL: u8 = 2;
/// And nothing else is to be done when one is made.
const UNNOTED: u8 = 4;

/// How objects of the class itself are made.
pub(crate) static LAYOUT: Layout = Layout::new();

/// What the class has for each of `METHODS`, by name.
static ORIGINALS: PyOnceLock<Vec<(Py<PyString>, Py<PyAny>)>> = PyOnceLock::new();
static WATCH: Watch = Watch::new();

/// Remembers the class's methods as they were made.
pub(crate) fn remember_methods(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<Deferred>();
    let methods: PyResult<Vec<_>> = METHODS
        .iter()
        .map(|name| {
            let name = PyString::intern(py, name);
            Ok((name.clone().unbind(), class.getattr(name)?.unbind()))
        })
        .collect();
    // Set once, when the module is made.
    let _ = ORIGINALS.set(py, methods?);
    Ok(())
}

/// What is plain about a class: `PLAIN`, `PLAIN_CANCEL`.
#[inline]
fn plainness(py: Python<'_>, class: *mut PyTypeObject) -> u8 {
    WATCH.of(class, || look_at_class(&raw::class(py, class)))
}

fn look_at_class(class: &Bound<'_, PyType>) -> u8 {
    let Some(originals) = ORIGINALS.get(class.py()) else { return 0 };
    let mut own = METHODS.iter().zip(originals).filter_map(|(method, (name, original))| {
        let unchanged = class.getattr(name).is_ok_and(|found| found.is(original));
        (!unchanged).then_some(*method)
    });
    let debug = class.getattr(name!(class.py(), debug)).and_then(|debug| debug.is_truthy());
    let unnoted = if inspect::is_on() { 0 } else { UNNOTED };
    match own.next() {
        _ if debug.unwrap_or(true) => 0,
        None => PLAIN | PLAIN_CANCEL | unnoted,
        Some(CANCEL) => PLAIN | unnoted,
        Some(_) => 0,
    }
}

/// It has changed whether histories are begun.
pub(crate) fn look_again() {
    WATCH.forget();
}

std::thread_local! {
    static GRAVEYARD: Graveyard<Py<PyAny>> = const { Graveyard::new() };
}

/// Lets go of an object that may be a deferred, or hold one, without recursion.
pub(crate) fn bury(object: Py<PyAny>) {
    GRAVEYARD.with(|graveyard| graveyard.bury(object, drop));
}

impl Drop for Deferred {
    fn drop(&mut self) {
        self.bury_contents();
        inspect::put_away(self.state.get_mut());
    }
}

impl Finalized for Deferred {
    fn finalize(&self, py: Python<'_>) {
        let its = self.state(py);
        its.report_failure();
        if let Some(noted) = its.history.get() {
            inspect::finalized(py, its, noted);
        }
    }
}

impl Known for Deferred {
    #[inline]
    fn layout() -> &'static Layout {
        &LAYOUT
    }

    #[inline]
    fn spend(&mut self) -> bool {
        let its = self.state.in_collector();
        let is_ours = |place: &Slot| place.peek().is_some_and(|(_, kind)| raw::is_heap_class(kind));
        let spent = !is_ours(&its.result)
            && !is_ours(&its.debug_info)
            && !its.canceller.is_set()
            && !its.chained_to.is_set()
            && its.links.is_empty();
        if spent {
            its.result.set(None);
            its.debug_info.set(None);
            inspect::put_away(self.state.get_mut());
        }
        spent
    }
}

impl Deferred {
    #[inline]
    pub(crate) fn state(&self, py: Python<'_>) -> &State {
        self.state.get(py)
    }

    fn bury_contents(&self) {
        let state = self.state.in_collector();
        state.report_failure();
        if let Some(noted) = state.history.get() {
            inspect::goes_away(state, noted);
        }
        drop(state.debug_info.take());
        for place in [&state.result, &state.canceller, &state.chained_to] {
            match place.peek() {
                None => {}
                Some((_, kind)) if raw::is_heap_class(kind) => {
                    place.take().into_iter().for_each(bury);
                }
                Some(_) => drop(place.take()),
            }
        }
        if state.links.is_empty() {
            return;
        }
        for link in state.links.take() {
            match link {
                Link::Waiter(other) | Link::Fire(other, _) | Link::Return(other) => {
                    bury(other.into_any());
                }
                Link::Resume(driver) | Link::Cancel(driver) => bury(driver.into_any()),
                Link::Member(list, _) => bury(list.into_any()),
                Link::Turn(turn) => bury(turn.into_any()),
                // What is given beside the result may be the next of a long row.
                Link::Pair(pair, _) => match *pair {
                    Pair::Callback(call) | Pair::Errback(call) | Pair::Both(call) => {
                        call.take_apart(bury);
                    }
                    Pair::Either(callback, errback) => {
                        callback.take_apart(bury);
                        errback.take_apart(bury);
                    }
                    Pair::Each(callback, errback) => {
                        bury(callback);
                        bury(errback);
                    }
                },
                other => drop(other),
            }
        }
    }

    /// A new deferred, that nobody else has yet.
    #[inline]
    pub(crate) fn make(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        match Self::make_quickly(py) {
            Some(new) => Ok(new),
            None => Self::make_slowly(py),
        }
    }

    /// A new deferred, if there is next to nothing to do for it; within the bounds of `Fast::quick`.
    #[inline]
    pub(crate) fn make_quickly(py: Python<'_>) -> Option<Bound<'_, Self>> {
        Self::make_plain(py).or_else(|| Self::make_noted(py))
    }

    /// The same without a history.
    #[inline]
    pub(crate) fn make_plain(py: Python<'_>) -> Option<Bound<'_, Self>> {
        let plain = plainness(py, Self::type_object_raw(py)) & UNNOTED != 0;
        if plain { Layout::make(py, Self::bare()) } else { None }
    }

    /// The same with a history, if one was made here before.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_noted(py: Python<'_>) -> Option<Bound<'_, Self>> {
        if !Self::is_plain_class(py) {
            return None;
        }
        let made = inspect::made_again(py)?;
        let new = Layout::make(py, Self::bare())?;
        inspect::begin_at(&new, made);
        Some(new)
    }

    #[cold]
    fn make_slowly(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let short = if Self::is_plain_class(py) { Layout::make(py, Self::bare()) } else { None };
        let new = short.map_or_else(|| Bound::new(py, Self::bare()), Ok)?;
        if inspect::is_on() {
            inspect::begin(&new);
        }
        if Self::debugs(&new)? {
            Self::note_creator(&new)?;
        }
        Ok(new)
    }

    /// What an object is made around.
    pub(crate) fn bare() -> Self {
        Self { state: Attached::new(State::default()) }
    }

    /// Twisted's `__init__`.
    pub(crate) fn initialise(
        slf: &Bound<'_, Self>,
        canceller: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let its = state(slf);
        // A second time, it begins anew.
        if !its.links.is_empty() {
            drop(its.links.take());
        }
        its.canceller.set(canceller);
        if inspect::is_on() {
            inspect::begin(slf);
        }
        if Self::debugs(slf)? {
            Self::note_creator(slf)?;
        }
        Ok(())
    }

    /// A deferred that has fired with `result`.
    #[inline]
    pub(crate) fn made(result: Bound<'_, PyAny>) -> PyResult<Bound<'_, Self>> {
        Self::make(result.py()).map(|new| Self::made_of(new, result))
    }

    /// The new deferred, which may have a history, fired with `result`.
    #[inline]
    pub(crate) fn made_of<'py>(
        new: Bound<'py, Self>,
        result: Bound<'py, PyAny>,
    ) -> Bound<'py, Self> {
        let new = Self::with_result(new, result);
        if let Some(noted) = state(&new).history.get() {
            inspect::ready(&new, noted);
        }
        new
    }

    /// The same, where it is known to have none.
    #[inline]
    pub(crate) fn with_result<'py>(
        new: Bound<'py, Self>,
        result: Bound<'py, PyAny>,
    ) -> Bound<'py, Self> {
        let its = state(&new);
        its.chain.claim();
        its.result.set(Some(result));
        new
    }

    /// `fail()`: fired, through the chain, so that an unhandled failure is noted.
    pub(crate) fn made_failed(failure: Bound<'_, PyAny>) -> PyResult<Bound<'_, Self>> {
        let new = Self::make(failure.py())?;
        Self::start(&new, failure)?;
        Ok(new)
    }

    #[inline]
    pub(crate) fn is_plain_class(py: Python<'_>) -> bool {
        plainness(py, Self::type_object_raw(py)) & PLAIN != 0
    }

    /// Whether neither the class nor the object has methods of its own in the place of ours, `cancel` aside.
    #[inline]
    pub(crate) fn is_plain(slf: &Bound<'_, Self>) -> bool {
        plainness(slf.py(), slf.get_type_ptr()) & PLAIN != 0
            && (!raw::has_attributes(slf) || Self::has_harmless_attributes(slf))
    }

    /// The same, and that goes for `cancel` too.
    pub(crate) fn cancels_plainly(slf: &Bound<'_, Self>) -> bool {
        plainness(slf.py(), slf.get_type_ptr()) & PLAIN_CANCEL != 0 && Self::is_plain(slf)
    }

    #[inline(never)]
    fn has_harmless_attributes(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        let look = || -> PyResult<bool> {
            let attributes = slf.getattr(name!(py, __dict__))?.cast_into::<PyDict>()?;
            for (name, _) in ORIGINALS.get(py).into_iter().flatten() {
                if attributes.contains(name)? {
                    return Ok(false);
                }
            }
            Ok(!attributes.contains(name!(py, debug))?)
        };
        look().unwrap_or(false)
    }

    /// Whether debugging is on for this deferred.
    #[inline]
    pub(crate) fn debugs(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if Self::is_plain(slf) { Ok(false) } else { Self::is_told_to_debug(slf) }
    }

    #[inline(never)]
    fn is_told_to_debug(slf: &Bound<'_, Self>) -> PyResult<bool> {
        slf.getattr(name!(slf.py(), debug))?.is_truthy()
    }

    fn note_creator(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let info = twisted(py)?.debug_info.bind(py).call0()?;
        info.setattr(name!(py, creator), Trail::here(py)?)?;
        state(slf).debug_info.set(Some(info));
        Ok(())
    }

    fn note_invoker(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        state(slf).debug_information(py)?.setattr(name!(py, invoker), Trail::here(py)?)
    }

    /// The error of firing twice.
    #[cold]
    pub(crate) fn already_called(slf: &Bound<'_, Self>) -> PyErr {
        let py = slf.py();
        let make = || -> PyResult<PyErr> {
            let names = twisted(py)?;
            let mut said = Vec::new();
            if Self::debugs(slf)? {
                let info = state(slf).debug_information(py)?;
                let told = info.call_method0(name!(py, _getDebugTracebacks))?;
                said.push(raw::text(py, &format!("\n{}", told.str()?.to_str()?))?);
            }
            let said = PyTuple::new(py, said)?;
            if state(slf).history.get().is_none() {
                return Ok(PyErr::from_value(names.already_called.bind(py).call1(said)?));
            }
            let error = names.called_twice.bind(py).call1(said)?;
            inspect::give_story(&error, &inspect::story(slf))?;
            Ok(PyErr::from_value(error))
        };
        make().unwrap_or_else(|error| error)
    }

    /// Fires: Twisted's `_startRunCallbacks`.
    #[inline]
    pub(crate) fn start<'py>(slf: &Bound<'py, Self>, result: Bound<'py, PyAny>) -> PyResult<()> {
        let its = state(slf);
        if !its.chain.is_fired() && Self::debugs(slf)? {
            Self::note_invoker(slf)?;
        }
        match hereafter_engine::fire::<PyWorld<'py>>(slf, || its.result.set(Some(result))) {
            Claim::Mine | Claim::Swallowed => Ok(()),
            Claim::Taken => Err(Self::already_called(slf)),
        }
    }

    /// Fires: by `callback` or `errback`, as Twisted would call it, if a program has put its own there.
    pub(crate) fn fire_with<'py>(
        slf: &Bound<'py, Self>,
        result: Bound<'py, PyAny>,
    ) -> PyResult<()> {
        if Self::is_plain(slf) {
            return Self::start(slf, result);
        }
        let py = slf.py();
        let failed = failure::is_failure(&result);
        let name = if failed { name!(py, errback) } else { name!(py, callback) };
        slf.call_method1(name, (result,)).map(drop)
    }

    #[allow(clippy::inline_always, reason = "a link that stays in registers takes half as long")]
    #[inline(always)]
    pub(crate) fn push(slf: &Bound<'_, Self>, link: Link) {
        let its = state(slf);
        let link =
            if its.history.get().is_some() { inspect::note_place(slf.py(), link) } else { link };
        its.links.push(link);
        if its.chain.is_fired() {
            hereafter_engine::run::<PyWorld<'_>>(slf);
        }
    }

    /// What is cancelled when this one is: itself, or the innermost of those that it waits on. One
    /// that has methods of its own ends the search; in a circle there is none.
    pub(crate) fn innermost<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, Self>> {
        let mut innermost = slf.clone();
        let (mut mark, mut steps, mut limit) = (innermost.clone(), 0_usize, 1_usize);
        while let Some(inner) = PyWorld::waiting_on(&innermost) {
            if inner.is(&mark) {
                return None;
            }
            innermost = inner;
            if !Self::cancels_plainly(&innermost) {
                break;
            }
            steps += 1;
            if steps == limit {
                mark = innermost.clone();
                (steps, limit) = (0, limit.saturating_mul(2));
            }
        }
        Some(innermost)
    }

    pub(crate) fn cancel_innermost(slf: &Bound<'_, Self>) -> PyResult<()> {
        let Some(innermost) = Self::innermost(slf) else { return Ok(()) };
        if !innermost.is(slf) && !Self::cancels_plainly(&innermost) {
            return innermost.call_method0(name!(slf.py(), cancel)).map(drop);
        }
        hereafter_engine::cancel::<PyWorld<'_>>(&innermost);
        Ok(())
    }
}

#[pymethods]
#[allow(non_snake_case, reason = "the names are Twisted's")]
impl Deferred {
    /// Whether it is noted where Deferreds are made and who fires them; may be set on one of them too.
    #[classattr]
    fn debug() -> bool {
        false
    }

    #[new]
    #[pyo3(signature = (*_arguments, **_keywords), text_signature = "(canceller=None)")]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self::bare()
    }

    #[pyo3(signature = (canceller = None))]
    fn __init__(slf: &Bound<'_, Self>, canceller: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        Self::initialise(slf, canceller)
    }

    /// Adds a callback and an errback; either gets what it is to be given beside the result.
    #[pyo3(
        signature = (callback, errback = None, callbackArgs = None, callbackKeywords = None, errbackArgs = None, errbackKeywords = None),
        text_signature = "($self, callback, errback=None, callbackArgs=(), callbackKeywords={}, errbackArgs=(), errbackKeywords={})"
    )]
    fn addCallbacks<'py>(
        slf: &Bound<'py, Self>,
        callback: Bound<'py, PyAny>,
        errback: Option<Bound<'py, PyAny>>,
        callbackArgs: Option<Bound<'py, PyAny>>,
        callbackKeywords: Option<Bound<'py, PyAny>>,
        errbackArgs: Option<Bound<'py, PyAny>>,
        errbackKeywords: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        if [&callbackArgs, &callbackKeywords, &errbackArgs, &errbackKeywords]
            .iter()
            .all(|given| given.is_none())
        {
            let callback = callback.unbind();
            let link = match errback {
                None => Link::Callback(callback, None),
                Some(errback) => Link::Pair(Box::new(Pair::Each(callback, errback.unbind())), None),
            };
            Self::push(slf, link);
            return Ok(slf.clone());
        }
        let callback = call_of(callback, callbackArgs, callbackKeywords)?;
        let pair = match errback {
            None => Pair::Callback(callback),
            Some(errback) => {
                Pair::Either(callback, call_of(errback, errbackArgs, errbackKeywords)?)
            }
        };
        Self::push(slf, Link::Pair(Box::new(pair), None));
        Ok(slf.clone())
    }

    /// Cancels this Deferred after `timeout` seconds by `clock`, if it has no result by then.
    ///
    /// What has been added before counts, what is added later does not. The result is a `TimeoutError`
    /// then, or what `onTimeoutCancel` returns when it is called with the result and `timeout`.
    #[pyo3(signature = (timeout, clock, onTimeoutCancel = None))]
    fn addTimeout<'py>(
        slf: &Bound<'py, Self>,
        timeout: Bound<'py, PyAny>,
        clock: &Bound<'py, PyAny>,
        onTimeoutCancel: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Timeout::add(slf, timeout, clock, onTimeoutCancel)
    }

    /// Has the Deferred `d` fire with this one's result, which is then `None` here.
    fn chainDeferred<'py>(
        slf: &Bound<'py, Self>,
        d: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match as_deferred(&d) {
            Some(other) if Self::is_plain(other) && Self::is_plain(slf) => {
                state(other).chained_to.set(Some(slf.clone().into_any()));
                Self::push(slf, Link::Fire(other.clone().unbind(), None));
                Ok(slf.clone().into_any())
            }
            _ => {
                d.setattr(name!(py, _chainedTo), slf)?;
                let methods = (d.getattr(name!(py, callback))?, d.getattr(name!(py, errback))?);
                slf.call_method1(name!(py, addCallbacks), methods)
            }
        }
    }

    /// Fires with a failure, an exception to make one of, or the exception being handled.
    #[pyo3(signature = (fail = None))]
    fn errback<'py>(slf: &Bound<'py, Self>, fail: Option<Bound<'py, PyAny>>) -> PyResult<()> {
        let failure = failure::from_argument(slf.py(), fail, || Self::debugs(slf))?;
        Self::start(slf, failure)
    }

    /// Lets no callback run until `unpause` was called as often.
    fn pause(slf: &Bound<'_, Self>) {
        state(slf).chain.pause();
        inspect::paused(slf);
    }

    /// Takes one `pause` back; with the last, the callbacks run that wait for it.
    fn unpause<'py>(slf: &Bound<'py, Self>) {
        hereafter_engine::unpause::<PyWorld<'py>>(slf);
    }

    /// Cancels this Deferred, or the innermost one that it waits on.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::cancel_innermost(slf)
    }

    fn _startRunCallbacks<'py>(slf: &Bound<'py, Self>, result: Bound<'py, PyAny>) -> PyResult<()> {
        Self::start(slf, result)
    }

    fn _runCallbacks<'py>(slf: &Bound<'py, Self>) {
        hereafter_engine::run::<PyWorld<'py>>(slf);
    }

    /// Whether it has fired.
    #[getter]
    fn called(slf: &Bound<'_, Self>) -> bool {
        state(slf).chain.is_fired()
    }

    #[setter]
    fn set_called(slf: &Bound<'_, Self>, called: &Bound<'_, PyAny>) -> PyResult<()> {
        let (chain, called) = (&state(slf).chain, called.is_truthy()?);
        chain.overwrite(called, chain.paused(), chain.swallows());
        Ok(())
    }

    /// How often it is paused; waiting for another Deferred counts as one.
    #[getter]
    fn paused(slf: &Bound<'_, Self>) -> i32 {
        state(slf).chain.paused()
    }

    #[setter]
    fn set_paused(slf: &Bound<'_, Self>, paused: i32) {
        let chain = &state(slf).chain;
        chain.overwrite(chain.is_fired(), paused, chain.swallows());
    }

    /// What the last callback returned; while this waits, the Deferred that it waits for. Absent until it has fired.
    #[getter]
    fn result<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        state(slf).result.get(slf.py()).ok_or_else(|| {
            raw::error::<PyAttributeError>(slf.py(), "'Deferred' object has no attribute 'result'")
        })
    }

    #[setter]
    fn set_result<'py>(slf: &Bound<'py, Self>, result: Bound<'py, PyAny>) {
        state(slf).result.set(Some(result));
    }

    #[deleter]
    fn delete_result(slf: &Bound<'_, Self>) {
        state(slf).result.set(None);
    }

    #[getter(_chainedTo)]
    fn chained_to<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyAny>> {
        state(slf).chained_to.get(slf.py())
    }

    #[setter(_chainedTo)]
    fn set_chained_to<'py>(slf: &Bound<'py, Self>, other: Option<Bound<'py, PyAny>>) {
        state(slf).chained_to.set(other);
    }

    #[getter(_debugInfo)]
    fn debug_info<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let its = state(slf);
        its.debug_info.is_set().then(|| its.debug_information(slf.py())).transpose()
    }

    #[setter(_debugInfo)]
    fn set_debug_info<'py>(slf: &Bound<'py, Self>, info: Option<Bound<'py, PyAny>>) {
        state(slf).report_failure();
        state(slf).debug_info.set(info);
    }

    #[getter(_canceller)]
    fn canceller<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyAny>> {
        state(slf).canceller.get(slf.py())
    }

    #[setter(_canceller)]
    fn set_canceller<'py>(slf: &Bound<'py, Self>, canceller: Option<Bound<'py, PyAny>>) {
        state(slf).canceller.set(canceller);
    }

    #[getter(_suppressAlreadyCalled)]
    fn suppress_already_called(slf: &Bound<'_, Self>) -> bool {
        state(slf).chain.swallows()
    }

    #[setter(_suppressAlreadyCalled)]
    fn set_suppress_already_called(slf: &Bound<'_, Self>, swallow: bool) {
        let chain = &state(slf).chain;
        chain.overwrite(chain.is_fired(), chain.paused(), swallow);
    }

    #[getter(_runningCallbacks)]
    fn running_callbacks(slf: &Bound<'_, Self>) -> bool {
        state(slf).chain.is_running()
    }

    /// The links as Twisted lists them, in a new list.
    #[getter(_links)]
    fn links<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        callbacks::listed(slf)
    }

    /// The links are to be these; runs nothing.
    #[setter(_links)]
    fn set_links<'py>(slf: &Bound<'py, Self>, list: &Bound<'py, PyAny>) -> PyResult<()> {
        callbacks::replace(slf, list)
    }

    /// What is copied or pickled: the attributes that Twisted's would have, and those of the program.
    pub(crate) fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let its = state(slf);
        // What tells of an unhandled failure is Twisted's, and is the copy's too: one tells for both.
        Self::debug_info(slf)?;
        let all = get_state(
            slf,
            &[
                ("_canceller", &its.canceller),
                ("result", &its.result),
                ("_chainedTo", &its.chained_to),
                ("_debugInfo", &its.debug_info),
            ],
        )?;
        let py = slf.py();
        all.set_item(name!(py, _callbacks), callbacks::listed(slf)?)?;
        all.set_item(name!(py, called), its.chain.is_fired())?;
        all.set_item(name!(py, paused), its.chain.paused())?;
        all.set_item(name!(py, _suppressAlreadyCalled), its.chain.swallows())?;
        Ok(all)
    }

    fn __setstate__<'py>(slf: &Bound<'py, Self>, state: &Bound<'py, PyAny>) -> PyResult<()> {
        set_state(slf, state)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        reduced(slf)
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyString>> {
        let py = slf.py();
        let name = slf.getattr(name!(py, __class__))?.getattr(name!(py, __name__))?;
        let its = state(slf);
        let what = match (its.chained_to.get(py), its.result.get(py)) {
            (Some(other), _) => format!(" waiting on Deferred at 0x{:x}", other.as_ptr() as usize),
            (None, Some(result)) => format!(" current result: {}", result.repr()?.to_str()?),
            (None, None) => String::new(),
        };
        let mut said =
            format!("<{} at 0x{:x}{what}>", name.str()?.to_str()?, slf.as_ptr() as usize);
        if inspect::is_in_repr() && its.history.get().is_some() {
            said = format!("{said}\n{}", inspect::story(slf));
        }
        raw::text(py, &said)
    }

    /// What has happened to this Deferred, what it does now and waits on, and what is still to come. `str()` draws it.
    fn explain(slf: &Bound<'_, Self>) -> inspect::Story {
        inspect::Story::of(slf)
    }

    fn __iter__(slf: &Bound<'_, Self>) -> Awaiter {
        Self::awaiter(slf)
    }

    fn __await__(slf: &Bound<'_, Self>) -> Awaiter {
        Self::awaiter(slf)
    }

    #[classmethod]
    #[pyo3(signature = (**_keywords))]
    fn __init_subclass__(
        class: &Bound<'_, PyType>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        classes(class.py())?.append(class)
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyGenericAlias>> {
        PyGenericAlias::new(class.py(), class.as_any(), item)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let state = self.state.in_collector();
        for place in [&state.result, &state.canceller, &state.chained_to, &state.debug_info] {
            place.visit(&visit)?;
        }
        state.links.each(|link| match link {
            Link::Over(None) => Ok(()),
            Link::Over(Some(left)) => visit.call(left),
            Link::Callback(function, _) | Link::Errback(function, _) | Link::Both(function, _) => {
                visit.call(function)
            }
            Link::Pair(pair, _) => match &**pair {
                Pair::Callback(call) | Pair::Errback(call) | Pair::Both(call) => call.visit(&visit),
                Pair::Each(callback, errback) => {
                    visit.call(callback).and_then(|()| visit.call(errback))
                }
                Pair::Either(callback, errback) => {
                    callback.visit(&visit).and_then(|()| errback.visit(&visit))
                }
            },
            Link::Waiter(other) | Link::Fire(other, _) | Link::Return(other) => visit.call(other),
            Link::Resume(driver) | Link::Cancel(driver) => visit.call(driver),
            Link::Member(list, _) => visit.call(list),
            Link::Turn(turn) => visit.call(turn),
            Link::Timeout(timeout, _) => visit.call(timeout),
        })
    }

    fn __clear__(&self) {
        self.bury_contents();
    }
}

/// Whether the object is a Deferred, by its type.
#[pyfunction]
pub(crate) fn _is_deferred(object: &Bound<'_, PyAny>) -> bool {
    as_deferred(object).is_some()
}

const _: () = assert!(size_of::<State>() <= 112, "a deferred has outgrown its place");
