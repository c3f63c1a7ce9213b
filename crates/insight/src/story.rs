//! What is told of a deferred.

use crate::history::History;
use crate::name::Name;
use core::fmt;
use std::time::Duration;

/// What a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It takes values.
    Callback,
    /// It takes failures.
    Errback,
    /// It takes both.
    Both,
    /// It is no function of the program's: it hands the result on, in some way.
    Own,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Callback => "callback",
            Self::Errback => "errback",
            Self::Both => "callback and errback",
            Self::Own => "link",
        })
    }
}

/// What came of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// It runs at this moment.
    Runs,
    /// It gave back a value.
    Value,
    /// It gave back a value where there was this failure.
    Handled(Name),
    /// It failed, or handed a failure on: which one.
    Failed(Name),
    /// The result was not for it, and passed.
    Passed,
    /// It gave back this deferred, which has no result yet.
    Returned(Name),
    /// Its result went on to this deferred.
    HandedOn(Name),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs => f.write_str("runs now"),
            Self::Value => f.write_str("a value"),
            Self::Handled(name) => write!(f, "handled {name}"),
            Self::Failed(name) => write!(f, "failed: {name}"),
            Self::Passed => f.write_str("passed by"),
            Self::Returned(name) => write!(f, "gave back {name}"),
            Self::HandedOn(name) => write!(f, "handed the result on to {name}"),
        }
    }
}

/// What a deferred is doing now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Now {
    /// Nobody has fired it.
    Unfired {
        /// Who could: for example "its trigger", or "a coroutine".
        by: String,
    },
    /// One of its links is on the call stack.
    Runs,
    /// It is paused, so many times.
    Paused(i32),
    /// It waits on another, of which there is a story in [`Story::waits_on`].
    Waits,
    /// It has a value, and nothing to do.
    Value,
    /// It has a failure, and nothing to do.
    Failed(String),
    /// Its result has gone elsewhere.
    Gone,
    /// It is one that the story has told of already: those in between wait for each other.
    Circle,
}

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfired { by } => write!(f, "has not fired; {by}"),
            Self::Runs => f.write_str("is running its links"),
            Self::Paused(1) => f.write_str("is paused"),
            Self::Paused(times) => write!(f, "is paused {times} times"),
            Self::Waits => f.write_str("waits"),
            Self::Value => f.write_str("has a value"),
            Self::Failed(name) => write!(f, "has a failure that nobody has handled yet: {name}"),
            Self::Gone => f.write_str("is through"),
            Self::Circle => f.write_str("as told above: they wait in a circle, which never ends"),
        }
    }
}

/// One link, in a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it is.
    pub kind: Kind,
    /// Where it was added, as text.
    pub added: Option<String>,
    /// What came of it; none for one that is still to come.
    pub end: Option<End>,
    /// How long it ran.
    pub took: Option<Duration>,
    /// How long what it gave back was waited for.
    pub waited: Option<Duration>,
    /// A deferred that was made while it ran, is still pending, and was not given back.
    pub kept: Option<String>,
}

/// What is told of a deferred: what has happened to it, what it does now, what is still to come.
///
/// `Display` draws it as a tree.
///
/// # Examples
///
/// ```
/// use hereafter_insight::{Kind, Now, Story, Told};
///
/// let mut story = Story::new("Deferred at 0x1", Now::Unfired { by: "its trigger is there".to_owned() });
/// story.made = Some("app.rs:3:5".to_owned());
/// story.links.push(Told {
///     kind: Kind::Callback,
///     added: Some("app.rs:4:9".to_owned()),
///     end: None,
///     took: None,
///     waited: None,
///     kept: None,
/// });
/// assert_eq!(
///     story.to_string(),
///     "Deferred at 0x1 has not fired; its trigger is there\n\
///      ├─ made at app.rs:3:5\n\
///      └─ callback added at app.rs:4:9: still to come\n"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What it is called.
    pub name: String,
    /// Its number, if it has a history.
    pub number: Option<u64>,
    /// What it does now.
    pub now: Now,
    /// Where it was made.
    pub made: Option<String>,
    /// The deferred inside of whose link it was made.
    pub within: Option<String>,
    /// How old it is.
    pub age: Option<Duration>,
    /// How old it was when it fired.
    pub fired_after: Option<Duration>,
    /// Whether somebody has cancelled it.
    pub cancelled: bool,
    /// Where it was paused, while it is.
    pub paused: Option<String>,
    /// How many links have run of which nothing is known any more.
    pub left_out: usize,
    /// Its links, in their order: those that have run, then those that are still to come.
    pub links: Vec<Told>,
    /// Of what it waits for, the next one first: it is told in one go, however deep it goes.
    pub waits_on: Vec<Story>,
}

impl Story {
    /// One of which no more is known so far.
    ///
    /// # Examples
    ///
    /// See [`Story`].
    pub fn new(name: impl Into<String>, now: Now) -> Self {
        Self {
            name: name.into(),
            number: None,
            now,
            made: None,
            within: None,
            age: None,
            fired_after: None,
            cancelled: false,
            paused: None,
            left_out: 0,
            links: Vec::new(),
            waits_on: Vec::new(),
        }
    }

