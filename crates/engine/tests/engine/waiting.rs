//! Waiting on another deferred, and handing a result on.

use crate::tiny::{Log, Tiny, Value};
use hereafter_engine::Claim;
use hereafter_testing::test;

/// A deferred whose link gives back `inner`; not fired.
fn giving_back(inner: &Tiny) -> Tiny {
    let outer = Tiny::new();
    let inner = inner.clone();
    outer.add(move |_| inner);
    outer
}

#[test]
fn a_fired_and_idle_inner_is_taken_at_once() {
    let log = Log::default();
    let inner = Tiny::fired(5);
    let outer = giving_back(&inner);
    outer.add(log.link("outer"));
    outer.fire(1);
    assert_eq!(log.take(), "outer 5");
    assert_eq!(inner.result(), Some(Value::Nothing));
    assert!(!outer.is_waiting());
}

#[test]
fn a_pending_inner_is_waited_on_and_its_final_result_goes_on() {
    let log = Log::default();
    let inner = Tiny::new();
    inner.add(log.link("inner")).plus(10);
    let outer = giving_back(&inner);
    outer.add(log.link("outer"));
    outer.fire(1);
    assert_eq!((log.take().as_str(), outer.chain().paused()), ("", 1));
    inner.fire(5);
    assert_eq!((log.take().as_str(), outer.chain().paused()), ("inner 5, outer 15", 0));
    assert_eq!(inner.result(), Some(Value::Nothing));
}

#[test]
fn links_added_to_the_inner_while_it_is_waited_on_come_behind_the_waiter() {
    // As in Twisted: they see what is left when the result went to the outer.
    let log = Log::default();
    let inner = Tiny::new();
    let outer = giving_back(&inner);
    outer.add(log.link("outer"));
    outer.fire(1);
    inner.add(log.link("inner"));
    inner.fire(5);
    assert_eq!(log.take(), "outer 5, inner nothing");
}

#[test]
fn the_loop_comes_back_to_later_links_after_the_waiter_has_got_as_far_as_it_can() {
    let log = Log::default();
    let (inner, last) = (Tiny::new(), Tiny::new());
    let outer = giving_back(&inner);
    outer.add(log.link("outer"));
    let given = last.clone();
    outer.add(move |_| given);
    outer.add(log.link("outer again"));
    outer.fire(1);
    inner.add(log.link("inner"));
    inner.fire(5);
    assert_eq!(log.take(), "outer 5, inner nothing", "the outer waits once more");
    last.fire(9);
    assert_eq!(log.take(), "outer again 9");
}

#[test]
fn several_waiters_of_one_inner_go_on_in_order() {
    let log = Log::default();
    let inner = Tiny::new();
    let (first, second) = (giving_back(&inner), giving_back(&inner));
    first.add(log.link("first"));
    second.add(log.link("second"));
    first.fire(1);
    second.fire(1);
    inner.add(log.link("inner"));
    inner.fire(5);
    assert_eq!(log.take(), "first 5, second nothing, inner nothing");
}

#[test]
fn a_paused_inner_is_waited_on_although_it_has_fired() {
    let log = Log::default();
    let inner = Tiny::fired(5);
    inner.pause();
    let outer = giving_back(&inner);
    outer.add(log.link("outer"));
    outer.fire(1);
    assert!(outer.is_waiting());
    inner.unpause();
    assert_eq!(log.take(), "outer 5");
}

#[test]
fn a_waiting_inner_is_waited_on() {
    let log = Log::default();
    let innermost = Tiny::new();
    let inner = giving_back(&innermost);
    inner.plus(1);
    inner.fire(1);
    let outer = giving_back(&inner);
    outer.add(log.link("outer"));
    outer.fire(1);
    assert!(outer.is_waiting() && inner.is_waiting());
    innermost.fire(5);
    assert_eq!(log.take(), "outer 6");
}

