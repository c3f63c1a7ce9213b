//! The state of one deferred: claims, the running flag, pauses.

use crate::tiny::{Log, Tiny};
use hereafter_engine::{Chain, Claim};
use hereafter_testing::test;

#[test]
fn a_new_chain_has_not_fired() {
    for chain in [Chain::new(), Chain::default()] {
        assert!(!chain.is_fired() && !chain.is_running());
        assert_eq!(chain.paused(), 0);
    }
}

#[test]
fn one_claim_is_mine_and_all_others_are_taken() {
    let chain = Chain::new();
    assert_eq!(chain.claim(), Claim::Mine);
    assert!(chain.is_fired());
    assert_eq!(chain.claim(), Claim::Taken);
    assert_eq!(chain.claim(), Claim::Taken);
}

#[test]
fn the_result_is_put_in_place_by_the_claimer_alone() {
    let tiny = Tiny::new();
    assert_eq!(tiny.fire(1), Claim::Mine);
    assert_eq!(tiny.fire(2), Claim::Taken);
    assert_eq!(tiny.fail("late"), Claim::Taken);
    assert_eq!(tiny.result(), Some(crate::tiny::Value::Number(1)));
}

#[test]
fn pauses_count() {
    let log = Log::default();
    let tiny = Tiny::new();
    tiny.add(log.link("a"));
    tiny.pause();
    tiny.pause();
    tiny.fire(1);
    assert_eq!(tiny.chain().paused(), 2);
    tiny.unpause();
    assert_eq!(log.take(), "");
    tiny.unpause();
    assert_eq!((log.take().as_str(), tiny.chain().paused()), ("a 1", 0));
}

#[test]
fn an_unpause_too_many_counts_below_zero_and_holds_the_links_back() {
    let log = Log::default();
    let tiny = Tiny::new();
    tiny.unpause();
    tiny.add(log.link("a"));
    tiny.fire(1);
    assert_eq!((log.take().as_str(), tiny.chain().paused()), ("", -1));
    tiny.pause();
    assert_eq!((log.take().as_str(), tiny.chain().paused()), ("", 0));
    tiny.add(log.link("b"));
    assert_eq!(log.take(), "a 1, b 1");
}

#[test]
fn unpausing_what_has_not_fired_runs_nothing() {
    let log = Log::default();
    let tiny = Tiny::new();
    tiny.add(log.link("a"));
    tiny.pause();
    tiny.unpause();
    assert_eq!(log.take(), "");
    assert!(!tiny.chain().is_fired());
}

#[test]
fn it_is_running_as_long_as_a_link_is_on_the_stack() {
    let tiny = Tiny::new();
    let own = tiny.clone();
    let log = Log::default();
    let note = log.clone();
    tiny.add(move |value| {
        note.note(own.chain().is_running());
        value
    });
    assert!(!tiny.chain().is_running());
    tiny.fire(1);
    assert!(!tiny.chain().is_running());
    assert_eq!(log.take(), "true");
}

#[test]
fn it_is_not_running_while_it_waits_nor_while_another_runs() {
    let (inner, outer) = (Tiny::new(), Tiny::new());
    let given = inner.clone();
    outer.add(move |_| given);
    outer.fire(1);
    assert!(!outer.chain().is_running() && outer.is_waiting());
    let log = Log::default();
    let (note, seen) = (log.clone(), inner.clone());
    outer.add(move |value| {
        note.note(seen.chain().is_running());
        value
    });
    inner.fire(2);
    assert_eq!(log.take(), "false");
}
