//! The engine's world of Python objects: where a deferred's state lies, and how one link is run.

use crate::deferred::{Deferred, Ours, as_deferred};
use crate::failure;
use crate::inline::Driver;
use crate::inspect::{self, Noted, Spot};
use crate::list::DeferredList;
use crate::locks::Turn;
use crate::names::name;
use crate::raw::{self, Call, Called, Queue, Raised, Slot};
use crate::timeout::Timeout;
use crate::twisted::twisted;
use hereafter_engine::{Cancelling, Chain, Claim, Event, Step, World};
use pyo3::prelude::*;
use std::cell::OnceCell;
use std::marker::PhantomData;

/// What is called for a value, and what for a failure; the missing one lets the result pass.
pub(crate) enum Pair {
    Callback(Call),
    Errback(Call),
    Both(Call),
    Either(Call, Call),
    /// The same, where neither is given anything beside the result.
    Each(Py<PyAny>, Py<PyAny>),
}

impl Pair {
    fn copy(&self, py: Python<'_>) -> Self {
        match self {
            Self::Callback(call) => Self::Callback(call.copy(py)),
            Self::Errback(call) => Self::Errback(call.copy(py)),
            Self::Both(call) => Self::Both(call.copy(py)),
            Self::Either(callback, errback) => Self::Either(callback.copy(py), errback.copy(py)),
            Self::Each(callback, errback) => {
                Self::Each(callback.clone_ref(py), errback.clone_ref(py))
            }
        }
    }
}

/// Where in the program a link was added, if that is noted.
pub(crate) type Added = Option<Spot>;

/// One link of a chain.
pub(crate) enum Link {
    Callback(Py<PyAny>, Added),
    Errback(Py<PyAny>, Added),
    Both(Py<PyAny>, Added),
    Pair(Box<Pair>, Added),
    /// The deferred that waits on this one.
    Waiter(Py<Deferred>),
    /// The deferred that fires with this one's result.
    Fire(Py<Deferred>, Added),
    /// The generator that awaits this one.
    Resume(Py<Driver>),
    /// The end of a link that fired another deferred, and what it leaves of the result here.
    Over(Option<Py<PyAny>>),
    /// Has this one wait on another, as a callback that returns it.
    Return(Py<Deferred>),
    /// Tells a cancelled generator.
    Cancel(Py<Driver>),
    /// The list that this one is a member of, and its place there.
    Member(Py<DeferredList>, u32),
    /// The caller who waits for a lock, or has it until there is a result.
    Turn(Py<Turn>),
    /// The timeout that ends here.
    Timeout(Py<Timeout>, Added),
}

const _: () = assert!(size_of::<Link>() <= 16, "a link has outgrown its place");

impl Link {
    /// Where it was added; there is no such place for one that the program has no function for.
    pub(crate) fn added(&mut self) -> Option<&mut Added> {
        match self {
            Self::Callback(_, added)
            | Self::Errback(_, added)
            | Self::Both(_, added)
            | Self::Pair(_, added)
            | Self::Fire(_, added)
            | Self::Timeout(_, added) => Some(added),
            _ => None,
        }
    }

    /// The same link once more; runs no code of anybody else's.
    pub(crate) fn copy(&self, py: Python<'_>) -> Self {
        match self {
            Self::Over(left) => Self::Over(left.as_ref().map(|left| left.clone_ref(py))),
            Self::Callback(function, added) => Self::Callback(function.clone_ref(py), *added),
            Self::Errback(function, added) => Self::Errback(function.clone_ref(py), *added),
            Self::Both(function, added) => Self::Both(function.clone_ref(py), *added),
            Self::Pair(pair, added) => Self::Pair(Box::new(pair.copy(py)), *added),
            Self::Waiter(other) => Self::Waiter(other.clone_ref(py)),
            Self::Fire(other, added) => Self::Fire(other.clone_ref(py), *added),
            Self::Return(other) => Self::Return(other.clone_ref(py)),
            Self::Resume(driver) => Self::Resume(driver.clone_ref(py)),
            Self::Cancel(driver) => Self::Cancel(driver.clone_ref(py)),
            Self::Member(list, index) => Self::Member(list.clone_ref(py), *index),
            Self::Turn(turn) => Self::Turn(turn.clone_ref(py)),
            Self::Timeout(timeout, added) => Self::Timeout(timeout.clone_ref(py), *added),
        }
    }
}

