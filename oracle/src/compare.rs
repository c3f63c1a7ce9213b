//! Whether two traces tell the same, and the differences that are kept on purpose.
//!
//! # Stock and the Python door
//!
//! They must agree in everything, in order, but for these rules:
//!
//! * *When* something is freed, and a failure in it reported, Hereafter may be earlier. Stock keeps
//!   in the frames of a failure's traceback what Hereafter has no frames for. When all has been let
//!   go of, and the collector has run, both must have freed and reported the same.
//! * Where stock runs out of stack, Hereafter need not, nor at the same place.
//! * Where a coroutine awaits a failure for the second time, stock has an empty `AssertionError`.
//!
//! # Stock and the native door
//!
//! They must agree in every call, error and state that can be seen from outside, in order, up to
//! where the program does what cannot be written in Rust. There each rule has a name of its own; see
//! [`crate::native`]. Failures must be reported no later than stock does, and the same ones in the
//! end.

use crate::door::Door;
use crate::trace::{self, Event, Excuse, Step};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The rules that are not to count: to see whether they are still needed.
pub(crate) type Without = [String];

/// What two traces have in common.
#[derive(Debug)]
pub(crate) enum Verdict {
    Same,
    /// They differ, and this rule says that they may.
    Kept(String),
    Different(Difference),
}

/// Where two traces part.
#[derive(Debug)]
pub(crate) struct Difference {
    /// What differs, in a few words.
    pub(crate) what: String,
    /// The steps, side by side.
    pub(crate) told: String,
}

/// Compares what a door tells of a program with what stock does.
///
/// # Errors
///
/// Fails when a trace is none.
pub(crate) fn with_stock(
    door: Door,
    stock: &str,
    ours: &str,
    without: &Without,
) -> Result<Verdict> {
    if stock == ours {
        return Ok(Verdict::Same);
    }
    match door {
        Door::Native => native(stock, ours, without),
        Door::Stock | Door::Python => python(stock, ours, without),
    }
}

/// Compares stock with the Python door.
fn python(stock: &str, ours: &str, without: &Without) -> Result<Verdict> {
    let (stock, ours) = (parse(stock)?, parse(ours)?);
    let last = stock.len().max(ours.len()).saturating_sub(1);
    let mut excuse = None;
    let mut gone = [Vec::new(), Vec::new()];
    for (number, (left, right)) in stock.iter().zip(&ours).enumerate() {
        excuse = excuse
            .or_else(|| rule(left, without, |it| !it.native))
            // It may be caught where nothing tells of it on one side.
            .or_else(|| rule(right, without, |it| it.rule == trace::OUT_OF_STACK));
        for (gone, step) in gone.iter_mut().zip([left, right]) {
            gone.extend(step.loose.iter().cloned());
        }
        let counts = gone.each_ref().map(|events| trace::count(events));
        let mut gone_differently = String::new();
        let what = if left.ordered != right.ordered {
            "what happened"
        } else if !is_within(&counts[0], &counts[1]) {
            gone_differently = told_differently(&counts);
            "what was freed or reported: stock has it, ours has not yet"
        } else if number == last && counts[0] != counts[1] {
            gone_differently = told_differently(&counts);
            "what was freed or reported, in the end"
        } else {
            continue;
        };
        let mut difference = difference(what, number, left, right);
        difference.told += &gone_differently;
        return Ok(excuse.map_or(Verdict::Different(difference), Verdict::Kept));
    }
    if stock.len() == ours.len() {
        return Ok(Verdict::Same);
    }
    let what = format!("the number of steps: {} and {}", stock.len(), ours.len());
    Ok(Verdict::Different(Difference { what, told: String::new() }))
}

/// Compares stock with the native door.
fn native(stock: &str, ours: &str, without: &Without) -> Result<Verdict> {
    let (stock, ours) = (parse(stock)?, parse(ours)?);
    let mut views = [View::default(), View::default()];
    let last = stock.len().max(ours.len()).saturating_sub(1);
    let mut excuse = None;
    for (number, (left, right)) in stock.iter().zip(&ours).enumerate() {
        excuse = excuse.or_else(|| rule(left, without, |_| true));
        let orders = [views[0].follow(left), views[1].follow(right)];
        let [whole, part] = &views;
        let what = if let Some(rule) = &part.ended {
            if orders[0].starts_with(&orders[1]) {
                return Ok(Verdict::Kept(rule.clone()));
            }
            "what happened, before it ended"
        } else if orders[0] != orders[1] {
            "what happened"
        } else if !part.states.iter().all(|(id, state)| whole.states.get(id) == Some(state)) {
            "in which state deferreds are"
        } else if !part.results.iter().all(|(id, result)| whole.results.get(id) == Some(result)) {
            "the results"
        } else if part.lenient {
            continue;
        } else if part.leaks {
            "what was never freed"
        } else if !is_within(&whole.reports, &part.reports) {
            "what was reported: stock has it, ours has not yet"
        } else if number == last && !is_within(&part.reports, &whole.with_spared(part)) {
            "what was reported, in the end"
        } else {
            continue;
        };
        if whole.has_cycle() {
            excuse = excuse.or(Some("deferreds wait on one another".to_owned()));
        }
        let mut difference = difference(what, number, left, right);
        difference.told += &told_differently(&[whole.reports.clone(), part.reports.clone()]);
        return Ok(excuse.map_or(Verdict::Different(difference), Verdict::Kept));
    }
    Ok(Verdict::Same)
}

