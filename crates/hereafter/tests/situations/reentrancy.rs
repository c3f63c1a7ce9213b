//! User code that reaches the very deferred that calls it.

use crate::common::{Drops, Log, OnDrop, Oops, Stash, failure, quietly, value};
use hereafter::errors::{CancelledError, Panicked};
use hereafter::{CancelHandle, Deferred, Failure, SharedTrigger, Trigger, report};
use hereafter_testing::test;
use std::fmt;
use std::sync::mpsc;

#[test]
fn a_callback_cancels_its_own_deferred() {
    let stash = Stash::<CancelHandle>::new();
    let (trigger, mut d) = Deferred::<u32>::with_canceller(|| unreachable!("it has fired"));
    stash.put(d.cancel_handle());
    let reach = stash.clone();
    let d = d.map(move |n| {
        reach.take().cancel();
        n + 1
    });
    trigger.callback(1);
    assert_eq!(value(d), 2);
}

#[test]
fn a_callback_drops_its_own_deferred() {
    let collector = report::collect();
    let drops = Drops::new();
    let stash = Stash::<Deferred<u32>>::new();
    let (reach, token) = (stash.clone(), drops.token());
    let (trigger, d) = Deferred::<u32>::new();
    stash.put(
        d.map(move |n| {
            drop(reach.take());
            n + 1
        })
        .add_callback(move |n| -> Result<u32, Failure> {
            token.hold();
            Err(Oops(n).into())
        }),
    );
    trigger.callback(1);
    assert_eq!(drops.alive(), 0);
    assert_eq!(collector.take().len(), 1, "the rest of the chain ran, and failed");
}

#[test]
fn a_callback_fires_its_own_deferred_again() {
    let (trigger, d) = Deferred::<u32>::new();
    let trigger = trigger.shared();
    let again = trigger.clone();
    let d = d.map(move |n| (n, again.callback(n + 1).is_err()));
    trigger.callback(1).unwrap();
    assert_eq!(value(d), (1, true));
}

#[test]
fn a_callback_takes_the_result_of_its_own_deferred() {
    let stash = Stash::<Deferred<u32>>::new();
    let reach = stash.clone();
    let (trigger, d) = Deferred::<u32>::new();
    stash.put(d.map(move |n| {
        let Err(d) = reach.take().take_result() else { unreachable!("it is being made") };
        assert!(!d.has_result());
        reach.put(d);
        n + 1
    }));
    trigger.callback(1);
    assert_eq!(value(stash.take()), 2);
}

#[test]
fn a_callback_pauses_drops_and_prints_its_own_deferred() {
    let stash = Stash::<Deferred<u32>>::new();
    let reach = stash.clone();
    let (trigger, d) = Deferred::<u32>::new();
    stash.put(d.map(move |n| {
        let mut d = reach.take();
        d.pause().unpause();
        assert!(format!("{d:?}").starts_with("<Deferred at 0x"));
        reach.put(d);
        n + 1
    }));
    trigger.callback(1);
    assert_eq!(value(stash.take()), 2);
}

#[test]
fn a_callback_chains_its_own_deferred_to_another() {
    let stash = Stash::<Deferred<u32>>::new();
    let reach = stash.clone();
    let (target, other) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::<u32>::new();
    stash.put(d.map(move |n| {
        reach.take().chain_to(target);
        n + 1
    }));
    trigger.callback(1);
    assert_eq!(value(other), 2);
}

#[test]
fn a_callback_shares_its_own_deferred() {
    let stash = Stash::<Deferred<u32>>::new();
    let shared = Stash::new();
    let (reach, keep) = (stash.clone(), shared.clone());
    let (trigger, d) = Deferred::<u32>::new();
    stash.put(d.map(move |n| {
        keep.put(reach.take().share());
        n + 1
    }));
    trigger.callback(1);
    assert_eq!(value(shared.take().wait()), 2);
}

#[test]
fn a_callback_fires_the_deferred_that_it_gives_back() {
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_callback(|n| {
        let (inner_trigger, inner) = Deferred::new();
        inner_trigger.callback(n * 2);
        inner.map(|n| n + 1)
    });
    trigger.callback(5);
    assert_eq!(value(d), 11);
}

#[test]
fn firings_within_firings_run_depth_first() {
    let log = Log::new();
    let (outer_trigger, outer) = Deferred::<()>::new();
    let (inner_trigger, inner) = Deferred::<()>::new();
    let [a, b, c] = [(); 3].map(|()| log.clone());
    let inner = inner.map(move |()| a.note("inner"));
    let outer = outer
        .map(move |()| {
            b.note("outer starts");
            inner_trigger.callback(());
            b.note("outer ends");
        })
        .map(move |()| c.note("next"));
    outer_trigger.callback(());
    assert_eq!(log.take(), "outer starts, inner, outer ends, next");
    value(inner);
    value(outer);
}

