//! Inspection: why has it not fired?
//!
//! With the feature `inspect`, and once [`enable`] was called or the environment variable
//! `HEREAFTER_INSPECT` is set to `1`, every pending deferred keeps its history: where it was made,
//! which links have run, what came of each and how long it took, what it waits on. [`explain`] tells
//! it, and reports of failures that nobody handled tell it too. [`pending`] lists all deferreds of a
//! thread that have not come to their end.
//!
//! Without the feature, nothing of it is compiled. With it, and off, a deferred costs a look at one
//! flag when it is made, and at an empty pointer when something happens to it.
//!
//! ```
//! use hereafter::{Deferred, inspect};
//!
//! inspect::enable();
//! let (_forgotten, inner) = Deferred::<u32>::new();
//! let (trigger, d) = Deferred::<u32>::new();
//! let d = d.map(|n| n + 1).add_callback(move |_| inner).map(|n| println!("{n}"));
//! trigger.callback(1);
//! println!("{}", inspect::explain(&d));
//! ```
//!
//! prints:
//!
//! ```text
//! Deferred 2 at 0x55d0c8a3b2c0 waits
//! ├─ made at src/app.rs:6:20, 41.6 us ago
//! ├─ fired after 15.1 us
//! ├─ callback added at src/app.rs:7:11: a value, took 210 ns
//! ├─ callback added at src/app.rs:7:27: gave back Deferred 1 at 0x55d0c8a3b360, took 190 ns
//! ├─ callback added at src/app.rs:7:55: still to come
//! └─ on Deferred 1 at 0x55d0c8a3b360 has not fired; its trigger is still there
//!    └─ made at src/app.rs:5:27, 44.0 us ago
//! ```

#[cfg(feature = "tracing")]
pub(crate) mod spans;
pub(crate) mod trace;

pub use trace::{trace_end, trace_to};

use crate::cell::{CellRef, WeakCellRef};
use crate::debug::{self, HISTORIES, Notes, TRACES, WATCHED};
use crate::deferred::{Deferred, Repr};
use crate::erased::Seen;
use crate::failure::Failure;
use core::cell::RefCell;
use core::panic::Location;
use hereafter_engine::{Event, Step};
use hereafter_insight::{Before, History, Roll};
pub use hereafter_insight::{End, Kind, Name, Now, Story, Told};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "page")]
pub(crate) mod page;

#[cfg(feature = "page")]
pub use page::{answer, keep_journal};

/// How many deferreds, each waiting on the next, a story tells of.
const DEPTH: usize = 50;

/// The history of a deferred.
pub(crate) type Noted = History<&'static Location<'static>>;

/// How many notes without a deferred a thread keeps for the next ones.
const SPARE: usize = 1024;

/// What a thread knows of its deferreds.
struct Thread {
    /// Every one that has a history and is alive.
    alive: Roll<WeakCellRef>,
    /// Notes of those that have gone, with their room.
    #[expect(clippy::vec_box, reason = "they go back to where boxes are")]
    spares: Vec<Box<Notes>>,
}

thread_local! {
    static THREAD: RefCell<Thread> =
        const { RefCell::new(Thread { alive: Roll::new(), spares: Vec::new() }) };
}

/// Begins the history of a new deferred, which is in its place. It comes back, so that where there is
/// none, the reference to it need not be in memory.
#[cold]
#[inline(never)]
pub(crate) fn begin(cell: CellRef) -> CellRef {
    let made = cell.made();
    let notes = THREAD.try_with(|thread| {
        let mut thread = thread.borrow_mut();
        let notes = match thread.spares.pop() {
            Some(mut spare) => {
                if let Some(history) = &mut spare.history {
                    history.renew(made);
                }
                spare
            }
            None => fresh(made),
        };
        if let Some(history) = &notes.history {
            thread.alive.enter(history.number(), cell.downgrade());
        }
        notes
    });
    // On a thread that ends, nobody asks any more.
    let Ok(notes) = notes else { return cell };
    if let Some(before) = cell.begin_notes(notes) {
        cell.with_notes(|notes| {
            if let Some(notes) = notes {
                notes.stacks = before.stacks;
            }
        });
    }
    if debug::is_any_on(WATCHED) {
        tell_made(&cell);
    }
    #[cfg(feature = "tracing")]
    spans::begin(&cell);
    cell
}