/// The state of one deferred, beside what Python itself keeps in the object.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) chain: Chain,
    /// The result; while the deferred waits, the one that it waits on, as Twisted has it.
    pub(crate) result: Slot,
    pub(crate) canceller: Slot,
    pub(crate) chained_to: Slot,
    /// Twisted's `DebugInfo`, once somebody asked for it. Before that, the failure that is to be reported,
    /// or `None` where one was.
    pub(crate) debug_info: Slot,
    pub(crate) links: Queue<Link, 3>,
    /// What has happened to it, if it was made while that is noted.
    pub(crate) history: OnceCell<Box<Noted>>,
}

impl State {
    /// The result has gone to another deferred; no failure is left behind.
    fn leave_nothing(&self, py: Python<'_>) {
        self.result.set(Some(py.None().into_bound(py)));
        self.forget_failure(py);
    }

    /// Nothing is to be reported when the deferred goes away.
    #[inline]
    pub(crate) fn forget_failure(&self, py: Python<'_>) {
        if self.debug_info.is_set() {
            self.forget_noted(py);
        }
    }

    #[inline(never)]
    fn forget_noted(&self, py: Python<'_>) {
        match self.debug_info.get(py) {
            Some(noted) if noted.is_none() || failure::is_failure(&noted) => {
                self.debug_info.set(Some(py.None().into_bound(py)));
            }
            Some(info) => {
                if let Err(error) = info.setattr(name!(py, failResult), py.None()) {
                    error.write_unraisable(py, Some(&info));
                }
            }
            None => {}
        }
    }

    /// A failure that is left is reported when the deferred goes away: by an object of its own, if the deferred
    /// `cannot` do so while all is whole.
    #[inline(never)]
    fn note_failure(&self, failure: Bound<'_, PyAny>, cannot: bool) {
        let py = failure.py();
        if twisted(py).is_ok_and(|names| !names.failure_is_lazy)
            // It holds the frames that it came through, and whatever they hold.
            && let Err(error) = failure.call_method0(name!(py, cleanFailure))
        {
            error.write_unraisable(py, Some(&failure));
        }
        match self.debug_info.get(py) {
            Some(info) if !info.is_none() && !failure::is_failure(&info) => {
                if let Err(error) = info.setattr(name!(py, failResult), failure) {
                    error.write_unraisable(py, Some(&info));
                }
            }
            _ => {
                self.debug_info.set(Some(failure));
                if cannot && let Err(error) = self.debug_information(py) {
                    error.write_unraisable(py, None);
                }
            }
        }
    }

    /// Twisted's `DebugInfo` of this deferred; made when there is none.
    pub(crate) fn debug_information<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let noted = self.debug_info.get(py).filter(|noted| !noted.is_none());
        if let Some(info) = noted.as_ref().filter(|noted| !failure::is_failure(noted)) {
            return Ok(info.clone());
        }
        let info = twisted(py)?.debug_info.bind(py).call0()?;
        if let Some(failure) = noted {
            info.setattr(name!(py, failResult), failure)?;
        }
        self.debug_info.set(Some(info.clone()));
        Ok(info)
    }

    /// Has a failure that was left be reported now, as Twisted's `DebugInfo` does when it goes away.
    #[inline]
    pub(crate) fn report_failure(&self) {
        if self.debug_info.peek().is_some_and(|(_, kind)| raw::is_exception_class(kind)) {
            Python::attach(|py| raw::between_errors(py, || self.report_noted(py)));
        }
    }

    #[cold]
    fn report_noted(&self, py: Python<'_>) {
        let made = self.debug_information(py);
        if let (Ok(info), Some(noted)) = (&made, self.history.get()) {
            inspect::tell_in_report(info, self, noted);
        }
        self.debug_info.set(None);
        if let Err(error) = made {
            error.write_unraisable(py, None);
        }
    }
}

/// The world of Python objects, for as long as the thread is attached.
pub(crate) struct PyWorld<'py>(PhantomData<Python<'py>>);

/// The state behind a handle.
#[inline]
pub(crate) fn state<'a>(deferred: &'a Bound<'_, Deferred>) -> &'a State {
    deferred.get().state(deferred.py())
}

/// The result after a link: a failure when the call raised.
#[inline]
pub(crate) fn settle<'py>(
    deferred: &Bound<'py, Deferred>,
    called: Called<'py>,
    function: &Bound<'py, PyAny>,
) -> Step<Bound<'py, Deferred>> {
    match called {
        Ok(result) if as_deferred(&result).is_none() => {
            state(deferred).result.set(Some(result));
            Step::Ran
        }
        Ok(inner) => settle_inner(deferred, inner, function),
        Err(raised) => settle_raised(deferred, raised),
    }
}

