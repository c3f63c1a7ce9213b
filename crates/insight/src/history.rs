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

/// A link as it is noted: in place, and without working anything out. Every link of every deferred is
/// one, so it is small, and nothing in it has to be dropped where a place has not.
#[derive(Debug, Clone)]
struct Mark<P> {
    added: Option<P>,
    began: Moment,
    ended: Moment,
    /// When what it gave back had a result.
    resumed: Option<Moment>,
    made: u64,
    /// That of the failure, or of the other deferred.
    name: NameAt,
    kind: Kind,
    came: Came,
    after_wait: bool,
}

impl<P: Clone> Mark<P> {
    fn end(&self, names: &Names) -> End {
        let name = || names.get(self.name).cloned().unwrap_or_else(|| Name::from(""));
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

    fn told(&self, names: &Names) -> Ran<P> {
        Ran {
            kind: self.kind,
            added: self.added.clone(),
            end: self.end(names),
            began: self.began,
            ended: self.ended,
            took: self.ended.since(self.began),
            waited: self.resumed.map(|resumed| resumed.since(self.ended)),
            made: some(self.made),
            after_wait: self.after_wait,
        }
    }
}

/// Where a name lies among those of its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NameAt(u32);

/// There is none.
const NAMELESS: NameAt = NameAt(u32::MAX);

/// The names in a history, of which most have none.
#[derive(Debug, Clone)]
struct Names(Vec<Name>);

impl Names {
    fn get(&self, at: NameAt) -> Option<&Name> {
        self.0.get(at.0 as usize)
    }

    fn enter(&mut self, name: Name) -> NameAt {
        let at = u32::try_from(self.0.len()).map_or(NAMELESS, NameAt);
        self.0.push(name);
        at
    }
}

/// Says that there is none: numbers begin with one. It makes what is noted smaller.
const NONE: u64 = 0;

fn some(number: u64) -> Option<u64> {
    (number != NONE).then_some(number)
}

/// Where a thread is. It is one value, since to find one may be a call; and two that are read together
/// do not lie together, since one reading of what two have written makes a processor wait.
#[repr(C)]
struct Thread {
    /// The deferred whose link runs.
    inside: Cell<u64>,
    /// The last number that the thread has given to a deferred.
    number: Cell<u64>,
    /// The last deferred that was made while that link runs.
    made: Cell<u64>,
}

thread_local! {
    static THREAD: Thread = const {
        Thread { inside: Cell::new(NONE), number: Cell::new(NONE), made: Cell::new(NONE) }
    };
}

/// A number that no other deferred of the process has, and that of the deferred one of whose links runs.
#[inline]
fn count() -> (u64, u64) {
    /// So many are taken at a time, since what threads share is slow.
    const TAKEN: u64 = 256;
    static USED: AtomicU64 = AtomicU64::new(0);
    THREAD.with(|thread| {
        let mut used = thread.number.get();
        if used.is_multiple_of(TAKEN) {
            used = USED.fetch_add(TAKEN, Ordering::Relaxed);
        }
        let number = used + 1;
        thread.number.set(number);
        thread.made.set(number);
        (number, thread.inside.get())
    })
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
    within: u64,
    born: Moment,
    fired: Option<Moment>,
    /// The end of what it did last, which is the beginning of what it does next.
    going: Option<Moment>,
    paused: Option<P>,
    /// The links that have begun, but for those left out.
    marks: Vec<Mark<P>>,
    names: Names,
    /// What the thread was at when the last of them began: inside of what, and what was made there.
    outer: (u64, u64),
    left_out: usize,
    /// The failure that it has got, and that no link has handled so far.
    failing: NameAt,
    is_cancelled: bool,
    /// The last link runs, or its deferred is waited for.
    is_at_last: bool,
    /// What it waited for is there, and no link has run since.
    is_resumed: bool,
}

/// How many links are kept; behind them, only the last one is.
const KEPT: usize = 64;

/// How many names there are before those are forgotten that belong to no link which is kept.
const NAMES: usize = 4 * KEPT;

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
            going: None,
            paused: None,
            marks: Vec::new(),
            names: Names(Vec::new()),
            outer: (NONE, NONE),
            left_out: 0,
            failing: NAMELESS,
            is_cancelled: false,
            is_at_last: false,
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
    #[inline]
    pub fn renew(&mut self, made: P) {
        (self.number, self.within) = count();
        self.made = made;
        self.born = Moment::now();
        self.fired = None;
        self.going = None;
        self.paused = None;
        self.marks.clear();
        self.names.0.clear();
        self.left_out = 0;
        self.failing = NAMELESS;
        self.is_cancelled = false;
        self.is_at_last = false;
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
    #[inline]
    pub fn fired(&mut self, failure: Option<Name>) {
        let now = Moment::now();
        self.fired.get_or_insert(now);
        self.going = Some(now);
        self.begins_with(failure);
    }

    /// It was made with its first result, and does nothing for now; `failure` is the name of that, if it is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut history = hereafter_insight::History::new("app.rs:3");
    /// history.ready(None);
    /// assert!(history.fired_after().unwrap().is_zero());
    /// ```
    #[inline]
    pub fn ready(&mut self, failure: Option<Name>) {
        self.fired = Some(self.born);
        self.begins_with(failure);
    }

    #[inline]
    fn begins_with(&mut self, failure: Option<Name>) {
        self.failing = match failure {
            None => NAMELESS,
            Some(failure) => self.name(failure),
        };
    }

    /// It does nothing for now. Without this, its next link counts as beginning when it was fired, or
    /// when its last link ended; and what a link gave back has a result at once.
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
    #[inline]
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
        self.outer =
            THREAD.with(|thread| (thread.inside.replace(self.number), thread.made.replace(NONE)));
        self.is_at_last = true;
        match self.going.take() {
            Some(began) if self.has_room() && !self.is_resumed => {
                self.put(kind, added, Came::Runs, began);
            }
            going => self.runs_after_all(kind, added, going),
        }
    }

