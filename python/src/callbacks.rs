//! The links of a Deferred as Twisted lists them, for programs that look at them or change them, and for copies.
//!
//! Each is a pair of `(function, arguments, keywords)`, for a value and for a failure. Where ours is one
//! that Twisted has no function for, a callable that does the same stands in its place.

use crate::deferred::{Deferred, as_deferred};
use crate::inline::Driver;
use crate::locks::Turn;
use crate::names::name;
use crate::raw::{self, Call};
use crate::timeout::Timeout;
use crate::twisted::twisted;
use crate::world::{Link, Pair, state};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyTuple};
use std::convert::Infallible;

/// A triple of a function, its arguments and its keywords.
fn triple<'py>(
    function: Bound<'py, PyAny>,
    arguments: Bound<'py, PyTuple>,
    keywords: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    raw::tuple(py, &[function, arguments.into_any(), keywords]).map(Bound::into_any)
}

/// A function that is given nothing beside the result.
fn bare<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    triple(function.clone(), PyTuple::empty(py), raw::dict(py)?.into_any())
}

/// The call; `nothing` stands for keywords that it has not.
fn whole<'py>(
    py: Python<'py>,
    call: &Call,
    nothing: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let keywords = Some(call.keywords(py)?).filter(|keywords| !keywords.is_empty());
    let keywords = keywords.map_or(nothing, Bound::into_any);
    triple(call.function.bind(py).clone(), call.arguments(py)?, keywords)
}

/// The links as a new list.
pub(crate) fn listed<'py>(deferred: &Bound<'py, Deferred>) -> PyResult<Bound<'py, PyList>> {
    let py = deferred.py();
    // A copy first: what follows may run other people's code.
    let mut links = Vec::new();
    let copied: Result<(), Infallible> = state(deferred).links.each(|link| {
        links.push(link.copy(py));
        Ok(())
    });
    let Ok(()) = copied;
    let pairs = raw::list(py)?;
    for link in &links {
        list(link, &pairs)?;
    }
    Ok(pairs)
}

/// Adds what Twisted would have for the link to `pairs`.
fn list<'py>(link: &Link, pairs: &Bound<'py, PyList>) -> PyResult<()> {
    let py = pairs.py();
    let names = twisted(py)?;
    let (passthru, failthru) = (names.passthru.bind(py), names.failthru.bind(py));
    let no_keywords = || names.no_keywords.bind(py).clone();
    let pair = |first, second| pairs.append(raw::tuple(py, &[first, second])?);
    let both = |function: &Bound<'py, PyAny>| pair(bare(function)?, bare(function)?);
    let empty = || raw::dict(py).map(Bound::into_any);
    // A function that none can be added to.
    let fixed = |function| triple(function, PyTuple::empty(py), no_keywords());
    match link {
        Link::Over(_) => Ok(()),
        Link::Callback(function, _) => pair(bare(function.bind(py))?, bare(failthru)?),
        Link::Errback(function, _) => pair(bare(passthru)?, bare(function.bind(py))?),
        Link::Both(function, _) => both(function.bind(py)),
        Link::Pair(either, _) => match &**either {
            Pair::Callback(call) => pair(whole(py, call, empty()?)?, bare(failthru)?),
            Pair::Errback(call) => pair(bare(passthru)?, whole(py, call, empty()?)?),
            Pair::Both(call) => {
                let call = whole(py, call, empty()?)?;
                pair(call.clone(), call)
            }
            Pair::Each(callback, errback) => {
                pair(fixed(callback.bind(py).clone())?, fixed(errback.bind(py).clone())?)
            }
            Pair::Either(callback, errback) => {
                pair(whole(py, callback, no_keywords())?, whole(py, errback, no_keywords())?)
            }
        },
        Link::Fire(other, _) => {
            let other = other.bind(py);
            pair(
                fixed(other.getattr(name!(py, callback))?)?,
                fixed(other.getattr(name!(py, errback))?)?,
            )
        }
        Link::Waiter(other) => {
            let other = raw::tuple(py, &[other.bind(py).as_any().clone()])?;
            let goes_on = triple(names.goes_on.bind(py).clone(), other, no_keywords())?;
            pair(goes_on.clone(), goes_on)
        }
        Link::Member(list, index) => {
            let method = list.bind(py).getattr(name!(py, _cbDeferred))?;
            let side = |success| {
                let success = PyBool::new(py, success).to_owned().into_any();
                let given = raw::tuple(py, &[raw::number(py, *index as usize)?, success])?;
                triple(method.clone(), given, no_keywords())
            };
            pair(side(true)?, side(false)?)
        }
        Link::Return(other) => both(other.bind(py)),
        Link::Resume(driver) => both(driver.bind(py)),
        Link::Cancel(driver) => both(&driver.bind(py).getattr(name!(py, _cancelled))?),
        Link::Turn(turn) => both(turn.bind(py)),
        Link::Timeout(timeout, _) => {
            let timeout = timeout.bind(py);
            if !Timeout::has_converted(timeout) {
                both(&timeout.getattr(name!(py, convertCancelled))?)?;
            }
            both(&timeout.getattr(name!(py, cancelTimeout))?)
        }
    }
}