#[cold]
#[inline(never)]
#[allow(clippy::unnecessary_box_returns, reason = "that is where notes lie")]
fn fresh(made: &'static Location<'static>) -> Box<Notes> {
    Box::new(Notes { history: Some(History::new(made)), ..Notes::default() })
}

#[cold]
#[inline(never)]
fn tell_made(cell: &CellRef) {
    with_history(cell, |history| {
        #[cfg(feature = "page")]
        if debug::is_any_on(debug::JOURNALS) {
            page::made();
        }
        if debug::is_any_on(TRACES) {
            trace::made(history);
        }
    });
}

/// A deferred has gone, and leaves its notes.
pub(crate) fn put_away(mut notes: Box<Notes>) {
    let Some(history) = &notes.history else { return };
    let number = history.number();
    if notes.stacks.is_some() || debug::is_any_on(WATCHED) {
        leave(&mut notes);
    }
    // What is left of it is memory.
    let gone = THREAD.try_with(|thread| {
        let mut thread = thread.borrow_mut();
        if thread.spares.len() < SPARE {
            thread.spares.push(notes);
        }
        thread.alive.strike(number)
    });
    drop(gone);
}

/// Takes out of notes what is not for the next deferred, and tells those who want to know.
#[cold]
#[inline(never)]
fn leave(notes: &mut Notes) {
    notes.stacks = None;
    if let Some(history) = notes.history.as_ref().filter(|_| debug::is_any_on(TRACES)) {
        trace::gone(history);
    }
    #[cfg(feature = "tracing")]
    spans::end(core::mem::take(&mut notes.in_span));
}

/// Has histories kept, of deferreds made from now on, on all threads.
///
/// # Examples
///
/// ```
/// hereafter::inspect::enable();
/// assert!(hereafter::inspect::enabled());
/// ```
pub fn enable() {
    debug::switch(HISTORIES, true);
}

/// Has no more histories begun. Those that there are go on.
///
/// # Examples
///
/// ```
/// hereafter::inspect::disable();
/// assert!(!hereafter::inspect::enabled());
/// ```
pub fn disable() {
    debug::switch(HISTORIES, false);
}

/// Whether histories are kept.
///
/// # Examples
///
/// See [`enable`].
pub fn enabled() -> bool {
    debug::is_on(HISTORIES)
}

/// What has happened to a deferred, what it does now and what it waits on, and what is still to
/// come; as far as it is known. `Display` draws it as a tree.
///
/// A deferred that was made while inspection was off has no history; what it waits on, and which
/// links are still to come, is told of it all the same.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, inspect::{self, Now}};
///
/// let (trigger, d) = Deferred::<u32>::new();
/// let d = d.map(|n| n + 1);
/// let story = inspect::explain(&d);
/// assert!(matches!(story.now, Now::Unfired { .. }));
/// assert_eq!(story.links.len(), 1); // still to come
/// # drop((trigger, d.add_errback(|_| Ok(0))));
/// ```
pub fn explain<T>(deferred: &Deferred<T>) -> Story {
    match &deferred.repr {
        Repr::Pending(out) => story(out.cell()),
        Repr::Ready(Ok(_)) => Story::new("Deferred", Now::Value),
        Repr::Ready(Err(failure)) => {
            let mut story = Story::new("Deferred", Now::Failed(text(failure)));
            story.made = Some(failure.made().to_string());
            story
        }
        Repr::Gone => Story::new("Deferred", Now::Gone),
    }
}

/// The stories of this thread's deferreds that have not come to their end, oldest first. Only those
/// that have a history are known.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, inspect};
///
/// inspect::enable();
/// let (trigger, d) = Deferred::<u32>::new();
/// assert_eq!(inspect::pending().len(), 1);
/// trigger.callback(1);
/// assert!(inspect::pending().is_empty());
/// # drop(d);
/// ```
pub fn pending() -> Vec<Story> {
    alive().iter().map(|(_, cell)| cell).filter(|cell| is_pending(cell)).map(story).collect()
}

