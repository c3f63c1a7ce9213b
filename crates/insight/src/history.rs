//! What is noted of one deferred.

use crate::moment::Moment;
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
    /// How long it ran, without what it waited for.
    pub took: Duration,
    /// How long the deferred that it gave back was waited for.
    pub waited: Option<Duration>,
    /// The number of the last deferred that was made while it ran.
    pub made: Option<u64>,
}

/// What a thread is at: the deferred whose link runs, and the last one made meanwhile.
#[derive(Clone, Copy)]
struct Inside {
    number: Option<u64>,
    made: Option<u64>,
}

thread_local! {
    static INSIDE: Cell<Inside> = const { Cell::new(Inside { number: None, made: None }) };
}

/// The link that runs, or whose deferred is waited for.
#[derive(Debug, Clone)]
struct Current<P> {
    ran: Ran<P>,
    since: Moment,
    /// The deferred inside of whose link it was begun, and the last that was made there.
    outer: (Option<u64>, Option<u64>),
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
    cancelled: Option<Moment>,
    paused: Option<P>,
    /// The failure that it has got, and that no link has handled so far.
    failing: Option<String>,
    current: Option<Current<P>>,
    first: Vec<Ran<P>>,
    last: Option<Box<Ran<P>>>,
    left_out: usize,
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
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut inside = INSIDE.get();
        inside.made = Some(number);
        INSIDE.set(inside);
        Self {
            number,
            made,
            within: inside.number,
            born: Moment::now(),
            fired: None,
            cancelled: None,
            paused: None,
            failing: None,
            current: None,
            first: Vec::new(),
            last: None,
            left_out: 0,
        }
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
    pub fn fired(&mut self, failure: Option<String>) {
        self.fired.get_or_insert_with(Moment::now);
        self.failing = failure;
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
        self.cancelled.get_or_insert_with(Moment::now);
    }

    /// A link is about to run.
    ///
    /// # Examples
    ///
    /// See [`History`].
    pub fn runs(&mut self, kind: Kind, added: Option<P>) {
        let ran =
            Ran { kind, added, end: End::Runs, took: Duration::ZERO, waited: None, made: None };
        let outer = INSIDE.replace(Inside { number: Some(self.number), made: None });
        let outer = (outer.number, outer.made);
        self.current = Some(Current { ran, since: Moment::now(), outer });
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
        let end = End::Passed;
        self.keep(Ran { kind, added, end, took: Duration::ZERO, waited: None, made: None });
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
    /// history.fired(Some("ValueError".to_owned()));
    /// history.runs(Kind::Errback, Some("app.rs:4"));
    /// history.ran(End::Value);
    /// assert_eq!(history.links().next().unwrap().end, End::Handled("ValueError".to_owned()));
    /// ```
    pub fn ran(&mut self, end: End) {
        let Some(mut current) = self.current.take() else { return };
        let now = Moment::now();
        current.ran.took = now.since(current.since);
        current.since = now;
        let (number, made) = current.outer;
        current.ran.made = INSIDE.replace(Inside { number, made }).made;
        if matches!(end, End::Returned(_)) {
            current.ran.end = end;
            self.current = Some(current);
            return;
        }
        current.ran.end = self.settle(end);
        self.keep(current.ran);
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
    /// history.ran(End::Returned("Deferred at 0x1".to_owned()));
    /// history.resumed(End::Value);
    /// assert!(history.links().next().unwrap().waited.is_some());
    /// ```
    pub fn resumed(&mut self, end: End) {
        let Some(Current { mut ran, since, .. }) = self.current.take() else { return };
        ran.waited = Some(Moment::now().since(since));
        ran.end = self.settle(end);
        self.keep(ran);
    }

    /// What came of a link, with regard to the failure that there was before it.
    fn settle(&mut self, end: End) -> End {
        let before = self.failing.take();
        match (end, before) {
            (End::Failed(name), _) => {
                self.failing = Some(name.clone());
                End::Failed(name)
            }
            (End::Value, Some(failure)) => End::Handled(failure),
            (end, _) => end,
        }
    }

    fn keep(&mut self, ran: Ran<P>) {
        if self.first.len() < KEPT {
            self.first.push(ran);
        } else if self.last.replace(Box::new(ran)).is_some() {
            self.left_out += 1;
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
        self.cancelled.is_some()
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
    pub fn current(&self) -> Option<(&Ran<P>, Duration)> {
        let current = self.current.as_ref()?;
        Some((&current.ran, Moment::now().since(current.since)))
    }

    /// The links that have run, in their order.
    ///
    /// # Examples
    ///
    /// See [`History`].
    pub fn links(&self) -> impl Iterator<Item = &Ran<P>> {
        self.first.iter().chain(self.last.as_deref())
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
    pub fn latest(&self) -> Option<&Ran<P>> {
        let waits = self.current.as_ref().filter(|current| current.ran.end != End::Runs);
        waits.map(|current| &current.ran).or(self.last.as_deref()).or(self.first.last())
    }

    /// Whether it has a failure that no link has handled so far.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut history = hereafter_insight::History::new("app.rs:3");
    /// history.fired(Some("ValueError".to_owned()));
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