/// A call from what Twisted has for one, where `None` stands for nothing.
pub(crate) fn call_of(
    function: Bound<'_, PyAny>,
    arguments: Option<Bound<'_, PyAny>>,
    keywords: Option<Bound<'_, PyAny>>,
) -> PyResult<Call> {
    let mut copy = None;
    if let Some(keywords) = keywords {
        copy = Some(raw::dict_of(&keywords)?);
    }
    let arguments = match arguments {
        Some(arguments) => arguments.try_iter()?.collect::<PyResult<_>>()?,
        None => Vec::new(),
    };
    Call::new(function, arguments, copy.as_ref())
}

/// The link that a pair stands for.
fn link_of(pair: &Bound<'_, PyAny>) -> PyResult<Link> {
    let py = pair.py();
    let names = twisted(py)?;
    let (first, second): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
    let side = |triple: &Bound<'_, PyAny>| -> PyResult<Call> {
        let (function, arguments, keywords) = triple.extract()?;
        call_of(function, Some(arguments), Some(keywords))
    };
    let (callback, errback) = (side(&first)?, side(&second)?);
    let function = callback.function.bind(py);
    let passes = |call: &Call, by: &Py<PyAny>| call.is_bare() && call.function.is(by);
    if function.is(&names.goes_on) {
        let outer = first.get_item(1)?.get_item(0)?;
        return Ok(Link::Waiter(outer.cast_into::<Deferred>()?.unbind()));
    }
    if first.is(&second) || (callback.is_bare() && passes(&errback, &callback.function)) {
        if let Some(other) = as_deferred(function) {
            return Ok(Link::Return(other.clone().unbind()));
        }
        if let Ok(driver) = function.cast::<Driver>() {
            return Ok(Link::Resume(driver.clone().unbind()));
        }
        if let Ok(turn) = function.cast::<Turn>() {
            return Ok(Link::Turn(turn.clone().unbind()));
        }
        if callback.is_bare() {
            return Ok(Link::Both(callback.function, None));
        }
        return Ok(Link::Pair(Box::new(Pair::Both(callback)), None));
    }
    Ok(if passes(&errback, &names.failthru) {
        if callback.is_bare() {
            Link::Callback(callback.function, None)
        } else {
            Link::Pair(Box::new(Pair::Callback(callback)), None)
        }
    } else if passes(&callback, &names.passthru) {
        if errback.is_bare() {
            Link::Errback(errback.function, None)
        } else {
            Link::Pair(Box::new(Pair::Errback(errback)), None)
        }
    } else if callback.is_bare() && errback.is_bare() {
        Link::Pair(Box::new(Pair::Each(callback.function, errback.function)), None)
    } else {
        Link::Pair(Box::new(Pair::Either(callback, errback)), None)
    })
}

/// Puts what is listed in the place of all links.
pub(crate) fn replace(deferred: &Bound<'_, Deferred>, list: &Bound<'_, PyAny>) -> PyResult<()> {
    let links: Vec<Link> = list.try_iter()?.map(|pair| link_of(&pair?)).collect::<PyResult<_>>()?;
    let former = state(deferred).links.take();
    for link in links {
        state(deferred).links.push(link);
    }
    drop(former);
    Ok(())
}