/// All deferreds of this thread that have a history, by their numbers, oldest first.
fn alive() -> Vec<(u64, CellRef)> {
    let upgrade = |(number, cell): (u64, &WeakCellRef)| Some((number, cell.upgrade()?));
    let all = |thread: &RefCell<Thread>| thread.borrow().alive.iter().filter_map(upgrade).collect();
    THREAD.try_with(all).unwrap_or_default()
}

fn is_pending(cell: &CellRef) -> bool {
    let chain = cell.chain();
    !chain.is_fired() || chain.is_running() || chain.paused() != 0
}

/// The deferred of that number, if it is alive.
fn find_alive(number: u64) -> Option<CellRef> {
    let found =
        THREAD.try_with(|thread| thread.borrow().alive.get(number).and_then(WeakCellRef::upgrade));
    found.ok().flatten()
}

/// The pending deferred of that number.
fn find(number: u64) -> Option<CellRef> {
    find_alive(number).filter(is_pending)
}

/// The engine tells what happens to a deferred of which something is noted.
#[allow(clippy::inline_always, reason = "the compiler holds what seldom happens for large")]
#[inline(always)]
pub(crate) fn observe(cell: &CellRef, event: Event<'_, CellRef>) {
    // Which it is stands in the program's text, and each way is one of its own.
    match &event {
        Event::Runs => runs(cell),
        Event::Ran(Step::Ran) => ran(cell, &event),
        Event::Ran(Step::Returned) => gave_back(cell, &event),
        Event::Fired => fired(cell),
        Event::Resumed => resumed(cell),
        Event::Cancelled => cancelled(cell),
        Event::Waits(_) => rests(cell),
        // That there was no link to run was noted when it was looked for.
        Event::Ran(Step::Empty | Step::Resumed(_) | Step::Fired(_) | Step::Called(_)) => {}
    }
}

/// A link is about to run, if there is one.
#[inline(never)]
fn runs(cell: &CellRef) {
    match cell.body().front() {
        Some(Seen { kind, added, passes: true }) => passes(cell, kind, added),
        Some(Seen { kind, added, passes: false }) => {
            note(cell, &Event::Runs, true, |history| history.runs(kind, Some(added)));
        }
        None => rests(cell),
    }
}

/// It does nothing for now.
#[inline(never)]
fn rests(cell: &CellRef) {
    with_history(cell, History::rests);
}

/// The result is not for this link.
#[inline(never)]
fn passes(cell: &CellRef, kind: Kind, added: &'static Location<'static>) {
    note(cell, &Event::Runs, false, |history| history.passed(kind, Some(added)));
}

/// A link is through.
#[inline(never)]
fn ran(cell: &CellRef, event: &Event<'_, CellRef>) {
    match failure_name(cell) {
        None => note(cell, event, false, History::gave_value),
        Some(failure) => failed(cell, event, failure),
    }
}

#[inline(never)]
fn failed(cell: &CellRef, event: &Event<'_, CellRef>, failure: &'static str) {
    note(cell, event, false, |history| history.failed(failure.into()));
}

#[inline(never)]
fn gave_back(cell: &CellRef, event: &Event<'_, CellRef>) {
    let given = cell.body().with_source(name).unwrap_or_else(|| Name::from(""));
    note(cell, event, false, |history| history.gave_back(given));
}

#[inline(never)]
fn fired(cell: &CellRef) {
    note(cell, &Event::Fired, false, |history| {
        history.fired(failure_name(cell).map(Name::from));
        if cell.chain().paused() != 0 {
            history.rests();
        }
    });
}

/// What it waits for has a result.
#[inline(never)]
fn resumed(cell: &CellRef) {
    note(cell, &Event::Resumed, false, |history| match failure_name(cell) {
        None => history.resumed(End::Value),
        Some(failure) => history.resumed(End::Failed(failure.into())),
    });
}

#[cold]
#[inline(never)]
fn cancelled(cell: &CellRef) {
    note(cell, &Event::Cancelled, false, History::cancelled);
}

/// Has something noted of a deferred that has a history, and told to those who want to know; `runs` says
/// that a link begins to run.
#[inline]
fn note(cell: &CellRef, event: &Event<'_, CellRef>, runs: bool, what: impl FnOnce(&mut Noted)) {
    if debug::is_any_on(WATCHED) {
        note_and_tell(cell, event, runs, what);
    } else {
        with_history(cell, what);
    }
}

