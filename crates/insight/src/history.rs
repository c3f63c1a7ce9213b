//! What is noted of one deferred.

use crate::moment::Moment;
use crate::name::Name;
use crate::story::{End, Kind};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A link that has run.
#[derive(Debug, Clone)]
pub struct Ran<P> {
    /// What it was.
    pub kind: Kind,
    /// Where it was added; none for one that is no code of the program's.
    pub added: Option<P>,
    /// What came of it.
    pub end: End,
    /// When it began.
    pub began: Moment,
    /// When it was through; what it gave back was waited for from then on.
    pub ended: Moment,
    /// How long it ran, without what it waited for.
    pub took: Duration,
    /// How long the deferred that it gave back was waited for.
    pub waited: Option<Duration>,
    /// The number of the last deferred that was made while it ran.
    pub made: Option<u64>,
    /// It is the first that ran after a wait.
    pub after_wait: bool,
}

/// What came of a link: an [`End`] whose name lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Runs,
    Value,
    Handled,
    Failed,
    Passed,
    Returned,
    HandedOn,
}

/// A link as it is noted: in place, and without working anything out.
#[derive(Debug, Clone)]
struct Mark<P> {
    kind: Kind,
    added: Option<P>,
    came: Came,
    /// Of the failure, or of the other deferred. It is looked at for those that have one.
    name: Option<Name>,
    began: Moment,
    ended: Moment,
    /// When what it gave back had a result.
    resumed: Option<Moment>,
    made: u64,
    after_wait: bool,
}

impl<P> Mark<P> {
    fn end(&self) -> End {
        let name = || self.name.clone().unwrap_or_else(|| Name::from(""));
        match self.came {
            Came::Runs => End::Runs,
            Came::Value => End::Value,
            Came::Passed => End::Passed,
            Came::Handled => End::Handled(name()),
            Came::Failed => End::Failed(name()),
            Came::Returned => End::Returned(name()),
            Came::HandedOn => End::HandedOn(name()),
        }
    }
}

impl<P: Clone> Mark<P> {
    fn told(&self) -> Ran<P> {
        Ran {
            kind: self.kind,
            added: self.added.clone(),
            end: self.end(),
            began: self.began,
            ended: self.ended,
            took: self.ended.since(self.began),
            waited: self.resumed.map(|resumed| resumed.since(self.ended)),
            made: some(self.made),
            after_wait: self.after_wait,
        }
    }
}

/// Says that there is none: numbers begin with one. It makes what is noted smaller.
const NONE: u64 = 0;

fn some(number: u64) -> Option<u64> {
    (number != NONE).then_some(number)
}

thread_local! {
    /// The deferred of this thread whose link runs.
    static INSIDE: Cell<u64> = const { Cell::new(NONE) };
    /// The last deferred that was made while it runs.
    static MADE: Cell<u64> = const { Cell::new(NONE) };
    /// The numbers that this thread may give to deferreds: the next, and the end.
    static NUMBERS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// A number that no other deferred of the process has, and that of the deferred one of whose links runs.
#[inline]
fn count() -> (u64, Option<u64>) {
    /// So many are taken at a time, since what threads share is slow.
    const TAKEN: u64 = 256;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let (mut next, mut end) = NUMBERS.get();
    if next == end {
        next = NEXT.fetch_add(TAKEN, Ordering::Relaxed);
        end = next + TAKEN;
    }
    NUMBERS.set((next + 1, end));
    MADE.set(next);
    (next, some(INSIDE.get()))
}

/// How far the last link of a deferred is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is through, or there is none.
    Idle,
    /// It is on the call stack.
    Runs,
    /// What it gave back is waited for.
    Waits,
}

/// What has happened to one deferred. `P` is a place in a program, as a door notes it.
///
/// Of the links that have run, the first ones and the last are kept.
///
/// # Examples
///
/// ```
/// use hereafter_insight::{History, Kind, End};
///
/// let mut history = History::new("app.rs:3");
/// history.fired(None);
/// history.runs(Kind::Callback, Some("app.rs:4"));
/// history.ran(End::Value);
/// assert_eq!(history.links().count(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct History<P> {
    number: u64,
    made: P,
    /// The deferred one of whose links ran when this one was made.
    within: Option<u64>,
    born: Moment,
    fired: Option<Moment>,
    is_cancelled: bool,
    paused: Option<P>,
    /// The failure that it has got, and that no link has handled so far.
    failing: Option<Name>,
    /// The links that have begun, but for those left out.
    marks: Vec<Mark<P>>,
    /// The last of them runs, or its deferred is waited for.
    is_at_last: bool,
    /// What the thread was at when that began: [`INSIDE`] and [`MADE`].
    outer: (u64, u64),
    left_out: usize,
    /// The end of what it did last, which is the beginning of what it does next.
    going: Option<Moment>,
    /// What it waited for is there, and no link has run since.
    is_resumed: bool,
}

