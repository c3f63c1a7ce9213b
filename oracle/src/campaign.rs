//! Many programs, on every door, in batches.

use crate::compare::{self, Difference, Verdict};
use crate::door::{Door, Programs, Session};
use crate::program::Program;
use crate::{generate, shrink};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt;

/// The doors that one worker has open.
pub(crate) struct Doors {
    stock: Session,
    others: Vec<Session>,
    /// How often a difference was kept, by rule.
    pub(crate) kept: BTreeMap<String, u64>,
}

/// A program that shows something, and what.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) door: Door,
    pub(crate) what: What,
}

/// What a program shows.
#[derive(Debug)]
pub(crate) enum What {
    /// The door tells something else than stock.
    Differs(Difference),
    /// The door crashes, or does not come to an end.
    Fails,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Differs(difference) => {
                writeln!(f, "{}: it differs {}", self.door, difference.what)?;
                writeln!(f, "    {:<58} {}", "stock Twisted", self.door)?;
                f.write_str(&difference.told)
            }
            What::Fails => writeln!(f, "{}: it crashes, or does not end", self.door),
        }
    }
}

impl Doors {
    pub(crate) fn new(others: &[Door], programs: &Programs) -> Self {
        Self {
            stock: Session::new(Door::Stock, programs),
            others: others.iter().map(|door| Session::new(*door, programs)).collect(),
            kept: BTreeMap::new(),
        }
    }

    /// Runs programs on every door: the first of them that shows something.
    ///
    /// # Errors
    ///
    /// Fails when a process cannot be started, or answers with what is no answer.
    pub(crate) fn first_finding(&mut self, batch: &[Program]) -> Result<Option<(usize, Finding)>> {
        if batch.is_empty() {
            return Ok(None);
        }
        self.stock.send(batch)?;
        for session in &mut self.others {
            session.send(batch)?;
        }
        // A door that failed at a program tells only of those before it.
        let stock = self.stock.receive(batch.len());
        let others: Vec<(Door, Vec<String>)> = self
            .others
            .iter_mut()
            .map(|session| (session.door(), session.receive(batch.len())))
            .collect();
        let traces = std::iter::once(&stock).chain(others.iter().map(|(_, traces)| traces));
        let whole = traces.map(Vec::len).min().unwrap_or(0);
        for at in 0..whole {
            for (door, traces) in &others {
                let compare = match door {
                    Door::Native => compare::native,
                    Door::Stock | Door::Python => compare::python,
                };
                match compare(&stock[at], &traces[at])? {
                    Verdict::Same => {}
                    Verdict::Kept(rule) => *self.kept.entry(rule).or_default() += 1,
                    Verdict::Different(difference) => {
                        let what = What::Differs(difference);
                        return Ok(Some((at, Finding { door: *door, what })));
                    }
                }
            }
        }
        if whole == batch.len() {
            return Ok(None);
        }
        // What stock does not come to the end of is no measure.
        if stock.len() == whole {
            *self.kept.entry("stock does not end".to_owned()).or_default() += 1;
        } else {
            let failed = others.iter().find(|(_, traces)| traces.len() == whole);
            let (door, _) = failed.expect("one of them told least");
            return Ok(Some((whole, Finding { door: *door, what: What::Fails })));
        }
        let rest = whole + 1;
        Ok(self.first_finding(&batch[rest..])?.map(|(at, finding)| (at + rest, finding)))
    }

    /// Makes a program that shows something as small as it can be.
    ///
    /// # Errors
    ///
    /// As for [`first_finding`](Self::first_finding).
    pub(crate) fn shrink(&mut self, program: Program) -> Result<(Program, Finding)> {
        let small = shrink::shrink(program, |candidates| {
            // Few at a time: the first that will do is often among the first.
            for (number, some) in candidates.chunks(16).enumerate() {
                if let Some((at, _)) = self.first_finding(some)? {
                    return Ok(Some(number * 16 + at));
                }
            }
            Ok(None)
        })?;
        let (_, finding) = self
            .first_finding(std::slice::from_ref(&small))?
            .context("a program showed something once, and then no more")?;
        Ok((small, finding))
    }
}

/// The programs of a campaign from `first` on.
pub(crate) fn batch(seed: u64, first: u64, count: u64) -> Vec<Program> {
    (first..first + count).map(|number| generate::program(seed, number)).collect()
}