/// What can be seen from outside of the deferreds of a program.
#[derive(Default)]
struct View {
    /// Whether each has its result, and does not wait for another.
    states: BTreeMap<u64, bool>,
    results: BTreeMap<u64, String>,
    waits: BTreeMap<String, String>,
    reports: BTreeMap<String, usize>,
    /// The rule that ended the program.
    ended: Option<String>,
    /// Its reports, and what it frees, are its own affair.
    lenient: bool,
    leaks: bool,
    /// A canceller raised. That the deferred was cancelled is reported by the native door too.
    spares: bool,
}

impl View {
    /// Takes in a step; gives back what happened in it, in order.
    fn follow(&mut self, step: &Step) -> Vec<Event> {
        let mut order = Vec::new();
        for event in &step.ordered {
            let number = event.get(1).and_then(Value::as_u64).unwrap_or_default();
            match trace::kind(event) {
                "state" if event.len() == 3 => {
                    self.states.insert(number, event[2] == true);
                }
                "state" => self.follow_python_state(number, event),
                "gone" => drop(self.states.remove(&number)),
                "result" => {
                    self.results.insert(number, trace::line(&event[2..]));
                }
                "ended" => self.ended = Some(trace::line(&event[1..])),
                "lenient" => self.lenient = true,
                "leak" => self.leaks = true,
                _ => order.push(event.clone()),
            }
        }
        for event in &step.loose {
            if trace::kind(event) == "report" {
                self.spares |= event.iter().any(|it| it == CANCELLER_RAISED);
                let failure = trace::line(&event[event.len() - 1..]);
                *self.reports.entry(failure).or_default() += 1;
            }
        }
        order
    }

    /// Its reports, and those of `other` that are spared here.
    fn with_spared(&self, other: &Self) -> BTreeMap<String, usize> {
        let mut reports = self.reports.clone();
        if self.spares {
            let own = reports.entry(CANCELLED.to_owned()).or_default();
            *own = other.reports.get(CANCELLED).map_or(*own, |told| *told.max(own));
        }
        reports
    }

    fn follow_python_state(&mut self, number: u64, event: &Event) {
        let [called, paused, result] = [&event[2], &event[3], &event[5]];
        let waits = result.as_str().filter(|it| it.starts_with('d')).map(ToOwned::to_owned);
        let settled = *called == 1 && *paused == 0 && waits.is_none();
        self.states.insert(number, settled);
        self.results.insert(number, trace::line(std::slice::from_ref(result)));
        let own = format!("d{number}");
        match waits {
            Some(other) => drop(self.waits.insert(own, other)),
            None => drop(self.waits.remove(&own)),
        }
    }

    /// Whether some deferreds wait on one another for good.
    fn has_cycle(&self) -> bool {
        self.waits.keys().any(|start| {
            let mut at = start;
            // Longer than this it goes round.
            for _ in 0..=self.waits.len() {
                match self.waits.get(at) {
                    Some(next) => at = next,
                    None => return false,
                }
            }
            true
        })
    }
}

const CANCELLED: &str = "!CancelledError";
/// How the report of that begins.
const CANCELLER_RAISED: &str = "Exception raised from user supplied canceller";

/// What was told more often by one side, up to here.
fn told_differently(counts: &[BTreeMap<String, usize>; 2]) -> String {
    let mut told = String::new();
    for event in counts[0].keys().chain(counts[1].keys().filter(|it| !counts[0].contains_key(*it)))
    {
        let [left, right] = counts.each_ref().map(|side| side.get(event).copied().unwrap_or(0));
        if left != right {
            let _ = writeln!(told, "    up to here, {left} and {right} times: {event}");
        }
    }
    told
}

/// The first rule of a step by which the doors that it is for may differ from here on.
fn rule(step: &Step, without: &Without, is_for: fn(&Excuse) -> bool) -> Option<String> {
    let mut rules = step.excuses.iter().filter(|it| is_for(it)).map(|it| &it.rule);
    rules.find(|rule| !without.contains(rule)).cloned()
}

