//! Inspection: what is noted of Deferreds while things happen to them.
//!
//! While it is on, each Deferred that is made keeps a history, and its links keep where they were added. Off, a
//! Deferred costs a look at whether it has one when something happens to it.
//!
//! * here: what is noted. Nothing of it runs code of anybody else's, or keeps anything alive;
//! * `places.rs`: where something was done, by numbers;
//! * `story.rs`: how it is told, which may ask errors what they say;
//! * `page.rs`: what the page shows of it, and what is remembered of what is gone;
//! * `told.rs`: what Python has of that;
//! * `trace.rs`: the trace file.

mod page;
mod places;
mod story;
mod told;
mod trace;

pub(crate) use places::{Spot, here_again};
use story::of_gone;
pub(crate) use story::{give_story, story, tell_in_report};
pub(crate) use told::{Story, add};

use crate::deferred::{self, Deferred};
use crate::failure;
use crate::names::name;
use crate::raw::{self, Attached, Roll};
use crate::twisted::twisted;
use crate::world::{Added, Link, Pair, PyWorld, State, state};
use hereafter_engine::{Event, Step, World};
use hereafter_insight::{Before, End, History, Kind, Name};
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;

/// What is noted of one Deferred.
pub(crate) struct Noted {
    history: RefCell<History<Spot>>,
    address: usize,
    /// What there is to report of it was told.
    is_told: Cell<bool>,
}

impl Noted {
    #[cold]
    #[inline(never)]
    fn new(made: Spot, address: usize) -> Box<Self> {
        let history = RefCell::new(History::new(made));
        Box::new(Self { history, address, is_told: Cell::new(false) })
    }

    fn number(&self) -> u64 {
        self.history.borrow().number()
    }

    /// A copy, for as long as it takes to tell it.
    fn history(&self) -> History<Spot> {
        self.history.borrow().clone()
    }
}

/// Every living Deferred that has a history.
static ALIVE: Roll<Deferred> = Roll::new();

/// How many histories without a Deferred are kept for the next ones, with their room.
const SPARE: usize = 1024;

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

/// Whether somebody wants to know what is noted, when it is.
fn is_watched() -> bool {
    let switches = SWITCHES.in_collector().get();
    switches.journal || switches.traced
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
    if state(deferred).history.get().is_none() {
        begin_at(deferred, places::made_here(deferred.py()));
    }
}

/// Where a Deferred is made whose history can be begun quickly; runs no code, and drops nothing.
pub(crate) fn made_again(py: Python<'_>) -> Option<Spot> {
    if is_on() && !is_watched() { places::made_again(py) } else { None }
}

/// Begins the history of a Deferred that has none and was made there.
pub(crate) fn begin_at(deferred: &Bound<'_, Deferred>, made: Spot) {
    let (its, address) = (state(deferred), deferred.as_ptr().addr());
    let spare = SPARES.get(deferred.py()).borrow_mut().pop();
    let noted = match spare {
        Some(mut spare) => {
            spare.history.get_mut().renew(made);
            spare.address = address;
            spare.is_told.set(false);
            spare
        }
        None => Noted::new(made, address),
    };
    ALIVE.enter(deferred, noted.number());
    // There was none just now.
    let _ = its.history.set(noted);
    if is_watched() {
        begun(deferred);
    }
}

