//! `DeferredLock` and `DeferredSemaphore`, and one caller's turn at either.
//!
//! What a program may replace (a method of the class, a Deferred's `addBoth`) is called as Twisted
//! calls it. Where nothing was replaced, a turn is a link of the engine's: those who wait for a lock
//! then follow one another in the engine's loop, any number of them in constant stack.

use crate::attributes::{
    append, attribute, fire, get_state, is_empty, reduced, remove, set_state, take_first,
};
use crate::deferred::{Deferred, as_deferred, bury};
use crate::failure;
use crate::inline;
use crate::methods::Methods;
use crate::names::name;
use crate::raw::{self, Arguments, Attached, Called, Fast, Raised, Slot};
use crate::ready::{Outcome, named_first};
use crate::world::{Link, failed, fire_next, pass, settle_own, state};
use hereafter_engine::Step;
use pyo3::PyTypeInfo;
use pyo3::exceptions::{PyAssertionError, PyNotImplementedError, PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::cell::Cell;

/// What there is to acquire.
#[derive(Clone, Copy)]
enum Kind {
    Lock,
    Semaphore,
}

struct PrimitiveState {
    kind: Kind,
    waiting: Slot,
    /// The lock's.
    locked: Cell<bool>,
    /// The semaphore's: how many are left, of how many.
    tokens: Slot,
    limit: Slot,
}

/// What `DeferredLock` and `DeferredSemaphore` have in common.
#[pyclass(
    frozen,
    subclass,
    weakref,
    dict,
    name = "_ConcurrencyPrimitive",
    module = "twisted.internet.defer"
)]
pub(crate) struct Primitive {
    state: Attached<PrimitiveState>,
}

/// A lock that is waited for with Deferreds, first come first served.
#[pyclass(frozen, subclass, extends = Primitive, module = "twisted.internet.defer")]
pub(crate) struct DeferredLock;

/// A semaphore that is waited for with Deferreds: at most `tokens` callers have it at a time.
#[pyclass(frozen, subclass, extends = Primitive, module = "twisted.internet.defer")]
pub(crate) struct DeferredSemaphore;

const REPLACEABLE: [&str; 3] = ["acquire", "release", "_releaseAndReturn"];
static LOCK: Methods<DeferredLock, 3> = Methods::new(REPLACEABLE);
static SEMAPHORE: Methods<DeferredSemaphore, 3> = Methods::new(REPLACEABLE);

fn has_no(primitive: &Bound<'_, Primitive>, method: &str) -> PyResult<()> {
    let class = raw::class_name(&primitive.as_any().get_type());
    Err(raw::error::<PyNotImplementedError>(
        primitive.py(),
        format!("{class} has to define {method}()"),
    ))
}

/// Puts in the method that takes its arguments in place, and remembers how the classes were made.
pub(crate) fn complete(py: Python<'_>) -> PyResult<()> {
    raw::add_method::<Run>(
        py,
        c"run",
        c"run($self, f, *args, **kwargs)\n--\n\n\
          Calls a function as soon as this can be acquired, and releases it when the function is through.\n\n\
          If the function returns a Deferred or a coroutine, it is through when that has a result. The\n\
          Deferred returned has the function's result.",
    )?;
    LOCK.remember(py)?;
    SEMAPHORE.remember(py)
}

impl PrimitiveState {
    fn kept(&self) -> [(&'static str, &Slot); 3] {
        [("waiting", &self.waiting), ("tokens", &self.tokens), ("limit", &self.limit)]
    }
}

impl Primitive {
    fn of(kind: Kind) -> Self {
        Self {
            state: Attached::new(PrimitiveState {
                kind,
                waiting: Slot::default(),
                locked: Cell::new(false),
                tokens: Slot::default(),
                limit: Slot::default(),
            }),
        }
    }

    #[inline]
    fn its<'a>(slf: &'a Bound<'_, Self>) -> &'a PrimitiveState {
        slf.get().state.get(slf.py())
    }

    /// Whether it is one of our own classes, and nobody changed what Twisted would call on it.
    #[inline]
    fn is_plain(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        let kind = slf.as_any().get_type_ptr();
        let as_made = if kind == DeferredLock::type_object_raw(py) {
            LOCK.are_as_made(py)
        } else {
            kind == DeferredSemaphore::type_object_raw(py) && SEMAPHORE.are_as_made(py)
        };
        as_made && !raw::has_attributes(slf.as_any()) && Deferred::is_plain_class(py)
    }

