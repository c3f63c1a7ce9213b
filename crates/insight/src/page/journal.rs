//! What is remembered of what is gone, in fixed room.

use crate::history::Stage;
use crate::{Before, End, History, Kind, Moment, Now, Story, Told};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How many failures, and how many lost ones, are remembered.
const EVENTS: usize = 100;

/// How many slow links are.
const SLOW: usize = 50;

/// How much of a story is: links that have run, links that have not, and deferreds that it waits on.
const LINKS: usize = 32;
const WAITS: usize = 4;

/// How many stories are told in a second at most: it costs microseconds to put one into words, and
/// nobody reads more.
const STORIES_A_SECOND: u32 = 1000;

/// How often things have happened since inspection began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Deferreds that were made.
    pub made: u64,
    /// That got their first result.
    pub fired: u64,
    /// Failures that arose: a link failed, or a deferred was fired with a failure.
    pub failed: u64,
    /// Deferreds that were cancelled.
    pub cancelled: u64,
    /// Failures that nobody handled.
    pub unhandled: u64,
    /// Deferreds that went before they fired, with links still to come.
    pub lost: u64,
    /// Links that ran.
    pub links: u64,
}

/// A link that took long.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Slow<P> {
    /// Whose link it was.
    pub number: u64,
    /// What it was.
    pub kind: Kind,
    /// Where it was added.
    pub added: Option<P>,
    /// How long it ran.
    pub took: Duration,
    /// When it was through.
    pub at: Moment,
}

/// What has become of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Fate {
    /// Nothing so far, or it has gone on to another deferred.
    Open,
    /// A link took it, and went on without it.
    Handled,
    /// It was reported.
    Unhandled,
}

/// A failure, or a deferred that was lost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// Whose.
    pub number: u64,
    /// When.
    pub at: Moment,
    /// What has become of it.
    pub fate: Fate,
    /// The failure, in all the words that there have been for it: what has handled it may have let it go.
    pub what: Option<String>,
    /// The story, as it was then; of a long one, the ends.
    pub story: Arc<Story>,
}

impl Event {
    fn new(number: u64, fate: Fate, mut story: Story) -> Self {
        story.waits_on.truncate(WAITS);
        story.waits_on.iter_mut().for_each(shorten);
        shorten(&mut story);
        let what = failure_of(&story);
        Self { number, at: Moment::now(), fate, what, story: Arc::new(story) }
    }
}

/// Whether no link has failed between two stories of the same deferred, as far as all is told there.
fn is_same_failure(before: &Story, after: &Story) -> bool {
    let has_failed = |link: &&Told| matches!(link.end, Some(End::Failed(_)));
    let failed = |story: &Story| story.links.iter().filter(has_failed).count();
    before.left_out == 0 && after.left_out == 0 && failed(before) == failed(after)
}

/// What a story calls the failure that it ends in, or the last one before.
fn failure_of(story: &Story) -> Option<String> {
    if let Now::Failed(name) = &story.now {
        return Some(name.clone());
    }
    story.links.iter().rev().find_map(|link| match &link.end {
        Some(End::Failed(name) | End::Handled(name)) => Some(name.to_string()),
        _ => None,
    })
}

/// What a wanted story is kept as; see [`Journal::count`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// A failure that has arisen.
    Failed,
    /// One that has been handled.
    Handled,
    /// A deferred that nobody will fire.
    Lost,
}

/// What is remembered of what is gone: counts, the slowest links, the last failures and the last
/// deferreds that were lost.
///
/// It has a fixed size, and counting costs next to nothing. Stories of failures are put into words
/// as they happen, but not more than a thousand in a second: those beyond are only counted.
///
/// # Examples
///
/// ```
/// use hereafter_insight::page::Journal;
/// use hereafter_insight::{Now, Story};
///
/// let mut journal = Journal::<&str>::new();
/// journal.counts.made += 1;
/// if journal.failed() {
///     journal.keep_failure(7, Story::new("#7", Now::Failed("ValueError".to_owned())));
/// }
/// assert_eq!(journal.counts.failed, 1);
/// assert_eq!(journal.failures().count(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct Journal<P> {
    /// How often things have happened. A door counts those that have no method of their own.
    pub counts: Counts,
    since: Moment,
    /// The slowest links, in no order.
    slow: Vec<Slow<P>>,
    /// What a link must have taken to be among them.
    threshold: Duration,
    failures: VecDeque<Event>,
    lost: VecDeque<Event>,
    /// When the present second began, and how many stories were told in it.
    told: (Moment, u32),
}

