//! Twisted's Deferreds, run by Hereafter's engine: the native half of the Python package `hereafter`.
//!
//! * `world.rs`: the engine's world of Python objects: a deferred's state, its links, how one is run;
//! * `deferred.rs`: `Deferred` as Python sees it; `inline.rs`: what drives generators and coroutines;
//! * `list.rs`: `DeferredList` and `gatherResults`;
//! * `ready.rs`: `succeed`, `fail`, `maybeDeferred` and their like;
//! * `failure.rs`, `twisted.rs`: what is Twisted's own; `trail.rs`: where a Deferred was made, for debugging;
//! * `raw.rs`: all unsafe code, with the argument for it.

mod deferred;
mod failure;
mod inline;
mod list;
mod raw;
mod ready;
mod trail;
mod twisted;
mod world;

use pyo3::prelude::*;

/// The native half of `hereafter.defer`.
#[pymodule]
fn _hereafter(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<deferred::Deferred>()?;
    deferred::shorten(py)?;
    deferred::remember_methods(py)?;
    module.add_class::<list::DeferredList>()?;
    py.get_type::<list::DeferredList>().setattr("__name__", "DeferredList")?;
    deferred::classes(py)?.append(py.get_type::<list::DeferredList>())?;
    module.add("_DEFERRED_SUBCLASSES", deferred::classes(py)?)?;
    module.add_function(wrap_pyfunction!(deferred::_is_deferred, module)?)?;
    module.add_function(wrap_pyfunction!(twisted::_bind, module)?)?;
    module.add_function(wrap_pyfunction!(inline::_run_generator, module)?)?;
    module.add_function(wrap_pyfunction!(inline::_run_function, module)?)?;
    module.add_function(wrap_pyfunction!(inline::_shorten, module)?)?;
    module.add_function(wrap_pyfunction!(list::parse_results, module)?)?;
    module.add_function(wrap_pyfunction!(list::gather_results, module)?)?;
    module.add_function(wrap_pyfunction!(ready::succeed, module)?)?;
    module.add_function(wrap_pyfunction!(ready::fail, module)?)?;
    ready::add_functions(module)?;
    module.add_function(wrap_pyfunction!(ready::ensure_deferred, module)?)?;
    Ok(())
}
