//! Stories as JSON: what `Display` draws, for a page to draw it in its own way.

use crate::{End, Now, Story, Told};
use serde::Serialize;
use std::time::Duration;

/// How many links to come are told of each.
const AHEAD: usize = 200;

#[derive(Serialize)]
pub(super) struct Tree<'a> {
    name: &'a str,
    number: Option<u64>,
    /// One word, by which it is coloured.
    state: &'static str,
    now: String,
    made: Option<&'a str>,
    /// By a link of which deferred.
    within: Option<&'a str>,
    age: Option<f64>,
    fired_after: Option<f64>,
    cancelled: bool,
    /// Where.
    paused: Option<&'a str>,
    left_out: usize,
    links: Vec<Link<'a>>,
    /// How many more are to come than are told.
    more: usize,
    waits_on: Vec<Tree<'a>>,
}

#[derive(Serialize)]
struct Link<'a> {
    kind: String,
    added: Option<&'a str>,
    state: &'static str,
    end: Option<String>,
    took: Option<f64>,
    waited: Option<f64>,
    /// What it made, and did not give back.
    kept: Option<&'a str>,
}

impl<'a> From<&'a Story> for Tree<'a> {
    fn from(story: &'a Story) -> Self {
        let done = story.links.iter().take_while(|link| link.end.is_some()).count();
        let told = story.links.len().min(done + AHEAD);
        Self {
            name: &story.name,
            number: story.number,
            state: match story.now {
                Now::Unfired { .. } => "unfired",
                Now::Runs => "runs",
                Now::Paused(_) => "paused",
                Now::Waits => "waits",
                Now::Value => "value",
                Now::Failed(_) => "failed",
                Now::Gone => "gone",
                Now::Circle => "circle",
            },
            now: story.now.to_string(),
            made: story.made.as_deref(),
            within: story.within.as_deref(),
            age: seconds(story.age),
            fired_after: seconds(story.fired_after),
            cancelled: story.cancelled,
            paused: story.paused.as_deref(),
            left_out: story.left_out,
            links: story.links[..told].iter().map(Link::from).collect(),
            more: story.links.len() - told,
            waits_on: story.waits_on.iter().map(Tree::from).collect(),
        }
    }
}

impl<'a> From<&'a Told> for Link<'a> {
    fn from(link: &'a Told) -> Self {
        Self {
            kind: link.kind.to_string(),
            added: link.added.as_deref(),
            state: match link.end {
                None => "ahead",
                Some(End::Runs) => "runs",
                Some(End::Value) => "value",
                Some(End::Handled(_)) => "handled",
                Some(End::Failed(_)) => "failed",
                Some(End::Passed) => "passed",
                Some(End::Returned(_)) => "waits",
                Some(End::HandedOn(_)) => "handed",
            },
            end: link.end.as_ref().map(ToString::to_string),
            took: seconds(link.took),
            waited: seconds(link.waited),
            kept: link.kept.as_deref(),
        }
    }
}

pub(super) fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}
