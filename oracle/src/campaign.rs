//! Many programs, on every door, by several workers; and what came of them.

use crate::DoorArguments;
use crate::compare::{self, Difference, Verdict};
use crate::door::{Door, Programs, Session};
use crate::program::Program;
use crate::{generate, shrink};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// How many programs are handed to a door at once.
const BATCH: u64 = 100;
/// How many candidates for a smaller program are: the first that will do is often among the first.
const CANDIDATES: usize = 16;

/// How much to run, and on what.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    doors: DoorArguments,
    /// How many programs.
    #[arg(long, default_value_t = 10_000)]
    programs: u64,
    /// Another seed makes other programs; the same makes the same.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The number of the first program.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many workers; each has a process for every door.
    #[arg(long, default_value_t = 1)]
    jobs: u16,
    /// Stop after so many findings.
    #[arg(long, default_value_t = 5)]
    findings: u64,
    /// Leave out a rule by which differences are kept, as the summary names it: is it still needed?
    #[arg(long, value_name = "RULE")]
    without: Vec<String>,
}

/// The doors that one worker has open.
pub(crate) struct Doors {
    stock: Session,
    others: Vec<Session>,
    without: Vec<String>,
    kept: Kept,
}

/// How often a difference was kept on purpose, by door and rule.
#[derive(Debug, Default)]
pub(crate) struct Kept(BTreeMap<String, u64>);

/// What a program shows.
#[derive(Debug)]
pub(crate) struct Finding {
    door: Door,
    what: What,
}

#[derive(Debug)]
enum What {
    /// The door tells something else than stock.
    Differs(Difference),
    /// The door crashes, or does not come to an end.
    Fails,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Differs(difference) => {
                writeln!(f, "{} differs: {}", self.door, difference.what)?;
                writeln!(f, "    {:<58} {}", "stock Twisted", self.door)?;
                f.write_str(&difference.told)
            }
            What::Fails => writeln!(f, "{} crashes, or does not end", self.door),
        }
    }
}

impl Kept {
    fn count(&mut self, door: Door, rule: &str) {
        *self.0.entry(format!("{door}: {rule}")).or_default() += 1;
    }

    fn merge(&mut self, other: &Self) {
        for (rule, count) in &other.0 {
            *self.0.entry(rule.clone()).or_default() += count;
        }
    }

    /// The rules that applied, as the end of a sentence.
    pub(crate) fn describe(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let rules: Vec<&str> = self.0.keys().map(String::as_str).collect();
        format!(", but for what is kept on purpose ({})", rules.join("; "))
    }
}

impl Doors {
    pub(crate) fn new(others: &[Door], programs: &Programs, without: &[String]) -> Self {
        Self {
            stock: Session::new(Door::Stock, programs),
            others: others.iter().map(|door| Session::new(*door, programs)).collect(),
            without: without.to_vec(),
            kept: Kept::default(),
        }
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Runs programs on every door: the first of them that shows something.
    ///
    /// # Errors
    ///
    /// Fails when a process cannot be started, or answers with what is no trace.
    pub(crate) fn first_finding(&mut self, batch: &[Program]) -> Result<Option<(usize, Finding)>> {
        let mut from = 0;
        while from < batch.len() {
            let (told, found) = self.first_finding_or_fault(&batch[from..])?;
            if let Some(finding) = found {
                return Ok(Some((from + told, finding)));
            }
            // The one after the last that was told of made stock fail: it is passed over.
            from += told + 1;
        }
        Ok(None)
    }

    /// As [`first_finding`](Self::first_finding), up to a program that stock does not come to the
    /// end of. Also gives back how many programs come before it, or before the finding.
    fn first_finding_or_fault(&mut self, batch: &[Program]) -> Result<(usize, Option<Finding>)> {
        let traces = self.all_traces(batch)?;
        let ((_, stock), others) = traces.split_first().expect("stock is one of them");
        // A door that failed at a program tells only of those before it.
        let whole = traces.iter().map(|(_, traces)| traces.len()).min().unwrap_or(0);
        for at in 0..whole {
            for (door, traces) in others {
                match compare::with_stock(*door, &stock[at], &traces[at], &self.without)? {
                    Verdict::Same => {}
                    Verdict::Kept(rule) => self.kept.count(*door, &rule),
                    Verdict::Different(difference) => {
                        let what = What::Differs(difference);
                        return Ok((at, Some(Finding { door: *door, what })));
                    }
                }
            }
        }
        if whole < batch.len() {
            if stock.len() > whole {
                let failed = others.iter().find(|(_, traces)| traces.len() == whole);
                let (door, _) = failed.expect("one of them told least");
                return Ok((whole, Some(Finding { door: *door, what: What::Fails })));
            }
            self.kept.count(Door::Stock, "it does not come to an end");
        }
        Ok((whole, None))
    }

    /// What every door tells of every program.
    fn all_traces(&mut self, batch: &[Program]) -> Result<Vec<(Door, Vec<String>)>> {
        let mut sessions: Vec<&mut Session> =
            std::iter::once(&mut self.stock).chain(&mut self.others).collect();
        // They work side by side.
        for session in &mut sessions {
            session.send(batch)?;
        }
        Ok(sessions.into_iter().map(|it| (it.door(), it.receive(batch.len()))).collect())
    }

    /// What every door that comes to its end tells of a program.
    ///
    /// # Errors
    ///
    /// As for [`first_finding`](Self::first_finding).
    pub(crate) fn traces(&mut self, program: &Program) -> Result<Vec<(Door, String)>> {
        let all = self.all_traces(std::slice::from_ref(program))?;
        Ok(all.into_iter().filter_map(|(door, mut one)| Some((door, one.pop()?))).collect())
    }

    /// Makes a program that shows something as small as it can be; nothing if it does not show it
    /// again.
    ///
    /// # Errors
    ///
    /// As for [`first_finding`](Self::first_finding).
    pub(crate) fn shrink(&mut self, program: Program) -> Result<Option<(Program, Finding)>> {
        // What is tried on the way says nothing about the campaign.
        let kept = std::mem::take(&mut self.kept);
        let small = shrink::shrink(program, |candidates| {
            for (number, some) in candidates.chunks(CANDIDATES).enumerate() {
                if let Some((at, _)) = self.first_finding(some)? {
                    return Ok(Some(number * CANDIDATES + at));
                }
            }
            Ok(None)
        })?;
        let found = self.first_finding(std::slice::from_ref(&small))?;
        self.kept = kept;
        Ok(found.map(|(_, finding)| (small, finding)))
    }
}

/// What the workers of a campaign share.
struct Campaign<'a> {
    arguments: &'a Arguments,
    /// The number of the next program that nobody has taken.
    next: AtomicU64,
    done: AtomicU64,
    found: AtomicU64,
    stop: Arc<AtomicBool>,
    kept: Mutex<Kept>,
    bar: ProgressBar,
}