/// How many links are kept; behind them, only the last one is.
const KEPT: usize = 64;

impl<P: Clone> History<P> {
    /// That of a deferred which was made at `made`, now.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(*hereafter_insight::History::new("app.rs:3").made(), "app.rs:3");
    /// ```
    pub fn new(made: P) -> Self {
        let (number, within) = count();
        Self {
            number,
            made,
            within,
            born: Moment::now(),
            fired: None,
            is_cancelled: false,
            paused: None,
            failing: None,
            marks: Vec::new(),
            is_at_last: false,
            outer: (NONE, NONE),
            left_out: 0,
            going: None,
            is_resumed: false,
        }
    }

    /// The same, in the room of one that is not needed any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::History;
    /// let mut history = History::new("app.rs:3");
    /// let number = history.number();
    /// history.renew("app.rs:9");
    /// assert_eq!(*history.made(), "app.rs:9");
    /// assert_ne!(history.number(), number);
    /// ```
    pub fn renew(&mut self, made: P) {
        (self.number, self.within) = count();
        self.made = made;
        self.born = Moment::now();
        self.fired = None;
        self.is_cancelled = false;
        self.paused = None;
        self.failing = None;
        self.marks.clear();
        self.is_at_last = false;
        self.left_out = 0;
        self.going = None;
        self.is_resumed = false;
    }

    /// It has got its first result; `failure` is the name of that, if it is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut history = hereafter_insight::History::new("app.rs:3");
    /// history.fired(None);
    /// assert!(history.fired_after().is_some());
    /// ```
    pub fn fired(&mut self, failure: Option<Name>) {
        let now = Moment::now();
        self.fired.get_or_insert(now);
        self.going = Some(now);
        self.failing = failure;
    }

    /// It does nothing for now. Without this, its next link counts as beginning when it was fired, or
    /// when its last link ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{End, History, Kind};
    ///
    /// let mut history = History::new("app.rs:3");
    /// history.fired(None);
    /// history.rests();
    /// history.runs(Kind::Callback, None); // it has just been added
    /// history.ran(End::Value);
    /// ```
    pub fn rests(&mut self) {
        self.going = None;
    }

    /// Somebody has paused it, at this place.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut history = hereafter_insight::History::new("app.rs:3");
    /// history.paused("app.rs:8");
    /// assert_eq!(history.paused_at(), Some(&"app.rs:8"));
    /// ```
    pub fn paused(&mut self, at: P) {
        self.paused = Some(at);
    }

    /// Somebody has cancelled it.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut history = hereafter_insight::History::new("app.rs:3");
    /// history.cancelled();
    /// assert!(history.was_cancelled());
    /// ```
    pub fn cancelled(&mut self) {
        self.is_cancelled = true;
    }

    /// A link is about to run.
    ///
    /// # Examples
    ///
    /// See [`History`].
    #[inline]
    pub fn runs(&mut self, kind: Kind, added: Option<P>) {
        self.outer = (INSIDE.replace(self.number), MADE.replace(NONE));
        let began = self.going.take().unwrap_or_else(Moment::now);
        self.put(kind, added, Came::Runs, began);
        self.is_resumed = false;
        self.is_at_last = true;
    }

    /// Notes a link behind the others.
    #[inline]
    fn put(&mut self, kind: Kind, added: Option<P>, came: Came, began: Moment) {
        let mark = Mark {
            kind,
            added,
            came,
            name: None,
            began,
            ended: began,
            resumed: None,
            made: NONE,
            after_wait: self.is_resumed,
        };
        if self.marks.len() <= KEPT {
            self.marks.push(mark);
        } else {
            self.marks[KEPT] = mark;
            self.left_out += 1;
        }
    }

