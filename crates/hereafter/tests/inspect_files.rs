//! Inspection: trace files, spans, and drawings of what has happened.

use hereafter::{Deferred, Failure, inspect, succeed};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The events of a trace file, as `phase name`.
fn events(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let events: Vec<Value> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    events.iter().map(|event| format!("{} {}", word(event, "ph"), word(event, "name"))).collect()
}

/// A link waits, the next one fails, and one recovers.
fn live() -> String {
    let place = format!("{}:{}:", file!(), line!() + 2);
    let (later, inner) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_callback(move |_| inner);
    let d =
        d.add_callback(|_| Err::<u32, _>(Failure::msg("it is broken"))).add_errback(|_| succeed(0));
    trigger.callback(1);
    later.callback(2);
    assert_eq!(d.take_result().unwrap().unwrap(), 0);
    let (trigger, d) = Deferred::<u32>::new();
    d.cancel();
    drop((trigger, d.add_errback(|_| Ok(0))));
    place
}

/// The process has one trace file, so what asks for one runs in a process of its own.
#[test]
fn what_happens_is_in_the_trace() {
    let folder = tempfile::tempdir().unwrap();
    for (name, how) in [("told.json", "told"), ("asked.json", "asked")] {
        let path = folder.path().join(name);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "the_child", "--ignored", "--nocapture"]).env("TRACE_HOW", how);
        child.env_remove("HEREAFTER_INSPECT");
        child.env(if how == "told" { "HEREAFTER_TRACE" } else { "TRACE_PATH" }, &path);
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let place = String::from_utf8(output.stdout).unwrap();
        let place = place.lines().find_map(|line| line.split_once("place=")).unwrap().1.to_owned();
        let seen = events(&path);
        let count = |what: &str| seen.iter().filter(|event| event.starts_with(what)).count();
        assert_eq!(
            (count(&format!("b {place}")), count(&format!("e {place}"))),
            (1, 1),
            "{seen:#?}"
        );
        assert_eq!((count("b waits"), count("e waits")), (1, 1), "{seen:#?}");
        assert_eq!((count("s wait"), count("f wait")), (1, 1), "{seen:#?}");
        assert_eq!((count("n fired"), count("n cancelled")), (3, 1), "{seen:#?}");
        assert_eq!((count("i failed: Error"), count("X callback ")), (1, 2), "{seen:#?}");
        assert!(count("X errback ") >= 1, "{seen:#?}");
    }
}

/// Not a test of its own: what the one above runs.
#[test]
#[ignore = "it is run by another test, in a process of its own"]
fn the_child() {
    let asked = std::env::var_os("TRACE_PATH");
    if let Some(path) = &asked {
        inspect::trace_to(path).unwrap();
    }
    println!("place={}", live());
    if asked.is_some() {
        inspect::trace_end();
        assert!(!inspect::enabled());
        live();
    }
}

#[test]
fn a_trace_that_cannot_be_written_is_an_error_that_names_it() {
    let error = inspect::trace_to("/no/such/folder/out.json").unwrap_err();
    assert!(error.to_string().contains("/no/such/folder/out.json"), "{error}");
}

/// Writes down what a subscriber is told of deferreds.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

struct Fields(Vec<String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push(format!("{}={value:?}", field.name()));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push(format!("{}={value}", field.name()));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        // Those that tokio-console takes only as numbers.
        self.0.push(format!(
            "{}=#{}",
            field.name(),
            if field.name() == "loc.line" { value } else { 0 }
        ));
    }
}

impl Recorder {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // As tokio-console's does, which takes spans by their names alone.
        if metadata.is_event() {
            metadata.target().starts_with("runtime")
        } else {
            metadata.name().starts_with("runtime.")
        }
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(Vec::new());
        span.record(&mut fields);
        self.note(format!("new {} {}", span.metadata().name(), fields.0.join(" ")));
        let number = self.0.lock().unwrap().iter().filter(|line| line.starts_with("new ")).count();
        Id::from_u64(number as u64)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        self.note(format!(
            "event {} of {:?}",
            fields.0.join(" "),
            event.parent().map(Id::into_u64)
        ));
    }
    fn enter(&self, span: &Id) {
        self.note(format!("enter {}", span.into_u64()));
    }
    fn exit(&self, span: &Id) {
        self.note(format!("exit {}", span.into_u64()));
    }
    fn clone_span(&self, span: &Id) -> Id {
        span.clone()
    }
    fn try_close(&self, _: Id) -> bool {
        false
    }
}

#[test]
fn a_deferred_is_a_span_in_which_its_links_run() {
    inspect::enable();
    let recorder = Recorder::default();
    let line = line!() + 2;
    tracing::subscriber::with_default(recorder.clone(), || {
        let (trigger, d) = Deferred::<u32>::new();
        let d = d.map(|n| n + 1).add_callback(|_| Err::<u32, _>(Failure::msg("it is broken")));
        let d = d.map(|n| n + 1).add_errback(|_| Ok(0));
        trigger.callback(1);
        d.cancel();
        drop(d);
    });
    let seen = recorder.0.lock().unwrap().clone();
    let file = file!();
    let place = seen[0].split(' ').find_map(|field| field.strip_prefix("task.name=")).unwrap();
    assert!(place.starts_with(&format!("{file}:{line}:")), "{place}");
    assert_eq!(
        seen,
        [
            format!(
                "new runtime.spawn kind=deferred task.name={place} task.id=#0 loc.file={file} loc.line=#{line} loc.col=#0"
            ),
            "event message=fired of Some(1)".to_owned(),
            "enter 1".to_owned(),
            "exit 1".to_owned(),
            "enter 1".to_owned(),
            "event message=failed failure=Error of Some(1)".to_owned(),
            "exit 1".to_owned(),
            "enter 1".to_owned(),
            "exit 1".to_owned(),
        ]
    );
}

#[test]
fn a_cancel_is_an_event_of_the_span() {
    inspect::enable();
    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), || {
        let (trigger, d) = Deferred::<u32>::new();
        d.cancel();
        drop((trigger, d.add_errback(|_| Ok(0))));
    });
    let seen = recorder.0.lock().unwrap().clone();
    assert!(seen.contains(&"event message=cancelled of Some(1)".to_owned()), "{seen:?}");
}

#[test]
fn a_subscriber_that_panics_is_reported_and_harms_nothing() {
    struct Panics;
    impl Subscriber for Panics {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("runtime")
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {}
        fn enter(&self, _: &Id) {
            panic!("a subscriber's own");
        }
        fn exit(&self, _: &Id) {}
    }
    inspect::enable();
    let collector = hereafter::report::collect();
    let result = tracing::subscriber::with_default(Panics, || {
        let (trigger, d) = Deferred::<u32>::new();
        let d = d.map(|n| n + 1);
        trigger.callback(1);
        d.take_result().unwrap()
    });
    assert_eq!(result.unwrap(), 2);
    assert!(collector.take()[0].to_string().contains("a subscriber's own"));
}

#[test]
fn a_story_draws_itself() {
    inspect::enable();
    let (_forgotten, inner) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_callback(move |_| inner);
    trigger.callback(1);
    let story = inspect::explain(&d);
    assert!(story.to_svg().contains("waits on") && story.to_dot().contains("d0_0 -> d1"));
}
