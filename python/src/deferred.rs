//! `Deferred`, as Python sees it.

use crate::attributes::{get_state, reduced, set_state};
use crate::callbacks::{self, call_of};
use crate::failure;
use crate::inline::Driver;
use crate::raw::{self, Arguments, Attached, Fast, Layout, Watch};
use crate::timeout::Timeout;
use crate::trail::Trail;
use crate::twisted::twisted;
use crate::world::{Call, Link, Pair, PyWorld, State, state};
use hereafter_engine::{Claim, Graveyard, World};
use pyo3::PyTypeInfo;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::ffi::PyTypeObject;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
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
    if raw::is_heap_class(object.get_type_ptr()) { object.cast::<Deferred>().ok() } else { None }
}

/// The classes of Deferreds, oldest first; Twisted's `_DEFERRED_SUBCLASSES`.
static CLASSES: PyOnceLock<Py<PyList>> = PyOnceLock::new();

pub(crate) fn classes(py: Python<'_>) -> PyResult<&Bound<'_, PyList>> {
    let classes = CLASSES
        .get_or_try_init(py, || PyList::new(py, [py.get_type::<Deferred>()]).map(Bound::unbind));
    Ok(classes?.bind(py))
}

/// The methods that we call ourselves where the class has them as we made them.
const METHODS: [&str; 7] = [
    "callback",
    "errback",
    "addCallbacks",
    "addBoth",
    "cancel",
    "_startRunCallbacks",
    "_runCallbacks",
];

/// How objects of the class itself are made.
static LAYOUT: Layout = Layout::new();

/// `Deferred(canceller)`.
struct Construct;

impl Fast for Construct {
    #[inline]
    fn call<'py>(
        class: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let few = match (arguments.len(), arguments.named()) {
            (0 | 1, 0) => true,
            (0, 1) => arguments.is_only_name(intern!(class.py(), "canceller")),
            _ => false,
        };
        if !few || !LAYOUT.has_own_init(class) {
            return raw::construct(class, arguments);
        }
        let new = Deferred::make(class.py())?;
        if arguments.len() + arguments.named() == 1 {
            let canceller = arguments.get(0);
            state(&new).canceller.set((!canceller.is_none()).then_some(canceller));
        }
        Ok(new.into_any())
    }
}

/// What takes a result, and what it is given beside it, and pushes a link.
struct Add<const KIND: u8>;

const CALLBACK: u8 = 0;
const ERRBACK: u8 = 1;
const BOTH: u8 = 2;

impl<const KIND: u8> Fast for Add<KIND> {
    #[inline]
    fn call<'py>(
        receiver: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let deferred = receiver.cast::<Deferred>()?;
        let link = if arguments.len() == 1 && arguments.named() == 0 {
            let function = arguments.get(0).unbind();
            match KIND {
                CALLBACK => Link::Callback(function),
                ERRBACK => Link::Errback(function),
                _ => Link::Both(function),
            }
        } else {
            let mut keywords = arguments.keywords()?;
            let (function, rest) = if arguments.len() == 0 {
                let name = if KIND == ERRBACK { "errback" } else { "callback" };
                let function = keywords
                    .as_ref()
                    .map(|keywords| keywords.get_item(name))
                    .transpose()?
                    .flatten();
                if let (Some(keywords), true) = (&keywords, function.is_some()) {
                    keywords.del_item(name)?;
                }
                let missing = || {
                    let method = ["addCallback", "addErrback", "addBoth"][usize::from(KIND)];
                    PyTypeError::new_err(format!(
                        "Deferred.{method}() missing 1 required positional argument: '{name}'"
                    ))
                };
                (function.ok_or_else(missing)?, None)
            } else {
                (arguments.get(0), (arguments.len() > 1).then(|| arguments.tuple(1)).transpose()?)
            };
            keywords = keywords.filter(|keywords| !keywords.is_empty());
            let call = Call {
                function: function.unbind(),
                arguments: rest.map(Bound::unbind),
                keywords: keywords.map(Bound::unbind),
            };
            Link::Pair(Box::new(match KIND {
                CALLBACK => Pair::Callback(call),
                ERRBACK => Pair::Errback(call),
                _ => Pair::Both(call),
            }))
        };
        Deferred::push(deferred, link);
        Ok(receiver.clone())
    }
}

/// `callback(result)`.
struct Fire;

