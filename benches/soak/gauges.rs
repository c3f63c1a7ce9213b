//! What is looked at while nothing is under way, and whether it grows.
//!
//! Every load comes to its end before a look, so most gauges have to be back at exactly what they
//! were. Memory need not: allocators keep room, tables grow to their largest, drivers remember
//! statements. So memory is judged by its trend, after a warm-up.

use std::fmt;
use std::time::Duration;

use hereafter_reactor::Reactor;

use crate::allocator;

/// One in so many of the looks, the first ones, is warm-up.
const WARM: usize = 4;

/// By how much memory may grow from the first to the last third of what follows.
const BLOCKS_BOUND: i64 = 1000;
const BYTES_BOUND: i64 = 256 * 1024;
const RESIDENT_BOUND: i64 = 4 * 1024 * 1024;

/// A pool closes the connection of a statement that was cancelled, and opens another when there is
/// need for it: so many may be open, or not.
const FILES_BOUND: i64 = 6;

/// One look at the process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gauges {
    /// Bytes of memory that the process has.
    pub(crate) resident: i64,
    /// What is allocated: blocks, and bytes.
    pub(crate) blocks: i64,
    pub(crate) bytes: i64,
    /// Files and sockets.
    pub(crate) files: i64,
    pub(crate) threads: i64,
    /// Tasks that live on tokio.
    pub(crate) tasks: i64,
    pub(crate) connections: i64,
    pub(crate) ports: i64,
    /// Timed calls that are still to be made.
    pub(crate) timers: i64,
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Gauges {
    pub(crate) fn look(reactor: &Reactor) -> Self {
        let (blocks, bytes) = allocator::alive();
        let process = procfs();
        Self {
            resident: process.resident,
            blocks,
            bytes,
            files: process.files,
            threads: process.threads,
            tasks: signed(tokio::runtime::Handle::current().metrics().num_alive_tasks()),
            connections: signed(reactor.open_connections()),
            ports: signed(reactor.open_ports()),
            timers: signed(reactor.delayed_calls().len()),
        }
    }

    pub(crate) const HEADER: &'static str = "  minutes  operations  RSS MiB  live KiB   blocks  files  threads  tasks  connections  ports  timers";
}

/// What only the operating system knows; nothing where it does not tell.
#[derive(Default)]
struct Process {
    resident: i64,
    files: i64,
    threads: i64,
}

fn procfs() -> Process {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<i64>().ok()).unwrap_or(0)
    };
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Process {
        resident: number("VmRSS:") * 1024,
        // One of them is that of the folder.
        files: signed(files.saturating_sub(1)),
        threads: number("Threads:"),
    }
}

/// A look, and what had been done by then.
pub(crate) struct Sample {
    pub(crate) after: Duration,
    pub(crate) operations: u64,
    pub(crate) gauges: Gauges,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gauges { resident, blocks, bytes, files, threads, tasks, connections, ports, timers } =
            self.gauges;
        #[allow(clippy::cast_precision_loss, reason = "it is shown to one place")]
        let resident = resident as f64 / 1024.0 / 1024.0;
        write!(
            f,
            "{:>9.1} {:>11} {resident:>8.1} {:>9} {blocks:>8} {files:>6} {threads:>8} {tasks:>6} {connections:>12} {ports:>6} {timers:>7}",
            self.after.as_secs_f64() / 60.0,
            self.operations,
            bytes / 1024,
        )
    }
}

/// The looks after the warm-up.
fn after_warm_up(samples: &[Sample]) -> &[Sample] {
    &samples[samples.len().div_ceil(WARM)..]
}

/// Whether there are looks enough to tell what grows.
pub(crate) fn are_enough(samples: &[Sample]) -> bool {
    after_warm_up(samples).len() >= 3
}

/// What has grown that should not have: one line each.
pub(crate) fn grown(samples: &[Sample]) -> Vec<String> {
    if !are_enough(samples) {
        let text = format!("{} looks are too few to tell: let it run longer", samples.len());
        return vec![text];
    }
    let samples = after_warm_up(samples);
    let third = samples.len() / 3;
    let (before, after) = (&samples[..third], &samples[samples.len() - third..]);
    let mut lines = Vec::new();
    for Judged { name, gauge, bound } in MEMORY {
        let (before, after) = (median(before, gauge), median(after, gauge));
        if after - before > bound {
            lines.push(format!(
                "{name} have grown from {before} to {after}; {bound} more are allowed"
            ));
        }
    }
    for Judged { name, gauge, bound } in OPEN {
        let (before, after) = (least(before, gauge), least(after, gauge));
        if after - before > bound {
            lines.push(format!("{name} have grown from {before} to {after} at the least"));
        }
    }
    lines
}

/// A gauge, and by how much it may grow.
struct Judged {
    name: &'static str,
    gauge: fn(&Gauges) -> i64,
    bound: i64,
}

/// What goes up and down is judged by its middle.
const MEMORY: [Judged; 3] = [
    Judged { name: "allocated blocks", gauge: |gauges| gauges.blocks, bound: BLOCKS_BOUND },
    Judged { name: "allocated bytes", gauge: |gauges| gauges.bytes, bound: BYTES_BOUND },
    Judged {
        name: "bytes of resident memory",
        gauge: |gauges| gauges.resident,
        bound: RESIDENT_BOUND,
    },
];

/// What is open at rest may take a moment to be closed, but not in every look.
const OPEN: [Judged; 4] = [
    Judged { name: "open files", gauge: |gauges| gauges.files, bound: FILES_BOUND },
    Judged { name: "tasks", gauge: |gauges| gauges.tasks, bound: 0 },
    Judged { name: "connections", gauge: |gauges| gauges.connections, bound: 0 },
    Judged { name: "ports", gauge: |gauges| gauges.ports, bound: 0 },
];

fn least(samples: &[Sample], gauge: fn(&Gauges) -> i64) -> i64 {
    samples.iter().map(|sample| gauge(&sample.gauges)).min().unwrap_or(0)
}

fn median(samples: &[Sample], gauge: fn(&Gauges) -> i64) -> i64 {
    let mut values: Vec<i64> = samples.iter().map(|sample| gauge(&sample.gauges)).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(gauges: impl Fn(i64) -> Gauges) -> Vec<Sample> {
        let sample = |n| Sample { after: Duration::ZERO, operations: 0, gauges: gauges(n) };
        (0..20).map(sample).collect()
    }

    #[test]
    fn what_goes_up_and_down_is_no_trend() {
        let restless = |n| Gauges {
            blocks: 5000 + n % 3 * 900,
            resident: 50_000_000 + n % 2 * 9_000_000,
            files: 20 + n % 3,
            ..Gauges::default()
        };
        assert_eq!(grown(&samples(restless)), Vec::<String>::new());
    }

    #[test]
    fn what_grows_at_first_is_warm_up() {
        let warming = |n: i64| Gauges { bytes: n.min(4) * 1_000_000, ..Gauges::default() };
        assert_eq!(grown(&samples(warming)), Vec::<String>::new());
    }

    #[test]
    fn what_grows_all_the_time_is_named() {
        let leaking = |n| Gauges { blocks: n * 1000, files: n, ..Gauges::default() };
        let lines = grown(&samples(leaking));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("allocated blocks have grown from 7000 to 17000"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("open files"), "{lines:?}");
    }

    #[test]
    fn too_few_looks_are_no_proof() {
        let few = &samples(|_| Gauges::default())[..3];
        assert!(grown(few)[0].contains("too few"));
    }
}