/// Tells those who want to know of a new Deferred.
#[cold]
fn begun(deferred: &Bound<'_, Deferred>) {
    if let Some(noted) = state(deferred).history.get().filter(|_| is_traced()) {
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

/// The link, with its place if it is one that the program adds.
#[cold]
pub(crate) fn note_place(py: Python<'_>, mut link: Link) -> Link {
    if let Some(added) = link.added() {
        *added = places::here(py);
    }
    link
}

/// Somebody has paused it.
pub(crate) fn paused(deferred: &Bound<'_, Deferred>) {
    if let Some(noted) = state(deferred).history.get() {
        let here = places::here(deferred.py()).unwrap_or(Spot::NOWHERE);
        noted.history.borrow_mut().paused(here);
    }
}

/// The engine tells what happens.
///
/// Which it is stands in the program's text, and so each way is one of its own.
#[allow(clippy::inline_always, reason = "what is left of it is one call at each place")]
#[inline(always)]
pub(crate) fn observe(
    deferred: &Bound<'_, Deferred>,
    noted: &Noted,
    event: Event<'_, Bound<'_, Deferred>>,
) {
    match event {
        Event::Runs if state(deferred).links.is_empty() => {}
        Event::Runs => runs(deferred, noted),
        Event::Ran(Step::Ran) => ran(deferred, noted),
        Event::Fired => fired(deferred, noted),
        Event::Waits(_) | Event::Ran(Step::Empty) => rests(deferred, noted),
        Event::Ran(step) => left(deferred, noted, step),
        Event::Cancelled => cancelled(deferred, noted),
        Event::Resumed => resumed(deferred, noted),
    }
}

/// Has something noted, and told to those who want to know.
///
/// What is noted are numbers and names, and neither to make them nor to let go of them runs code of anybody else's:
/// so a history is never in use where something is noted of it.
#[inline]
fn note(deferred: &Bound<'_, Deferred>, noted: &Noted, what: impl FnOnce(&mut History<Spot>)) {
    if is_watched() {
        return note_watched(deferred, noted, what);
    }
    what(&mut noted.history.borrow_mut());
}

#[cold]
fn note_watched(
    deferred: &Bound<'_, Deferred>,
    noted: &Noted,
    what: impl FnOnce(&mut History<Spot>),
) {
    let before = Before::of(&noted.history.borrow());
    what(&mut noted.history.borrow_mut());
    if is_traced() {
        trace::noted(deferred.py(), noted, before);
    }
    if keeps_journal() {
        page::count(deferred, noted, before);
    }
}

/// A link is about to run, if there is one.
#[cold]
#[inline(never)]
fn runs(deferred: &Bound<'_, Deferred>, noted: &Noted) {
    let its = state(deferred);
    let Some((kind, added)) = its.links.front(of_link).flatten() else { return };
    let passes = match kind {
        Kind::Callback => is_failed(deferred),
        Kind::Errback => !is_failed(deferred),
        _ => false,
    };
    if passes {
        note(deferred, noted, |history| history.passed(kind, added));
    } else {
        note(deferred, noted, |history| history.runs(kind, added));
    }
}

/// A link is through.
#[cold]
#[inline(never)]
fn ran(deferred: &Bound<'_, Deferred>, noted: &Noted) {
    if may_be_failed(deferred) {
        ended(deferred, noted);
    } else {
        note(deferred, noted, History::gave_value);
    }
}

/// The same of one that left an exception, or a failure.
#[inline(never)]
fn ended(deferred: &Bound<'_, Deferred>, noted: &Noted) {
    let end = end(deferred);
    note(deferred, noted, |history| history.ran(end));
}

#[cold]
#[inline(never)]
fn fired(deferred: &Bound<'_, Deferred>, noted: &Noted) {
    let failure = failure_name(deferred);
    note(deferred, noted, |history| history.fired(failure));
    let its = state(deferred);
    if its.links.is_empty() || its.chain.paused() != 0 {
        noted.history.borrow_mut().rests();
    }
}

/// A Deferred was made with a result.
#[cold]
#[inline(never)]
pub(crate) fn ready(deferred: &Bound<'_, Deferred>, noted: &Noted) {
    let failure = failure_name(deferred);
    note(deferred, noted, |history| history.ready(failure));
}

/// A link has handed on its result, or given back another Deferred.
#[cold]
#[inline(never)]
fn left(deferred: &Bound<'_, Deferred>, noted: &Noted, step: &Step<Bound<'_, Deferred>>) {
    match step {
        Step::Returned => {
            let inner = PyWorld::waiting_on(deferred);
            let inner = inner.map_or_else(|| Name::from("?"), |inner| short_name(&inner));
            note(deferred, noted, |history| history.gave_back(inner));
        }
        Step::Resumed(target) | Step::Fired(target) | Step::Called(target) => {
            let target = short_name(target);
            note(deferred, noted, |history| {
                history.ran(End::HandedOn(target));
                history.rests();
            });
        }
        Step::Empty | Step::Ran => {}
    }
}

#[cold]
#[inline(never)]
fn rests(deferred: &Bound<'_, Deferred>, noted: &Noted) {
    note(deferred, noted, History::rests);
}

#[cold]
#[inline(never)]
fn cancelled(deferred: &Bound<'_, Deferred>, noted: &Noted) {
    note(deferred, noted, History::cancelled);
}

#[cold]
#[inline(never)]
fn resumed(deferred: &Bound<'_, Deferred>, noted: &Noted) {
    if may_be_failed(deferred) {
        let end = end(deferred);
        note(deferred, noted, |history| history.resumed(end));
    } else {
        note(deferred, noted, |history| history.resumed(End::Value));
    }
}

/// What a link is, and where it was added; none if it is only the rest of the last one.
#[inline]
fn of_link(link: &Link) -> Option<(Kind, Added)> {
    Some(match link {
        Link::Callback(_, added) => (Kind::Callback, *added),
        Link::Errback(_, added) => (Kind::Errback, *added),
        Link::Both(_, added) => (Kind::Both, *added),
        Link::Pair(pair, added) => {
            let kind = match &**pair {
                Pair::Callback(_) => Kind::Callback,
                Pair::Errback(_) => Kind::Errback,
                Pair::Both(_) | Pair::Either(..) | Pair::Each(..) => Kind::Both,
            };
            (kind, *added)
        }
        Link::Fire(_, added) | Link::Timeout(_, added) => (Kind::Own, *added),
        Link::Over(_) => return None,
        _ => (Kind::Own, None),
    })
}

/// The links that are still to come.
fn links_to_come(its: &State) -> Vec<(Kind, Added)> {
    let mut links = Vec::new();
    let looked: Result<(), Infallible> = its.links.each(|link| {
        links.extend(of_link(link));
        Ok(())
    });
    let Ok(()) = looked;
    links
}

/// Whether its result is any kind of exception, which next to none is; a failure is one.
#[inline]
fn may_be_failed(deferred: &Bound<'_, Deferred>) -> bool {
    state(deferred).result.peek().is_some_and(|(_, kind)| raw::is_exception_class(kind))
}

#[inline]
fn is_failed(deferred: &Bound<'_, Deferred>) -> bool {
    may_be_failed(deferred) && failure_in(deferred).is_some()
}

/// The failure that a Deferred has, if its result is one.
#[inline(never)]
fn failure_in<'py>(deferred: &Bound<'py, Deferred>) -> Option<Bound<'py, PyAny>> {
    state(deferred).result.get(deferred.py()).filter(failure::is_failure)
}

/// The class of the exception, if there is a failure.
#[inline]
fn failure_name(deferred: &Bound<'_, Deferred>) -> Option<Name> {
    if may_be_failed(deferred) { name_of_failure(deferred) } else { None }
}

#[inline(never)]
fn name_of_failure(deferred: &Bound<'_, Deferred>) -> Option<Name> {
    failure_in(deferred).map(|failure| Name::from(class_of(&failure)))
}

#[inline]
fn end(deferred: &Bound<'_, Deferred>) -> End {
    failure_name(deferred).map_or(End::Value, End::Failed)
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
        finalized(py, its, noted);
        if !its.chain.is_fired() && !its.links.is_empty() {
            let number = noted.number();
            raw::between_errors(py, || page::lost(py, number, || of_gone(py, its, noted)));
        }
    });
}

/// A Deferred is about to go away, and all that it refers to is whole. After this, it may not be.
#[cold]
pub(crate) fn finalized(py: Python<'_>, its: &State, noted: &Noted) {
    let info = its.debug_info.get(py).filter(|info| !info.is_none());
    if let Some(info) = info.filter(|_| !noted.is_told.replace(true)) {
        raw::between_errors(py, || tell_in_report(&info, its, noted));
    }
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