impl Fast for Fire {
    #[inline]
    fn call<'py>(
        receiver: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = receiver.py();
        let one = arguments.len() == 1 && arguments.named() == 0;
        let by_name = arguments.len() == 0 && arguments.is_only_name(intern!(py, "result"));
        if !one && !by_name {
            return Err(arguments.other_than_one("Deferred.callback()", "result"));
        }
        Deferred::start(receiver.cast::<Deferred>()?, arguments.get(0))?;
        Ok(py.None().into_bound(py))
    }
}

/// Has the class make its objects the short way, and puts in the methods that are called most.
pub(crate) fn shorten(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<Deferred>();
    let probe = Bound::new(py, Deferred::bare())?;
    LAYOUT.learn(&probe);
    raw::construct_by::<Construct>(&class);
    raw::add_method::<Add<CALLBACK>>(
        &class,
        c"addCallback",
        c"addCallback($self, callback, *args, **kwargs)\n--\n\nAdds a function that is called with the result, unless it is a failure.",
    )?;
    raw::add_method::<Add<ERRBACK>>(
        &class,
        c"addErrback",
        c"addErrback($self, errback, *args, **kwargs)\n--\n\nAdds a function that is called with the result if it is a failure.",
    )?;
    raw::add_method::<Add<BOTH>>(
        &class,
        c"addBoth",
        c"addBoth($self, callback, *args, **kwargs)\n--\n\nAdds a function that is called with the result, be it a failure or not.",
    )?;
    raw::add_method::<Fire>(
        &class,
        c"callback",
        c"callback($self, result)\n--\n\nFires with a result: runs the callbacks.",
    )
}

static ORIGINALS: PyOnceLock<Vec<Py<PyAny>>> = PyOnceLock::new();
static WATCH: Watch = Watch::new();

/// Remembers the class's methods as they were made.
pub(crate) fn remember_methods(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<Deferred>();
    let methods: PyResult<Vec<_>> =
        METHODS.iter().map(|name| class.getattr(*name).map(Bound::unbind)).collect();
    // Set once, when the module is made.
    let _ = ORIGINALS.set(py, methods?);
    Ok(())
}

fn is_unchanged(class: &Bound<'_, PyAny>) -> bool {
    let Some(originals) = ORIGINALS.get(class.py()) else { return false };
    let unchanged = METHODS
        .iter()
        .zip(originals)
        .all(|(name, original)| class.getattr(*name).is_ok_and(|method| method.is(original)));
    let debug = class.getattr(intern!(class.py(), "debug")).and_then(|debug| debug.is_truthy());
    unchanged && debug.is_ok_and(|debug| !debug)
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
    }
}

impl Deferred {
    #[inline]
    pub(crate) fn state(&self, py: Python<'_>) -> &State {
        self.state.get(py)
    }

