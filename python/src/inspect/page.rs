//! What the page shows of this process, and whom it answers.

use super::story::{awaited, is_left, of_state, source, with_what_it_waits_on};
use super::{ALIVE, Noted, Spot, Switches, class_of, is_failed, links_to_come, name_of, switch};
use crate::deferred::Deferred;
use crate::list::DeferredList;
use crate::raw::Attached;
use crate::world::state;
use hereafter_insight::Before;
use hereafter_insight::page::{
    Admitted, Answer, Doing, Door, Fate, Gate, HEADERS, Hint, Journal, Row, Rows, Wanted, answer,
};
use hereafter_insight::{Kind, Story};
use pyo3::prelude::*;
use std::cell::RefCell;
use std::net::IpAddr;

/// A page, and its token.
#[pyclass(frozen, module = "hereafter.inspect")]
pub(super) struct Page(Gate);

/// The status, the headers, and what follows them.
type Answered = (u16, Vec<(&'static str, &'static str)>, String);

#[pymethods]
impl Page {
    /// A page with a new token. With the IP address and port that it is served at, it answers requests to that
    /// alone, as is right for a loopback address. Switches inspection on.
    #[new]
    fn new(local: Option<(IpAddr, u16)>) -> PyResult<Self> {
        let gate = local.map_or_else(Gate::for_any_host, |local| Gate::local(local.into()))?;
        switch(|before| Switches { histories: true, journal: true, ..before });
        Ok(Self(gate))
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
        answered(answer)
    }

    /// The answer to what is no request.
    #[expect(clippy::unused_self, reason = "a method of what answers")]
    fn refuse(&self, status: u16, why: &str) -> Answered {
        answered(Answer::words(status, why))
    }
}

fn answered(answer: Answer) -> Answered {
    let mut headers = vec![("Content-Type", answer.content_type)];
    headers.extend(HEADERS);
    (answer.status, headers, answer.body.into_owned())
}

/// All of this process's Deferreds that have a history.
struct Process<'py>(Python<'py>);

/// What is gone; none as long as nothing was noted.
static JOURNAL: Attached<RefCell<Option<Journal<Spot>>>> = Attached::new(RefCell::new(None));

impl Door for Process<'_> {
    type Place = Spot;

    fn rows(&self) -> Rows<Spot> {
        let mut rows = Rows { rows: Vec::new(), waits: Vec::new() };
        for number in ALIVE.numbers(self.0) {
            let Some(deferred) = ALIVE.find(self.0, number) else { continue };
            rows.rows.extend(row(&deferred, number));
            let waits = sources(&deferred).filter_map(|inner| super::number(&inner));
            rows.waits.extend(waits.map(|inner| (number, inner)));
        }
        rows
    }

    fn place(&self, place: &Spot) -> String {
        place.text(self.0).unwrap_or_else(|| "no code of the program's".to_owned())
    }

    fn story(&self, number: u64) -> Option<Story> {
        Some(with_what_it_waits_on(&ALIVE.find(self.0, number)?, true))
    }

    fn journal(&self) -> Journal<Spot> {
        JOURNAL.get(self.0).borrow().clone().unwrap_or_default()
    }
}

/// The row of a Deferred, unless it has come to its end.
fn row(deferred: &Bound<'_, Deferred>, number: u64) -> Option<Row<Spot>> {
    let its = state(deferred);
    let chain = &its.chain;
    let doing = if chain.is_running() {
        Doing::Runs
    } else if sources(deferred).next().is_some() {
        Doing::Waits
    } else if !chain.is_fired() {
        Doing::Unfired
    } else if chain.paused() != 0 {
        Doing::Paused
    } else if is_failed(deferred) {
        Doing::Failed
    } else {
        return None;
    };
    let (made, born, within) = {
        let history = its.history.get()?.history.try_borrow().ok()?;
        (*history.made(), history.born(), history.within())
    };
    let mut row = Row::new(number, made, born, doing);
    let links = links_to_come(its);
    row.ahead = u32::try_from(links.len()).unwrap_or(u32::MAX);
    let is_waited_for = || links.iter().any(|(kind, _)| *kind == Kind::Own);
    row.hint = match doing {
        Doing::Paused => Some(Hint::Paused),
        Doing::Unfired if is_left(deferred) => Some(Hint::LostTrigger),
        Doing::Unfired | Doing::Waits if within.is_some() && !is_waited_for() => {
            Some(Hint::NotWaitedFor)
        }
        _ => None,
    };
    Some(row)
}

/// What a Deferred waits on, where that is pending.
fn sources<'py>(
    deferred: &Bound<'py, Deferred>,
) -> impl Iterator<Item = Bound<'py, Deferred>> + use<'py> {
    let list = deferred.cast::<DeferredList>().ok().filter(|_| !state(deferred).chain.is_fired());
    let other = if list.is_some() { None } else { source(deferred) };
    list.map(awaited).into_iter().flatten().chain(other)
}

/// Looks into the journal, or does not if what it let go of has come back here.
fn in_journal<R>(py: Python<'_>, look: impl FnOnce(&mut Journal<Spot>) -> Option<R>) -> Option<R> {
    look(JOURNAL.get(py).try_borrow_mut().ok()?.get_or_insert_default())
}

/// A Deferred was made.
pub(super) fn made(py: Python<'_>) {
    in_journal(py, |journal| {
        journal.counts.made += 1;
        Some(())
    });
}

/// Counts an event that has been noted.
pub(super) fn count(deferred: &Bound<'_, Deferred>, noted: &Noted, before: Before) {
    let py = deferred.py();
    let Ok(history) = noted.history.try_borrow() else { return };
    let wanted =
        in_journal(py, |journal| journal.count(&history, before, |added| Some(*added), || false));
    let number = history.number();
    drop(history);
    if let Some(wanted) = wanted {
        let story = of_state(py, state(deferred), name_of(deferred), String::new(), class_of);
        keep(py, number, wanted, story);
    }
}

fn keep(py: Python<'_>, number: u64, wanted: Wanted, story: Story) {
    in_journal(py, |journal| {
        journal.keep(number, wanted, story);
        Some(())
    });
}

/// A failure is about to be reported: this is told of it.
pub(super) fn unhandled(py: Python<'_>, number: u64, story: &Story) {
    in_journal(py, |journal| {
        if journal.unhandled(number) {
            journal.settle(number, Fate::Unhandled, story.clone());
        }
        Some(())
    });
}

/// A Deferred goes away before it fired; `tell` tells its story.
pub(super) fn lost(py: Python<'_>, number: u64, tell: impl FnOnce() -> Story) {
    if in_journal(py, |journal| journal.lost().then_some(())).is_some() {
        keep(py, number, Wanted::Lost, tell());
    }
}

/// The stories of the last that were lost, the last one first.
pub(super) fn all_lost(py: Python<'_>) -> Vec<Story> {
    let journal = JOURNAL.get(py).borrow();
    journal.iter().flat_map(Journal::gone).map(|event| (*event.story).clone()).collect()
}
