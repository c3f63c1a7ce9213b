//! The links of a Deferred as Twisted lists them, for programs that look at them or change them, and for copies.
//!
//! Each is a pair of `(function, arguments, keywords)`, for a value and for a failure. Where ours is one
//! that Twisted has no function for, a callable that does the same stands in its place.

use crate::deferred::{Deferred, as_deferred};
use crate::inline::Driver;
use crate::locks::Turn;
use crate::raw::Call;
use crate::timeout::Timeout;
use crate::twisted::twisted;
use crate::world::{Link, Pair, state};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use std::convert::Infallible;

type Triple<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>, Bound<'py, PyAny>);

/// A function that is given nothing beside the result.
fn bare<'py>(function: &Bound<'py, PyAny>) -> Triple<'py> {
    let py = function.py();
    (function.clone(), PyTuple::empty(py), PyDict::new(py).into_any())
}

/// The call; `nothing` stands for keywords that it has not.
fn whole<'py>(py: Python<'py>, call: &Call, nothing: &Bound<'py, PyAny>) -> PyResult<Triple<'py>> {
    let keywords = Some(call.keywords(py)?).filter(|keywords| !keywords.is_empty());
    let keywords = keywords.map_or_else(|| nothing.clone(), Bound::into_any);
    Ok((call.function.bind(py).clone(), call.arguments(py)?, keywords))
}

/// The links as a new list.
pub(crate) fn listed<'py>(deferred: &Bound<'py, Deferred>) -> PyResult<Bound<'py, PyList>> {
    let py = deferred.py();
    let names = twisted(py)?;
    let (passthru, failthru) = (names.passthru.bind(py), names.failthru.bind(py));
    let no_keywords = names.no_keywords.bind(py);
    // A copy first: what follows may run other people's code.
    let mut links = Vec::new();
    let copied: Result<(), Infallible> = state(deferred).links.each(|link| {
        links.push(link.copy(py));
        Ok(())
    });
    let Ok(()) = copied;
    let pairs = PyList::empty(py);
    let both = |function: &Bound<'py, PyAny>| pairs.append((bare(function), bare(function)));
    let empty = || PyDict::new(py).into_any();
    for link in &links {
        match link {
            Link::Over(_) => Ok(()),
            Link::Callback(function) => pairs.append((bare(function.bind(py)), bare(failthru))),
            Link::Errback(function) => pairs.append((bare(passthru), bare(function.bind(py)))),
            Link::Both(function) => both(function.bind(py)),
            Link::Pair(pair) => match &**pair {
                Pair::Callback(call) => pairs.append((whole(py, call, &empty())?, bare(failthru))),
                Pair::Errback(call) => pairs.append((bare(passthru), whole(py, call, &empty())?)),
                Pair::Both(call) => {
                    let call = whole(py, call, &empty())?;
                    pairs.append((call.clone(), call))
                }
                Pair::Each(callback, errback) => {
                    let alone = |function: &Py<PyAny>| {
                        let function = function.bind(py).clone();
                        (function, PyTuple::empty(py), no_keywords.clone())
                    };
                    pairs.append((alone(callback), alone(errback)))
                }
                Pair::Either(callback, errback) => pairs
                    .append((whole(py, callback, no_keywords)?, whole(py, errback, no_keywords)?)),
            },
            Link::Fire(other) => {
                let method = |name| other.bind(py).getattr(name);
                let none = || (PyTuple::empty(py), no_keywords.clone());
                let ((a, b), (c, d)) = (none(), none());
                pairs.append((
                    (method(intern!(py, "callback"))?, a, b),
                    (method(intern!(py, "errback"))?, c, d),
                ))
            }
            Link::Waiter(other) => {
                let goes_on = (&names.goes_on, (other,), no_keywords).into_pyobject(py)?;
                pairs.append((&goes_on, &goes_on))
            }
            Link::Member(list, index) => {
                let method = list.bind(py).getattr(intern!(py, "_cbDeferred"))?;
                pairs.append((
                    (&method, (index, true), no_keywords),
                    (&method, (index, false), no_keywords),
                ))
            }
            Link::Return(other) => both(other.bind(py)),
            Link::Resume(driver) => both(driver.bind(py)),
            Link::Cancel(driver) => both(&driver.bind(py).getattr(intern!(py, "_cancelled"))?),
            Link::Turn(turn) => both(turn.bind(py)),
            Link::Timeout(timeout) => {
                let timeout = timeout.bind(py);
                if !Timeout::has_converted(timeout) {
                    both(&timeout.getattr(intern!(py, "convertCancelled"))?)?;
                }
                both(&timeout.getattr(intern!(py, "cancelTimeout"))?)
            }
        }?;
    }
    Ok(pairs)
}

/// A call from what Twisted has for one, where `None` stands for nothing.
pub(crate) fn call_of(
    function: Bound<'_, PyAny>,
    arguments: Option<Bound<'_, PyAny>>,
    keywords: Option<Bound<'_, PyAny>>,
) -> PyResult<Call> {
    let mut copy = None;
    if let Some(keywords) = keywords {
        copy.insert(PyDict::new(function.py())).update(keywords.cast()?)?;
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
            return Ok(Link::Both(callback.function));
        }
        return Ok(Link::Pair(Box::new(Pair::Both(callback))));
    }
    Ok(if passes(&errback, &names.failthru) {
        if callback.is_bare() {
            Link::Callback(callback.function)
        } else {
            Link::Pair(Box::new(Pair::Callback(callback)))
        }
    } else if passes(&callback, &names.passthru) {
        if errback.is_bare() {
            Link::Errback(errback.function)
        } else {
            Link::Pair(Box::new(Pair::Errback(errback)))
        }
    } else if callback.is_bare() && errback.is_bare() {
        Link::Pair(Box::new(Pair::Each(callback.function, errback.function)))
    } else {
        Link::Pair(Box::new(Pair::Either(callback, errback)))
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
