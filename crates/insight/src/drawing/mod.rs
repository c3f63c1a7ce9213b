//! A story as a picture: callbacks on the left, errbacks on the right, and the way that the result
//! took between them.
//!
//! It is the picture that introductions to Deferreds draw. What goes into it is worked out here, once;
//! [`svg`] gives it measures and lines, and [`dot`] leaves those to Graphviz.

mod dot;
mod svg;

use crate::story::{End, Kind, Now, Span, Story, Told};
use core::fmt::Write as _;

/// How many links that are still to come are drawn one by one.
const AHEAD: usize = 40;

impl Story {
    /// The chain as a picture: an SVG document, complete in itself.
    ///
    /// Links that have run are coloured by what came of them, and an arrow goes the way of the result;
    /// links still to come are dashed. What is waited for stands to the right, at the end of an arrow.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{Now, Story};
    /// let picture = Story::new("Deferred at 0x1", Now::Value).to_svg();
    /// assert!(picture.starts_with("<svg ") && picture.contains("Deferred at 0x1"));
    /// ```
    pub fn to_svg(&self) -> String {
        svg::picture(&chains(self))
    }

    /// The chain as a graph in the language of Graphviz: `dot -Tpdf` and others draw it.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::{Now, Story};
    /// let graph = Story::new("Deferred at 0x1", Now::Value).to_dot();
    /// assert!(graph.starts_with("digraph ") && graph.contains("Deferred at 0x1"));
    /// ```
    pub fn to_dot(&self) -> String {
        dot::graph(&chains(self))
    }
}

/// The two columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Callbacks, and values.
    Left,
    /// Errbacks, and failures.
    Right,
}

/// How something is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It gave back a value.
    Value,
    /// It failed.
    Failure,
    /// It runs.
    Running,
    /// What it gave back is waited for.
    Waiting,
    /// The result passed it, or is no more here.
    Quiet,
    /// It has not run.
    ToCome,
}

impl Look {
    /// The colours of its ground and of its line.
    fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Value => ("#e6f4ea", "#1e7e34"),
            Self::Failure => ("#fdecea", "#c62828"),
            Self::Running => ("#fff4db", "#b26a00"),
            Self::Waiting => ("#e3eefc", "#1a5fb4"),
            Self::Quiet => ("#f4f4f5", "#8a8f98"),
            Self::ToCome => ("#ffffff", "#8a8f98"),
        }
    }

    fn is_dashed(self) -> bool {
        matches!(self, Self::ToCome | Self::Quiet)
    }
}

/// One line of the picture.
enum Row {
    Link(Link),
    /// Links that are not drawn: what is said of them.
    Gap(String),
}

/// A link, and the way of the result through it.
struct Link {
    /// The column that it is in; none for one that takes up both.
    column: Option<Side>,
    look: Look,
    /// What it is, where it was added, and what came of it.
    text: [String; 3],
    /// On which side the result came, where it has come.
    came: Option<Side>,
    /// On which side it went on, where it has.
    went: Option<Side>,
}

impl Link {
    fn of(link: &Told, before: Option<Side>) -> Self {
        let column = match link.kind {
            Kind::Callback => Some(Side::Left),
            Kind::Errback => Some(Side::Right),
            Kind::Both | Kind::Own => None,
        };
        let came = match (&link.end, column) {
            (None, _) => None,
            (Some(End::Passed), Some(Side::Left)) => Some(Side::Right),
            (Some(End::Passed), Some(Side::Right)) => Some(Side::Left),
            (Some(_), None) => before,
            (Some(_), column) => column,
        };
        let (look, went) = match &link.end {
            None => (Look::ToCome, None),
            Some(End::Runs) => (Look::Running, None),
            Some(End::Value | End::Handled(_)) => (Look::Value, Some(Side::Left)),
            Some(End::Failed(_)) => (Look::Failure, Some(Side::Right)),
            Some(End::Passed) => (Look::Quiet, came),
            Some(End::Returned(_)) => (Look::Waiting, None),
            Some(End::HandedOn(_)) => (Look::Quiet, None),
        };
        let mut said =
            link.end.as_ref().map_or_else(|| "still to come".to_owned(), ToString::to_string);
        // Writing to a `String` cannot fail.
        if let Some(took) = link.took {
            let _ = write!(said, ", took {}", Span(took));
        }
        if let Some(waited) = link.waited {
            let _ = write!(said, ", then waited {}", Span(waited));
        }
        if let Some(kept) = &link.kept {
            let _ = write!(said, "; made {kept}, and did not give it back");
        }
        let text = [link.kind.to_string(), link.added.clone().unwrap_or_default(), said];
        Self { column, look, text, came, went }
    }

    /// Whether the result goes past its box.
    fn is_passed(&self) -> bool {
        self.column.is_some() && self.came.is_some() && self.came != self.column
    }
}

/// One deferred of the picture.
struct Chain {
    /// Its name first.
    head: Vec<String>,
    look: Look,
    rows: Vec<Row>,
    /// The result that lies at the end.
    result: Option<(Side, String)>,
    /// The row whose link gave back the deferred that the next chain is of; none if it is the deferred
    /// as a whole that waits.
    waits_in: Option<usize>,
}

/// The deferred and those that it waits on, each waiting on the next.
fn chains(story: &Story) -> Vec<Chain> {
    core::iter::once(story).chain(&story.waits_on).map(Chain::of).collect()
}

impl Chain {
    fn of(story: &Story) -> Self {
        let (done, ahead): (Vec<_>, Vec<_>) =
            story.links.iter().partition(|link| link.end.is_some());
        let mut rows: Vec<Row> = Vec::new();
        let mut side = None;
        for (n, link) in done.iter().enumerate() {
            if story.left_out > 0 && n + 1 == done.len() {
                rows.push(Row::Gap(format!("{} more links have run", story.left_out)));
            }
            let link = Link::of(link, side);
            side = link.went;
            rows.push(Row::Link(link));
        }
        let waits_in = rows
            .len()
            .checked_sub(1)
            .filter(|last| matches!(&rows[*last], Row::Link(link) if link.look == Look::Waiting));
        let drawn = if ahead.len() > AHEAD + 1 { AHEAD } else { ahead.len() };
        rows.extend(ahead.iter().take(drawn).map(|link| Row::Link(Link::of(link, None))));
        if ahead.len() > drawn {
            rows.push(Row::Gap(format!("{} more links are still to come", ahead.len() - drawn)));
        }
        let (look, result) = match &story.now {
            Now::Unfired { .. } => (Look::ToCome, None),
            Now::Runs => (Look::Running, None),
            Now::Paused(_) | Now::Waits => (Look::Waiting, None),
            Now::Value => (Look::Value, Some((Side::Left, "a value".to_owned()))),
            Now::Failed(name) => (Look::Failure, Some((Side::Right, name.clone()))),
            Now::Gone | Now::Circle => (Look::Quiet, None),
        };
        let mut head = vec![story.name.clone(), story.now.to_string()];
        head.extend(story.facts());
        Self { head, look, rows, result, waits_in }
    }
}

/// As it may stand in XML, and so in Graphviz' labels: what a program's error says of itself can be
/// anything.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\r' | '\t' => safe.push(' '),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            control if control.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// What fits into so many letters. Of a place, the end says most.
fn clipped(text: &str, room: usize, keeps_end: bool) -> String {
    let count = text.chars().count();
    if count <= room {
        text.to_owned()
    } else if keeps_end {
        let kept: String = text.chars().skip(count + 1 - room).collect();
        format!("…{kept}")
    } else {
        let kept: String = text.chars().take(room - 1).collect();
        format!("{kept}…")
    }
}