fn is_within(part: &BTreeMap<String, usize>, whole: &BTreeMap<String, usize>) -> bool {
    part.iter().all(|(event, count)| whole.get(event).is_some_and(|more| more >= count))
}

fn parse(text: &str) -> Result<Vec<Step>> {
    let events: Vec<Event> = serde_json::from_str(text).context("reading a trace")?;
    Ok(trace::steps(events))
}

fn difference(what: &str, number: usize, left: &Step, right: &Step) -> Difference {
    let mut told = String::new();
    let sides = [left, right].map(|step| {
        let events = step.ordered.iter().chain(&step.loose);
        events.map(|event| trace::line(event)).collect::<Vec<String>>()
    });
    for at in 0..sides[0].len().max(sides[1].len()) {
        let line = |side: usize| sides[side].get(at).map_or("", String::as_str);
        let mark = if line(0) == line(1) { ' ' } else { '!' };
        let _ = writeln!(told, "  {mark} {:<58} {}", line(0), line(1));
    }
    Difference { what: format!("in step {number}, {what}"), told }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(door: Door, stock: &str, ours: &str) -> String {
        match with_stock(door, stock, ours, &[]).unwrap() {
            Verdict::Same => "same".to_owned(),
            Verdict::Kept(rule) => format!("kept: {rule}"),
            Verdict::Different(difference) => difference.what,
        }
    }

    const CALLED: &str = r#"[["step",0],["call",1,"5"],["state",0,1,0,null,"5",0],["end"]]"#;

    #[test]
    fn the_order_counts() {
        let ours = r#"[["step",0],["state",0,1,0,null,"5",0],["call",1,"5"],["end"]]"#;
        assert_eq!(verdict(Door::Python, CALLED, CALLED), "same");
        assert_eq!(verdict(Door::Python, CALLED, ours), "in step 0, what happened");
    }

    #[test]
    fn freed_earlier_is_the_same_and_later_is_not() {
        let at_once = r#"[["step",0],["free",0],["step",1],["end"]]"#;
        let later = r#"[["step",0],["step",1],["free",0],["end"]]"#;
        let never = r#"[["step",0],["step",1],["end"]]"#;
        assert_eq!(verdict(Door::Python, later, at_once), "same");
        let what = verdict(Door::Python, at_once, later);
        assert!(what.ends_with("stock has it, ours has not yet"), "{what}");
        assert!(verdict(Door::Python, never, at_once).ends_with("in the end"));
    }

    #[test]
    fn an_excuse_counts_from_where_it_is_told() {
        let excuse = r#"["excuse","a rule","both"]"#;
        let stock = format!(r#"[["step",0],{excuse},["call",1,"5"],["end"]]"#);
        let ours = r#"[["step",0],["call",1,"6"],["end"]]"#;
        assert_eq!(verdict(Door::Python, &stock, ours), "kept: a rule");
        let late = format!(r#"[["step",0],["call",1,"5"],["step",1],{excuse},["end"]]"#);
        let ours = r#"[["step",0],["call",1,"6"],["step",1],["end"]]"#;
        assert_eq!(verdict(Door::Python, &late, ours), "in step 0, what happened");
        let native = stock.replace("both", "native");
        assert_eq!(verdict(Door::Python, &native, ours), "in step 0, what happened");
    }

    #[test]
    fn the_native_door_is_seen_from_outside() {
        let ours = |settled, result| {
            let state = format!(r#"["call",1,"5"],["state",0,{settled}]"#);
            format!(r#"[["step",0],{state},["end"],["result",0,"{result}"]]"#)
        };
        assert_eq!(verdict(Door::Native, CALLED, &ours(true, 5)), "same");
        let what = verdict(Door::Native, CALLED, &ours(false, 5));
        assert_eq!(what, "in step 0, in which state deferreds are");
        assert_eq!(verdict(Door::Native, CALLED, &ours(true, 6)), "in step 1, the results");
    }

    #[test]
    fn what_ended_is_compared_up_to_there() {
        let right = r#"[["step",0],["call",1,"5"],["ended","a rule"]]"#;
        let wrong = r#"[["step",0],["call",1,"6"],["ended","a rule"]]"#;
        assert_eq!(verdict(Door::Native, CALLED, right), "kept: a rule");
        let what = verdict(Door::Native, CALLED, wrong);
        assert_eq!(what, "in step 0, what happened, before it ended");
    }

    #[test]
    fn a_leak_is_a_difference() {
        let ours = r#"[["step",0],["call",1,"5"],["state",0,true],["end"],["leak",2]]"#;
        assert_eq!(verdict(Door::Native, CALLED, ours), "in step 1, what was never freed");
    }
}