    fn prepare(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::its(slf).waiting.set(Some(raw::list(slf.py())?.into_any()));
        Ok(())
    }

    fn waiters<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        attribute(slf, &Self::its(slf).waiting, "waiting")
    }

    fn tokens<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        attribute(slf, &Self::its(slf).tokens, "tokens")
    }

    fn limit<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        attribute(slf, &Self::its(slf).limit, "limit")
    }

    /// Takes one if there is one.
    #[inline]
    fn take(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let its = Self::its(slf);
        match its.kind {
            Kind::Lock => Ok(!its.locked.replace(true)),
            Kind::Semaphore => {
                let left = Self::tokens(slf)?;
                if left.lt(0)? {
                    return Err(raw::error::<PyAssertionError>(
                        slf.py(),
                        "Internal inconsistency??  tokens should never be negative",
                    ));
                }
                let some = left.is_truthy()?;
                if some {
                    its.tokens.set(Some(left.sub(1)?));
                }
                Ok(some)
            }
        }
    }

    /// Gives one back; if somebody waits for it, takes it for who is first in line.
    #[inline]
    fn give_back<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let its = Self::its(slf);
        match its.kind {
            Kind::Lock => {
                if !its.locked.replace(false) {
                    return Err(raw::error::<PyAssertionError>(
                        slf.py(),
                        "Tried to release an unlocked lock",
                    ));
                }
            }
            Kind::Semaphore => {
                let left = Self::tokens(slf)?;
                if !left.lt(Self::limit(slf)?)? {
                    return Err(raw::error::<PyAssertionError>(
                        slf.py(),
                        "Someone released me too many times: too many tokens!",
                    ));
                }
                its.tokens.set(Some(left.add(1)?));
            }
        }
        let waiting = Self::waiters(slf)?;
        if is_empty(&waiting)? {
            return Ok(None);
        }
        match its.kind {
            Kind::Lock => its.locked.set(true),
            Kind::Semaphore => its.tokens.set(Some(Self::tokens(slf)?.sub(1)?)),
        }
        take_first(&waiting).map(Some)
    }

    #[inline]
    fn acquire<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Deferred>> {
        let py = slf.py();
        let free = Self::take(slf)?;
        let deferred = Deferred::make(py)?;
        if free {
            Deferred::fire_with(&deferred, slf.as_any().clone())?;
        } else {
            let canceller = slf.getattr(name!(py, _cancelAcquire))?;
            state(&deferred).canceller.set(Some(canceller));
            append(&Self::waiters(slf)?, deferred.as_any())?;
        }
        Ok(deferred)
    }

    #[inline]
    fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        match Self::give_back(slf)? {
            Some(next) => fire(&next, slf.as_any().clone()),
            None => Ok(()),
        }
    }

    /// Releases in the loop that has just given `deferred` a result; the loop goes on with the next in line.
    fn pass_on<'py>(
        slf: &Bound<'py, Self>,
        deferred: &Bound<'py, Deferred>,
    ) -> Step<Bound<'py, Deferred>> {
        let lock = slf.as_any();
        let result = state(deferred).result.get(slf.py());
        let result = result.unwrap_or_else(|| slf.py().None().into_bound(slf.py()));
        let released = Self::give_back(slf).and_then(|next| {
            let Some(next) = next else { return Ok(pass(deferred, &result)) };
            match as_deferred(&next).filter(|next| Deferred::is_plain(next)) {
                Some(next) => Ok(match fire_next(next, lock.clone())? {
                    None => pass(deferred, &result),
                    Some(next) => {
                        let left = Link::Over(Some(result.unbind()));
                        state(deferred).links.push_front(left);
                        Step::Called(next)
                    }
                }),
                None => fire(&next, lock.clone()).map(|()| pass(deferred, &result)),
            }
        });
        released.unwrap_or_else(|error| {
            state(deferred).result.set(Some(failed(deferred, error)));
            Step::Ran
        })
    }

    fn cancel_acquire<'py>(slf: &Bound<'py, Self>, d: &Bound<'py, PyAny>) -> PyResult<()> {
        remove(&Self::waiters(slf)?, d)
    }

    /// Acquires by the method of that name, if there may be another than ours.
    #[inline]
    fn acquire_any<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if Self::is_plain(slf) {
            return Self::acquire(slf).map(Bound::into_any);
        }
        slf.call_method0(name!(slf.py(), acquire))
    }

    /// Releases likewise.
    #[inline]
    fn release_any(slf: &Bound<'_, Self>) -> PyResult<()> {
        if Self::is_plain(slf) {
            return Self::release(slf);
        }
        slf.call_method0(name!(slf.py(), release)).map(drop)
    }
}

