//! Inspection: what is noted of Deferreds while things happen to them.
//!
//! While it is on, each Deferred that is made keeps a history, and its links keep where they were added. Off, a
//! Deferred costs a look at whether it has one when something happens to it.
//!
//! * here: what is noted. Nothing of it runs code of anybody else's, or keeps anything alive but code;
//! * `story.rs`: how it is told, which may ask errors what they say;
//! * `page.rs`: what the page shows of it, and what is remembered of what is gone;
//! * `told.rs`: what Python has of that;
//! * `trace.rs`: the trace file.

mod page;
mod story;
mod told;
mod trace;

use story::of_gone;
pub(crate) use story::{story, tell_in_report};
pub(crate) use told::{Story, add};

use crate::deferred::{self, Deferred};
use crate::failure;
use crate::names::name;
use crate::raw::{self, Attached, Look, Place, Roll};
use crate::twisted::twisted;
use crate::world::{Link, Pair, PyWorld, State, state};
use hereafter_engine::{Event, Step, World};
use hereafter_insight::{Before, End, History, Kind, Name};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;

/// Where something was done; none where that was no Python code.
type Somewhere = Option<Place>;

/// What is noted of one Deferred.
///
/// Code is all that it refers to. The cycle collector knows of none that it could take apart there, and is not told.
pub(crate) struct Noted {
    history: RefCell<History<Somewhere>>,
    address: usize,
}

impl Noted {
    /// Has something noted.
    ///
    /// To let go of code may run what waits for that, which then finds this in use: what it does to this very
    /// Deferred is not noted.
    fn note(&self, what: impl FnOnce(&mut History<Somewhere>)) {
        if let Ok(mut history) = self.history.try_borrow_mut() {
            what(&mut history);
        }
    }

    fn number(&self) -> u64 {
        self.history.borrow().number()
    }

    /// A copy, for as long as it takes to tell it.
    fn history(&self) -> History<Somewhere> {
        self.history.borrow().clone()
    }
}

/// Every living Deferred that has a history.
static ALIVE: Roll<Deferred> = Roll::new();

/// How many histories without a Deferred are kept for the next ones, with their room.
const SPARE: usize = 64;

#[expect(clippy::vec_box, reason = "they go back to where boxes are")]
static SPARES: Attached<RefCell<Vec<Box<Noted>>>> = Attached::new(RefCell::new(Vec::new()));

/// What is switched on.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches")]
struct Switches {
    histories: bool,
    in_repr: bool,
    /// There is a page, and things are counted for it.
    journal: bool,
    /// A trace file is being written.
    traced: bool,
}

static SWITCHES: Attached<Cell<Switches>> = Attached::new(Cell::new(Switches {
    histories: false,
    in_repr: false,
    journal: false,
    traced: false,
}));

/// Whether histories are begun.
pub(crate) fn is_on() -> bool {
    // Only a thread that makes a Deferred asks, or one that tells of one.
    SWITCHES.in_collector().get().histories
}

fn keeps_journal() -> bool {
    SWITCHES.in_collector().get().journal
}

fn is_traced() -> bool {
    SWITCHES.in_collector().get().traced
}

/// Whether a Deferred's `repr` tells its story.
pub(crate) fn is_in_repr() -> bool {
    SWITCHES.in_collector().get().in_repr
}

fn switch(change: impl FnOnce(Switches) -> Switches) {
    let switches = SWITCHES.in_collector();
    switches.set(change(switches.get()));
    deferred::look_again();
}

/// Begins the history of a new Deferred.
#[cold]
pub(crate) fn begin(deferred: &Bound<'_, Deferred>) {
    let its = state(deferred);
    if its.history.get().is_some() {
        return;
    }
    let (made, address) = (made_here(deferred.py()), deferred.as_ptr().addr());
    let spare = SPARES.get(deferred.py()).borrow_mut().pop();
    let noted = match spare {
        Some(mut spare) => {
            spare.history.get_mut().renew(made);
            spare.address = address;
            spare
        }
        None => Box::new(Noted { history: RefCell::new(History::new(made)), address }),
    };
    ALIVE.enter(deferred, noted.number());
    // There was none just now.
    let _ = its.history.set(noted);
    if let Some(noted) = its.history.get().filter(|_| is_traced()) {
        trace::made(deferred.py(), noted);
    }
    if keeps_journal() {
        page::made(deferred.py());
    }
}

/// A Deferred is freed, and leaves its history for another.
#[inline]
pub(crate) fn put_away(its: &mut State) {
    if let Some(noted) = its.history.take() {
        leave(noted);
    }
}

#[cold]
fn leave(noted: Box<Noted>) {
    ALIVE.strike(noted.number());
    if is_traced() {
        trace::gone(&noted);
    }
    let mut spares = SPARES.in_collector().borrow_mut();
    if spares.len() < SPARE {
        spares.push(noted);
    }
}

