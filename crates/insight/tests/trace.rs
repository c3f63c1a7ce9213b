//! Trace files: read back by somebody who takes the format at its word.

use hereafter_insight::{Before, End, History, Kind, Trace};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a trace file holds.
#[derive(Default, Debug)]
struct Read {
    events: usize,
    /// The names of slices on deferreds' tracks, those without an end with `...`.
    lives: Vec<String>,
    /// The slices on threads' tracks.
    links: Vec<String>,
    instants: Vec<String>,
    /// From where to where arrows go.
    arrows: Vec<(String, String)>,
}

/// Reads a file as the format is documented: an array of events; slices of a thread lie in one another or
/// beside one another; what ends has begun; what an arrow begins or ends in is there.
fn read(text: &str) -> Read {
    let events: Vec<Value> =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let mut seen = Read { events: events.len(), ..Read::default() };
    let mut open: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let mut slices: BTreeMap<u64, Vec<(f64, f64, String)>> = BTreeMap::new();
    let (mut from, mut to) = (BTreeMap::new(), Vec::new());
    let mut named = BTreeSet::new();
    for event in &events {
        let text = |key: &str| {
            event[key].as_str().unwrap_or_else(|| panic!("{key} of {event}")).to_owned()
        };
        // Microseconds, of which thousandths count.
        let number = |key: &str| -> f64 {
            let micros = event[key].as_f64().unwrap_or_else(|| panic!("{key} of {event}"));
            (micros * 1e3).round()
        };
        let thread = event["tid"].as_u64().unwrap_or_else(|| panic!("the thread of {event}"));
        assert_eq!(event["pid"].as_u64(), Some(u64::from(std::process::id())), "{event}");
        let (phase, name) = (text("ph"), text("name"));
        if phase == "M" {
            assert!(event["args"]["name"].is_string(), "{event}");
            named.insert(thread);
            continue;
        }
        assert!(named.contains(&thread), "a thread without a name: {event}");
        assert!(number("ts") >= 0.0 && event["cat"].is_string(), "{event}");
        match phase.as_str() {
            "b" => open.entry(text("id")).or_default().push((name, number("ts"))),
            "e" => {
                let stack =
                    open.get_mut(&text("id")).unwrap_or_else(|| panic!("no beginning: {event}"));
                let (began, since) = stack.pop().unwrap_or_else(|| panic!("no beginning: {event}"));
                assert!(began == name && since <= number("ts"), "{event} ends {began}");
                seen.lives.push(name);
            }
            "n" => {
                assert!(open.contains_key(&text("id")), "nothing that it belongs to: {event}");
                seen.instants.push(name);
            }
            "i" => {
                assert_eq!(text("s"), "t");
                seen.instants.push(name);
            }
            "X" => {
                assert!(number("dur") >= 0.0, "{event}");
                let slice = (number("ts"), number("ts") + number("dur"), name.clone());
                slices.entry(thread).or_default().push(slice);
                seen.links.push(name);
            }
            "s" => drop(from.insert(event["id"].to_string(), (thread, number("ts")))),
            "f" => {
                assert_eq!(text("bp"), "e", "{event}");
                let begin = from
                    .remove(&event["id"].to_string())
                    .unwrap_or_else(|| panic!("no beginning: {event}"));
                to.push((begin, (thread, number("ts"))));
            }
            other => panic!("no such phase: {other}"),
        }
    }
    for all in slices.values_mut() {
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let mut inside: Vec<f64> = Vec::new();
        for (begin, end, name) in all.iter() {
            while inside.last().is_some_and(|outer| outer <= begin) {
                inside.pop();
            }
            assert!(inside.last().is_none_or(|outer| end <= outer), "{name} overlaps");
            inside.push(*end);
        }
    }
    let within = |(thread, at): (u64, f64)| -> String {
        let around = |slice: &&(f64, f64, String)| slice.0 <= at && at <= slice.1;
        let found = slices.get(&thread).and_then(|all| all.iter().rev().find(around));
        found.unwrap_or_else(|| panic!("an arrow from nowhere: {at} of {slices:?}")).2.clone()
    };
    seen.arrows = to.into_iter().map(|(from, to)| (within(from), within(to))).collect();
    seen.lives.extend(open.into_values().flatten().map(|(name, _)| name + "..."));
    seen
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.json");
    (folder, path)
}

fn read_file(path: &Path) -> Read {
    read(&std::fs::read_to_string(path).unwrap())
}

fn place(place: &&str) -> String {
    (*place).to_owned()
}