    /// The result was not for this link, and passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{History, Kind};
    /// let mut history = History::new("app.rs:3");
    /// history.passed(Kind::Errback, None);
    /// assert_eq!(history.links().count(), 1);
    /// ```
    pub fn passed(&mut self, kind: Kind, added: Option<P>) {
        self.put(kind, added, Came::Passed, self.going.unwrap_or(self.born));
    }

    /// The link that ran last is through. With [`End::Returned`], it is waited for what it gave
    /// back.
    ///
    /// A link that gives a value where there was a failure has handled that.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{End, History, Kind};
    ///
    /// let mut history = History::new("app.rs:3");
    /// history.fired(Some("ValueError".into()));
    /// history.runs(Kind::Errback, Some("app.rs:4"));
    /// history.ran(End::Value);
    /// assert_eq!(history.links().next().unwrap().end, End::Handled("ValueError".into()));
    /// ```
    pub fn ran(&mut self, end: End) {
        if let End::Value = end {
            self.gave_value();
        } else if self.is_at_last {
            let now = self.is_through();
            self.is_at_last = matches!(end, End::Returned(_));
            // One that has handed its result on goes on when whoever got it is through.
            let goes_on = !matches!(end, End::Returned(_) | End::HandedOn(_));
            self.going = goes_on.then_some(now);
            self.settle(end);
        }
    }

    /// The same as [`ran`](History::ran) with [`End::Value`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{End, History, Kind};
    ///
    /// let mut history = History::new("app.rs:3");
    /// history.runs(Kind::Callback, Some("app.rs:4"));
    /// history.gave_value();
    /// assert_eq!(history.links().next().unwrap().end, End::Value);
    /// ```
    #[inline]
    pub fn gave_value(&mut self) {
        if self.is_at_last {
            let now = self.is_through();
            self.is_at_last = false;
            self.going = Some(now);
            if self.failing.is_some() {
                self.settle(End::Value);
            } else if let Some(mark) = self.marks.last_mut() {
                mark.came = Came::Value;
            }
        }
    }

    /// Notes that the last link has ended now.
    #[inline]
    fn is_through(&mut self) -> Moment {
        let now = Moment::now();
        INSIDE.set(self.outer.0);
        let made = MADE.replace(self.outer.1);
        if let Some(mark) = self.marks.last_mut() {
            mark.ended = now;
            mark.made = made;
        }
        now
    }

    /// What the last link gave back has a result, which is ours now.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{History, Kind, End};
    ///
    /// let mut history = History::new("app.rs:3");
    /// history.runs(Kind::Callback, None);
    /// history.ran(End::Returned("Deferred at 0x1".into()));
    /// history.resumed(End::Value);
    /// assert!(history.links().next().unwrap().waited.is_some());
    /// ```
    pub fn resumed(&mut self, end: End) {
        if !self.is_at_last {
            return;
        }
        let now = Moment::now();
        if let Some(mark) = self.marks.last_mut() {
            mark.resumed = Some(now);
        }
        self.is_at_last = false;
        self.is_resumed = true;
        self.going = Some(now);
        self.settle(end);
    }

    /// Notes what came of the last link, with regard to the failure that there was before it.
    fn settle(&mut self, end: End) {
        let (came, name) = match end {
            End::Value => match self.failing.take() {
                None => (Came::Value, None),
                failure => (Came::Handled, failure),
            },
            End::Failed(name) => {
                self.failing = Some(name.clone());
                (Came::Failed, Some(name))
            }
            // The failure that there was is what it had to handle, until there is an answer.
            End::Returned(name) => (Came::Returned, Some(name)),
            End::HandedOn(name) => {
                self.failing = None;
                (Came::HandedOn, Some(name))
            }
            End::Handled(name) => (Came::Handled, Some(name)),
            End::Passed => (Came::Passed, None),
            End::Runs => (Came::Runs, None),
        };
        if let Some(mark) = self.marks.last_mut() {
            (mark.came, mark.name) = (came, name);
        }
    }

    /// Its number: no other deferred of the process has it.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::History;
    /// assert_ne!(History::new("app.rs:3").number(), History::new("app.rs:3").number());
    /// ```
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The number of the deferred one of whose links made it.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{End, History, Kind};
    ///
    /// let mut outer = History::new("app.rs:3");
    /// outer.runs(Kind::Callback, Some("app.rs:4"));
    /// let inner = History::new("app.rs:9");
    /// outer.ran(End::Value);
    /// assert_eq!(inner.within(), Some(outer.number()));
    /// assert_eq!(outer.links().next().unwrap().made, Some(inner.number()));
    /// ```
    pub fn within(&self) -> Option<u64> {
        self.within
    }