    /// What is said of it as a whole, in lines.
    pub(crate) fn facts(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(made) = &self.made {
            let ago = self.age.map_or(String::new(), |age| format!(", {} ago", Span(age)));
            let within = self.within.as_ref();
            let within = within.map_or(String::new(), |outer| format!(", by a link of {outer}"));
            lines.push(format!("made at {made}{ago}{within}"));
        }
        if let Some(after) = self.fired_after {
            lines.push(format!("fired after {}", Span(after)));
        }
        if self.cancelled {
            lines.push("cancelled".to_owned());
        }
        if let Some(paused) = &self.paused {
            lines.push(format!("paused at {paused}"));
        }
        lines
    }

    /// Tells what a history has noted. `place` puts a place into words, and `is_pending` says whether
    /// the deferred of a number is.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{End, History, Kind, Now, Story};
    ///
    /// let mut history = History::new(3);
    /// history.runs(Kind::Callback, Some(4));
    /// history.ran(End::Value);
    /// let mut story = Story::new("Deferred", Now::Value);
    /// story.tell(&history, |line| Some(format!("app.rs:{line}")), |_| false);
    /// assert_eq!(story.made.as_deref(), Some("app.rs:3"));
    /// assert_eq!(story.links[0].added.as_deref(), Some("app.rs:4"));
    /// ```
    pub fn tell<P: Clone>(
        &mut self,
        history: &History<P>,
        place: impl Fn(&P) -> Option<String>,
        is_pending: impl Fn(u64) -> bool,
    ) {
        let numbered = |number| format!("Deferred {number}");
        self.number = Some(history.number());
        self.made = place(history.made());
        self.within = history.within().map(numbered);
        self.age = Some(history.age());
        self.fired_after = history.fired_after();
        self.cancelled = history.was_cancelled();
        if matches!(self.now, Now::Paused(_)) {
            self.paused = history.paused_at().and_then(&place);
        }
        self.left_out = history.left_out();
        let ran = history.links().chain(history.current().map(|(ran, _)| ran));
        self.links.extend(ran.map(|ran| {
            let took = (!matches!(ran.end, End::Runs | End::Passed)).then_some(ran.took);
            // What was given back is waited for, or was.
            let is_kept = !matches!(ran.end, End::Returned(_)) && ran.waited.is_none();
            let kept = ran.made.filter(|number| is_kept && is_pending(*number));
            Told {
                kind: ran.kind,
                added: ran.added.as_ref().and_then(&place),
                end: Some(ran.end),
                took,
                waited: ran.waited,
                kept: kept.map(numbered),
            }
        }));
    }

    /// The lines under its name.
    fn lines(&self) -> Vec<String> {
        let mut lines = self.facts();
        let (done, ahead): (Vec<_>, Vec<_>) =
            self.links.iter().partition(|link| link.end.is_some());
        lines.extend(done.iter().map(ToString::to_string));
        if self.left_out > 0 {
            let place = lines.len() - usize::from(!done.is_empty());
            lines.insert(place, format!("({} more links have run)", self.left_out));
        }
        lines.extend(ahead.iter().map(ToString::to_string));
        lines
    }
}

impl Told {
    /// One that is still to come.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{Kind, Told};
    /// assert_eq!(Told::to_come(Kind::Errback, None).to_string(), "errback: still to come");
    /// ```
    pub fn to_come(kind: Kind, added: Option<String>) -> Self {
        Self { kind, added, end: None, took: None, waited: None, kept: None }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if let Some(added) = &self.added {
            write!(f, " added at {added}")?;
        }
        match &self.end {
            None => f.write_str(": still to come")?,
            Some(end) => write!(f, ": {end}")?,
        }
        if let Some(took) = self.took {
            write!(f, ", took {}", Span(took))?;
        }
        if let Some(waited) = self.waited {
            write!(f, ", then waited {}", Span(waited))?;
        }
        if let Some(kept) = &self.kept {
            write!(f, "; made {kept}, which is pending, and did not give it back")?;
        }
        Ok(())
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut indent = String::new();
        let mut stories = core::iter::once(self).chain(&self.waits_on).peekable();
        while let Some(story) = stories.next() {
            writeln!(f, "{} {}", story.name, story.now)?;
            let lines = story.lines();
            let more = stories.peek().is_some();
            for (n, line) in lines.iter().enumerate() {
                let branch = if n + 1 == lines.len() && !more { "└─" } else { "├─" };
                writeln!(f, "{indent}{branch} {line}")?;
            }
            if more {
                write!(f, "{indent}└─ on ")?;
                indent.push_str("   ");
            }
        }
        Ok(())
    }
}

/// A time as people say it.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match self.0.as_nanos() {
            0..1_000 => write!(f, "{} ns", self.0.as_nanos()),
            1_000..1_000_000 => write!(f, "{:.1} us", seconds * 1e6),
            1_000_000..1_000_000_000 => write!(f, "{:.1} ms", seconds * 1e3),
            _ if seconds < 120.0 => write!(f, "{seconds:.1} s"),
            _ => write!(f, "{:.0} min", seconds / 60.0),
        }
    }
}
