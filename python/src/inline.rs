//! What drives generators and coroutines that wait for deferreds.

use crate::deferred::{Deferred, as_deferred, bury};
use crate::failure;
use crate::names::name;
use crate::raw::{self, Arguments, Attached, Fast, Known, Layout, Raised, Sent, Slot};
use crate::twisted::twisted;
use crate::world::{Link, PyWorld, failed, fire_next, give, state};
use hereafter_engine::Step;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::Cell;

/// A generator that waits: what it is, in which context it runs, and which deferred it ends in.
#[pyclass(frozen, module = "twisted.internet.defer")]
pub(crate) struct Driver {
    state: Attached<DriverState>,
}

#[derive(Default)]
struct DriverState {
    generator: Slot,
    context: Slot,
    /// The deferred that fires with what the generator returns; another one after each cancel.
    target: Slot,
    waiting_on: Slot,
    /// Whether the loop is between adding its link and looking whether the result came at once.
    looping: Cell<bool>,
    arrived: Slot,
}

/// How far a generator got.
enum Progress<'py> {
    Returned(Bound<'py, PyAny>),
    Raised(PyErr),
    Waits(Bound<'py, PyAny>),
}

static LAYOUT: Layout = Layout::new();

impl Known for Driver {
    #[inline]
    fn layout() -> &'static Layout {
        &LAYOUT
    }

    #[inline]
    fn spend(&mut self) -> bool {
        self.places().iter().all(|place| !place.is_set())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Driver {
    /// Whether the object is a coroutine or a generator.
    pub(crate) fn can_drive(object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = object.py();
        let names = twisted(py)?;
        let kind = object.get_type();
        if kind.is(&names.generator) || kind.is(&names.coroutine) {
            return Ok(true);
        }
        // By the type alone: what a generator yields may be anything, and is not to be touched.
        if !raw::can_be_awaited(object.get_type_ptr()) {
            return Ok(false);
        }
        names.is_coroutine.bind(py).call1((object,))?.is_truthy()
    }

    /// Runs a generator to its first wait; the deferred fires with what it returns.
    pub(crate) fn begin<'py>(generator: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Deferred>> {
        let py = generator.py();
        let context = raw::copy_context(py)?;
        match run(generator, &context, py.None().into_bound(py))? {
            Progress::Returned(value) => {
                let target = Deferred::make(py)?;
                Deferred::start(&target, value)?;
                Ok(target)
            }
            Progress::Raised(error) => {
                let target = Deferred::make(py)?;
                let failure = failed(&target, error);
                Deferred::start(&target, failure)?;
                Ok(target)
            }
            Progress::Waits(awaited) => {
                let target = Deferred::make(py)?;
                let driver = Self::make(py)?;
                let its = Self::its(&driver);
                its.generator.set(Some(generator.clone()));
                its.context.set(Some(context));
                its.target.set(Some(target.clone().into_any()));
                state(&target).canceller.set(Some(driver.clone().into_any()));
                Self::go_on(&driver, Progress::Waits(awaited))?;
                Ok(target)
            }
        }
    }

    fn its<'a>(slf: &'a Bound<'_, Self>) -> &'a DriverState {
        slf.get().state.get(slf.py())
    }

    /// What the generator waits for.
    pub(crate) fn awaited<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyAny>> {
        Self::its(slf).waiting_on.get(slf.py())
    }

    /// The generator, unless it is through.
    pub(crate) fn generator_of<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyAny>> {
        Self::its(slf).generator.get(slf.py())
    }

    fn bare() -> Self {
        Self { state: Attached::new(DriverState::default()) }
    }

    #[inline]
    fn make(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        match Layout::make(py, Self::bare()) {
            Some(new) => Ok(new),
            None => Bound::new(py, Self::bare()),
        }
    }

    /// All that it refers to.
    #[inline]
    fn places(&self) -> [&Slot; 5] {
        let its = self.state.in_collector();
        [&its.generator, &its.context, &its.target, &its.waiting_on, &its.arrived]
    }

    fn let_go(&self) {
        for place in self.places() {
            if let Some(object) = place.take() {
                bury(object);
            }
        }
    }

    /// Goes on until the generator waits or ends; what it ends in is fired the ordinary way.
    fn go_on<'py>(slf: &Bound<'py, Self>, progress: Progress<'py>) -> PyResult<()> {
        let Some((target, result)) = Self::advance(slf, progress)? else { return Ok(()) };
        Deferred::fire_with(&target, result)
    }

    /// Goes on until the generator waits or ends; gives back what is to be fired with what.
    fn advance<'py>(
        slf: &Bound<'py, Self>,
        mut progress: Progress<'py>,
    ) -> PyResult<Option<(Bound<'py, Deferred>, Bound<'py, PyAny>)>> {
        let py = slf.py();
        let its = Self::its(slf);
        loop {
            match progress {
                Progress::Waits(awaited) => {
                    its.looping.set(true);
                    let added = match as_deferred(&awaited) {
                        Some(deferred) if Deferred::is_plain(deferred) => {
                            Deferred::push(deferred, Link::Resume(slf.clone().unbind()));
                            Ok(())
                        }
                        _ => awaited.call_method1(name!(py, addBoth), (slf,)).map(drop),
                    };
                    its.looping.set(false);
                    added?;
                    let Some(result) = its.arrived.get(py) else {
                        its.waiting_on.set(Some(awaited));
                        return Ok(None);
                    };
                    its.arrived.set(None);
                    let (Some(generator), Some(context)) =
                        (its.generator.get(py), its.context.get(py))
                    else {
                        return Err(raw::error::<PyRuntimeError>(
                            py,
                            "a generator that was taken apart cannot go on",
                        ));
                    };
                    progress = run(&generator, &context, result)?;
                }
                Progress::Returned(value) => {
                    return Self::end(slf, |_| value);
                }
                Progress::Raised(error) => {
                    return Self::end(slf, |target| failed(target, error));
                }
            }
        }
    }

    /// The generator is through: lets go of it.
    fn end<'py>(
        slf: &Bound<'py, Self>,
        result: impl FnOnce(&Bound<'py, Deferred>) -> Bound<'py, PyAny>,
    ) -> PyResult<Option<(Bound<'py, Deferred>, Bound<'py, PyAny>)>> {
        let py = slf.py();
        let its = Self::its(slf);
        let Some(target) = its.target.get(py) else { return Ok(None) };
        let target = target.cast_into::<Deferred>()?;
        let result = result(&target);
        its.generator.set(None);
        its.target.set(None);
        its.waiting_on.set(None);
        its.context.set(None);
        Ok(Some((target, result)))
    }

    /// What is awaited has a result; the generator goes on in the loop that brought it.
    pub(crate) fn resume<'py>(
        slf: &Bound<'py, Self>,
        source: &Bound<'py, Deferred>,
        result: &Bound<'py, PyAny>,
    ) -> Step<Bound<'py, Deferred>> {
        let py = slf.py();
        let none = || py.None().into_bound(py);
        let place = &state(source).result;
        if Self::its(slf).looping.get() {
            Self::its(slf).arrived.set(Some(result.clone()));
            place.set(Some(none()));
            return Step::Ran;
        }
        let ended = Self::step_on(slf, result.clone()).and_then(|ended| {
            let Some((target, result)) = ended else { return Ok(None) };
            if Deferred::is_plain(&target) {
                return fire_next(&target, result);
            }
            Deferred::fire_with(&target, result)?;
            Ok(None)
        });
        match ended {
            Ok(None) => {
                place.set(Some(none()));
                Step::Ran
            }
            Ok(Some(next)) => {
                state(source).links.push_front(Link::Over(None));
                Step::Called(next)
            }
            Err(error) => {
                place.set(Some(failed(source, error)));
                Step::Ran
            }
        }
    }

    fn step_on<'py>(
        slf: &Bound<'py, Self>,
        result: Bound<'py, PyAny>,
    ) -> PyResult<Option<(Bound<'py, Deferred>, Bound<'py, PyAny>)>> {
        let its = Self::its(slf);
        let (Some(generator), Some(context)) =
            (its.generator.get(slf.py()), its.context.get(slf.py()))
        else {
            return Ok(None);
        };
        let progress = run(&generator, &context, result)?;
        Self::advance(slf, progress)
    }

    /// Somebody cancels the deferred that the generator ends in: Twisted's canceller of a generator.
    ///
    /// Each generator's deferred fires with an error of its own, and its first link waits for how the
    /// generator takes the cancelling of what it awaits. As that may be the deferred of another
    /// generator, and so on, they are held in a row here, and not each by a call inside the other's.
    pub(crate) fn cancel<'py>(
        slf: &Bound<'py, Self>,
        target: &Bound<'py, Deferred>,
    ) -> PyResult<()> {
        let mut held = Vec::new();
        let (mut driver, mut deferred) = (slf.clone(), target.clone());
        let told = loop {
            let chain = &state(&deferred).chain;
            // What is paused is told when it goes on.
            if !Deferred::cancels_plainly(&deferred) || chain.is_fired() || chain.paused() != 0 {
                break Self::cancel_by_link(&driver, &deferred);
            }
            match Self::hold(&driver, &deferred) {
                Ok(()) => held.push(deferred),
                Err(error) => break Err(error),
            }
            let Some(awaited) = Self::its(&driver).waiting_on.get(slf.py()) else { break Ok(()) };
            match Self::next_to_cancel(&awaited) {
                Some(next) => (driver, deferred) = next,
                None => break cancel_awaited(&awaited),
            }
        };
        if let Err(error) = told {
            let Some(last) = held.last() else { return Err(error) };
            // As a link that raises: the generator goes on by itself, and nobody hears how.
            state(last).links.pop();
            state(last).result.set(Some(failed(last, error)));
        }
        while let Some(last) = held.pop() {
            hereafter_engine::release::<PyWorld<'py>>(&last);
        }
        Ok(())
    }

    /// Fires the deferred of a cancelled generator, and keeps its links, with the first of which it
    /// will wait for the generator.
    fn hold<'py>(slf: &Bound<'py, Self>, deferred: &Bound<'py, Deferred>) -> PyResult<()> {
        let error = raw::exception(twisted(slf.py())?.cancelled_inline.bind(slf.py()))?;
        let target = Self::new_target(slf)?;
        give(deferred, failure::from_value(&error)?)?;
        state(deferred).links.push_front(Link::Return(target.unbind()));
        state(deferred).chain.hold();
        Ok(())
    }

    /// Another deferred for the generator to end in, which again reaches it when it is cancelled.
    fn new_target<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Deferred>> {
        let target = Deferred::make(slf.py())?;
        state(&target).canceller.set(Some(slf.clone().into_any()));
        Self::its(slf).target.set(Some(target.clone().into_any()));
        Ok(target)
    }

    /// The generator to cancel next, and what it ends in, if that is what `awaited` comes down to.
    fn next_to_cancel<'py>(
        awaited: &Bound<'py, PyAny>,
    ) -> Option<(Bound<'py, Self>, Bound<'py, Deferred>)> {
        let awaited = as_deferred(awaited).filter(|awaited| Deferred::cancels_plainly(awaited))?;
        let innermost = Deferred::innermost(awaited)?;
        if !Deferred::cancels_plainly(&innermost) || state(&innermost).chain.is_fired() {
            return None;
        }
        let canceller = state(&innermost).canceller.get(awaited.py())?;
        Some((canceller.cast_into::<Self>().ok()?, innermost))
    }

    /// Cancels by an errback, as Twisted does it, where somebody has put methods of his own on the deferred.
    fn cancel_by_link<'py>(slf: &Bound<'py, Self>, target: &Bound<'py, Deferred>) -> PyResult<()> {
        let py = slf.py();
        raw::room_on_the_stack(py)?;
        state(target).links.push_front(Link::Cancel(slf.clone().unbind()));
        let error = raw::exception(twisted(py)?.cancelled_inline.bind(py))?;
        Deferred::fire_with(target, failure::from_value(&error)?)
    }

    /// The errback that `cancel_by_link` adds.
    pub(crate) fn cancelled<'py>(
        slf: &Bound<'py, Self>,
        result: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if !failure::is_failure(result) {
            return Ok(result.clone());
        }
        result.call_method1(name!(py, trap), (&twisted(py)?.cancelled_inline,))?;
        let target = Self::new_target(slf)?;
        if let Some(awaited) = Self::its(slf).waiting_on.get(py) {
            cancel_awaited(&awaited)?;
        }
        Ok(target.into_any())
    }
}

