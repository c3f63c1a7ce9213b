//! The order in which links run, and links that are added while others run.

use crate::tiny::{Log, Tiny, Value};
use hereafter_testing::test;

#[test]
fn links_run_in_the_order_in_which_they_were_added_inside_the_call_that_fires() {
    let log = Log::default();
    let tiny = Tiny::new();
    tiny.add(log.link("a")).plus(1).add(log.link("b")).plus(1).add(log.link("c"));
    log.note("before");
    tiny.fire(1);
    log.note("after");
    assert_eq!(log.take(), "\"before\", a 1, b 2, c 3, \"after\"");
    assert_eq!(tiny.result(), Some(Value::Number(3)));
}

#[test]
fn links_added_after_firing_run_at_once() {
    let log = Log::default();
    let tiny = Tiny::fired(1);
    tiny.add(log.link("a"));
    assert_eq!(log.take(), "a 1");
    tiny.plus(5).add(log.link("b"));
    assert_eq!(log.take(), "b 6");
}

#[test]
fn a_failure_goes_through_links_as_a_value_does() {
    let log = Log::default();
    let tiny = Tiny::new();
    tiny.plus(1).add(log.link("a"));
    tiny.fail("broken");
    assert_eq!(log.take(), "a !broken");
}

#[test]
fn a_link_added_by_a_running_link_runs_after_those_that_were_queued() {
    let log = Log::default();
    let tiny = Tiny::new();
    let (own, note) = (tiny.clone(), log.clone());
    tiny.add(move |value| {
        own.add(note.link("added"));
        note.note("first");
        value
    });
    tiny.add(log.link("second"));
    tiny.fire(1);
    assert_eq!(log.take(), "\"first\", second 1, added 1");
}

#[test]
fn run_does_nothing_when_a_loop_that_runs_the_chain_is_further_up() {
    let log = Log::default();
    let tiny = Tiny::new();
    let (own, note) = (tiny.clone(), log.clone());
    tiny.add(move |value| {
        own.run();
        note.note("first");
        value
    });
    tiny.add(log.link("second"));
    tiny.fire(1);
    assert_eq!(log.take(), "\"first\", second 1");
}

#[test]
fn a_pause_made_while_links_run_is_looked_at_when_a_run_begins() {
    let log = Log::default();
    let tiny = Tiny::new();
    let own = tiny.clone();
    tiny.add(move |value| {
        own.pause();
        value
    });
    tiny.add(log.link("queued"));
    tiny.fire(1);
    assert_eq!(log.take(), "queued 1");
    tiny.add(log.link("later"));
    assert_eq!(log.take(), "");
    tiny.unpause();
    assert_eq!(log.take(), "later 1");
}

#[test]
fn a_link_may_fire_another_deferred() {
    let log = Log::default();
    let (first, second) = (Tiny::new(), Tiny::new());
    second.add(log.link("second"));
    let target = second.clone();
    first.add(move |value| {
        target.fire(7);
        value
    });
    first.add(log.link("first"));
    first.fire(1);
    assert_eq!(log.take(), "second 7, first 1");
}

#[test]
fn a_chain_is_settled_whenever_the_loop_leaves_it_with_an_empty_queue() {
    let tiny = Tiny::new();
    assert_eq!(tiny.settled(), 0);
    tiny.plus(1);
    tiny.fire(1);
    assert_eq!(tiny.settled(), 1);
    tiny.plus(1);
    assert_eq!(tiny.settled(), 2);
    let waiting = Tiny::new();
    let never = Tiny::new();
    let given = never.clone();
    waiting.add(move |_| given);
    waiting.fire(1);
    assert_eq!(waiting.settled(), 0, "it waits");
    never.fire(1);
    assert_eq!(waiting.settled(), 1);
}

#[test]
fn a_fired_chain_without_links_is_settled_with_its_result() {
    let tiny = Tiny::fired(3);
    assert_eq!((tiny.settled(), tiny.result()), (1, Some(Value::Number(3))));
}