/// The same after a link of our own, where a warning tells of the function that Twisted has for it.
pub(crate) fn settle_own<'py>(
    deferred: &Bound<'py, Deferred>,
    called: Called<'py>,
) -> Step<Bound<'py, Deferred>> {
    match twisted(deferred.py()) {
        Ok(names) => settle(deferred, called, names.passthru.bind(deferred.py())),
        Err(error) => settle_raised(deferred, Raised::from_error(deferred.py(), error)),
    }
}

#[cold]
#[inline(never)]
fn settle_raised<'py>(
    deferred: &Bound<'py, Deferred>,
    raised: Raised<'py>,
) -> Step<Bound<'py, Deferred>> {
    state(deferred).result.set(Some(failed_raised(deferred, raised)));
    Step::Ran
}

#[inline(never)]
fn settle_inner<'py>(
    deferred: &Bound<'py, Deferred>,
    inner: Bound<'py, PyAny>,
    function: &Bound<'py, PyAny>,
) -> Step<Bound<'py, Deferred>> {
    let place = &state(deferred).result;
    if inner.is(deferred)
        && let Err(error) = warn_of_itself(deferred.py(), function)
    {
        place.set(Some(failed(deferred, error)));
        return Step::Ran;
    }
    place.set(Some(inner));
    Step::Returned
}

/// A link that has nothing for this result; one that somebody fired with a Deferred waits for that
/// now, as by Twisted's `passthru`, which returns it.
#[inline]
pub(crate) fn pass<'py>(
    deferred: &Bound<'py, Deferred>,
    result: &Bound<'py, PyAny>,
) -> Step<Bound<'py, Deferred>> {
    if as_deferred(result).is_none() { Step::Ran } else { settle_own(deferred, Ok(result.clone())) }
}

/// The failure that a link's exception becomes.
pub(crate) fn failed<'py>(deferred: &Bound<'py, Deferred>, error: PyErr) -> Bound<'py, PyAny> {
    failed_raised(deferred, Raised::from_error(deferred.py(), error))
}

fn failed_raised<'py>(deferred: &Bound<'py, Deferred>, raised: Raised<'py>) -> Bound<'py, PyAny> {
    let py = deferred.py();
    let capture = Deferred::debugs(deferred).unwrap_or(false);
    failure::from_raised(raised, capture)
        .unwrap_or_else(|second| second.into_value(py).into_bound(py).into_any())
}

fn warn_of_itself<'py>(py: Python<'py>, function: &Bound<'py, PyAny>) -> PyResult<()> {
    let text = "Callback returned the Deferred it was attached to; this breaks the \
                callback chain and will raise an exception in the future.";
    twisted(py)?.warn_about_function.bind(py).call1((function, text))?;
    Ok(())
}

fn run_call<'py>(
    deferred: &Bound<'py, Deferred>,
    call: &mut Call,
    result: &Bound<'py, PyAny>,
) -> Step<Bound<'py, Deferred>> {
    let called = call.call(result);
    settle(deferred, called, call.function.bind(deferred.py()))
}

/// Runs a link with the result.
#[allow(clippy::inline_always, reason = "it has two callers now, and is worth having in the loop")]
#[inline(always)]
fn run_link<'py>(
    handle: &Bound<'py, Deferred>,
    link: Link,
    result: &Bound<'py, PyAny>,
) -> Step<Bound<'py, Deferred>> {
    let (function, wanted) = match link {
        Link::Callback(function, _) => (function, !failure::is_failure(result)),
        Link::Errback(function, _) => (function, failure::is_failure(result)),
        Link::Both(function, _) => (function, true),
        other => return run_other(handle, other, result),
    };
    let function = function.into_bound(handle.py());
    if wanted {
        settle(handle, raw::call_one(&function, result), &function)
    } else {
        pass(handle, result)
    }
}