/// Where the program is, without what acts for us.
fn here(py: Python<'_>) -> Somewhere {
    let is_own = is_own(py);
    raw::innermost(py, |globals| if is_own(globals) { Look::LeftOut } else { Look::Here })
}

/// Where a Deferred is made: by Twisted itself only where none of the program's code has just called that, as
/// it calls `deferLater`.
fn made_here(py: Python<'_>) -> Somewhere {
    let is_own = is_own(py);
    raw::innermost(py, |globals| match globals {
        own if is_own(own) => Look::LeftOut,
        other if is_of_twisted(other) => Look::Perhaps,
        _ => Look::Here,
    })
}

/// Knows the globals of what acts for us.
fn is_own<'py>(py: Python<'py>) -> impl Fn(&Bound<'py, PyAny>) -> bool {
    let names = twisted(py).ok();
    move |globals| names.is_some_and(|names| names.globals.iter().any(|own| own.is(globals)))
}

/// Whether these are the globals of a module of Twisted's.
fn is_of_twisted(globals: &Bound<'_, PyAny>) -> bool {
    /// Those of the program's module that was the last to be asked about; mostly it is the next, too.
    static OF_THE_PROGRAM: Attached<Cell<usize>> = Attached::new(Cell::new(0));
    let last = OF_THE_PROGRAM.get(globals.py());
    let address = globals.as_ptr().addr();
    if last.get() == address {
        return false;
    }
    let Ok(globals) = globals.cast_exact::<PyDict>() else { return false };
    let name = globals.get_item(name!(globals.py(), __name__)).ok().flatten();
    let name = name.as_ref().and_then(|name| name.cast_exact::<PyString>().ok());
    let is = name.is_some_and(|name| name.to_str().is_ok_and(|name| name.starts_with("twisted.")));
    if !is {
        last.set(address);
    }
    is
}

/// The link, with its place if it is one that the program adds.
#[cold]
pub(crate) fn note_place(py: Python<'_>, link: Link) -> Link {
    match link {
        Link::Resume(_) | Link::Noted(_) => link,
        link => match here(py) {
            Some(place) => Link::Noted(Box::new((link, place))),
            None => link,
        },
    }
}

/// Somebody has paused it.
pub(crate) fn paused(deferred: &Bound<'_, Deferred>) {
    if let Some(noted) = state(deferred).history.get() {
        let here = here(deferred.py());
        noted.note(|history| history.paused(here));
    }
}

/// The engine tells what happens.
#[cold]
#[inline(never)]
pub(crate) fn observe(
    deferred: &Bound<'_, Deferred>,
    noted: &Noted,
    event: Event<'_, Bound<'_, Deferred>>,
) {
    let (traced, counted) = (is_traced(), keeps_journal());
    if !traced && !counted {
        return note(deferred, noted, event);
    }
    let before = noted.history.try_borrow().map(|history| Before::of(&history));
    note(deferred, noted, event);
    let Ok(before) = before else { return };
    if traced {
        trace::noted(deferred.py(), noted, before);
    }
    if counted {
        page::count(deferred, noted, before);
    }
}

fn note(deferred: &Bound<'_, Deferred>, noted: &Noted, event: Event<'_, Bound<'_, Deferred>>) {
    match event {
        Event::Fired => {
            let failure = failure_name(deferred);
            noted.note(|history| {
                history.fired(failure);
                // One that nobody waits for may not be run at all.
                history.rests();
            });
        }
        Event::Cancelled => noted.note(History::cancelled),
        Event::Runs => {
            let Some((kind, added)) = front(state(deferred)) else { return };
            let passes = match kind {
                Kind::Callback => is_failed(deferred),
                Kind::Errback => !is_failed(deferred),
                _ => false,
            };
            let added = added.map(Some);
            if passes {
                noted.note(|history| history.passed(kind, added));
            } else {
                noted.note(|history| history.runs(kind, added));
            }
        }
        Event::Ran(Step::Ran) => {
            let end = end(deferred);
            noted.note(|history| history.ran(end));
        }
        Event::Ran(Step::Returned) => {
            let inner = PyWorld::waiting_on(deferred);
            let inner = inner.map_or_else(|| Name::from("?"), |inner| short_name(&inner));
            noted.note(|history| history.ran(End::Returned(inner)));
        }
        Event::Ran(Step::Resumed(target) | Step::Fired(target) | Step::Called(target)) => {
            let target = short_name(target);
            noted.note(|history| {
                history.ran(End::HandedOn(target));
                history.rests();
            });
        }
        Event::Ran(Step::Empty) => noted.note(History::rests),
        Event::Waits(_) => {}
        Event::Resumed => {
            let end = end(deferred);
            noted.note(|history| history.resumed(end));
        }
    }
}