/// Runs a campaign, and prints what it finds. Whether that is nothing.
///
/// # Errors
///
/// Fails when a door cannot be opened, or answers with what is no trace.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let style = "{bar:30} {human_pos} of {human_len} programs, {per_sec}, {eta} to go {msg}";
    let campaign = Campaign {
        arguments,
        next: AtomicU64::new(arguments.first),
        done: AtomicU64::new(0),
        found: AtomicU64::new(0),
        stop: Arc::default(),
        kept: Mutex::default(),
        bar: ProgressBar::new(arguments.programs)
            .with_style(ProgressStyle::with_template(style).context("the progress bar's form")?),
    };
    let stop = campaign.stop.clone();
    ctrlc::set_handler(move || stop.store(true, Ordering::Relaxed)).context("watching Ctrl-C")?;
    let started = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..arguments.jobs.max(1)).map(|_| scope.spawn(|| campaign.work())).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    campaign.bar.finish_and_clear();
    Ok(campaign.summarize(started))
}

impl Campaign<'_> {
    /// Takes programs until there are no more, or enough was found.
    fn work(&self) -> Result<()> {
        let mut doors = self.arguments.doors.open(&self.arguments.without);
        let worked = self.work_on(&mut doors);
        if worked.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).merge(&doors.kept);
        worked
    }

    fn work_on(&self, doors: &mut Doors) -> Result<()> {
        let end = self.arguments.first.saturating_add(self.arguments.programs);
        while !self.stop.load(Ordering::Relaxed) {
            let first = self.next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= end {
                break;
            }
            let numbers = first..end.min(first + BATCH);
            let batch: Vec<Program> =
                numbers.map(|number| generate::program(self.arguments.seed, number)).collect();
            self.work_on_batch(doors, first, &batch)?;
        }
        Ok(())
    }

    fn work_on_batch(&self, doors: &mut Doors, first: u64, batch: &[Program]) -> Result<()> {
        let mut from = 0;
        while from < batch.len() && !self.stop.load(Ordering::Relaxed) {
            let Some((at, finding)) = doors.first_finding(&batch[from..])? else {
                self.count(batch.len() - from);
                break;
            };
            let program = from + at;
            self.count(at + 1);
            self.tell(doors, first + program as u64, &batch[program], &finding)?;
            from = program + 1;
        }
        Ok(())
    }

    fn count(&self, programs: usize) {
        let before = self.done.fetch_add(programs as u64, Ordering::Relaxed);
        let done = before + programs as u64;
        self.bar.inc(programs as u64);
        // Where there is no terminal, a line now and then.
        let part = (self.arguments.programs / 20).max(10_000);
        if self.bar.is_hidden() && done / part > before / part {
            let found = self.found.load(Ordering::Relaxed);
            eprintln!("{done} of {} programs, {found} found", self.arguments.programs);
        }
    }

    /// Makes a finding small, and prints it.
    fn tell(
        &self,
        doors: &mut Doors,
        number: u64,
        program: &Program,
        finding: &Finding,
    ) -> Result<()> {
        let found = self.found.fetch_add(1, Ordering::Relaxed) + 1;
        if found >= self.arguments.findings {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.bar.set_message(format!("({found} found)"));
        let (told, small, finding) = match &doors.shrink(program.clone())? {
            Some((small, finding)) => ("", serde_json::to_string(small), finding.to_string()),
            None => (
                ", after those before it, and not by itself",
                serde_json::to_string(program),
                finding.to_string(),
            ),
        };
        let small = small.context("writing a program as JSON")?;
        self.bar.suspend(|| {
            println!("program {number} of seed {}{told}:", self.arguments.seed);
            println!("{small}\n{finding}");
        });
        Ok(())
    }

    /// Whether nothing was found.
    fn summarize(&self, started: Instant) -> bool {
        let [done, found] = [&self.done, &self.found].map(|it| it.load(Ordering::Relaxed));
        let seconds = started.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "it is for people")]
        let speed = done as f64 / seconds;
        let arguments = self.arguments;
        println!(
            "{done} programs of seed {} from {} on, in {seconds:.0} s ({speed:.0} a second): \
             {found} found",
            arguments.seed, arguments.first
        );
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules: Vec<_> = kept.0.iter().collect();
        rules.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (rule, count) in rules {
            println!("{count:>9}  not compared, or only so far: {rule}");
        }
        found == 0
    }
}
