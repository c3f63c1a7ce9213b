//! Lists: members that reach the list, the list that reaches its members, and long lists.

use crate::common::{Drops, Log, Oops, Stash, failure, many, value, with_small_stack};
use hereafter::errors::FirstError;
use hereafter::{Deferred, DeferredList, gather_results, race, report};
use hereafter_testing::{plain_test, test};

#[plain_test]
fn a_long_list_in_one_call() {
    let count = many(100_000);
    with_small_stack(move || {
        let (triggers, members): (Vec<_>, Vec<_>) = (0..count).map(|_| Deferred::new()).unzip();
        let d = gather_results(members);
        for (n, trigger) in triggers.into_iter().enumerate().rev() {
            trigger.callback(n);
        }
        assert_eq!(value(d).into_iter().sum::<usize>(), count * (count - 1) / 2);
    });
}

#[test]
fn lists_of_lists_of_lists() {
    let (trigger, mut d) = Deferred::<usize>::new();
    for _ in 0..50 {
        d = gather_results([d]).map(|values| values[0] + 1);
    }
    trigger.callback(0);
    assert_eq!(value(d), 50);
}

#[test]
fn a_member_that_cancels_the_list_from_its_own_chain() {
    let log = Log::new();
    let stash = Stash::<Deferred<Vec<Result<u32, hereafter::Failure>>>>::new();
    let (reach, note) = (stash.clone(), log.clone());
    let (one, first) = Deferred::<u32>::new();
    let (_two, second) = Deferred::<u32>::with_canceller(move || {
        note.note("second cancelled");
        None
    });
    let first = first.map(move |n| {
        let list = reach.take();
        list.cancel();
        reach.put(list);
        n
    });
    stash.put(DeferredList::new([first, second]).wait());
    one.callback(1);
    assert_eq!(log.take(), "second cancelled");
    let results = value(stash.take());
    assert_eq!(*results[0].as_ref().unwrap(), 1);
    assert!(results[1].is_err());
}

#[test]
fn the_canceller_of_a_loser_sees_the_race_as_over() {
    let stash = Stash::<Deferred<(usize, u32)>>::new();
    let (reach, log) = (stash.clone(), Log::new());
    let note = log.clone();
    let (_one, loser) = Deferred::<u32>::with_canceller(move || {
        let race = reach.take();
        race.cancel();
        note.note(race.has_result());
        reach.put(race);
        Some(Ok(99))
    });
    let (two, winner) = Deferred::<u32>::new();
    stash.put(race([loser, winner]));
    two.callback(2);
    assert_eq!(log.take(), "false");
    assert_eq!(value(stash.take()), (1, 2), "the winner stays the winner");
}

#[test]
fn a_list_lets_its_members_go_when_it_fires() {
    let drops = Drops::new();
    let (one, first) = Deferred::<u32>::new();
    let (two, second) = Deferred::<u32>::new();
    let token = drops.token();
    let second = second.map(move |n| {
        token.hold();
        n
    });
    let list = DeferredList::new([first, second]).fire_on_one_callback();
    one.callback(1);
    assert_eq!(value(list), (1, 0));
    assert_eq!(drops.alive(), 1, "its own trigger may still fire it");
    drop(two);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_list_inside_a_list() {
    let (one, first) = Deferred::<u32>::new();
    let inner = gather_results([first, Deferred::succeed(2)]);
    let outer = gather_results([inner, Deferred::succeed(vec![3])]);
    one.callback(1);
    assert_eq!(value(outer), [vec![1, 2], vec![3]]);
}

#[test]
fn first_errors_nest() {
    let inner = gather_results([Deferred::<u32>::fail(Oops(5))]);
    let outer = failure(gather_results([inner]));
    let first = outer.check::<FirstError>().unwrap();
    assert!(first.failure.is::<FirstError>());
    assert_eq!(outer.find::<Oops>(), Some(&Oops(5)));
}

#[test]
fn a_list_that_is_never_told_how_to_fire_drops_its_members() {
    let collector = report::collect();
    let drops = Drops::new();
    let list = DeferredList::new([Deferred::succeed(drops.token())]);
    assert_eq!(format!("{list:?}"), "DeferredList { members: 1, .. }");
    drop(list);
    assert_eq!(drops.alive(), 0);
    drop(DeferredList::new([Deferred::<u32>::fail(Oops(1))]));
    assert_eq!(collector.take().len(), 1);
}

#[test]
fn a_watched_member_may_outlive_its_list() {
    let (trigger, d) = Deferred::<u32>::new();
    let mut list = DeferredList::new([]);
    let d = list.watch(d);
    drop(list);
    trigger.callback(1);
    assert_eq!(value(d), 1);
}