    /// A link runs for which there is no room yet, or which has not just followed another. That is apart
    /// so that the common way calls nothing.
    #[inline(never)]
    fn runs_after_all(&mut self, kind: Kind, added: Option<P>, going: Option<Moment>) {
        let began = going.unwrap_or_else(Moment::now);
        self.make_room();
        self.put(kind, added, Came::Runs, began);
        let after_wait = core::mem::take(&mut self.is_resumed);
        if let Some(mark) = self.marks.last_mut() {
            mark.after_wait = after_wait;
        }
    }

    /// Notes a link behind the others.
    #[inline]
    fn put(&mut self, kind: Kind, added: Option<P>, came: Came, began: Moment) {
        self.marks.push(Mark {
            added,
            began,
            ended: began,
            resumed: None,
            made: NONE,
            name: NAMELESS,
            kind,
            came,
            after_wait: false,
        });
    }

    /// Whether there is room for one more link.
    #[inline]
    fn has_room(&self) -> bool {
        self.marks.len() < self.marks.capacity()
    }

    /// Makes room for a link: in place of the last one, if there are enough of them.
    #[cold]
    fn make_room(&mut self) {
        let kept = self.marks.len();
        if kept > KEPT {
            self.marks.pop();
            self.left_out += 1;
        } else if !self.has_room() {
            // Never more than are kept: then it is enough to look at the room.
            self.marks.reserve_exact(kept.max(4).min(KEPT + 1 - kept));
        }
    }

    /// Keeps a name.
    #[inline(never)]
    fn name(&mut self, name: Name) -> NameAt {
        if self.names.0.len() >= NAMES {
            self.forget_names();
        }
        self.names.enter(name)
    }

