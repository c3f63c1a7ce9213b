//! A case, its rounds, its figures.
//!
//! The cases of one shape take turns: one batch each, then the next round, each round beginning
//! with another case. What slows the machine for a while so slows all of them alike. A case's time
//! is that of its fastest batch; a batch is long enough to be above the clock's own noise.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::allocator;

/// Does something `n` times and says how long that took.
pub(crate) type Run = Box<dyn FnMut(u32) -> Result<Duration>>;

/// A [`Run`] of this process that repeats `body`.
pub(crate) fn repeat(mut body: impl FnMut() + 'static) -> Run {
    Box::new(move |n| {
        let started = Instant::now();
        for _ in 0..n {
            body();
        }
        Ok(started.elapsed())
    })
}

/// Who does a shape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct System {
    /// The key in the JSON file.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// How far a system can be compared with ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Hereafter.
    Ours,
    /// No system at all: what is left to pay when there is nothing in between.
    Floor,
    /// Composed at compile time: one type a chain, to which nothing can be added at run time.
    Composed,
    /// Callbacks can be added at run time, as with ours.
    Erased,
}

impl System {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

/// One shape done by one system.
///
/// Its figure is the time of one run, less that of one run of the baseline if it has one, divided
/// by its items.
pub(crate) struct Case {
    pub(crate) shape: &'static str,
    pub(crate) system: System,
    run: Run,
    baseline: Option<Run>,
    items: u32,
    counts_allocations: bool,
}

impl Case {
    /// A case of this process that repeats `body`.
    pub(crate) fn new(shape: &'static str, system: System, body: impl FnMut() + 'static) -> Self {
        Self::timed(shape, system, repeat(body))
    }

    /// A case of this process that times itself.
    pub(crate) fn timed(shape: &'static str, system: System, run: Run) -> Self {
        Self { shape, system, run, baseline: None, items: 1, counts_allocations: true }
    }

    /// Says that the work happens elsewhere, in another process or thread, and that allocations
    /// would say nothing.
    pub(crate) fn elsewhere(mut self) -> Self {
        self.counts_allocations = false;
        self
    }

    /// Subtracts what `body` costs.
    pub(crate) fn less(self, body: impl FnMut() + 'static) -> Self {
        self.less_timed(repeat(body))
    }

    /// Subtracts what `run` costs.
    pub(crate) fn less_timed(mut self, run: Run) -> Self {
        self.baseline = Some(run);
        self
    }

    /// The same case done by another system, which wraps its runs.
    #[cfg(feature = "inspect")]
    pub(crate) fn wrapped(self, system: System, wrap: impl Fn(Run) -> Run) -> Self {
        let (run, baseline) = (wrap(self.run), self.baseline.map(wrap));
        Self { system, run, baseline, ..self }
    }

    /// Divides by `items`.
    pub(crate) fn per(mut self, items: u32) -> Self {
        self.items = items;
        self
    }

    /// What the figure is divided by.
    pub(crate) fn items(&self) -> u32 {
        self.items
    }

    /// Whether something is subtracted.
    pub(crate) fn has_baseline(&self) -> bool {
        self.baseline.is_some()
    }

    /// Runs the case, or its baseline, so many times.
    pub(crate) fn run_untimed(&mut self, iterations: u32, baseline: bool) -> Result<()> {
        let run = if baseline {
            self.baseline.as_mut().ok_or_else(|| anyhow::anyhow!("the case has no baseline"))?
        } else {
            &mut self.run
        };
        run(iterations).map(drop)
    }
}

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    rounds: usize,
    batch: Duration,
    warm_up: Duration,
}

impl Effort {
    /// For figures to quote.
    pub(crate) const FULL: Self =
        Self { rounds: 50, batch: Duration::from_millis(2), warm_up: Duration::from_millis(60) };
    /// For a look.
    pub(crate) const QUICK: Self =
        Self { rounds: 10, batch: Duration::from_micros(500), warm_up: Duration::from_millis(10) };
}

/// What one case came to.
pub(crate) struct Figures {
    pub(crate) system: System,
    /// Nanoseconds: the fastest batch.
    pub(crate) ns: f64,
    /// The median batch over the fastest: 1 on a quiet machine.
    pub(crate) noise: f64,
    /// Allocations, where they can be counted.
    pub(crate) allocations: Option<f64>,
}

/// Measures the cases of one shape, taking turns.
pub(crate) fn interleaved(cases: &mut [Case], effort: Effort) -> Result<Vec<Figures>> {
    let mut probes = Vec::with_capacity(cases.len());
    for case in cases.iter_mut() {
        let main = Probe::new(&mut case.run, effort)?;
        let baseline = case.baseline.as_mut().map(|run| Probe::new(run, effort)).transpose()?;
        probes.push((main, baseline));
    }
    for round in 0..effort.rounds {
        for turn in 0..cases.len() {
            let index = (turn + round) % cases.len();
            let (case, (main, baseline)) = (&mut cases[index], &mut probes[index]);
            main.measure(&mut case.run)?;
            if let (Some(run), Some(probe)) = (&mut case.baseline, baseline) {
                probe.measure(run)?;
            }
        }
    }
    cases
        .iter_mut()
        .zip(probes)
        .map(|(case, (main, baseline))| figures(case, main, baseline))
        .collect()
}

fn figures(case: &mut Case, main: Probe, baseline: Option<Probe>) -> Result<Figures> {
    let items = f64::from(case.items);
    let subtracted = baseline.as_ref().map_or(0.0, Probe::fastest);
    let allocations = if case.counts_allocations {
        let mut count = allocations(&mut case.run)?;
        if let Some(run) = &mut case.baseline {
            count -= allocations(run)?;
        }
        Some(count / items)
    } else {
        None
    };
    Ok(Figures {
        system: case.system,
        ns: (main.fastest() - subtracted) / items,
        noise: main.noise(),
        allocations,
    })
}

/// Allocations of one run, averaged so that the growth of long-lived vectors does not show.
fn allocations(run: &mut Run) -> Result<f64> {
    const RUNS: u32 = 64;
    let (result, count) = allocator::count(|| run(RUNS));
    result?;
    let count = u32::try_from(count)?;
    Ok(f64::from(count) / f64::from(RUNS))
}

/// The batches of one [`Run`].
struct Probe {
    /// Runs in a batch.
    size: u32,
    /// Nanoseconds of one run, batch by batch.
    samples: Vec<f64>,
}

impl Probe {
    /// Warms up, and finds how many runs make a batch.
    fn new(run: &mut Run, effort: Effort) -> Result<Self> {
        let mut size = 1_u32;
        let mut spent = Duration::ZERO;
        loop {
            let took = run(size)?;
            spent += took;
            if took < effort.batch {
                size = size.saturating_mul(2);
            } else if spent >= effort.warm_up {
                return Ok(Self { size, samples: Vec::with_capacity(effort.rounds) });
            }
        }
    }

    fn measure(&mut self, run: &mut Run) -> Result<()> {
        let took = run(self.size)?;
        self.samples.push(took.as_secs_f64() * 1e9 / f64::from(self.size));
        Ok(())
    }

    fn fastest(&self) -> f64 {
        self.samples.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn noise(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2] / self.fastest()
    }
}