impl<P> Journal<P> {
    /// One of which everything is still to come.
    ///
    /// # Examples
    ///
    /// See [`Journal`].
    pub fn new() -> Self {
        let now = Moment::now();
        Self {
            counts: Counts::default(),
            since: now,
            slow: Vec::new(),
            threshold: Duration::ZERO,
            failures: VecDeque::new(),
            lost: VecDeque::new(),
            told: (now, 0),
        }
    }

    /// Something has happened to a deferred, and was noted in its history: counts it. `place` is
    /// a place as the journal has it, `is_lost` whether the failure that it has now says only that
    /// nobody will fire it.
    ///
    /// Returns what is to be [kept](Self::keep), if its story is wanted. A story is put into words
    /// by code of the program, which may come back here; so it is told between the two calls, and
    /// not inside of one.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{Before, page::Journal};
    /// use hereafter_insight::{History, Now, Story};
    ///
    /// let mut journal = Journal::<&str>::new();
    /// let mut history = History::new("app.rs:3");
    /// let before = Before::of(&history);
    /// history.fired(Some("ValueError".into()));
    /// let wanted = journal.count(&history, before, |place| Some(*place), || false).unwrap();
    /// journal.keep(history.number(), wanted, Story::new("#7", Now::Runs));
    /// assert_eq!(journal.failures().count(), 1);
    /// ```
    #[must_use = "its story may be wanted"]
    pub fn count<Q: Clone>(
        &mut self,
        history: &History<Q>,
        before: Before,
        place: impl FnOnce(&Q) -> Option<P>,
        is_lost: impl FnOnce() -> bool,
    ) -> Option<Wanted>
    where
        P: Clone,
    {
        self.counts.fired += u64::from(!before.fired && history.fired_after().is_some());
        self.counts.cancelled += u64::from(!before.cancelled && history.was_cancelled());
        let latest = history.latest().filter(|_| before.stage == Stage::Runs);
        if let Some(ran) = latest {
            let added = ran.added.as_ref().and_then(place);
            self.ran(history.number(), ran.kind, added.as_ref(), ran.took);
        }
        match (before.failing, history.is_failing()) {
            (false, true) if is_lost() => self.lost().then_some(Wanted::Lost),
            (false, true) => self.failed().then_some(Wanted::Failed),
            (true, false) => {
                let handled = |end: &End| matches!(end, End::Handled(_));
                let handled = history.latest().is_some_and(|ran| handled(&ran.end));
                (handled && self.is_open(history.number())).then_some(Wanted::Handled)
            }
            _ => None,
        }
    }

    /// Keeps the story that was wanted of `number`.
    ///
    /// # Examples
    ///
    /// See [`count`](Self::count).
    pub fn keep(&mut self, number: u64, wanted: Wanted, story: Story) {
        match wanted {
            Wanted::Failed => self.keep_failure(number, story),
            Wanted::Handled => self.settle(number, Fate::Handled, story),
            Wanted::Lost => self.keep_lost(number, story),
        }
    }

    /// When it was begun.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{Moment, page::Journal};
    /// assert!(Journal::<&str>::new().since() <= Moment::now());
    /// ```
    pub fn since(&self) -> Moment {
        self.since
    }

    /// A link of `number`, added at `added`, has run for `took`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{Kind, page::Journal};
    /// use std::time::Duration;
    ///
    /// let mut journal = Journal::new();
    /// journal.ran(1, Kind::Callback, Some(&"app.rs:3"), Duration::from_millis(20));
    /// assert_eq!(journal.slowest().next().unwrap().number, 1);
    /// ```
    #[inline]
    pub fn ran(&mut self, number: u64, kind: Kind, added: Option<&P>, took: Duration)
    where
        P: Clone,
    {
        self.counts.links += 1;
        if took > self.threshold {
            let slow = Slow { number, kind, added: added.cloned(), took, at: Moment::now() };
            self.keep_slow(slow);
        }
    }

    #[cold]
    fn keep_slow(&mut self, slow: Slow<P>) {
        if self.slow.len() < SLOW {
            self.slow.push(slow);
        } else if let Some(fastest) = self.slow.iter_mut().min_by_key(|slow| slow.took) {
            *fastest = slow;
        }
        if self.slow.len() == SLOW {
            let fastest = self.slow.iter().map(|slow| slow.took).min();
            self.threshold = fastest.unwrap_or_default();
        }
    }

    /// A failure has arisen. Returns whether its story is wanted; see
    /// [`keep_failure`](Self::keep_failure).
    ///
    /// A story is put into words by code of the program, which may come back here; so it is told
    /// between the two calls, and not inside of one.
    ///
    /// # Examples
    ///
    /// See [`Journal`].
    #[must_use = "its story may be wanted"]
    pub fn failed(&mut self) -> bool {
        self.counts.failed += 1;
        self.may_tell()
    }