#[test]
fn the_drop_of_a_value_fires_another_deferred() {
    let log = Log::new();
    let note = log.clone();
    let (other_trigger, other) = Deferred::<()>::new();
    let other = other.map(move |()| note.note("other"));
    let note = log.clone();
    let (trigger, d) = Deferred::new();
    let d = d.map(|bomb: OnDrop<_>| drop(bomb)).map(move |()| note.note("next"));
    trigger.callback(OnDrop::new(move || other_trigger.callback(())));
    assert_eq!(log.take(), "other, next");
    value(other);
    value(d);
}

#[test]
fn the_drop_of_a_value_that_nobody_takes_fires_another_deferred() {
    let (other_trigger, other) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::new();
    trigger.callback(OnDrop::new(move || other_trigger.callback(1)));
    drop(d);
    assert_eq!(value(other), 1);
}

#[test]
fn the_drop_of_a_link_that_is_passed_by_fires_another_deferred() {
    let (other_trigger, other) = Deferred::<u32>::new();
    let bomb = OnDrop::new(move || other_trigger.callback(1));
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.map(move |n| {
        bomb.hold();
        n
    });
    trigger.errback(Oops(1));
    assert_eq!(value(other), 1);
    failure(d);
}

#[test]
fn the_drop_of_a_link_that_is_passed_by_adds_to_its_own_deferred() {
    let log = Log::new();
    let stash = Stash::<Deferred<u32>>::new();
    let (reach, note) = (stash.clone(), log.clone());
    let bomb = OnDrop::new(move || {
        let d = reach.take();
        reach.put(d.add_errback(move |_| {
            note.note("added");
            Ok(5)
        }));
    });
    let note = log.clone();
    let (trigger, d) = Deferred::<u32>::new();
    stash.put(
        d.map(move |n| {
            bomb.hold();
            n
        })
        .add_errback(move |failure| {
            note.note("queued");
            Err(failure)
        }),
    );
    trigger.errback(Oops(1));
    assert_eq!(log.take(), "queued, added");
    assert_eq!(value(stash.take()), 5);
}

#[test]
fn the_drop_of_a_link_that_is_passed_by_gives_its_own_deferred_to_another() {
    // At that time the inner has its failure, and links to come: its final result is another.
    let stash = Stash::<Deferred<u32>>::new();
    let (outer_trigger, outer) = Deferred::<()>::new();
    let reach = stash.clone();
    let outer = outer.add_callback(move |()| reach.take()).map(|n| n + 1);
    let bomb = OnDrop::new(move || outer_trigger.callback(()));
    let (trigger, inner) = Deferred::<u32>::new();
    stash.put(
        inner
            .map(move |n| {
                bomb.hold();
                n
            })
            .add_errback(|_| Ok(10)),
    );
    trigger.errback(Oops(1));
    assert_eq!(value(outer), 11);
}

#[test]
fn the_drop_of_the_last_link_that_is_passed_by_takes_the_result() {
    let stash = Stash::<Deferred<u32>>::new();
    let (reach, seen) = (stash.clone(), Stash::new());
    let tell = seen.clone();
    let bomb = OnDrop::new(move || tell.put(failure(reach.take())));
    let (trigger, d) = Deferred::<u32>::new();
    stash.put(d.map(move |n| {
        bomb.hold();
        n
    }));
    trigger.errback(Oops(1));
    assert!(seen.take().is::<Oops>());
}

#[test]
fn the_drop_of_a_cleared_chain_adds_to_other_chains() {
    // Three deferreds whose links hold one another; the drops run while others are taken apart.
    let drops = Drops::new();
    let (a, b) = (drops.token(), drops.token());
    let (first_trigger, first) = Deferred::<u32>::new();
    let (second_trigger, second) = Deferred::<u32>::new();
    let stash = Stash::new();
    let keep = stash.clone();
    let bomb = OnDrop::new(move || keep.put(second.map(move |n| a.hold_and(n))));
    let first = first.map(move |n| {
        bomb.hold();
        b.hold_and(n)
    });
    drop(first);
    let collector = report::collect();
    drop(first_trigger);
    assert_eq!(collector.take().len(), 1);
    second_trigger.callback(7);
    assert_eq!(value(stash.take()), 7);
    assert_eq!(drops.alive(), 0);
}

impl crate::common::Token {
    fn hold_and<T>(&self, value: T) -> T {
        self.hold();
        value
    }
}

#[test]
fn a_panic_in_the_drop_of_a_link_that_is_passed_by_changes_nothing() {
    quietly(|| {
        let bomb = OnDrop::new(|| panic!("on purpose"));
        let (trigger, d) = Deferred::<u32>::new();
        let d = d
            .map(move |n| {
                bomb.hold();
                n
            })
            .add_errback(|failure| Ok(failure.check::<Oops>().unwrap().0));
        trigger.errback(Oops(4));
        assert_eq!(value(d), 4);
    });
}

