//! What the page shows of this process, and whom it answers.

use super::story::{place_text, source, stands_alone, with_what_it_waits_on};
use super::{ALIVE, Somewhere, find, is_pending, links_to_come};
use crate::deferred::Deferred;
use crate::list::DeferredList;
use crate::raw::Place;
use crate::world::state;
use hereafter_insight::page::{
    Admitted, Answer, Doing, Door, Gate, HEADERS, Hint, Journal, Row, Rows, answer,
};
use hereafter_insight::{Kind, Story};
use pyo3::prelude::*;
use std::hash::{Hash, Hasher};

/// A page, and its token.
#[pyclass(frozen, module = "hereafter.inspect")]
pub(super) struct Page(Gate);

/// The status, the headers, and what follows them.
type Answered = (u16, Vec<(&'static str, &'static str)>, String);

#[pymethods]
impl Page {
    /// A page with a new token, for requests to one of the `hosts`, with its port; without them, to any.
    #[new]
    fn new(hosts: Option<Vec<String>>) -> PyResult<Self> {
        let gate = hosts.map_or_else(Gate::for_any_host, Gate::new);
        Ok(Self(gate?))
    }

    /// The path of its address, with the token.
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    /// The answer to a request: its method, its target, and its Host header.
    fn answer(&self, py: Python<'_>, method: &str, target: &str, host: Option<&str>) -> Answered {
        let answer = match self.0.admit(method, target, host) {
            Ok(Admitted::Page) => Answer::page(),
            Ok(Admitted::Data(asked)) => answer(&Process(py), asked),
            Err(refused) => refused,
        };
        let mut headers = vec![("Content-Type", answer.content_type)];
        headers.extend(HEADERS);
        (answer.status, headers, answer.body.into_owned())
    }
}

/// All of this process's Deferreds that have a history.
struct Process<'py>(Python<'py>);

/// A place; two that are the same are equal.
#[derive(Clone)]
struct Spot(Somewhere);

impl Spot {
    fn key(&self) -> Option<(usize, std::ffi::c_int)> {
        self.0.as_ref().map(Place::key)
    }
}

impl PartialEq for Spot {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Spot {}

impl Hash for Spot {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}