/// What the next link is, and where it was added; none if there is none, or it is only the rest of the last one.
fn front(its: &State) -> Option<(Kind, Somewhere)> {
    let mut front = None;
    let _ = its.links.each(|link| {
        front = Some(of_link(link)).filter(|_| !matches!(link, Link::Over(_)));
        Err(())
    });
    front
}

fn of_link(link: &Link) -> (Kind, Somewhere) {
    let place = match link {
        Link::Noted(noted) => Some(noted.1.clone()),
        _ => None,
    };
    let kind = match link.plain() {
        Link::Callback(_) => Kind::Callback,
        Link::Errback(_) => Kind::Errback,
        Link::Both(_) => Kind::Both,
        Link::Pair(pair) => match &**pair {
            Pair::Callback(_) => Kind::Callback,
            Pair::Errback(_) => Kind::Errback,
            Pair::Both(_) | Pair::Either(..) | Pair::Each(..) => Kind::Both,
        },
        _ => Kind::Own,
    };
    (kind, place)
}

/// The links that are still to come.
fn links_to_come(its: &State) -> Vec<(Kind, Somewhere)> {
    let mut links = Vec::new();
    let looked: Result<(), Infallible> = its.links.each(|link| {
        if !matches!(link, Link::Over(_)) {
            links.push(of_link(link));
        }
        Ok(())
    });
    let Ok(()) = looked;
    links
}

fn is_failed(deferred: &Bound<'_, Deferred>) -> bool {
    failure_in(deferred).is_some()
}

/// The failure that a Deferred has, if its result is one.
#[inline]
fn failure_in<'py>(deferred: &Bound<'py, Deferred>) -> Option<Bound<'py, PyAny>> {
    let result = &state(deferred).result;
    // Next to none is any kind of exception.
    result.peek().filter(|(_, kind)| raw::is_exception_class(*kind))?;
    result.get(deferred.py()).filter(failure::is_failure)
}

fn end(deferred: &Bound<'_, Deferred>) -> End {
    failure_name(deferred).map_or(End::Value, End::Failed)
}

/// The class of the exception, if there is a failure.
fn failure_name(deferred: &Bound<'_, Deferred>) -> Option<Name> {
    failure_in(deferred).map(|failure| Name::from(class_of(&failure)))
}

/// The class of the exception in a failure; runs no code of anybody else's.
fn class_of(failure: &Bound<'_, PyAny>) -> String {
    let py = failure.py();
    let class = failure.get_type();
    let plain = twisted(py).is_ok_and(|names| class.is(&names.failure));
    // One that derives from it may have any code for its attributes.
    let kind = if plain { failure.getattr(name!(py, r#type)).ok() } else { None };
    let kind = kind.and_then(|kind| kind.cast_into::<PyType>().ok()).unwrap_or(class);
    raw::class_name(&kind)
}

/// What a Deferred is called in the history of another.
fn short_name(deferred: &Bound<'_, Deferred>) -> Name {
    Name::of_deferred(number(deferred), deferred.as_ptr().addr())
}

fn number(deferred: &Bound<'_, Deferred>) -> Option<u64> {
    state(deferred).history.get().map(|noted| noted.number())
}

/// What a Deferred is called in its story.
fn name_of(deferred: &Bound<'_, Deferred>) -> String {
    let class = raw::class_name(&deferred.get_type());
    short_name(deferred).to_string().replacen("Deferred", &class, 1)
}

/// A Deferred is freed, or taken apart by the cycle collector: that it was lost is kept in mind, and a failure that
/// Twisted is about to report gets its story.
#[cold]
pub(crate) fn goes_away(its: &State, noted: &Noted) {
    if !its.debug_info.is_set() && (its.chain.is_fired() || its.links.is_empty()) {
        return;
    }
    Python::attach(|py| {
        if let Some(info) = its.debug_info.get(py).filter(|info| !info.is_none()) {
            raw::between_errors(py, || tell_in_report(&info, its, noted));
        }
        if !its.chain.is_fired() && !its.links.is_empty() {
            let number = noted.number();
            raw::between_errors(py, || page::lost(py, number, || of_gone(py, its, noted)));
        }
    });
}

/// Whether more is to come of it.
fn is_pending(deferred: &Bound<'_, Deferred>) -> bool {
    let chain = &state(deferred).chain;
    !chain.is_fired() || chain.is_running() || chain.paused() != 0
}

/// The pending Deferred of that number.
fn find(py: Python<'_>, number: u64) -> Option<Bound<'_, Deferred>> {
    ALIVE.find(py, number).filter(is_pending)
}