#[pymethods]
#[allow(non_snake_case, reason = "the names are Twisted's")]
impl Primitive {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords), text_signature = "()")]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        // A subclass in Python has its own acquire and release, and of ours only what calls them.
        Self::of(Kind::Lock)
    }

    fn __init__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::prepare(slf)
    }

    /// Twisted's is abstract: a subclass has its own.
    #[pyo3(name = "acquire")]
    fn no_acquire(slf: &Bound<'_, Self>) -> PyResult<()> {
        has_no(slf, "acquire")
    }

    /// As `acquire`.
    #[pyo3(name = "release")]
    fn no_release(slf: &Bound<'_, Self>) -> PyResult<()> {
        has_no(slf, "release")
    }

    fn _releaseAndReturn<'py>(
        slf: &Bound<'py, Self>,
        r: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::release_any(slf)?;
        Ok(r)
    }

    /// Acquires, for `async with`.
    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::acquire_any(slf)
    }

    /// Releases, at the end of `async with`; an exception goes on.
    fn __aexit__<'py>(
        slf: &Bound<'py, Self>,
        _kind: &Bound<'py, PyAny>,
        _value: &Bound<'py, PyAny>,
        _traceback: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Deferred>> {
        Self::release_any(slf)?;
        Deferred::made(pyo3::types::PyBool::new(slf.py(), false).to_owned().into_any())
    }

    /// The Deferreds that wait to acquire this, the oldest first.
    #[getter]
    fn waiting<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::waiters(slf)
    }

    #[setter]
    fn set_waiting<'py>(slf: &Bound<'py, Self>, waiting: Bound<'py, PyAny>) {
        Self::its(slf).waiting.set(Some(waiting));
    }

    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let all = get_state(slf, &Self::its(slf).kept())?;
        if Self::its(slf).locked.get() {
            all.set_item(name!(slf.py(), locked), true)?;
        }
        Ok(all)
    }

    fn __setstate__<'py>(slf: &Bound<'py, Self>, state: &Bound<'py, PyAny>) -> PyResult<()> {
        set_state(slf, state)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        reduced(slf)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.in_collector().kept().iter().try_for_each(|(_, slot)| slot.visit(&visit))
    }

    fn __clear__(&self) {
        self.state.in_collector().kept().iter().for_each(|(_, slot)| drop(slot.take()));
    }
}

#[pymethods]
#[allow(non_snake_case, reason = "the names are Twisted's")]
impl DeferredLock {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords), text_signature = "()")]
    fn new(
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Primitive::of(Kind::Lock)).add_subclass(Self)
    }

    fn __init__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Primitive::prepare(slf.as_super())
    }

    /// A Deferred that fires with the lock, once the caller has it.
    ///
    /// Whoever cancels the Deferred before that is out of the line.
    fn acquire<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Deferred>> {
        Primitive::acquire(slf.as_super())
    }

    /// Gives the lock back; the next in line has it then.
    fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        Primitive::release(slf.as_super())
    }

    /// Takes a cancelled Deferred out of the line.
    fn _cancelAcquire<'py>(slf: &Bound<'py, Self>, d: &Bound<'py, PyAny>) -> PyResult<()> {
        Primitive::cancel_acquire(slf.as_super(), d)
    }

    /// Whether somebody has the lock.
    #[getter]
    fn locked(slf: &Bound<'_, Self>) -> bool {
        Primitive::its(slf.as_super()).locked.get()
    }

    #[setter]
    fn set_locked<'py>(slf: &Bound<'py, Self>, locked: &Bound<'py, PyAny>) -> PyResult<()> {
        Primitive::its(slf.as_super()).locked.set(locked.is_truthy()?);
        Ok(())
    }
}