/// Cancels what a generator waits for.
fn cancel_awaited(awaited: &Bound<'_, PyAny>) -> PyResult<()> {
    match as_deferred(awaited) {
        Some(deferred) if Deferred::cancels_plainly(deferred) => {
            Deferred::cancel_innermost(deferred)
        }
        _ => awaited.call_method0(name!(awaited.py(), cancel)).map(drop),
    }
}

#[pymethods]
impl Driver {
    /// The link of a Deferred whose class has an `addBoth` of its own; and, called with the Deferred
    /// that the generator ends in, the canceller of that.
    fn __call__<'py>(slf: &Bound<'py, Self>, result: Bound<'py, PyAny>) -> PyResult<()> {
        if let Some(target) = Self::its(slf).target.get(slf.py()).filter(|own| own.is(&result)) {
            return Self::cancel(slf, target.cast::<Deferred>()?);
        }
        if Self::its(slf).looping.get() {
            Self::its(slf).arrived.set(Some(result));
            return Ok(());
        }
        let Some((target, result)) = Self::step_on(slf, result)? else { return Ok(()) };
        Deferred::fire_with(&target, result)
    }

    /// The errback that tells a cancelled generator.
    #[pyo3(name = "_cancelled")]
    fn told<'py>(
        slf: &Bound<'py, Self>,
        result: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::cancelled(slf, result)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.places().iter().try_for_each(|place| place.visit(&visit))
    }

    fn __clear__(&self) {
        self.let_go();
    }
}