#[cold]
#[inline(never)]
#[cfg_attr(
    not(all(feature = "tracing", feature = "page")),
    allow(unused_variables, reason = "spans and the page want to know")
)]
fn note_and_tell(
    cell: &CellRef,
    event: &Event<'_, CellRef>,
    runs: bool,
    what: impl FnOnce(&mut Noted),
) {
    let noted = with_history(cell, |history| {
        let before = Before::of(history);
        what(history);
        if debug::is_any_on(TRACES) {
            trace::noted(before, history);
        }
        before
    });
    let Some(before) = noted else { return };
    #[cfg(feature = "tracing")]
    spans::happened(cell, event, runs);
    #[cfg(feature = "page")]
    if debug::is_any_on(debug::JOURNALS) {
        page::count(cell, before);
    }
}

/// Looks at the history of a deferred, if it has one, or notes something there. It must run no user code.
#[inline]
fn with_history<R>(cell: &CellRef, look: impl FnOnce(&mut Noted) -> R) -> Option<R> {
    cell.with_notes(|notes| Some(look(notes?.history.as_mut()?)))
}

fn failure_name(cell: &CellRef) -> Option<&'static str> {
    cell.body().with_failure(Failure::type_name)
}

/// Somebody has paused it there.
#[cold]
pub(crate) fn paused(cell: &CellRef, at: &'static Location<'static>) {
    with_history(cell, |history| history.paused(at));
}

/// The failure in words, some of which are the error's own.
fn text(failure: &Failure) -> String {
    let said = catch_unwind(AssertUnwindSafe(|| failure.to_string()));
    let said = said.unwrap_or_else(|_| "(it panics when it is asked what it is)".to_owned());
    format!("{}: {said}", failure.type_name())
}

fn number(cell: &CellRef) -> Option<u64> {
    with_history(cell, |history| history.number())
}

fn name(cell: &CellRef) -> Name {
    Name::of_deferred(number(cell), cell.address().addr())
}

/// The story of a deferred of which a history is kept.
pub(crate) fn story_if_noted(cell: &CellRef) -> Option<Story> {
    number(cell).map(|_| story(cell))
}

fn story(cell: &CellRef) -> Story {
    story_with(cell, text)
}

/// The story, in which failures are called what `say` says.
fn story_with(cell: &CellRef, say: fn(&Failure) -> String) -> Story {
    let mut whole = of_one(cell, say);
    let mut told = vec![cell.clone()];
    while let Some(inner) = told.last().and_then(|outer| outer.sources().into_iter().next()) {
        if told.iter().any(|known| known.same(&inner)) {
            whole.waits_on.push(Story::new(name(&inner).to_string(), Now::Circle));
            break;
        }
        if whole.waits_on.len() == DEPTH {
            whole.waits_on.push(Story::new("and so on, to", Now::Waits));
            break;
        }
        whole.waits_on.push(of_one(&inner, say));
        told.push(inner);
    }
    whole
}

/// The story of one deferred, without what it waits on.
fn of_one(cell: &CellRef, say: fn(&Failure) -> String) -> Story {
    let (chain, body) = (cell.chain(), cell.body());
    let now = if chain.is_running() {
        Now::Runs
    } else if body.source().is_some() {
        Now::Waits
    } else if !chain.is_fired() {
        Now::Unfired { by: cell.who_fires() }
    } else if chain.paused() != 0 {
        Now::Paused(chain.paused())
    } else if let Some(failure) = body.with_failure(Failure::clone) {
        Now::Failed(say(&failure))
    } else if body.is_full() {
        Now::Value
    } else {
        Now::Gone
    };
    let mut story = Story::new(name(cell).to_string(), now);
    story.made = Some(cell.made().to_string());
    with_history(cell, |history| {
        story.tell(history, |place| Some(place.to_string()), |number| find(number).is_some());
    });
    let to_come = body.links_to_come().into_iter();
    story.links.extend(to_come.map(|link| Told::to_come(link.kind, Some(link.added.to_string()))));
    story
}