#[test]
fn a_panic_in_the_drop_of_an_argument_is_the_callbacks_failure() {
    quietly(|| {
        let (trigger, d) = Deferred::new();
        let d = d.map(|bomb: OnDrop<_>| bomb.hold());
        trigger.callback(OnDrop::new(|| panic!("on purpose")));
        assert!(failure(d).is::<Panicked>());
    });
}

#[test]
fn a_canceller_drops_triggers_and_deferreds_of_others() {
    let log = Log::new();
    let note = log.clone();
    let (first_trigger, first) = Deferred::<u32>::new();
    let first = first.add_errback(move |failure| {
        note.note(failure.is::<hereafter::errors::Abandoned>());
        Ok(1)
    });
    let (second_trigger, second) = Deferred::<u32>::new();
    let (_trigger, d) = Deferred::<u32>::with_canceller(move || {
        drop(first_trigger);
        drop(second);
        None
    });
    d.cancel();
    assert_eq!(log.take(), "true");
    assert_eq!(value(first), 1);
    second_trigger.callback(1);
    assert!(failure(d).is::<CancelledError>());
}

#[test]
fn a_canceller_drops_its_own_deferred() {
    let collector = report::collect();
    let stash = Stash::<Deferred<u32>>::new();
    let reach = stash.clone();
    let (trigger, mut d) = Deferred::<u32>::with_canceller(move || {
        drop(reach.take());
        None
    });
    let handle = d.cancel_handle();
    stash.put(d);
    handle.cancel();
    drop(trigger);
    let reports = collector.take();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].failure.is::<CancelledError>());
}

#[test]
fn a_canceller_adds_to_its_own_deferred() {
    let stash = Stash::<Deferred<u32>>::new();
    let reach = stash.clone();
    let (_trigger, mut d) = Deferred::<u32>::with_canceller(move || {
        reach.put(reach.take().add_errback(|_| Ok(6)));
        None
    });
    let handle = d.cancel_handle();
    stash.put(d);
    handle.cancel();
    assert_eq!(value(stash.take()), 6);
}

#[test]
fn a_canceller_cancels_what_waits_on_its_deferred() {
    let stash = Stash::<CancelHandle>::new();
    let reach = stash.clone();
    let (_trigger, inner) = Deferred::<u32>::with_canceller(move || {
        reach.take().cancel();
        None
    });
    let (start, mut outer) = Deferred::<()>::new();
    stash.put(outer.cancel_handle());
    let outer = outer.add_callback(move |()| inner);
    start.callback(());
    outer.cancel();
    assert!(failure(outer).is::<CancelledError>());
}

#[test]
fn the_drop_of_a_canceller_fires_another_deferred() {
    let (other_trigger, other) = Deferred::<u32>::new();
    let bomb = OnDrop::new(move || other_trigger.callback(3));
    let (trigger, d) = Deferred::<u32>::with_canceller(move || {
        bomb.hold();
        None
    });
    trigger.callback(1);
    assert_eq!((value(other), value(d)), (3, 1));
}

#[test]
fn the_drop_of_a_canceller_fires_its_own_deferred_once_more() {
    let stash = Stash::<SharedTrigger<u32>>::new();
    let (reach, log) = (stash.clone(), Log::new());
    let note = log.clone();
    let bomb = OnDrop::new(move || note.note(reach.take().callback(9).is_err()));
    let (trigger, d) = Deferred::<u32>::with_canceller(move || {
        bomb.hold();
        None
    });
    let trigger = trigger.shared();
    stash.put(trigger.clone());
    trigger.callback(1).unwrap();
    assert_eq!(log.take(), "true");
    assert_eq!(value(d), 1);
}

#[test]
fn a_trigger_that_is_held_by_a_link_of_its_own_deferred() {
    let drops = Drops::new();
    let token = drops.token();
    let stash = Stash::<Trigger<u32>>::new();
    let (trigger, d) = Deferred::<u32>::new();
    let reach = stash.clone();
    let d = d.map(move |n| {
        token.hold();
        assert!(reach.try_take().is_none());
        n
    });
    stash.put(trigger);
    stash.take().callback(1);
    assert_eq!(value(d), 1);
    assert_eq!(drops.alive(), 0);
}

/// An error that tells when it is dropped.
#[derive(Debug)]
struct Bomb(mpsc::Sender<u32>);

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bomb")
    }
}

impl std::error::Error for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.send(5).unwrap();
    }
}

#[test]
fn the_error_of_a_failure_lives_as_long_as_its_report() {
    let collector = report::collect();
    let (sender, receiver) = mpsc::channel();
    drop(Deferred::<u32>::fail(Bomb(sender)));
    assert!(receiver.try_recv().is_err());
    drop(collector.take());
    assert_eq!(receiver.try_recv(), Ok(5));
}
