//! Several waiters on one result.

use crate::common::{Drops, Log, Oops, Stash, failure, oops, value};
use hereafter::errors::{Abandoned, CancelledError};
use hereafter::{Deferred, Shared, report};
use hereafter_testing::test;

#[test]
fn waiters_fire_in_order_each_with_a_chain_of_its_own() {
    let log = Log::new();
    let (trigger, d) = Deferred::<u32>::new();
    let shared = d.map(|n| n + 1).share();
    let waiting: Vec<_> = (0..3)
        .map(|n| {
            let note = log.clone();
            shared.wait().map(move |m| note.note(format!("{n}: {}", m * 10)))
        })
        .collect();
    assert!(!shared.has_result());
    trigger.callback(1);
    assert!(shared.has_result());
    assert_eq!(log.take(), "0: 20, 1: 20, 2: 20");
    waiting.into_iter().for_each(value);
    assert_eq!(value(shared.wait()), 2);
}

#[test]
fn a_failure_goes_to_everyone() {
    let (trigger, d) = Deferred::<u32>::new();
    let shared = d.share();
    let (first, second) = (shared.wait(), shared.clone().wait());
    trigger.errback(Oops(1));
    assert_eq!((oops(first), oops(second), oops(shared.wait())), (1, 1, 1));
}

#[test]
fn cancelling_a_wait_leaves_the_others_and_the_source() {
    let (trigger, d) = Deferred::<u32>::with_canceller(|| unreachable!("the source goes on"));
    let shared = d.share();
    let (first, second) = (shared.wait(), shared.wait());
    first.cancel();
    assert!(failure(first).is::<CancelledError>());
    trigger.callback(1);
    assert_eq!(value(second), 1);
}

#[test]
fn cancelling_the_source_is_seen_by_everyone() {
    let (_trigger, d) = Deferred::<u32>::with_canceller(|| Some(Err(Oops(3).into())));
    let shared = d.share();
    let (first, second) = (shared.wait(), shared.wait());
    shared.clone().cancel();
    assert_eq!((oops(first), oops(second)), (3, 3));
}

#[test]
fn a_failure_that_nobody_got_is_reported_when_the_last_clone_goes() {
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    let shared = d.share();
    let other = shared.clone();
    trigger.errback(Oops(1));
    drop(shared);
    assert!(collector.take().is_empty());
    drop(other);
    assert_eq!(collector.take().len(), 1);
}

#[test]
fn a_failure_that_one_got_is_that_ones_affair() {
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    let shared = d.share();
    let waiting = shared.wait();
    trigger.errback(Oops(1));
    drop(shared);
    assert!(collector.take().is_empty());
    drop(waiting);
    assert_eq!(collector.take().len(), 1);
}

#[test]
fn clones_of_the_value_are_dropped() {
    let drops = Drops::new();
    let (trigger, d) = Deferred::new();
    let shared = d.share();
    let waiting = shared.wait();
    trigger.callback(drops.token());
    drop(waiting);
    assert_eq!(drops.alive(), 1);
    drop(shared);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn waiters_outlive_the_shared() {
    let (trigger, d) = Deferred::<u32>::new();
    let waiting = d.share().wait();
    trigger.callback(1);
    assert_eq!(value(waiting), 1);
    let (trigger, d) = Deferred::<u32>::new();
    let waiting = d.share().wait();
    drop(trigger);
    assert!(failure(waiting).is::<Abandoned>());
}

#[test]
fn one_who_asks_while_the_result_arrives_gets_it_at_once() {
    let stash = Stash::<Shared<u32>>::new();
    let seen = Stash::new();
    let (reach, tell) = (stash.clone(), seen.clone());
    let (trigger, d) = Deferred::<u32>::new();
    let shared = d.share();
    let first = shared.wait().map(move |_| {
        let shared = reach.take();
        tell.put(value(shared.wait()));
        reach.put(shared);
    });
    stash.put(shared);
    trigger.callback(4);
    assert_eq!(seen.take(), 4);
    value(first);
}

#[test]
fn one_who_cancels_another_while_the_result_arrives() {
    let (trigger, d) = Deferred::<u32>::new();
    let shared = d.share();
    let stash = Stash::<Deferred<u32>>::new();
    let reach = stash.clone();
    let first = shared.wait().map(move |_| {
        let second = reach.take();
        second.cancel();
        reach.put(second);
    });
    stash.put(shared.wait());
    trigger.callback(1);
    value(first);
    assert!(failure(stash.take()).is::<CancelledError>());
}

#[test]
fn it_shows_its_state() {
    let (_trigger, d) = Deferred::<u32>::new();
    let shared = d.share();
    let _waiting = shared.wait();
    assert_eq!(format!("{shared:?}"), "Shared { has_result: false, waiting: 1, .. }");
}
