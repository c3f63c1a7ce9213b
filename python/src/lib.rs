//! Twisted's Deferreds, run by Hereafter's engine: the native half of the Python package `hereafter`.
//!
//! * `world.rs`: the engine's world of Python objects: a deferred's state, its links, how one is run;
//! * `deferred.rs`: `Deferred` as Python sees it; `short.rs`: the methods that are called most; `awaiter.rs`: `await`;
//! * `inline.rs`: what drives generators and coroutines;
//! * `callbacks.rs`: the links as Twisted lists them;
//! * `list.rs`: `DeferredList` and `gatherResults`;
//! * `locks.rs`, `queue.rs`: `DeferredLock`, `DeferredSemaphore`, `DeferredQueue`, and `attributes.rs` of theirs;
//! * `names.rs`: the names that we ask objects for;
//! * `methods.rs`: whether a program has replaced methods of ours;
//! * `ready.rs`: `succeed`, `fail`, `maybeDeferred` and their like;
//! * `timeout.rs`: `addTimeout`;
//! * `inspect.rs`: what is noted of Deferreds, if it is, and how it is told;
//! * `failure.rs`, `twisted.rs`: what is Twisted's own; `trail.rs`: where a Deferred was made, for debugging;
//! * `raw/`: all unsafe code, with the argument for it.

mod attributes;
mod awaiter;
mod callbacks;
mod deferred;
mod failure;
mod inline;
mod inspect;
mod list;
mod locks;
mod methods;
mod names;
mod queue;
mod raw;
mod ready;
mod short;
mod timeout;
mod trail;
mod twisted;
mod world;

use pyo3::PyClass;
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicI64, Ordering};

/// Puts a class in. What the interpreter says of an object names its class, and without this the class's module too.
fn add_class<T: PyClass>(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<T>()?;
    module.py().get_type::<T>().setattr("__name__", <T as PyClass>::NAME)
}

/// Makes the classes that programs do not find in the module; otherwise each would be made at its first use, where
/// there may be no memory for it.
fn make_classes(py: Python<'_>) {
    py.get_type::<awaiter::Awaiter>();
    py.get_type::<inline::Driver>();
    py.get_type::<locks::Turn>();
    py.get_type::<timeout::Timeout>();
    py.get_type::<trail::Trail>();
}

/// The interpreter that the module serves, once there is one.
static INTERPRETER: AtomicI64 = AtomicI64::new(-1);

/// Refuses any interpreter of the process but the first: the classes, and what is known of them, are kept once.
fn claim(py: Python<'_>) -> PyResult<()> {
    let (new, relaxed) = (raw::interpreter(py)?, Ordering::Relaxed);
    match INTERPRETER.compare_exchange(-1, new, relaxed, relaxed) {
        Err(first) if first != new => Err(PyImportError::new_err(
            "hereafter serves one interpreter of a process, and another has imported it already; \
             import it in that one alone, or use a process for each",
        )),
        _ => Ok(()),
    }
}

/// The native half of `hereafter.defer`.
///
/// Its state is kept for one thread at a time, so where Python can do without the global lock, it is
/// taken again.
#[pymodule(gil_used = true)]
fn _hereafter(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    claim(py)?;
    names::make(py);
    make_classes(py);
    add_class::<deferred::Deferred>(module)?;
    short::shorten(py)?;
    deferred::remember_methods(py)?;
    add_class::<list::DeferredList>(module)?;
    deferred::classes(py)?.append(py.get_type::<list::DeferredList>())?;
    add_class::<locks::Primitive>(module)?;
    add_class::<locks::DeferredLock>(module)?;
    add_class::<locks::DeferredSemaphore>(module)?;
    locks::complete(py)?;
    add_class::<queue::DeferredQueue>(module)?;
    module.add("_DEFERRED_SUBCLASSES", deferred::classes(py)?)?;
    module.add_function(wrap_pyfunction!(deferred::_is_deferred, module)?)?;
    module.add_function(wrap_pyfunction!(twisted::_bind, module)?)?;
    inline::add_functions(module)?;
    module.add_function(wrap_pyfunction!(inline::_shorten, module)?)?;
    module.add_function(wrap_pyfunction!(list::parse_results, module)?)?;
    module.add_function(wrap_pyfunction!(list::gather_results, module)?)?;
    module.add_function(wrap_pyfunction!(ready::fail, module)?)?;
    ready::add_functions(module)?;
    inspect::add(module)?;
    module.add_function(wrap_pyfunction!(ready::ensure_deferred, module)?)?;
    Ok(())
}