    /// Forgets the names of links that were left out.
    #[cold]
    fn forget_names(&mut self) {
        let all = core::mem::replace(&mut self.names, Names(Vec::with_capacity(NAMES)));
        let links = self.marks.iter_mut().map(|mark| &mut mark.name);
        for at in links.chain([&mut self.failing]) {
            *at = all.get(*at).map_or(NAMELESS, |name| self.names.enter(name.clone()));
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
    #[inline]
    pub fn passed(&mut self, kind: Kind, added: Option<P>) {
        if !self.has_room() {
            self.make_room();
        }
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
        match end {
            End::Value => self.gave_value(),
            End::Failed(name) => self.failed(name),
            End::Returned(name) => self.gave_back(name),
            end if self.is_at_last => {
                let now = self.is_through(Came::Runs);
                self.is_at_last = false;
                // One that has handed its result on goes on when whoever got it is through.
                self.going = (!matches!(end, End::HandedOn(_))).then_some(now);
                self.settle(end);
            }
            _ => {}
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
            let now = self.is_through(Came::Value);
            self.is_at_last = false;
            self.going = Some(now);
            if self.is_failing() {
                self.handles();
            }
        }
    }

    /// The same as [`ran`](History::ran) with [`End::Failed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{End, History, Kind};
    ///
    /// let mut history = History::new("app.rs:3");
    /// history.runs(Kind::Callback, Some("app.rs:4"));
    /// history.failed("ValueError".into());
    /// assert_eq!(history.links().next().unwrap().end, End::Failed("ValueError".into()));
    /// ```
    #[inline]
    pub fn failed(&mut self, failure: Name) {
        if self.is_at_last {
            let now = self.is_through(Came::Failed);
            self.is_at_last = false;
            self.going = Some(now);
            self.fails(failure);
        }
    }

    /// The same as [`ran`](History::ran) with [`End::Returned`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{History, Kind, Name};
    ///
    /// let mut history = History::new("app.rs:3");
    /// history.runs(Kind::Callback, Some("app.rs:4"));
    /// history.gave_back(Name::of_deferred(Some(12), 0x40));
    /// assert!(history.current().is_some());
    /// ```
    #[inline]
    pub fn gave_back(&mut self, deferred: Name) {
        if self.is_at_last {
            self.going = Some(self.is_through(Came::Returned));
            // A failure that there was is what it has to handle, until there is an answer.
            let name = self.name(deferred);
            self.is_called(name);
        }
    }

    /// Notes that the last link has ended now, and what came of it, as far as that is known.
    #[inline]
    fn is_through(&mut self, came: Came) -> Moment {
        let now = Moment::now();
        let made = THREAD.with(|thread| {
            thread.inside.set(self.outer.0);
            thread.made.replace(self.outer.1)
        });
        if let Some(mark) = self.marks.last_mut() {
            mark.ended = now;
            mark.made = made;
            mark.came = came;
        }
        now
    }

    /// What the last link gave back has a result, which is ours now. Where it is waited for, it
    /// [rests](History::rests).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{History, Kind, End};
    ///
    /// let mut history = History::new("app.rs:3");
    /// history.runs(Kind::Callback, None);
    /// history.ran(End::Returned("Deferred at 0x1".into()));
    /// history.rests(); // it has to be waited for
    /// history.resumed(End::Value);
    /// assert!(history.links().next().unwrap().waited.is_some());
    /// ```
    #[inline]
    pub fn resumed(&mut self, end: End) {
        if !self.is_at_last {
            return;
        }
        let now = self.going.unwrap_or_else(Moment::now);
        if let Some(mark) = self.marks.last_mut() {
            mark.resumed = Some(now);
        }
        self.is_at_last = false;
        self.is_resumed = true;
        self.going = Some(now);
        self.settle(end);
    }

    /// Notes what came of the last link, with regard to the failure that there was before it.
    #[inline]
    fn settle(&mut self, end: End) {
        let (came, name) = match end {
            End::Value if self.is_failing() => return self.handles(),
            End::Value => (Came::Value, NAMELESS),
            End::Failed(name) => {
                self.comes_to(Came::Failed);
                return self.fails(name);
            }
            End::HandedOn(name) => {
                self.failing = NAMELESS;
                (Came::HandedOn, self.name(name))
            }
            End::Returned(name) => (Came::Returned, self.name(name)),
            End::Handled(name) => (Came::Handled, self.name(name)),
            End::Passed => (Came::Passed, NAMELESS),
            End::Runs => (Came::Runs, NAMELESS),
        };
        self.comes_to(came);
        self.is_called(name);
    }

    /// The last link has given a value where there was a failure.
    #[inline(never)]
    fn handles(&mut self) {
        let failure = core::mem::replace(&mut self.failing, NAMELESS);
        self.comes_to(Came::Handled);
        self.is_called(failure);
    }

    /// The last link has failed.
    #[inline]
    fn fails(&mut self, failure: Name) {
        // Mostly it is the failure that there was, which goes on.
        if !self.names.get(self.failing).is_some_and(|name| name.is(&failure)) {
            self.failing = self.name(failure);
        }
        self.is_called(self.failing);
    }

    #[inline]
    fn comes_to(&mut self, came: Came) {
        if let Some(mark) = self.marks.last_mut() {
            mark.came = came;
        }
    }

    /// Notes the name that belongs to what came of the last link.
    #[inline]
    fn is_called(&mut self, name: NameAt) {
        if let Some(mark) = self.marks.last_mut() {
            mark.name = name;
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
        some(self.within)
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
        Some((mark.told(&self.names), Moment::now().since(since)))
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
        self.marks[..self.marks.len() - usize::from(self.is_at_last)]
            .iter()
            .map(|mark| mark.told(&self.names))
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
        self.marks
            .iter()
            .rev()
            .find(|mark| mark.came != Came::Runs)
            .map(|mark| mark.told(&self.names))
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
        self.failing != NAMELESS
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

#[cfg(test)]
mod tests {
    use super::{End, History, Kind, Mark, NAMES};

    /// Every link of every deferred is one.
    const _: () = assert!(size_of::<Mark<&u8>>() <= 48);

    #[test]
    fn the_names_of_links_that_are_left_out_are_forgotten() {
        let mut history = History::new(0);
        history.fired(Some("fired".into()));
        let last = 4 * NAMES;
        for n in 0..=last {
            history.runs(Kind::Both, Some(n));
            match n % 3 {
                0 => history.ran(End::Failed(format!("failure {n}").into())),
                1 => history.ran(End::Value),
                _ => {
                    history.ran(End::Returned(format!("deferred {n}").into()));
                    history.resumed(End::Failed(format!("failure {n}").into()));
                }
            }
            assert!(history.names.0.len() <= NAMES);
        }
        assert_eq!(history.left_out() + history.links().count(), last + 1);
        for link in history.links() {
            let n = link.added.unwrap();
            let end = match n % 3 {
                1 => End::Handled(format!("failure {}", n - 1).into()),
                _ => End::Failed(format!("failure {n}").into()),
            };
            assert_eq!(link.end, end);
        }
        assert_eq!(history.latest().unwrap().added, Some(last));
        assert_eq!(last % 3, 1);
        assert!(!history.is_failing());
    }

    #[test]
    fn one_that_is_renewed_has_nothing_of_the_last_one() {
        let mut history = History::new("first");
        history.fired(Some("ValueError".into()));
        history.paused("here");
        history.cancelled();
        for _ in 0..100 {
            history.runs(Kind::Callback, None);
            history.ran(End::Returned("Deferred".into()));
            history.resumed(End::Value);
        }
        history.renew("second");
        let new = History::new("second");
        assert_eq!(history.links().count(), 0);
        assert_eq!(history.left_out(), 0);
        assert!(history.latest().is_none() && history.current().is_none());
        assert!(history.fired_after().is_none() && !history.was_cancelled());
        assert!(history.paused_at().is_none() && !history.is_failing());
        assert_eq!(history.number() + 1, new.number());
        // The first link of all follows no wait.
        history.runs(Kind::Callback, None);
        history.ran(End::Value);
        assert!(!history.latest().unwrap().after_wait);
    }
}
