//! What the page shows of a thread's deferreds.

use super::{ALIVE, find_alive, is_pending, story_with, text};
use crate::cell::{CellRef, WeakCellRef};
use crate::errors::Abandoned;
use crate::failure::Failure;
use core::cell::RefCell;
use core::hash::{Hash, Hasher};
use core::panic::Location;
use hereafter_engine::Event;
use hereafter_insight::page::{Answer, Doing, Door, Fate, Hint, Journal, Row, Rows};
use hereafter_insight::{End, History, Now, Story};

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
/// inspect::enable();
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
        let _ = ALIVE.try_with(|alive| {
            for (number, cell) in &*alive.borrow() {
                let Some(cell) = WeakCellRef::upgrade(cell) else { continue };
                let Some(row) = row(&cell, *number) else { continue };
                rows.rows.push(row);
                let source = cell.body().source().and_then(|inner| super::number(&inner));
                rows.waits.extend(source.map(|inner| (*number, inner)));
            }
        });
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
fn row(cell: &CellRef, number: u64) -> Option<Row<Place>> {
    let (chain, body) = (cell.chain(), cell.body());
    let doing = if chain.is_running() {
        Doing::Runs
    } else if body.source().is_some() {
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
    row.ahead = u32::try_from(body.links_to_come().len()).unwrap_or(u32::MAX);
    let is_forgotten = || within.is_some() && cell.is_detached() && body.is_unwaited();
    row.hint = match doing {
        Doing::Paused => Some(Hint::Paused),
        _ if is_pending(cell) && is_forgotten() => Some(Hint::NotWaitedFor),
        _ => None,
    };
    Some(row)
}

/// What the history of a deferred was like before an event.
pub(super) struct Before {
    is_failing: bool,
    runs: bool,
}

impl Before {
    pub(super) fn of(cell: &CellRef) -> Option<Self> {
        with_history(cell, |history| Self {
            is_failing: history.is_failing(),
            runs: history.current().is_some_and(|(ran, _)| ran.end == End::Runs),
        })
    }
}

fn with_history<R>(
    cell: &CellRef,
    look: impl FnOnce(&History<&'static Location<'static>>) -> R,
) -> Option<R> {
    cell.with_notes(|notes| Some(look(&notes?.history.as_ref()?.0)))
}

/// A deferred was made.
pub(super) fn made() {
    let _ = JOURNAL.try_with(|journal| journal.borrow_mut().counts.made += 1);
}

/// What a story is kept as.
enum Told {
    Failed,
    Handled,
    Lost,
}

/// Counts an event that has been noted.
pub(super) fn count(cell: &CellRef, before: Option<Before>, event: &Event<'_, CellRef>) {
    let Some(before) = before else { return };
    let wanted = with_history(cell, |history| {
        let wanted = JOURNAL.try_with(|journal| {
            let journal = &mut *journal.borrow_mut();
            count_one(journal, history, &before, event);
            wanted(journal, cell, history, &before)
        });
        Some((history.number(), wanted.ok()??))
    });
    if let Some((number, told)) = wanted.flatten() {
        keep(cell, number, told);
    }
}

fn count_one(
    journal: &mut Journal<Place>,
    history: &History<&'static Location<'static>>,
    before: &Before,
    event: &Event<'_, CellRef>,
) {
    match event {
        Event::Fired => journal.counts.fired += 1,
        Event::Cancelled => journal.counts.cancelled += 1,
        Event::Ran(_) if before.runs => {
            if let Some(ran) = history.latest() {
                let added = ran.added.map(Place);
                journal.ran(history.number(), ran.kind, added.as_ref(), ran.took);
            }
        }
        _ => {}
    }
}

/// What has become of a failure, if the story of that is wanted.
fn wanted(
    journal: &mut Journal<Place>,
    cell: &CellRef,
    history: &History<&'static Location<'static>>,
    before: &Before,
) -> Option<Told> {
    let was_handled = || history.latest().is_some_and(|ran| matches!(ran.end, End::Handled(_)));
    match (before.is_failing, history.is_failing()) {
        (false, true) if is_abandoned(cell) => journal.lost().then_some(Told::Lost),
        (false, true) => journal.failed().then_some(Told::Failed),
        (true, false) if was_handled() => {
            journal.is_open(history.number()).then_some(Told::Handled)
        }
        _ => None,
    }
}

fn is_abandoned(cell: &CellRef) -> bool {
    cell.body().failure().is_some_and(|failure| failure.is::<Abandoned>())
}

/// Keeps the story as it is now. An error is not asked what it has to say: in the middle of an event
/// no code of the program's may run.
fn keep(cell: &CellRef, number: u64, told: Told) {
    let story = story_with(cell, |failure| failure.type_name().to_owned());
    let _ = JOURNAL.try_with(|journal| {
        let mut journal = journal.borrow_mut();
        match told {
            Told::Failed => journal.keep_failure(number, story),
            Told::Handled => journal.settle(number, Fate::Handled, story),
            Told::Lost => journal.keep_lost(number, story),
        }
    });
}

/// A failure is about to be reported.
pub(crate) fn unhandled(failure: &Failure, cell: Option<&CellRef>) {
    if !super::enabled() {
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