/// Notes something, and has it traced.
fn note(
    trace: &Trace,
    history: &mut History<&'static str>,
    what: impl FnOnce(&mut History<&'static str>),
) {
    let before = Before::of(history);
    what(history);
    trace.noted(before, history, place);
}

fn run(
    trace: &Trace,
    history: &mut History<&'static str>,
    kind: Kind,
    added: &'static str,
    end: End,
) {
    note(trace, history, |history| history.runs(kind, Some(added)));
    note(trace, history, |history| history.ran(end));
}

/// A deferred that is made, fails, recovers, waits, and goes.
fn live(trace: &Trace) {
    let history = &mut History::new("app \"3\"\\\n.rs:3");
    trace.made(history, place);
    note(trace, history, |history| history.fired(None));
    run(trace, history, Kind::Both, "app.rs:4", End::Failed("KeyError".into()));
    note(trace, history, |history| history.passed(Kind::Callback, Some("app.rs:0")));
    run(trace, history, Kind::Both, "app.rs:5", End::Value);
    run(trace, history, Kind::Both, "app.rs:6", End::Returned("Deferred 2".into()));
    note(trace, history, |history| history.resumed(End::Value));
    run(trace, history, Kind::Callback, "app.rs:7", End::Value);
    note(trace, history, History::rests);
    note(trace, history, History::cancelled);
    trace.gone(history, place);
}

#[test]
fn a_life_is_slices_instants_and_an_arrow() {
    let (_folder, path) = folder();
    let trace = Trace::create(&path).unwrap();
    live(&trace);
    let pending = History::new("app.rs:8");
    trace.made(&pending, place);
    trace.end();
    live(&trace);
    let seen = read_file(&path);
    assert_eq!(seen.lives, ["waits", "app \"3\"\\\n.rs:3", "app.rs:8..."]);
    let both = "callback and errback app.rs:";
    assert_eq!(
        seen.links,
        [4, 5, 6]
            .map(|n| format!("{both}{n}"))
            .into_iter()
            .chain(["callback app.rs:7".to_owned()])
            .collect::<Vec<_>>()
    );
    assert_eq!(seen.instants, ["fired", "failed: KeyError", "cancelled"]);
    assert_eq!(seen.arrows, [(format!("{both}6"), "callback app.rs:7".to_owned())]);
}

#[test]
fn a_link_inside_of_another_is_a_slice_in_its_slice() {
    let (_folder, path) = folder();
    let trace = Trace::create(&path).unwrap();
    let (mut outer, mut inner) = (History::new("app.rs:1"), History::new("app.rs:2"));
    note(&trace, &mut outer, |outer| outer.runs(Kind::Callback, Some("app.rs:3")));
    run(&trace, &mut inner, Kind::Callback, "app.rs:4", End::Value);
    note(&trace, &mut outer, |outer| outer.ran(End::Value));
    trace.end();
    assert_eq!(read_file(&path).links, ["callback app.rs:4", "callback app.rs:3"]);
}

#[test]
fn the_file_is_whole_whenever_something_was_written() {
    let (_folder, path) = folder();
    let trace = Trace::create(&path).unwrap();
    let mut before = read_file(&path).events;
    for _ in 0..20 {
        for _ in 0..20 {
            live(&trace);
        }
        trace.flush();
        let now = read_file(&path).events;
        assert!(now > before);
        before = now;
    }
    // As a kill would.
    std::mem::forget(trace);
    assert_eq!(read_file(&path).lives.len(), 2 * 400);
}

#[test]
fn what_is_gathered_is_written_before_it_is_much() {
    let (_folder, path) = folder();
    let trace = Trace::create(&path).unwrap();
    for _ in 0..1_000 {
        live(&trace);
    }
    let seen = read_file(&path);
    assert!(seen.lives.len() > 1_800, "{}", seen.lives.len());
}

#[test]
fn threads_write_into_one_file() {
    let (_folder, path) = folder();
    let trace = Trace::create(&path).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|_| live(&trace)));
        }
    });
    trace.end();
    let seen = read_file(&path);
    assert_eq!((seen.lives.len(), seen.arrows.len()), (2 * 800, 800));
}

#[test]
fn one_that_cannot_be_written_says_so_at_once() {
    let error = Trace::create("/no/such/folder/out.json").unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with("the trace file /no/such/folder/out.json cannot be written: "),
        "{said}"
    );
    #[cfg(target_os = "linux")]
    {
        let error = Trace::create("/dev/full").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
}

/// A pipe takes what it is given in order, and so gets one end, at the end.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_written_too_and_may_go_away() {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

    let (mut reader, writer) = std::io::pipe().unwrap();
    let trace = Trace::create(format!("/proc/self/fd/{}", writer.as_raw_fd())).unwrap();
    drop(writer);
    live(&trace);
    trace.flush();
    live(&trace);
    drop(trace);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(read(&text).lives.len(), 4);

    let (reader, writer) = std::io::pipe().unwrap();
    let trace = Trace::create(format!("/proc/self/fd/{}", writer.as_raw_fd())).unwrap();
    drop((reader, writer));
    for _ in 0..1_000 {
        live(&trace);
    }
}

#[test]
fn one_that_goes_while_it_waits_and_one_that_is_older_leave_nothing_open() {
    let (_folder, path) = folder();
    let mut older = History::new("app.rs:1");
    let trace = Trace::create(&path).unwrap();
    let history = &mut History::new("app.rs:2");
    trace.made(history, place);
    run(&trace, history, Kind::Callback, "app.rs:3", End::Returned("Deferred 2".into()));
    trace.gone(history, place);
    run(&trace, &mut older, Kind::Callback, "app.rs:4", End::Value);
    trace.gone(&older, place);
    trace.end();
    let seen = read_file(&path);
    assert_eq!(
        (seen.lives, seen.links),
        (vec!["waits".to_owned(), "app.rs:2".to_owned()], vec!["callback app.rs:3".to_owned()])
    );
}