/// Sends `input` into the generator, and what comes at once after that, until it waits or ends.
fn run<'py>(
    generator: &Bound<'py, PyAny>,
    context: &Bound<'py, PyAny>,
    mut input: Bound<'py, PyAny>,
) -> PyResult<Progress<'py>> {
    let py = generator.py();
    if let Err(error) = raw::room_on_the_stack(py) {
        return Ok(Progress::Raised(error));
    }
    loop {
        let sent = raw::in_context(context, || {
            if failure::is_failure(&input) {
                throw(generator, &input)
            } else {
                raw::send(generator, &input)
            }
        });
        let yielded = match sent {
            Ok(Sent::Yielded(yielded)) => yielded,
            Ok(Sent::Returned(value)) => return Ok(Progress::Returned(value)),
            Ok(Sent::Raised(error)) | Err(error) => return raised(py, error),
        };
        if let Some(deferred) = as_deferred(&yielded) {
            match ready(deferred) {
                Some(result) => input = result,
                None => return Ok(Progress::Waits(yielded)),
            }
        } else if Driver::can_drive(&yielded)? {
            let inner = Driver::begin(&yielded)?;
            match ready(&inner) {
                Some(result) => input = result,
                None => return Ok(Progress::Waits(inner.into_any())),
            }
        } else {
            input = yielded;
        }
    }
}