/// Runs a link that is more than a single function.
#[inline(never)]
fn run_other<'py>(
    handle: &Bound<'py, Deferred>,
    link: Link,
    result: &Bound<'py, PyAny>,
) -> Step<Bound<'py, Deferred>> {
    let py = handle.py();
    let its = state(handle);
    match link {
        Link::Callback(..) | Link::Errback(..) | Link::Both(..) => {
            unreachable!("a single function")
        }
        Link::Pair(mut pair, _) => match (&mut *pair, failure::is_failure(result)) {
            (Pair::Callback(call) | Pair::Either(call, _), false)
            | (Pair::Errback(call) | Pair::Either(_, call), true)
            | (Pair::Both(call), _) => run_call(handle, call, result),
            (Pair::Each(function, _), false) | (Pair::Each(_, function), true) => {
                let function = function.bind(py);
                settle(handle, raw::call_one(function, result), function)
            }
            (Pair::Callback(_), true) | (Pair::Errback(_), false) => pass(handle, result),
        },
        Link::Waiter(outer) => {
            let outer = outer.into_bound(py);
            // Ours goes last: one that waits on itself is left with nothing.
            state(&outer).result.set(its.result.get(py));
            its.leave_nothing(py);
            Step::Resumed(outer)
        }
        Link::Fire(target, _) => pass_on(handle, &target.into_bound(py), result),
        Link::Over(None) => {
            its.result.set(Some(py.None().into_bound(py)));
            Step::Ran
        }
        Link::Over(Some(left)) => {
            let left = left.into_bound(py);
            its.result.set(Some(left.clone()));
            pass(handle, &left)
        }
        Link::Return(other) => {
            its.result.set(Some(other.into_bound(py).into_any()));
            Step::Returned
        }
        Link::Resume(driver) => Driver::resume(&driver.into_bound(py), handle, result),
        Link::Member(list, index) => DeferredList::got(&list.into_bound(py), handle, index, result)
            .unwrap_or_else(|error| {
                its.result.set(Some(failed(handle, error)));
                Step::Ran
            }),
        Link::Turn(turn) => Turn::step(&turn.into_bound(py), handle, result),
        Link::Timeout(timeout, _) => Timeout::step(&timeout.into_bound(py), handle, result),
        Link::Cancel(driver) => {
            let driver = driver.into_bound(py);
            let told =
                Driver::cancelled(&driver, result).map_err(|error| Raised::from_error(py, error));
            settle_own(handle, told)
        }
    }
}

/// Fires `target` with the result of `source`, for `chainDeferred`.
fn pass_on<'py>(
    source: &Bound<'py, Deferred>,
    target: &Bound<'py, Deferred>,
    result: &Bound<'py, PyAny>,
) -> Step<Bound<'py, Deferred>> {
    let py = source.py();
    let failed_here = failure::is_failure(result);
    if !Deferred::is_plain(target) {
        let name = if failed_here { name!(py, errback) } else { name!(py, callback) };
        let method = target.getattr(name);
        let called = method
            .map_err(|error| Raised::from_error(py, error))
            .and_then(|method| raw::call_one(&method, result));
        return settle_own(source, called);
    }
    match fire_next(target, result.clone()) {
        Ok(None) => {
            state(source).result.set(Some(py.None().into_bound(py)));
            Step::Ran
        }
        Ok(Some(next)) => {
            state(source).links.push_front(Link::Over(None));
            Step::Called(next)
        }
        Err(error) => {
            state(source).result.set(Some(failed(source, error)));
            Step::Ran
        }
    }
}

/// Puts a result into an unfired deferred, whose links do not run yet; false if it was swallowed.
pub(crate) fn give<'py>(
    target: &Bound<'py, Deferred>,
    result: Bound<'py, PyAny>,
) -> PyResult<bool> {
    let its = state(target);
    match its.chain.claim() {
        Claim::Mine => {
            its.canceller.set(None);
            its.result.set(Some(result));
            PyWorld::observe(target, Event::Fired);
            Ok(true)
        }
        Claim::Swallowed => Ok(false),
        Claim::Taken => Err(Deferred::already_called(target)),
    }
}

/// Fires a deferred by a link of another; gives it back if it has links for the loop to go on with.
pub(crate) fn fire_next<'py>(
    target: &Bound<'py, Deferred>,
    result: Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, Deferred>>> {
    if !give(target, result)? || state(target).chain.paused() != 0 {
        return Ok(None);
    }
    if PyWorld::is_drained(target) {
        // The whole of its run.
        state(target).chained_to.set(None);
        PyWorld::settled(target);
        return Ok(None);
    }
    Ok(Some(target.clone()))
}

impl<'py> World for PyWorld<'py> {
    type Handle = Bound<'py, Deferred>;

    #[inline]
    fn chain(handle: &Self::Handle) -> &Chain {
        &state(handle).chain
    }

    #[inline]
    fn same(a: &Self::Handle, b: &Self::Handle) -> bool {
        a.is(b)
    }

    fn has_result(handle: &Self::Handle) -> bool {
        state(handle).result.peek().is_some_and(|(_, kind)| !Ours::derives(handle.py(), kind))
    }

