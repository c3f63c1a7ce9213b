//! What Python has of inspection: the functions, and stories as objects.

use super::page::{self, Page};
use super::{ALIVE, Switches, is_on, is_pending, story, switch};
use crate::deferred::{Deferred, as_deferred};
use crate::raw;
use hereafter_insight::{Kind, Told};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use std::time::Duration;

/// What has happened to a Deferred, what it does now and waits on, and what is still to come.
///
/// `str()` draws it as a tree. It is text and numbers, and keeps nothing alive.
#[pyclass(frozen, module = "hereafter.inspect")]
pub(crate) struct Story(hereafter_insight::Story);

/// One link in the story of a Deferred.
#[pyclass(frozen, module = "hereafter.inspect")]
struct Link(Told);

impl Story {
    pub(crate) fn of(deferred: &Bound<'_, Deferred>) -> Self {
        Self(story(deferred))
    }
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

#[pymethods]
impl Story {
    /// What the Deferred is called: its class, its number, its address.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// Its number, which no other Deferred of the process has; None if it has no history.
    #[getter]
    fn number(&self) -> Option<u64> {
        self.0.number
    }

    /// What it does now, in words.
    #[getter]
    fn now(&self) -> String {
        self.0.now.to_string()
    }

    /// Where it was made.
    #[getter]
    fn made(&self) -> Option<&str> {
        self.0.made.as_deref()
    }

    /// The Deferred one of whose callbacks made it.
    #[getter]
    fn within(&self) -> Option<&str> {
        self.0.within.as_deref()
    }

    /// How old it is, in seconds.
    #[getter]
    fn age(&self) -> Option<f64> {
        seconds(self.0.age)
    }

    /// How old it was when it fired, in seconds.
    #[getter]
    fn fired_after(&self) -> Option<f64> {
        seconds(self.0.fired_after)
    }

    /// Whether somebody has cancelled it.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.cancelled
    }

    /// Where it was paused, if it is.
    #[getter]
    fn paused(&self) -> Option<&str> {
        self.0.paused.as_deref()
    }

    /// Its callbacks and errbacks: those that have run, then those that are still to come.
    #[getter]
    fn links(&self) -> Vec<Link> {
        self.0.links.iter().cloned().map(Link).collect()
    }

    /// The stories of what it waits on, the next one first.
    #[getter]
    fn waits_on(&self) -> Vec<Self> {
        self.0.waits_on.iter().cloned().map(Self).collect()
    }

    /// The chain as a graph in the language of Graphviz.
    fn to_dot(&self) -> String {
        self.0.to_dot()
    }

    /// The chain as a picture: an SVG document.
    fn to_svg(&self) -> String {
        self.0.to_svg()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Story of {}>", self.0.name)
    }
}

#[pymethods]
impl Link {
    /// What it is: "callback", "errback", "both", or "own" for one that is no function of the program's.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.0.kind {
            Kind::Callback => "callback",
            Kind::Errback => "errback",
            Kind::Both => "both",
            _ => "own",
        }
    }

    /// Where it was added.
    #[getter]
    fn added(&self) -> Option<&str> {
        self.0.added.as_deref()
    }

    /// What came of it, in words; None if it is still to come.
    #[getter]
    fn end(&self) -> Option<String> {
        self.0.end.as_ref().map(ToString::to_string)
    }

    /// How long it ran, in seconds.
    #[getter]
    fn took(&self) -> Option<f64> {
        seconds(self.0.took)
    }

    /// How long the Deferred that it gave back was waited for, in seconds.
    #[getter]
    fn waited(&self) -> Option<f64> {
        seconds(self.0.waited)
    }

    /// A Deferred that was made while it ran, is still pending, and was not given back.
    #[getter]
    fn kept(&self) -> Option<&str> {
        self.0.kept.as_deref()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Link: {}>", self.0)
    }
}

/// Has histories kept, of Deferreds made from now on; with `repr`, a Deferred's `repr()` tells its story too.
#[pyfunction]
#[pyo3(signature = (*, repr = false))]
fn enable(repr: bool) {
    switch(|before| Switches { histories: true, in_repr: repr, ..before });
}

/// Has no more histories begun. Those that there are go on.
#[pyfunction]
fn disable() {
    switch(|before| Switches { histories: false, in_repr: false, ..before });
}

/// Whether histories are kept.
#[pyfunction]
fn enabled() -> bool {
    is_on()
}

/// What has happened to a Deferred, what it does now and waits on, and what is still to come; as far as it is known.
#[pyfunction]
fn explain(deferred: &Bound<'_, PyAny>) -> PyResult<Story> {
    let wrong = || {
        let class = raw::class_name(&deferred.get_type());
        let said = format!("explain() is for a Deferred, and got an object of class {class}");
        Err(raw::error::<PyTypeError>(deferred.py(), said))
    };
    as_deferred(deferred).map_or_else(wrong, |deferred| Ok(Story::of(deferred)))
}

/// How many Deferreds have a history and have not come to their end.
#[pyfunction]
fn count(py: Python<'_>) -> usize {
    let is_pending = |number: &u64| ALIVE.find(py, *number).is_some_and(|it| is_pending(&it));
    ALIVE.numbers(py).iter().filter(|number| is_pending(number)).count()
}

/// The stories of the Deferreds that have a history and have not come to their end, the oldest first; so many at most.
#[pyfunction]
#[pyo3(signature = (most = None))]
fn pending(py: Python<'_>, most: Option<usize>) -> Vec<Story> {
    let mut stories = Vec::new();
    for number in ALIVE.numbers(py) {
        if most.is_some_and(|most| stories.len() >= most) {
            break;
        }
        if let Some(deferred) = ALIVE.find(py, number).filter(is_pending) {
            stories.push(Story(super::story::with_what_it_waits_on(&deferred, true)));
        }
    }
    stories
}

/// The stories of the last hundred Deferreds that went away before they fired, with callbacks still to come.
#[pyfunction]
fn lost(py: Python<'_>) -> Vec<Story> {
    page::all_lost(py).into_iter().rev().map(Story).collect()
}

/// Puts in the module `hereafter._hereafter.inspect`, and switches inspection on if the environment says so.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let inspect = PyModule::new(py, "inspect")?;
    inspect.add_class::<Story>()?;
    inspect.add_class::<Link>()?;
    inspect.add_class::<Page>()?;
    inspect.add_function(wrap_pyfunction!(enable, &inspect)?)?;
    inspect.add_function(wrap_pyfunction!(disable, &inspect)?)?;
    inspect.add_function(wrap_pyfunction!(enabled, &inspect)?)?;
    inspect.add_function(wrap_pyfunction!(explain, &inspect)?)?;
    inspect.add_function(wrap_pyfunction!(count, &inspect)?)?;
    inspect.add_function(wrap_pyfunction!(pending, &inspect)?)?;
    inspect.add_function(wrap_pyfunction!(lost, &inspect)?)?;
    inspect.add_function(wrap_pyfunction!(super::trace::trace_to, &inspect)?)?;
    inspect.add_function(wrap_pyfunction!(super::trace::trace_end, &inspect)?)?;
    module.add_submodule(&inspect)?;
    match std::env::var("HEREAFTER_INSPECT").as_deref() {
        Ok("1") => enable(false),
        Ok("repr") => enable(true),
        _ => {}
    }
    super::trace::begin_as_told(py);
    Ok(())
}