    /// Keeps the failure that has arisen in `number`.
    ///
    /// # Examples
    ///
    /// See [`Journal`].
    pub fn keep_failure(&mut self, number: u64, story: Story) {
        keep(&mut self.failures, Event::new(number, Fate::Open, story));
    }

    /// Whether a failure of `number` is kept of which nothing has become so far; if something has,
    /// it is to be [settled](Self::settle).
    ///
    /// # Examples
    ///
    /// See [`settle`](Self::settle).
    pub fn is_open(&self, number: u64) -> bool {
        self.failures.iter().any(|event| event.number == number && event.fate == Fate::Open)
    }

    /// A failure of `number` was reported: nobody can handle it any more. Returns whether it is to
    /// be [settled](Self::settle).
    ///
    /// # Examples
    ///
    /// See [`settle`](Self::settle).
    #[must_use = "its story may be wanted"]
    pub fn unhandled(&mut self, number: u64) -> bool {
        self.counts.unhandled += 1;
        // It may have arisen elsewhere, or its story have been one too many.
        self.is_open(number) || self.may_tell()
    }

    /// What has become of the failure of `number`, which has this story now.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::page::{Fate, Journal};
    /// use hereafter_insight::{Now, Story};
    ///
    /// let mut journal = Journal::<&str>::new();
    /// journal.keep_failure(7, Story::new("#7", Now::Runs));
    /// if journal.is_open(7) {
    ///     journal.settle(7, Fate::Handled, Story::new("#7", Now::Value));
    /// }
    /// let failure = journal.failures().next().unwrap();
    /// assert_eq!((failure.fate, &failure.story.now), (Fate::Handled, &Now::Value));
    /// ```
    pub fn settle(&mut self, number: u64, fate: Fate, story: Story) {
        let is_it = |event: &&mut Event| event.number == number && event.fate == Fate::Open;
        match self.failures.iter_mut().rev().find(is_it) {
            Some(event) => {
                let mut settled = Event { at: event.at, ..Event::new(number, fate, story) };
                if fate == Fate::Handled && is_same_failure(&event.story, &settled.story) {
                    settled.what = event.what.take();
                }
                *event = settled;
            }
            None => keep(&mut self.failures, Event::new(number, fate, story)),
        }
    }

    /// A deferred went before it fired, with links still to come. Returns whether its story is
    /// wanted; see [`keep_lost`](Self::keep_lost).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::page::Journal;
    /// use hereafter_insight::{Now, Story};
    ///
    /// let mut journal = Journal::<&str>::new();
    /// if journal.lost() {
    ///     journal.keep_lost(7, Story::new("#7", Now::Gone));
    /// }
    /// assert_eq!(journal.gone().count(), 1);
    /// ```
    #[must_use = "its story may be wanted"]
    pub fn lost(&mut self) -> bool {
        self.counts.lost += 1;
        self.may_tell()
    }

    /// Keeps `number`, which was lost.
    ///
    /// # Examples
    ///
    /// See [`lost`](Self::lost).
    pub fn keep_lost(&mut self, number: u64, story: Story) {
        keep(&mut self.lost, Event::new(number, Fate::Open, story));
    }

    fn may_tell(&mut self) -> bool {
        let now = Moment::now();
        if now.since(self.told.0) >= Duration::from_secs(1) {
            self.told = (now, 0);
        }
        self.told.1 += 1;
        self.told.1 <= STORIES_A_SECOND
    }

    /// The slowest links, the slowest first.
    ///
    /// # Examples
    ///
    /// See [`ran`](Self::ran).
    pub fn slowest(&self) -> impl Iterator<Item = &Slow<P>> {
        let mut slow: Vec<_> = self.slow.iter().collect();
        slow.sort_by_key(|slow| std::cmp::Reverse(slow.took));
        slow.into_iter()
    }

    /// The last failures, the last one first.
    ///
    /// # Examples
    ///
    /// See [`Journal`].
    pub fn failures(&self) -> impl Iterator<Item = &Event> {
        self.failures.iter().rev()
    }

    /// The last ones that were lost, the last one first.
    ///
    /// # Examples
    ///
    /// See [`lost`](Self::lost).
    pub fn gone(&self) -> impl Iterator<Item = &Event> {
        self.lost.iter().rev()
    }
}

impl<P> Default for Journal<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// Has it keep the first links that have run and the last one, and the first that have not.
fn shorten(story: &mut Story) {
    let done = story.links.iter().take_while(|link| link.end.is_some()).count();
    story.links.truncate(done + LINKS);
    if done > LINKS {
        story.links.drain(LINKS - 1..done - 1);
        story.left_out += done - LINKS;
    }
    story.links.shrink_to_fit();
}

fn keep(events: &mut VecDeque<Event>, event: Event) {
    if events.len() == EVENTS {
        events.pop_front();
    }
    events.push_back(event);
}