    #[inline]
    fn step(handle: &Self::Handle) -> Step<Self::Handle> {
        let py = handle.py();
        let its = state(handle);
        if its.chained_to.is_set() {
            its.chained_to.set(None);
        }
        let Some(link) = its.links.pop() else { return Step::Empty };
        let result = its.result.get(py).unwrap_or_else(|| py.None().into_bound(py));
        run_link(handle, link, &result)
    }

    #[inline]
    fn is_drained(handle: &Self::Handle) -> bool {
        state(handle).links.is_empty()
    }

    #[inline]
    fn settled(handle: &Self::Handle) {
        let its = state(handle);
        let py = handle.py();
        if its.result.peek().is_some_and(|(_, kind)| raw::is_exception_class(kind))
            && let Some(result) = its.result.get(py).filter(failure::is_failure)
        {
            its.note_failure(result, raw::is_past_finalizing(handle));
        } else {
            its.forget_failure(py);
        }
    }

    fn waiting_on(handle: &Self::Handle) -> Option<Self::Handle> {
        let its = state(handle);
        let (_, kind) = its.result.peek()?;
        if !Ours::derives(handle.py(), kind) {
            return None;
        }
        its.result.get(handle.py())?.cast_into::<Deferred>().ok()
    }

    fn source(handle: &Self::Handle) -> Option<Self::Handle> {
        Self::waiting_on(handle)
    }

    // Twisted lets cycles of more than one be: only the callback that returns its own deferred is told.
    fn waiter(_: &Self::Handle) -> Option<Self::Handle> {
        None
    }

    fn take_returned(handle: &Self::Handle) {
        if let Some(inner) = Self::waiting_on(handle) {
            let result = state(&inner).result.get(handle.py());
            state(&inner).leave_nothing(handle.py());
            state(handle).result.set(result);
        }
    }

    fn await_returned(handle: &Self::Handle) {
        if let Some(inner) = Self::waiting_on(handle) {
            let its = state(handle);
            its.chained_to.set(Some(inner.clone().into_any()));
            its.forget_failure(handle.py());
            state(&inner).links.push(Link::Waiter(handle.clone().unbind()));
        }
    }

    fn refuse_cycle(_: &Self::Handle) -> bool {
        false
    }

    #[inline]
    fn release_canceller(handle: &Self::Handle) {
        state(handle).canceller.set(None);
    }

    fn call_canceller(handle: &Self::Handle) -> Cancelling {
        let py = handle.py();
        let Some(canceller) = state(handle).canceller.get(py) else { return Cancelling::Missing };
        let called = match canceller.cast::<Driver>() {
            Ok(driver) => Driver::cancel(driver, handle),
            Err(_) => {
                raw::call_one(&canceller, handle.as_any()).map(drop).map_err(Raised::into_error)
            }
        };
        if let Err(error) = called {
            report_canceller(handle, error);
            if !state(handle).chain.is_fired() {
                Self::fire_cancelled(handle);
                let its = state(handle);
                let is_cancelled = |result: &Bound<'_, PyAny>| -> PyResult<bool> {
                    let value = result.getattr(name!(py, value))?;
                    value.is_instance(twisted(py)?.cancelled.bind(py))
                };
                // The canceller's own error has been reported for it.
                if its.result.get(py).is_some_and(|result| {
                    failure::is_failure(&result) && is_cancelled(&result).unwrap_or(false)
                }) {
                    its.forget_failure(py);
                }
            }
        }
        Cancelling::Called
    }

    fn fire_cancelled(handle: &Self::Handle) {
        let py = handle.py();
        let fired = twisted(py).and_then(|names| {
            let failure = failure::from_value(&raw::exception(names.cancelled.bind(py))?)?;
            Deferred::fire_with(handle, failure)
        });
        if let Err(error) = fired {
            error.write_unraisable(py, Some(handle.as_any()));
        }
    }

    #[inline]
    fn observe(handle: &Self::Handle, event: Event<'_, Self::Handle>) {
        if let Some(noted) = state(handle).history.get() {
            inspect::observe(handle, noted, event);
        }
    }
}

/// A canceller that raises is heard of, and the deferred still ends.
fn report_canceller(deferred: &Bound<'_, Deferred>, error: PyErr) {
    let py = deferred.py();
    let reported = twisted(py).and_then(|names| {
        let failure = failure::from_error(py, error, false)?;
        let text = raw::text(py, "Exception raised from user supplied canceller")?;
        names.log.bind(py).call_method1(name!(py, failure), (text, failure))
    });
    if let Err(second) = reported {
        second.write_unraisable(py, Some(deferred.as_any()));
    }
}
