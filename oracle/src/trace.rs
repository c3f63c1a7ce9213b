//! What a door tells of a program: a list of events, each a list of which the first part is its kind.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// One event, such as `["call", 3, "42"]`.
pub(crate) type Event = Vec<Value>;

/// What happened in the course of one step.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// What has an order: calls, errors, states.
    pub(crate) ordered: Vec<Event>,
    /// What goes away when nobody has it any more: its time is the collector's affair.
    pub(crate) loose: Vec<Event>,
    /// The rules by which a difference from here on is kept on purpose.
    pub(crate) excuses: Vec<Excuse>,
}

/// A rule that stock's interpreter found to apply.
#[derive(Debug)]
pub(crate) struct Excuse {
    pub(crate) rule: String,
    /// It is for the native door alone.
    pub(crate) native: bool,
}

/// Cuts a trace into its steps.
pub(crate) fn steps(events: Vec<Event>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for event in events {
        if matches!(kind(&event), "step" | "end") {
            steps.push(Step::default());
        }
        let Some(step) = steps.last_mut() else { continue };
        step.excuses
            .extend(sign(&event).map(|rule| Excuse { rule: rule.to_owned(), native: false }));
        match kind(&event) {
            "excuse" => {
                let [rule, doors] = [1, 2].map(|at| event.get(at).map_or("", text));
                step.excuses.push(Excuse { rule: rule.to_owned(), native: doors == "native" });
            }
            "report" | "free" | "warning" => step.loose.push(event),
            _ => step.ordered.push(event),
        }
    }
    steps
}

/// The rule for programs that run out of stack.
pub(crate) const OUT_OF_STACK: &str = "out of stack";

/// The rule by which what stock tells of an error of its own excuses what comes after it.
fn sign(event: &Event) -> Option<&'static str> {
    let shown = || event.iter().skip(1).map(text);
    // An assertion about locks says what is wrong.
    let says_nothing = |rest: &str| !rest.starts_with(' ');
    if shown().any(|it| it.contains("RecursionError")) {
        Some(OUT_OF_STACK)
    } else if shown().any(|it| it.split("!AssertionError").skip(1).any(says_nothing)) {
        Some("a failure was awaited a second time")
    } else {
        None
    }
}

/// The kind of an event.
pub(crate) fn kind(event: &Event) -> &str {
    event.first().map_or("", text)
}

fn text(part: &Value) -> &str {
    part.as_str().unwrap_or("")
}

/// Events as they are told to people.
pub(crate) fn line(event: &[Value]) -> String {
    let parts: Vec<String> = event
        .iter()
        .map(|part| part.as_str().map_or_else(|| part.to_string(), ToOwned::to_owned))
        .collect();
    parts.join("  ")
}

/// A trace as it is told to people.
///
/// # Errors
///
/// Fails when it is none.
pub(crate) fn lines(trace: &str) -> Result<String> {
    let events: Vec<Event> = serde_json::from_str(trace).context("reading a trace")?;
    let lines: Vec<String> = events.iter().map(|event| format!("    {}", line(event))).collect();
    Ok(lines.join("\n"))
}

/// How often each event is there.
pub(crate) fn count(events: &[Event]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(line(event)).or_default() += 1;
    }
    counts
}
