//! What is noted of one deferred.

use crate::moment::Moment;
use crate::story::{End, Kind};
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
/// history.fired();
/// history.runs(Kind::Callback, Some("app.rs:4"));
/// history.ran(End::Value);
/// assert_eq!(history.links().count(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct History<P> {
    made: P,
    born: Moment,
    fired: Option<Moment>,
    cancelled: Option<Moment>,
    /// The link that runs, or whose deferred is waited for, and since when.
    current: Option<(Ran<P>, Moment)>,
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
        Self {
            made,
            born: Moment::now(),
            fired: None,
            cancelled: None,
            current: None,
            first: Vec::new(),
            last: None,
            left_out: 0,
        }
    }

    /// It has got its first result.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut history = hereafter_insight::History::new("app.rs:3");
    /// history.fired();
    /// assert!(history.fired_after().is_some());
    /// ```
    pub fn fired(&mut self) {
        self.fired.get_or_insert_with(Moment::now);
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
        let ran = Ran { kind, added, end: End::Runs, took: Duration::ZERO, waited: None };
        self.current = Some((ran, Moment::now()));
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
        self.runs(kind, added);
        self.ran(End::Passed);
    }

    /// The link that ran last is through. With [`End::Returned`], it is waited for what it gave
    /// back.
    ///
    /// # Examples
    ///
    /// See [`History`].
    pub fn ran(&mut self, end: End) {
        let Some((ran, since)) = &mut self.current else { return };
        let now = Moment::now();
        ran.took = now.since(*since);
        *since = now;
        let waits = matches!(end, End::Returned(_));
        ran.end = end;
        if !waits {
            self.keep();
        }
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
        if let Some((ran, since)) = &mut self.current {
            ran.waited = Some(Moment::now().since(*since));
            ran.end = end;
            self.keep();
        }
    }

    fn keep(&mut self) {
        let Some((ran, _)) = self.current.take() else { return };
        if self.first.len() < KEPT {
            self.first.push(ran);
        } else if self.last.replace(Box::new(ran)).is_some() {
            self.left_out += 1;
        }
    }

    /// Where it was made.
    ///
    /// # Examples
    ///
    /// See [`new`](History::new).
    pub fn made(&self) -> &P {
        &self.made
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
        let (ran, since) = self.current.as_ref()?;
        Some((ran, Moment::now().since(*since)))
    }

    /// The links that have run, in their order.
    ///
    /// # Examples
    ///
    /// See [`History`].
    pub fn links(&self) -> impl Iterator<Item = &Ran<P>> {
        self.first.iter().chain(self.last.as_deref())
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