    fn bury_contents(&self) {
        let state = self.state.in_collector();
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
                Link::Waiter(other) | Link::Fire(other) | Link::Return(other) => {
                    bury(other.into_any());
                }
                Link::Resume(driver) | Link::Cancel(driver) => bury(driver.into_any()),
                Link::Member(list, _) => bury(list.into_any()),
                Link::Turn(turn) => bury(turn.into_any()),
                other => drop(other),
            }
        }
    }

    /// A new deferred, that nobody else has yet.
    #[inline]
    pub(crate) fn make(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let new = LAYOUT.make(py, Self::bare())?;
        if !Self::is_plain_class(py) && Self::debugs(&new)? {
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
        if Self::debugs(slf)? {
            Self::note_creator(slf)?;
        }
        Ok(())
    }

    /// A deferred that has fired with `result`.
    pub(crate) fn made(result: Bound<'_, PyAny>) -> PyResult<Bound<'_, Self>> {
        let new = Self::make(result.py())?;
        let its = state(&new);
        its.chain.claim();
        its.result.set(Some(result));
        Ok(new)
    }

    /// `fail()`: fired, through the chain, so that an unhandled failure is noted.
    pub(crate) fn made_failed(failure: Bound<'_, PyAny>) -> PyResult<Bound<'_, Self>> {
        let new = Self::make(failure.py())?;
        Self::start(&new, failure)?;
        Ok(new)
    }

    #[inline]
    pub(crate) fn is_plain_class(py: Python<'_>) -> bool {
        let class = Self::type_object_raw(py);
        WATCH.is_plain(class, || is_unchanged(py.get_type::<Self>().as_any()))
    }

    /// Whether nobody changed the class or the object in a way that we have to look at.
    #[inline]
    pub(crate) fn is_plain(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        slf.get_type_ptr() == Self::type_object_raw(py)
            && Self::is_plain_class(py)
            && (!raw::has_attributes(slf) || Self::has_harmless_attributes(slf).unwrap_or(false))
    }

    #[cold]
    fn has_harmless_attributes(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let attributes = slf.getattr(intern!(slf.py(), "__dict__"))?.cast_into::<PyDict>()?;
        for name in METHODS.iter().chain(&["debug"]) {
            if attributes.contains(*name)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether debugging is on for this deferred.
    #[inline]
    pub(crate) fn debugs(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if Self::is_plain(slf) {
            return Ok(false);
        }
        slf.getattr(intern!(slf.py(), "debug"))?.is_truthy()
    }

    fn note_creator(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let info = twisted(py)?.debug_info.bind(py).call0()?;
        info.setattr(intern!(py, "creator"), Trail::here(py)?)?;
        state(slf).debug_info.set(Some(info));
        Ok(())
    }

    fn note_invoker(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        state(slf).debug_information(py)?.setattr(intern!(py, "invoker"), Trail::here(py)?)
    }

    /// The error of firing twice.
    #[cold]
    pub(crate) fn already_called(slf: &Bound<'_, Self>) -> PyErr {
        let py = slf.py();
        let make = || -> PyResult<PyErr> {
            let class = twisted(py)?.already_called.bind(py);
            if !Self::debugs(slf)? {
                return Ok(PyErr::from_value(class.call0()?));
            }
            let told = state(slf)
                .debug_information(py)?
                .call_method0(intern!(py, "_getDebugTracebacks"))?;
            Ok(PyErr::from_value(class.call1((format!("\n{}", told.str()?.to_str()?),))?))
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

    /// Fires by the method of this name, if it was replaced.
    pub(crate) fn fire_with<'py>(
        slf: &Bound<'py, Self>,
        result: Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        if Self::is_plain(slf) {
            return Self::start(slf, result);
        }
        slf.call_method1(name, (result,)).map(drop)
    }

    #[inline]
    pub(crate) fn push(slf: &Bound<'_, Self>, link: Link) {
        let its = state(slf);
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
            if !Self::is_plain(&innermost) {
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
        if !innermost.is(slf) && !Self::is_plain(&innermost) {
            return innermost.call_method0(intern!(slf.py(), "cancel")).map(drop);
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
        let callback = call_of(callback, callbackArgs, callbackKeywords)?;
        let pair = match errback {
            None => Pair::Callback(callback),
            Some(errback) => {
                Pair::Either(callback, call_of(errback, errbackArgs, errbackKeywords)?)
            }
        };
        Self::push(slf, Link::Pair(Box::new(pair)));
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
                Self::push(slf, Link::Fire(other.clone().unbind()));
                Ok(slf.clone().into_any())
            }
            _ => {
                d.setattr(intern!(py, "_chainedTo"), slf)?;
                let methods =
                    (d.getattr(intern!(py, "callback"))?, d.getattr(intern!(py, "errback"))?);
                slf.call_method1(intern!(py, "addCallbacks"), methods)
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
    fn set_called(slf: &Bound<'_, Self>, called: bool) {
        let chain = &state(slf).chain;
        chain.overwrite(called, chain.paused(), chain.swallows());
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
        state(slf)
            .result
            .get(slf.py())
            .ok_or_else(|| PyAttributeError::new_err("'Deferred' object has no attribute 'result'"))
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
    fn debug_info<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyAny>> {
        state(slf).debug_info.get(slf.py())
    }

    #[setter(_debugInfo)]
    fn set_debug_info<'py>(slf: &Bound<'py, Self>, info: Option<Bound<'py, PyAny>>) {
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
        let all = get_state(
            slf,
            &[
                ("_canceller", &its.canceller),
                ("result", &its.result),
                ("_chainedTo", &its.chained_to),
                ("_debugInfo", &its.debug_info),
            ],
        )?;
        all.set_item("_callbacks", callbacks::listed(slf)?)?;
        all.set_item("called", its.chain.is_fired())?;
        all.set_item("paused", its.chain.paused())?;
        all.set_item("_suppressAlreadyCalled", its.chain.swallows())?;
        Ok(all)
    }

    fn __setstate__<'py>(slf: &Bound<'py, Self>, state: &Bound<'py, PyAny>) -> PyResult<()> {
        set_state(slf, state)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        reduced(slf)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let name = slf.getattr(intern!(py, "__class__"))?.getattr(intern!(py, "__name__"))?;
        let its = state(slf);
        let what = match (its.chained_to.get(py), its.result.get(py)) {
            (Some(other), _) => format!(" waiting on Deferred at 0x{:x}", other.as_ptr() as usize),
            (None, Some(result)) => format!(" current result: {}", result.repr()?.to_str()?),
            (None, None) => String::new(),
        };
        Ok(format!("<{} at 0x{:x}{what}>", name.str()?.to_str()?, slf.as_ptr() as usize))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Awaiter {
        Awaiter { deferred: slf.unbind() }
    }

    fn __await__(slf: Bound<'_, Self>) -> Awaiter {
        Awaiter { deferred: slf.unbind() }
    }

    /// Runs a coroutine that awaits Deferreds; the Deferred fires with what it returns.
    #[classmethod]
    fn fromCoroutine<'py>(
        _class: &Bound<'py, PyType>,
        coro: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = coro.py();
        if Driver::can_drive(coro)? {
            return Driver::begin(coro);
        }
        let text = format!("{} is not a coroutine", coro.repr()?.to_str()?);
        Err(PyErr::from_value(twisted(py)?.not_a_coroutine.bind(py).call1((text,))?))
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
        let visit_call = |call: &Call| {
            visit.call(&call.function)?;
            visit.call(&call.arguments)?;
            visit.call(&call.keywords)
        };
        state.links.each(|link| match link {
            Link::Gone | Link::Over => Ok(()),
            Link::Callback(function) | Link::Errback(function) | Link::Both(function) => {
                visit.call(function)
            }
            Link::Pair(pair) => match &**pair {
                Pair::Callback(call) | Pair::Errback(call) | Pair::Both(call) => visit_call(call),
                Pair::Either(callback, errback) => {
                    visit_call(callback).and_then(|()| visit_call(errback))
                }
            },
            Link::Waiter(other) | Link::Fire(other) | Link::Return(other) => visit.call(other),
            Link::Resume(driver) | Link::Cancel(driver) => visit.call(driver),
            Link::Member(list, _) => visit.call(list),
            Link::Turn(turn) => visit.call(turn),
            Link::Timeout(timeout) => visit.call(timeout),
        })
    }

    fn __clear__(&self) {
        let state = self.state.in_collector();
        drop(state.debug_info.take());
        self.bury_contents();
    }
}

/// What awaits a Deferred: yields it until it has a result.
#[pyclass(frozen, module = "twisted.internet.defer")]
pub(crate) struct Awaiter {
    deferred: Py<Deferred>,
}

impl Awaiter {
    fn advance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let deferred = self.deferred.bind(py);
        let its = state(deferred);
        if !its.chain.is_fired() || its.chain.paused() != 0 {
            return Ok(deferred.clone().into_any());
        }
        let result = its.result.get(py).unwrap_or_else(|| py.None().into_bound(py));
        if !failure::is_failure(&result) {
            return Err(PyErr::from_value(py.get_type::<PyStopIteration>().call1((result,))?));
        }
        its.forget_failure(py);
        let raised = match failure::plain_exception(&result)? {
            Some(value) => PyErr::from_value(value),
            None => match result.call_method0(intern!(py, "raiseException")) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            },
        };
        if !raised.is_instance_of::<PyStopIteration>(py) {
            return Err(raised);
        }
        // Let through, it would say that the wait is over and has a value. Generators do the same.
        let told = PyRuntimeError::new_err("generator raised StopIteration");
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

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.advance(py)
    }

    /// Goes on; what is sent does not matter, the Deferred's result counts.
    fn send<'py>(
        &self,
        py: Python<'py>,
        _value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.advance(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.deferred)
    }
}

/// Whether the object is a Deferred, by its type.
#[pyfunction]
pub(crate) fn _is_deferred(object: &Bound<'_, PyAny>) -> bool {
    as_deferred(object).is_some()
}

const _: () = assert!(size_of::<State>() <= 112, "a deferred has outgrown its place");