/// The result of a deferred that can be taken just so.
#[inline]
pub(crate) fn ready<'py>(deferred: &Bound<'py, Deferred>) -> Option<Bound<'py, PyAny>> {
    let its = state(deferred);
    let chain = &its.chain;
    if !chain.is_fired()
        || chain.paused() != 0
        || chain.is_running()
        || !its.links.is_empty()
        || !Deferred::is_plain(deferred)
    {
        return None;
    }
    let py = deferred.py();
    let result = its.result.get(py)?;
    its.chained_to.set(None);
    its.result.set(Some(py.None().into_bound(py)));
    its.forget_failure(py);
    Some(result)
}

fn raised(py: Python<'_>, error: PyErr) -> PyResult<Progress<'_>> {
    if error.is_instance_of::<PyStopIteration>(py) {
        let value = error.value(py).getattr(name!(py, value))?;
        return Ok(Progress::Returned(value));
    }
    let names = twisted(py)?;
    if error.is_instance(py, names.returned_value.bind(py)) {
        let value = error.value(py);
        names.check_return_value.bind(py).call1((error.traceback(py),))?;
        return Ok(Progress::Returned(value.getattr(name!(py, value))?));
    }
    Ok(Progress::Raised(error))
}

/// Throws a failure's exception into the generator.
fn throw<'py>(generator: &Bound<'py, PyAny>, failure: &Bound<'py, PyAny>) -> Sent<'py> {
    let py = generator.py();
    let thrown = match failure::plain_exception(failure) {
        Ok(Some(value)) => generator
            .getattr(name!(py, throw))
            .and_then(|throw| raw::call_one(&throw, &value).map_err(Raised::into_error)),
        Ok(None) => failure.call_method1(name!(py, throwExceptionIntoGenerator), (generator,)),
        Err(error) => Err(error),
    };
    match thrown {
        Ok(yielded) => Sent::Yielded(yielded),
        Err(error) => Sent::Raised(error),
    }
}

/// `_cancellableInlineCallbacks(gen)`: runs the generator or coroutine.
pub(crate) struct RunGenerator;

impl Fast for RunGenerator {
    type Receiver = PyModule;

    fn call<'py>(
        module: &Bound<'py, PyModule>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wrong = || arguments.other_than_one("_cancellableInlineCallbacks()", "gen");
        let generator = arguments.only(name!(module.py(), r#gen)).ok_or_else(wrong)?;
        Driver::begin(&generator).map(Bound::into_any)
    }
}

/// `_run_function(function, arguments, keywords)`: calls a function that `inlineCallbacks` decorates, and
/// runs the generator that it gives.
pub(crate) struct RunFunction;

impl Fast for RunFunction {
    type Receiver = PyModule;

    fn call<'py>(
        module: &Bound<'py, PyModule>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if arguments.len() != 3 {
            return Err(raw::error::<PyTypeError>(
                module.py(),
                "_run_function(function, arguments, keywords)",
            ));
        }
        let (function, keywords) = (arguments.get(0), arguments.get(2));
        let keywords = keywords.cast::<PyDict>()?;
        let keywords = (!keywords.is_empty()).then_some(keywords);
        let called = raw::call_with(&function, arguments.get(1).cast()?, keywords);
        run_called(&function, called)
    }
}