#[pymethods]
#[allow(non_snake_case, reason = "the names are Twisted's")]
impl DeferredSemaphore {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords), text_signature = "(tokens)")]
    fn new(
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Primitive::of(Kind::Semaphore)).add_subclass(Self)
    }

    fn __init__<'py>(slf: &Bound<'py, Self>, tokens: Bound<'py, PyAny>) -> PyResult<()> {
        Primitive::prepare(slf.as_super())?;
        if tokens.lt(1)? {
            return Err(raw::error::<PyValueError>(
                slf.py(),
                "DeferredSemaphore requires tokens >= 1",
            ));
        }
        let its = Primitive::its(slf.as_super());
        its.tokens.set(Some(tokens.clone()));
        its.limit.set(Some(tokens));
        Ok(())
    }

    /// A Deferred that fires with the semaphore, once the caller has a token.
    ///
    /// Whoever cancels the Deferred before that is out of the line.
    fn acquire<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Deferred>> {
        Primitive::acquire(slf.as_super())
    }

    /// Gives a token back; the next in line has it then.
    fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        Primitive::release(slf.as_super())
    }

    /// Takes a cancelled Deferred out of the line.
    fn _cancelAcquire<'py>(slf: &Bound<'py, Self>, d: &Bound<'py, PyAny>) -> PyResult<()> {
        Primitive::cancel_acquire(slf.as_super(), d)
    }

    /// How many tokens are left.
    #[getter]
    fn tokens<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Primitive::tokens(slf.as_super())
    }

    #[setter]
    fn set_tokens<'py>(slf: &Bound<'py, Self>, tokens: Bound<'py, PyAny>) {
        Primitive::its(slf.as_super()).tokens.set(Some(tokens));
    }

    /// How many tokens there are in all.
    #[getter]
    fn limit<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Primitive::limit(slf.as_super())
    }

    #[setter]
    fn set_limit<'py>(slf: &Bound<'py, Self>, limit: Bound<'py, PyAny>) {
        Primitive::its(slf.as_super()).limit.set(Some(limit));
    }
}

/// One caller's turn: a function, and what it is called with, once the caller has the lock.
///
/// It is the link of the Deferred that waits for the lock, and then that of the Deferred, if any, that
/// the function returned.
#[pyclass(frozen, module = "twisted.internet.defer")]
pub(crate) struct Turn {
    state: Attached<TurnState>,
}

#[derive(Default)]
struct TurnState {
    lock: Slot,
    function: Slot,
    arguments: Slot,
    keywords: Slot,
    /// What the function returned, if it was called already.
    came: Slot,
    /// Whether the function was called: what comes next is the release.
    called: Cell<bool>,
}

impl TurnState {
    fn slots(&self) -> [&Slot; 5] {
        [&self.lock, &self.function, &self.arguments, &self.keywords, &self.came]
    }
}

impl Turn {
    fn its<'a>(slf: &'a Bound<'_, Self>) -> &'a TurnState {
        slf.get().state.get(slf.py())
    }

    fn lock<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Primitive>> {
        let lock = Self::its(slf).lock.get(slf.py()).ok_or_else(|| taken_apart(slf.py()))?;
        Ok(lock.cast_into()?)
    }

    fn let_go(&self) {
        self.state.in_collector().slots().into_iter().filter_map(Slot::take).for_each(bury);
    }