#[test]
fn an_outer_that_is_paused_too_stops_the_loop() {
    // As in Twisted, the loop ends there: what was to come back is run by the next run.
    let log = Log::default();
    let inner = Tiny::new();
    let outer = giving_back(&inner);
    outer.add(log.link("outer"));
    outer.fire(1);
    outer.pause();
    inner.add(log.link("inner"));
    inner.fire(5);
    assert_eq!(log.take(), "");
    assert_eq!((outer.chain().paused(), outer.result()), (1, Some(Value::Number(5))));
    outer.unpause();
    assert_eq!(log.take(), "outer 5");
    inner.run();
    assert_eq!(log.take(), "inner nothing");
}

#[test]
fn a_link_that_gives_back_a_deferred_twice_over() {
    let log = Log::default();
    let (first, second) = (Tiny::new(), Tiny::fired(8));
    let outer = giving_back(&first);
    let given = second.clone();
    outer.add(log.link("between")).add(move |_| given).add(log.link("end"));
    outer.fire(0);
    first.fire(4);
    assert_eq!(log.take(), "between 4, end 8");
    assert_eq!(second.result(), Some(Value::Nothing));
}

#[test]
fn chaining_hands_the_result_on_and_comes_back() {
    let log = Log::default();
    let (first, second) = (Tiny::new(), Tiny::new());
    second.add(log.link("second"));
    first.plus(1).chain_to(&second).add(log.link("first"));
    first.fire(1);
    assert_eq!(log.take(), "second 2, first nothing");
    assert!(second.chain().is_fired());
}

#[test]
fn chaining_to_a_fired_one_changes_nothing() {
    let log = Log::default();
    let (first, second) = (Tiny::new(), Tiny::fired(9));
    first.chain_to(&second).add(log.link("first"));
    first.fire(1);
    assert_eq!(log.take(), "first 1");
    assert_eq!(second.result(), Some(Value::Number(9)));
    assert_eq!(second.fire(1), Claim::Taken);
}

#[test]
fn chaining_to_a_paused_one_waits_for_its_unpause() {
    let log = Log::default();
    let (first, second) = (Tiny::new(), Tiny::new());
    second.add(log.link("second"));
    second.pause();
    first.chain_to(&second);
    first.fire(1);
    assert_eq!(log.take(), "");
    second.unpause();
    assert_eq!(log.take(), "second 1");
}

#[test]
fn a_deferred_given_back_to_itself_is_refused() {
    let log = Log::default();
    let tiny = Tiny::new();
    let own = tiny.clone();
    tiny.add(move |_| own);
    tiny.add(log.link("next"));
    tiny.fire(1);
    assert_eq!(log.take(), "next !a cycle");
    assert!(!tiny.is_waiting());
}

#[test]
fn a_longer_cycle_is_refused_where_it_is_closed() {
    for length in 2..20 {
        let log = Log::default();
        let ring: Vec<_> = (0..length).map(|_| Tiny::new()).collect();
        for (n, tiny) in ring.iter().enumerate() {
            let next = ring[(n + 1) % length].clone();
            tiny.add(move |_| next);
        }
        ring[length - 1].add(log.link("last"));
        for tiny in &ring {
            tiny.fire(1);
        }
        assert_eq!(log.take(), "last !a cycle");
        assert!(ring.iter().all(|tiny| !tiny.is_waiting()), "the others got what it ended in");
    }
}

#[test]
fn a_world_may_let_a_cycle_be_and_it_waits() {
    let tiny = Tiny::new().lets_cycles_be();
    let own = tiny.clone();
    tiny.add(move |_| own);
    tiny.fire(1);
    assert!(tiny.is_waiting());
    tiny.cancel();
    assert!(tiny.is_waiting(), "there is nothing in it to cancel");
    tiny.forget();
}

#[test]
fn whether_a_cycle_would_be_closed() {
    let (a, b, c) = (Tiny::new(), Tiny::new(), Tiny::new());
    assert!(a.closes_cycle(&a));
    assert!(!a.closes_cycle(&b));
    let (to_b, to_c) = (b.clone(), c.clone());
    a.add(move |_| to_b);
    b.add(move |_| to_c);
    a.fire(1);
    b.fire(1);
    assert!(c.closes_cycle(&a) && c.closes_cycle(&b) && b.closes_cycle(&a));
    assert!(!Tiny::new().closes_cycle(&a) && !c.closes_cycle(&Tiny::new()));
    c.fire(1);
}