/// Has a function that hands its arguments to `_run_function`, with the first that it closes over, leave
/// that out where the interpreter lets it.
#[pyfunction]
pub(crate) fn _shorten(function: &Bound<'_, PyAny>) {
    raw::call_by::<Decorated>(function);
}

/// What `inlineCallbacks` makes.
struct Decorated;

impl Fast for Decorated {
    type Receiver = PyAny;

    fn call<'py>(
        receiver: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let function = raw::first_closed_over(receiver).ok_or_else(|| {
            raw::error::<PyTypeError>(receiver.py(), "this function has lost what it decorates")
        })?;
        run_called(&function, arguments.call(&function))
    }
}

/// Runs the generator that `function` gave when it was called.
fn run_called<'py>(
    function: &Bound<'py, PyAny>,
    called: PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let generator = called.or_else(|error| Err(returned_in_vain(function, error)?))?;
    let py = function.py();
    let generators = &twisted(py)?.generator;
    if !generator.get_type().is(generators) && !generator.is_instance(generators.bind(py))? {
        return Err(no_generator(function, &format!("got {}", generator.repr()?)));
    }
    raw::as_one_call::<true, _>(py, || Driver::begin(&generator)).map(Bound::into_any)
}

#[cold]
fn no_generator(function: &Bound<'_, PyAny>, instead: &str) -> PyErr {
    let told = function.repr().map_or_else(|_| "the function".to_owned(), |text| text.to_string());
    raw::error::<PyTypeError>(
        function.py(),
        format!("inlineCallbacks requires {told} to produce a generator; instead {instead}"),
    )
}

/// The error of a function that is no generator and calls `returnValue`; any other error as it is.
#[cold]
fn returned_in_vain(function: &Bound<'_, PyAny>, error: PyErr) -> PyResult<PyErr> {
    let py = function.py();
    if !error.is_instance(py, twisted(py)?.returned_value.bind(py)) {
        return Ok(error);
    }
    let clear = no_generator(function, "caught returnValue being used in a non-generator");
    clear.set_context(py, Some(error));
    Ok(clear)
}

/// Puts in what drives generators.
pub(crate) fn add_functions(module: &Bound<'_, PyModule>) -> PyResult<()> {
    Layout::learn(&Bound::new(module.py(), Driver::bare())?);
    raw::add_function::<RunGenerator>(
        module,
        c"_cancellableInlineCallbacks",
        c"_cancellableInlineCallbacks(gen)\n--\n\nRuns the generator or coroutine.",
    )?;
    raw::add_function::<RunFunction>(
        module,
        c"_run_function",
        c"_run_function(function, arguments, keywords, /)\n--\n\nCalls the function, and runs the generator that it gives.",
    )
}
