//! Delayed calls: asked for in no order, and all made.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use hereafter_reactor::{Reactor, RunOptions};
use tokio::runtime::{Builder, LocalOptions};

pub(crate) const NAME: &str = "timers of up to a tenth of a second, asked for and called";

/// The fastest of some rounds, of which the first does not count.
pub(crate) fn measure(count: u32, rounds: usize) -> Result<BTreeMap<&'static str, f64>> {
    let mut best = BTreeMap::<_, f64>::new();
    for round in 0..=rounds {
        for (name, took) in [("hereafter", hereafter(count)?), ("tokio", tokio(count)?)] {
            if round > 0 {
                let fastest = best.entry(name).or_insert(f64::INFINITY);
                *fastest = fastest.min(took.as_secs_f64());
            }
        }
    }
    Ok(best)
}

/// Some delay or other; the same ones for each system.
fn delay(n: u32) -> Duration {
    Duration::from_micros(u64::from(n.wrapping_mul(2_654_435_761) % 100_000))
}

fn hereafter(count: u32) -> Result<Duration> {
    let reactor = Reactor::new()?;
    let (left, started) = (Rc::new(Cell::new(count)), Instant::now());
    for n in 0..count {
        let (left, remote) = (left.clone(), reactor.remote());
        reactor.call_later(delay(n), move || {
            left.set(left.get() - 1);
            if left.get() == 0 {
                remote.stop();
            }
        });
    }
    reactor.run_with(RunOptions::default().signals(false))?;
    Ok(started.elapsed())
}

fn tokio(count: u32) -> Result<Duration> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let (left, started) = (Rc::new(Cell::new(count)), Instant::now());
        let done = Rc::new(tokio::sync::Notify::new());
        for n in 0..count {
            let (left, done) = (left.clone(), done.clone());
            tokio::task::spawn_local(async move {
                tokio::time::sleep(delay(n)).await;
                left.set(left.get() - 1);
                if left.get() == 0 {
                    done.notify_one();
                }
            });
        }
        done.notified().await;
        Ok(started.elapsed())
    })
}
