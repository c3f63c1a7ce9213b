//! What the page is answered of a thread's deferreds.

use hereafter::{Deferred, Failure, gather_results, inspect, report};
use serde_json::Value;

fn ask(asked: &str) -> Value {
    let answer = inspect::answer(asked);
    assert_eq!(answer.status, 200, "{asked}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// The counts of what has happened on this thread.
fn counts() -> Value {
    ask("now")["counts"].take()
}

#[test]
fn what_is_pending_is_laid_out_in_rows() {
    inspect::keep_journal();
    let (_forgotten, inner) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::<u32>::new();
    let _d = d.add_callback(move |_| inner).map(|n| n + 1);
    trigger.callback(1);
    let (through, done) = Deferred::<u32>::new();
    through.callback(1);
    let rows = ask("deferreds");
    assert_eq!((&rows["total"], &rows["rows"][0]["state"]), (&2.into(), &"unfired".into()));
    let outer = &rows["rows"][1];
    assert_eq!((&outer["state"], &outer["ahead"]), (&"waits".into(), &1.into()));
    assert_eq!(outer["waits_on"][0], rows["rows"][0]["number"]);
    assert!(outer["made"].as_str().unwrap().contains("page.rs:"), "{outer}");
    let story = ask(&format!("deferred/{}", outer["number"]));
    assert_eq!(story["waits_on"][0]["number"], rows["rows"][0]["number"]);
    assert_eq!(inspect::answer("deferred/0").status, 404);
    drop(done);
}

#[test]
fn what_is_paused_or_was_not_given_back_is_pointed_out() {
    inspect::keep_journal();
    let (trigger, mut paused) = Deferred::<u32>::new();
    let guard = paused.pause();
    trigger.callback(1);
    let (trigger, d) = Deferred::<u32>::new();
    let (later, inner) = Deferred::<u32>::new();
    let d = d.map(move |_| {
        let (kept, forgotten) = Deferred::<u32>::new();
        drop(forgotten.map(|n| n + 1));
        drop(inner);
        kept
    });
    trigger.callback(1);
    let hints = ask("now")["hints"].take();
    assert_eq!(hints, serde_json::json!([["paused", 1], ["not-waited-for", 1]]));
    drop((guard, later, d));
}

#[test]
fn events_are_counted() {
    inspect::keep_journal();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.map(|n| n + 1).add_errback(|_| Ok(0)).map(|n| n + 1);
    trigger.callback(1);
    let (_never, cancelled) = Deferred::<u32>::new();
    cancelled.cancel();
    drop((d, cancelled.add_errback(|_| Ok(0))));
    let counts = counts();
    assert_eq!(
        (&counts["made"], &counts["fired"], &counts["cancelled"]),
        (&2.into(), &2.into(), &1.into())
    );
    assert_eq!(
        (&counts["links"], &counts["failed"], &counts["lost"]),
        (&3.into(), &1.into(), &0.into())
    );
    assert_eq!(ask("slow").as_array().unwrap().len(), 3);
}

#[test]
fn a_failure_is_told_with_what_became_of_it() {
    inspect::keep_journal();
    let collector = report::collect();
    let (trigger, handled) = Deferred::<u32>::new();
    let handled =
        handled.add_callback(|_| Err::<u32, _>(Failure::msg("one"))).add_errback(|_| Ok(0));
    trigger.callback(1);
    let (trigger, unhandled) = Deferred::<u32>::new();
    drop(unhandled.add_callback(|_| Err::<u32, _>(Failure::msg("two"))));
    trigger.callback(1);
    let failures = ask("failures");
    assert_eq!(failures.as_array().unwrap().len(), 2, "{failures}");
    assert_eq!(
        (&failures[0]["fate"], &failures[1]["fate"]),
        (&"unhandled".into(), &"handled".into())
    );
    assert!(failures[0]["story"]["now"].as_str().unwrap().ends_with("Error: two"), "{failures}");
    assert_eq!(failures[1]["what"], "Error: one");
    let links = failures[1]["story"]["links"].as_array().unwrap();
    let states: Vec<_> = links.iter().map(|link| &link["state"]).collect();
    assert_eq!(states, ["failed", "handled"]);
    assert_eq!((&counts()["failed"], &counts()["unhandled"]), (&2.into(), &1.into()));
    drop((handled, collector));
}

#[test]
fn what_nobody_can_fire_any_more_is_lost() {
    inspect::keep_journal();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.map(|n| n + 1);
    drop(trigger);
    let lost = ask("lost");
    assert_eq!(lost.as_array().unwrap().len(), 1);
    assert_eq!(lost[0]["story"]["links"][0]["kind"], "callback");
    assert_eq!(counts()["lost"], 1);
    drop(d.add_errback(|_| Ok(0)));
}

#[test]
fn an_error_that_makes_deferreds_of_its_own_when_asked_does_no_harm() {
    #[derive(Debug)]
    struct Busy;
    impl std::fmt::Display for Busy {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let (trigger, d) = Deferred::<u32>::new();
            drop(d.map(|_| inspect::answer("now")));
            trigger.callback(1);
            f.write_str("busy")
        }
    }
    impl std::error::Error for Busy {}
    inspect::keep_journal();
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    drop(d.add_callback(|_| Err::<u32, _>(Busy.into())));
    trigger.callback(1);
    let failures = ask("failures");
    assert!(failures[0]["story"]["now"].as_str().unwrap().ends_with("Busy: busy"), "{failures}");
    drop(collector);
}

#[test]
fn a_hundred_thousand_are_laid_out() {
    inspect::keep_journal();
    let count = if cfg!(miri) { 100 } else { 100_000 };
    let all: Vec<_> = (0..count).map(|_| Deferred::<u32>::new()).collect();
    let began = std::time::Instant::now();
    assert_eq!(ask("deferreds?limit=1")["total"], count);
    eprintln!("{count} in {:?}", began.elapsed());
    drop(
        all.into_iter().map(|(trigger, d)| (trigger, d.add_errback(|_| Ok(0)))).collect::<Vec<_>>(),
    );
}

#[test]
fn what_a_list_waits_for_is_in_the_graph_and_waited_for() {
    inspect::keep_journal();
    let (trigger, d) = Deferred::<u32>::new();
    let triggers = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let kept = triggers.clone();
    let d = d.add_callback(move |count| {
        gather_results((0..count).map(|_| {
            let (trigger, member) = Deferred::<u32>::new();
            kept.borrow_mut().push(trigger);
            member
        }))
    });
    trigger.callback(3);
    let rows = ask("deferreds?sort=age&order=asc");
    let list = &rows["rows"].as_array().unwrap().iter().find(|row| row["waits"] == 3).unwrap();
    assert_eq!((&list["state"], &list["waiters"]), (&"waits".into(), &1.into()), "{rows}");
    let graph = ask(&format!("graph?around={}", list["number"]));
    assert_eq!(graph["edges"].as_array().unwrap().len(), 4, "{graph}");
    assert_eq!(ask("now")["hints"], serde_json::json!([]));
    triggers.borrow_mut().pop().unwrap().callback(1);
    let row = ask("deferreds?state=waits")["rows"].take();
    assert!(row.as_array().unwrap().iter().any(|row| row["waits"] == 2), "{row}");
    drop((d, triggers));
}

#[test]
fn what_a_handled_failure_says_is_told_where_that_is_a_text() {
    #[derive(Debug)]
    struct Own;
    impl std::fmt::Display for Own {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no code of the program's runs in the middle of an event")
        }
    }
    impl std::error::Error for Own {}

    inspect::keep_journal();
    let what = |failure: Failure| {
        let (trigger, d) = Deferred::<u32>::new();
        let d = d.add_errback(|_| Ok(0));
        trigger.errback(failure);
        drop(d);
        ask("failures")[0].take()
    };
    assert_eq!(what(Failure::msg("it is broken"))["what"], "Error: it is broken");
    assert_eq!(
        what(Failure::new(Own))["what"],
        "page::what_a_handled_failure_says_is_told_where_that_is_a_text::Own"
    );
    // The one that was handled is not the one that arose.
    let (trigger, d) = Deferred::<u32>::new();
    let again = |_| Err(Failure::msg("another"));
    drop(d.add_errback(again).add_errback(|_| Ok(0)));
    trigger.errback(Failure::msg("one"));
    let told = ask("failures")[0].take();
    assert_eq!((&told["fate"], &told["what"]), (&"handled".into(), &"Error".into()));
}