    fn new<'py>(
        lock: &Bound<'py, Primitive>,
        fill: impl FnOnce(&TurnState) -> PyResult<()>,
    ) -> PyResult<Bound<'py, Self>> {
        let its = TurnState::default();
        its.lock.set(Some(lock.clone().into_any()));
        fill(&its)?;
        Bound::new(lock.py(), Self { state: Attached::new(its) })
    }

    /// The turn of one who has to wait.
    fn later<'py>(
        lock: &Bound<'py, Primitive>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, Self>> {
        let (function, rest, keywords) = named_first(arguments, "run", "f")?;
        Self::new(lock, |its| {
            its.function.set(Some(function));
            its.arguments.set(Some(rest.into_any()));
            its.keywords.set(keywords.map(Bound::into_any));
            Ok(())
        })
    }

    /// Calls the function, or gives what it returned already.
    fn call<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        raw::room_on_the_stack(slf.py())?;
        let py = slf.py();
        let its = Self::its(slf);
        its.called.set(true);
        let take = |slot: &Slot| slot.take().map(|object| object.into_bound(py));
        if let Some(came) = take(&its.came) {
            return Ok(came);
        }
        let (Some(function), Some(arguments)) = (take(&its.function), take(&its.arguments)) else {
            return Err(taken_apart(py));
        };
        let keywords = take(&its.keywords).map(Bound::cast_into::<PyDict>).transpose()?;
        raw::call_with(&function, arguments.cast()?, keywords.as_ref())
    }

    /// The link of a Deferred with this result.
    pub(crate) fn step<'py>(
        slf: &Bound<'py, Self>,
        deferred: &Bound<'py, Deferred>,
        result: &Bound<'py, PyAny>,
    ) -> Step<Bound<'py, Deferred>> {
        let has_lock = Self::its(slf).called.get();
        if !has_lock && failure::is_failure(result) {
            return Step::Ran;
        }
        let lock = match Self::lock(slf) {
            Ok(lock) if Primitive::is_plain(&lock) => lock,
            _ => return settle_own(deferred, raw::call_one(slf.as_any(), result)),
        };
        if !has_lock {
            match Outcome::of(slf.py(), Self::call(slf)) {
                Outcome::Result(result) => state(deferred).result.set(Some(result)),
                Outcome::Deferred(awaited) => match inline::ready(&awaited) {
                    Some(result) => state(deferred).result.set(Some(result)),
                    None => return settle_own(deferred, Self::hold(slf, &awaited)),
                },
            }
        }
        Primitive::pass_on(&lock, deferred)
    }

    /// Keeps the lock until this Deferred has a result.
    fn hold<'py>(slf: &Bound<'py, Self>, awaited: &Bound<'py, Deferred>) -> Called<'py> {
        if Deferred::is_plain(awaited) {
            Deferred::push(awaited, Link::Turn(slf.clone().unbind()));
            return Ok(awaited.clone().into_any());
        }
        awaited
            .call_method1(name!(slf.py(), addBoth), (slf,))
            .map_err(|error| Raised::from_error(slf.py(), error))
    }
}

fn taken_apart(py: Python<'_>) -> PyErr {
    raw::error::<PyRuntimeError>(py, "the turn at a lock that the collector took apart")
}

#[pymethods]
impl Turn {
    /// The same as a callback, as Twisted has it: calls the function, then releases.
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        result: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let lock = Self::lock(slf)?;
        if Self::its(slf).called.get() {
            return lock.call_method1(name!(py, _releaseAndReturn), (result,));
        }
        let ran = Outcome::of(py, Self::call(slf)).into_deferred()?;
        ran.call_method1(name!(py, addBoth), (slf,))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.in_collector().slots().iter().try_for_each(|slot| slot.visit(&visit))
    }

    fn __clear__(&self) {
        self.let_go();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// `run(f, *args, **kwargs)`.
struct Run;

impl Fast for Run {
    type Receiver = Primitive;

    fn call<'py>(
        lock: &Bound<'py, Primitive>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = lock.py();
        if !Primitive::is_plain(lock) {
            let turn = Turn::later(lock, arguments)?;
            let waiter = lock.call_method0(name!(py, acquire))?;
            return waiter.call_method1(name!(py, addCallback), (turn,));
        }
        if arguments.len() == 0 || !Primitive::take(lock)? {
            let turn = Turn::later(lock, arguments)?;
            let waiter = Primitive::acquire(lock)?;
            Deferred::push(&waiter, Link::Turn(turn.unbind()));
            return Ok(waiter.into_any());
        }
        match Outcome::of(py, arguments.call_first()) {
            Outcome::Result(result) => {
                let result = match Primitive::release_any(lock) {
                    Ok(()) => Outcome::Result(result),
                    Err(error) => Outcome::of(py, Err(error)),
                };
                result.into_deferred()
            }
            Outcome::Deferred(awaited) => {
                let turn = Turn::new(lock, |its| {
                    its.came.set(Some(awaited.into_any()));
                    Ok(())
                })?;
                let runs = Deferred::made(lock.clone().into_any())?;
                Deferred::push(&runs, Link::Turn(turn.unbind()));
                Ok(runs)
            }
        }
        .map(Bound::into_any)
    }
}