    /// Where it was paused the last time.
    ///
    /// # Examples
    ///
    /// See [`paused`](History::paused).
    pub fn paused_at(&self) -> Option<&P> {
        self.paused.as_ref()
    }

    /// Where it was made.
    ///
    /// # Examples
    ///
    /// See [`new`](History::new).
    pub fn made(&self) -> &P {
        &self.made
    }

    /// When it was made.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{History, Moment};
    /// assert!(History::new("app.rs:3").born() <= Moment::now());
    /// ```
    pub fn born(&self) -> Moment {
        self.born
    }

    /// How old it is.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter_insight::History::new("app.rs:3").age().as_secs() < 60);
    /// ```
    pub fn age(&self) -> Duration {
        Moment::now().since(self.born)
    }

    /// How old it was when it fired.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter_insight::History::new("app.rs:3").fired_after().is_none());
    /// ```
    pub fn fired_after(&self) -> Option<Duration> {
        Some(self.fired?.since(self.born))
    }

    /// Whether somebody has cancelled it.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!hereafter_insight::History::new("app.rs:3").was_cancelled());
    /// ```
    pub fn was_cancelled(&self) -> bool {
        self.is_cancelled
    }

    /// The link that runs now, or whose deferred is waited for, and for how long it has been so.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{History, Kind};
    /// let mut history = History::new("app.rs:3");
    /// history.runs(Kind::Errback, None);
    /// assert_eq!(history.current().unwrap().0.kind, Kind::Errback);
    /// ```
    pub fn current(&self) -> Option<(Ran<P>, Duration)> {
        let mark = self.marks.last().filter(|_| self.is_at_last)?;
        let since = if mark.came == Came::Runs { mark.began } else { mark.ended };
        Some((mark.told(), Moment::now().since(since)))
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.marks.last() {
            Some(mark) if self.is_at_last && mark.came == Came::Runs => Stage::Runs,
            Some(_) if self.is_at_last => Stage::Waits,
            _ => Stage::Idle,
        }
    }

    /// The links that have run, in their order.
    ///
    /// # Examples
    ///
    /// See [`History`].
    pub fn links(&self) -> impl DoubleEndedIterator<Item = Ran<P>> {
        self.marks[..self.marks.len() - usize::from(self.is_at_last)].iter().map(Mark::told)
    }

    /// The link that is through and ran last.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{End, History, Kind};
    ///
    /// let mut history = History::new("app.rs:3");
    /// history.runs(Kind::Errback, None);
    /// assert!(history.latest().is_none());
    /// history.ran(End::Value);
    /// assert_eq!(history.latest().unwrap().kind, Kind::Errback);
    /// ```
    pub fn latest(&self) -> Option<Ran<P>> {
        self.marks.iter().rev().find(|mark| mark.came != Came::Runs).map(Mark::told)
    }

    /// Whether it has a failure that no link has handled so far.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut history = hereafter_insight::History::new("app.rs:3");
    /// history.fired(Some("ValueError".into()));
    /// assert!(history.is_failing());
    /// ```
    pub fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// How many links before the last one were not kept.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter_insight::History::new("app.rs:3").left_out(), 0);
    /// ```
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

/// What the history of a deferred was like before something was noted: those who look at what happens
/// compare.
///
/// # Examples
///
/// ```
/// use hereafter_insight::{Before, History, Trace};
///
/// let folder = tempfile::tempdir()?;
/// let trace = Trace::create(folder.path().join("out.json"))?;
/// let mut history = History::new("app.rs:3");
/// let before = Before::of(&history);
/// history.fired(None);
/// trace.noted(before, &history, |place| place.to_string());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Before {
    pub(crate) fired: bool,
    pub(crate) cancelled: bool,
    #[cfg_attr(not(feature = "page"), allow(dead_code, reason = "the page alone wants to know"))]
    pub(crate) failing: bool,
    pub(crate) stage: Stage,
}

impl Before {
    /// As it is now.
    ///
    /// # Examples
    ///
    /// See [`Before`].
    #[inline]
    pub fn of<P: Clone>(history: &History<P>) -> Self {
        Self {
            fired: history.fired.is_some(),
            cancelled: history.is_cancelled,
            failing: history.is_failing(),
            stage: history.stage(),
        }
    }
}
