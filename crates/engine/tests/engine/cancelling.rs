//! Cancelling.

use crate::tiny::{Log, Tiny, Value};
use hereafter_engine::{Cancelling, Claim};
use hereafter_testing::test;
use std::cell::Cell;
use std::rc::Rc;

/// Lines and rings to try.
const LENGTHS: std::ops::Range<usize> = 1..if cfg!(miri) { 6 } else { 40 };

#[test]
fn without_a_canceller_one_late_firing_is_swallowed() {
    let tiny = Tiny::new();
    tiny.cancel();
    assert_eq!(tiny.result(), Some(Value::Failure("cancelled")));
    assert_eq!(tiny.fire(1), Claim::Swallowed);
    assert_eq!(tiny.fire(1), Claim::Taken);
    assert_eq!(tiny.result(), Some(Value::Failure("cancelled")));
}

#[test]
fn a_canceller_that_does_not_fire_ends_in_cancelled_and_nothing_is_swallowed() {
    let log = Log::default();
    let note = log.clone();
    let tiny = Tiny::with_canceller(move || {
        note.note("canceller");
        Cancelling::Called
    });
    tiny.cancel();
    tiny.cancel();
    assert_eq!(log.take(), "\"canceller\"");
    assert_eq!(tiny.result(), Some(Value::Failure("cancelled")));
    assert_eq!(tiny.fire(1), Claim::Taken);
}

#[test]
fn a_canceller_may_fire_the_deferred() {
    let own = Rc::new(Cell::new(None::<Tiny>));
    let reach = own.clone();
    let tiny = Tiny::with_canceller(move || {
        reach.take().map(|tiny| tiny.fire(7));
        Cancelling::Called
    });
    own.set(Some(tiny.clone()));
    tiny.cancel();
    assert_eq!(tiny.result(), Some(Value::Number(7)));
    assert_eq!(tiny.fire(8), Claim::Taken);
}

#[test]
fn a_cancel_that_is_passed_on_fires_nothing() {
    let tiny = Tiny::with_canceller(|| Cancelling::PassedOn);
    tiny.cancel();
    assert!(!tiny.chain().is_fired());
    assert_eq!(tiny.fire(1), Claim::Mine);
}

#[test]
fn a_fired_and_idle_one_stays_as_it_is() {
    let tiny = Tiny::fired(1);
    tiny.cancel();
    assert_eq!(tiny.result(), Some(Value::Number(1)));
    assert_eq!(tiny.fire(2), Claim::Taken, "nothing is swallowed");
}

#[test]
fn firing_releases_the_canceller_before_the_links_run() {
    let tiny = Tiny::with_canceller(|| Cancelling::Called);
    let (own, log) = (tiny.clone(), Log::default());
    let note = log.clone();
    tiny.add(move |value| {
        note.note(own.has_canceller());
        value
    });
    assert!(tiny.has_canceller());
    tiny.fire(1);
    assert_eq!(log.take(), "false");
}

#[test]
fn the_innermost_of_a_line_is_cancelled() {
    for length in LENGTHS {
        let log = Log::default();
        let note = log.clone();
        let innermost = Tiny::with_canceller(move || {
            note.note("innermost");
            Cancelling::Called
        });
        let mut outermost = innermost.clone();
        for _ in 0..length {
            let outer = Tiny::new();
            outer.add(move |_| outermost);
            outer.fire(1);
            outermost = outer;
        }
        outermost.add(log.link("outermost"));
        outermost.cancel();
        assert_eq!(log.take(), "\"innermost\", outermost !cancelled");
    }
}

#[test]
fn a_link_on_the_way_may_recover() {
    let inner = Tiny::new();
    inner.add(|value| if value == Value::Failure("cancelled") { Value::Number(3) } else { value });
    let outer = Tiny::new();
    outer.add(move |_| inner).plus(1);
    outer.fire(1);
    outer.cancel();
    assert_eq!(outer.result(), Some(Value::Number(4)));
}

#[test]
fn cycles_that_a_world_let_be_end_the_search() {
    for length in LENGTHS {
        // A line of any length that leads into a cycle of any length.
        let ring: Vec<_> = (0..length).map(|_| Tiny::new().lets_cycles_be()).collect();
        for (n, tiny) in ring.iter().enumerate() {
            let next = ring[(n + 1) % length].clone();
            tiny.add(move |_| next);
        }
        for tiny in &ring {
            tiny.fire(1);
        }
        let mut line = vec![ring[0].clone()];
        for n in 0..length {
            let (outer, inner) = (Tiny::new(), line[n].clone());
            outer.add(move |_| inner);
            outer.fire(1);
            line.push(outer);
        }
        line[length].cancel();
        assert!(line[length].is_waiting());
        ring.iter().chain(&line).for_each(Tiny::forget);
    }
}
