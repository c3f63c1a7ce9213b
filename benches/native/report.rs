//! The table for people and the file for programs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::measure::{Figures, Kind};
use crate::ours;
use crate::shapes::Shape;

/// Prints the table of one shape: ours first, then the peers from fast to slow.
pub(crate) fn print_shape(shape: &Shape, figures: &[Figures]) {
    let ours = own(figures).map(|own| own.ns);
    println!("{}: {}", shape.name, shape.about);
    println!("  {:<44} {:>9} {:>9} {:>9}", "system", "ns", "allocs", "ratio");
    let mut rows: Vec<&Figures> = figures.iter().collect();
    rows.sort_by(|a, b| {
        let theirs = |row: &Figures| row.system.kind != Kind::Ours;
        theirs(a).cmp(&theirs(b)).then(a.ns.total_cmp(&b.ns))
    });
    for row in rows {
        let allocations = row.allocations.map_or("-".to_owned(), |count| format!("{count:.2}"));
        let ratio = ours.map_or("-".to_owned(), |ours| ratio(row.ns, ours));
        println!(
            "  {:<44} {:>9.1} {:>9} {:>9}",
            row.system.name,
            unsigned_zero(row.ns),
            allocations,
            ratio
        );
    }
    println!();
}

/// Prints what inspection costs, shape by shape.
pub(crate) fn print_inspected(results: &[(&Shape, Vec<Figures>)]) {
    println!("summary: with inspection off, and on");
    println!("  {:<24} {:>8} {:>8} {:>6}", "shape", "off", "on", "ratio");
    for (shape, figures) in results {
        let on = figures.iter().find(|row| row.system != ours::HEREAFTER);
        if let (Some(off), Some(on)) = (own(figures), on) {
            println!(
                "  {:<24} {:>8.1} {:>8.1} {:>6}",
                shape.name,
                unsigned_zero(off.ns),
                unsigned_zero(on.ns),
                ratio(on.ns, off.ns)
            );
        }
    }
    print_noise(results);
}

/// Prints ours beside the fastest peers, shape by shape, and what to keep in mind.
pub(crate) fn print_summary(results: &[(&Shape, Vec<Figures>)], notes: &[String]) {
    println!(
        "summary: ours beside the fastest peer whose chains can grow at run time, as ours can,"
    );
    println!("and beside the fastest that is composed at compile time");
    println!(
        "  {:<24} {:>8} {:>8} {:>6}  {:<38} {:>8} {:>6}  which",
        "shape", "ours", "erased", "ratio", "which", "composed", "ratio"
    );
    for (shape, figures) in results {
        if let Some(own) = own(figures) {
            let (erased, composed) =
                (fastest(figures, Kind::Erased), fastest(figures, Kind::Composed));
            println!(
                "  {:<24} {:>8.1} {}  {}",
                shape.name,
                unsigned_zero(own.ns),
                beside(erased, own, 38),
                beside(composed, own, 0)
            );
        }
    }
    println!();
    println!("ratio: the peer's time over ours; above 1 we are the faster.");
    println!(
        "Nanoseconds are of the fastest batch. Trust ratios of one run, not nanoseconds of two."
    );
    print_noise(results);
    for note in notes {
        println!("Note: {note}.");
    }
}

fn print_noise(results: &[(&Shape, Vec<Figures>)]) {
    let rows = results.iter().flat_map(|(shape, rows)| rows.iter().map(move |row| (shape, row)));
    if let Some((shape, row)) = rows.max_by(|a, b| a.1.noise.total_cmp(&b.1.noise)) {
        println!(
            "Noise: the median batch took up to {:.2} times as long as the fastest ({} of {}).",
            row.noise, shape.name, row.system.name
        );
    }
}

fn fastest(figures: &[Figures], kind: Kind) -> Option<&Figures> {
    let peers = figures.iter().filter(|row| row.system.kind == kind);
    peers.min_by(|a, b| a.ns.total_cmp(&b.ns))
}

/// The columns of one peer in the summary, its name padded to `width`.
fn beside(peer: Option<&Figures>, own: &Figures, width: usize) -> String {
    let (time, ratio, name) = match peer {
        Some(peer) => {
            (format!("{:.1}", unsigned_zero(peer.ns)), ratio(peer.ns, own.ns), peer.system.name)
        }
        None => ("-".to_owned(), "-".to_owned(), ""),
    };
    format!("{time:>8} {ratio:>6}  {name:<width$}")
}

/// Writes `{"shape": {"system": {"ns": n, "allocs": n}}}`; `allocs` is null where not counted.
pub(crate) fn write_json(results: &[(&Shape, Vec<Figures>)], path: &Path) -> Result<()> {
    let shapes: Map<String, Value> = results
        .iter()
        .map(|(shape, figures)| {
            let systems: Map<String, Value> = figures
                .iter()
                .map(|row| {
                    (
                        row.system.name.to_owned(),
                        json!({ "ns": rounded(row.ns), "allocs": row.allocations.map(rounded) }),
                    )
                })
                .collect();
            (shape.name.to_owned(), Value::Object(systems))
        })
        .collect();
    let text = serde_json::to_string_pretty(&shapes)? + "\n";
    fs::write(path, text).with_context(|| format!("writing the figures to {}", path.display()))
}

/// To two digits: all that means anything.
fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

fn own(figures: &[Figures]) -> Option<&Figures> {
    figures.iter().find(|row| row.system == ours::HEREAFTER)
}

/// A difference that is nothing but noise may come out below zero; `-0.0` would only puzzle.
fn unsigned_zero(ns: f64) -> f64 {
    if (-0.05..0.0).contains(&ns) { 0.0 } else { ns }
}

/// `time` over `ours`, unless ours is too near to nothing to divide by.
fn ratio(time: f64, ours: f64) -> String {
    if ours < 0.05 { "-".to_owned() } else { format!("{:.2}", unsigned_zero(time) / ours) }
}
