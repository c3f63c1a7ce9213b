//! What the page shows of a thread's deferreds.

use super::{find_alive, is_pending, story_with, text, with_history};
use crate::cell::CellRef;
use crate::debug::{self, HISTORIES, JOURNALS};
use crate::errors::{Abandoned, Message, Panicked};
use crate::failure::Failure;
use core::cell::RefCell;
use core::hash::{Hash, Hasher};
use core::panic::Location;
use hereafter_insight::Before;
use hereafter_insight::page::{Answer, Doing, Door, Fate, Hint, Journal, Row, Rows, Wanted};
use hereafter_insight::{End, Kind, Now, Story, Told};

/// A place in the source, quickly compared. One that the compiler has written down twice is two:
/// the page sees that they read the same.
#[derive(Clone, Copy)]
struct Place(&'static Location<'static>);

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        core::ptr::from_ref(self.0).hash(state);
    }
}

thread_local! {
    static JOURNAL: RefCell<Journal<Place>> = RefCell::new(Journal::new());
}

/// Has counts kept of what happens from now on, and the last failures, the last that were lost and the
/// slowest links remembered, on all threads; and histories, as by [`enable`](super::enable).
///
/// # Examples
///
/// See [`answer`].
pub fn keep_journal() {
    debug::switch(HISTORIES | JOURNALS, true);
}

/// Answers what the page asks for, of the deferreds of this thread; see
/// [`hereafter_insight::page::answer`].
///
/// The crate `hereafter-inspector` serves the page. This is for servers of other kinds.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, inspect};
///
/// inspect::keep_journal();
/// let (_trigger, _d) = Deferred::<u32>::new();
/// let answer = inspect::answer("now");
/// assert_eq!(answer.status, 200);
/// assert!(answer.body.contains(r#""pending":1"#));
/// ```
pub fn answer(asked: &str) -> Answer {
    hereafter_insight::page::answer(&ThisThread, asked)
}

struct ThisThread;

impl Door for ThisThread {
    type Place = Place;

    fn rows(&self) -> Rows<Place> {
        let mut rows = Rows { rows: Vec::new(), waits: Vec::new() };
        for (number, cell) in super::alive() {
            let sources = cell.sources();
            let Some(row) = row(&cell, number, !sources.is_empty()) else { continue };
            rows.rows.push(row);
            let waited_on = sources.iter().filter_map(super::number);
            rows.waits.extend(waited_on.map(|inner| (number, inner)));
        }
        rows
    }

    fn place(&self, place: &Place) -> String {
        place.0.to_string()
    }

    fn story(&self, number: u64) -> Option<Story> {
        Some(super::story(&find_alive(number)?))
    }

    fn journal(&self) -> Journal<Place> {
        JOURNAL.try_with(|journal| journal.borrow().clone()).unwrap_or_default()
    }
}

/// The row of a deferred, unless it has come to its end.
fn row(cell: &CellRef, number: u64, waits: bool) -> Option<Row<Place>> {
    let (chain, body) = (cell.chain(), cell.body());
    let doing = if chain.is_running() {
        Doing::Runs
    } else if waits {
        Doing::Waits
    } else if !chain.is_fired() {
        Doing::Unfired
    } else if chain.paused() != 0 {
        Doing::Paused
    } else if body.is_failure() {
        Doing::Failed
    } else {
        return None;
    };
    let (born, within) = with_history(cell, |history| (history.born(), history.within()))?;
    let mut row = Row::new(number, Place(cell.made()), born, doing);
    let links = body.links_to_come();
    row.ahead = u32::try_from(links.len()).unwrap_or(u32::MAX);
    let is_handed_on = || !body.is_unwaited() || links.iter().any(|link| link.kind == Kind::Own);
    let is_forgotten = || within.is_some() && cell.is_detached() && !is_handed_on();
    row.hint = match doing {
        Doing::Paused => Some(Hint::Paused),
        _ if is_pending(cell) && is_forgotten() => Some(Hint::NotWaitedFor),
        _ => None,
    };
    Some(row)
}

/// A deferred was made.
pub(super) fn made() {
    let _ = JOURNAL.try_with(|journal| journal.borrow_mut().counts.made += 1);
}

/// Counts an event that has been noted.
pub(super) fn count(cell: &CellRef, before: Before) {
    let wanted = with_history(cell, |history| {
        let wanted = JOURNAL.try_with(|journal| {
            let place = |added: &&'static Location<'static>| Some(Place(added));
            journal.borrow_mut().count(history, before, place, || is_abandoned(cell))
        });
        Some((history.number(), wanted.ok()??))
    });
    if let Some((number, wanted)) = wanted.flatten() {
        let mut story = story_with(cell, own_words);
        if wanted == Wanted::Failed
            && let Some(Told { end: Some(End::Failed(name)), .. }) = last_run(&mut story)
            && let Some(words) = cell.body().with_failure(own_words)
        {
            *name = words.into();
        }
        let _ = JOURNAL.try_with(|journal| journal.borrow_mut().keep(number, wanted, story));
    }
}

/// The link that has run last.
fn last_run(story: &mut Story) -> Option<&mut Told> {
    story.links.iter_mut().rev().find(|link| link.end.is_some())
}

/// What a failure says, where that is a text of ours: in the middle of an event no code of the program's
/// may run, and other errors are not asked.
fn own_words(failure: &Failure) -> String {
    let message = failure.check::<Message>().map(ToString::to_string);
    let said = message.or_else(|| failure.check::<Panicked>().map(ToString::to_string));
    let name = failure.type_name();
    said.map_or_else(|| name.to_owned(), |said| format!("{name}: {said}"))
}

fn is_abandoned(cell: &CellRef) -> bool {
    cell.body().with_failure(Failure::is::<Abandoned>).unwrap_or(false)
}

/// A failure is about to be reported.
pub(crate) fn unhandled(failure: &Failure, cell: Option<&CellRef>) {
    if !debug::is_on(JOURNALS) {
        return;
    }
    let wanted = JOURNAL.try_with(|journal| {
        let mut journal = journal.borrow_mut();
        let known = cell.and_then(|cell| {
            with_history(cell, |history| (history.number(), history.is_failing()))
        });
        // Without a history, there is no more than that to tell.
        let Some((number, is_failing)) = known else {
            journal.counts.unhandled += 1;
            return None;
        };
        // No link has failed: the engine has refused to have it wait on itself.
        journal.counts.failed += u64::from(!is_failing);
        journal.unhandled(number).then_some(number)
    });
    if let (Ok(Some(number)), Some(cell)) = (wanted, cell) {
        let mut story = super::story(cell);
        story.now = Now::Failed(text(failure));
        let _ = JOURNAL.try_with(|journal| {
            journal.borrow_mut().settle(number, Fate::Unhandled, story);
        });
    }
}
