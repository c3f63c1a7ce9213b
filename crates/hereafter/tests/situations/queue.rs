//! Queues: what goes where when those who wait go away, or come back at once.

use crate::common::{Drops, Log, failure, many, value, with_small_stack};
use hereafter::errors::{Abandoned, QueueUnderflow};
use hereafter::{Deferred, DeferredQueue};
use hereafter_testing::{plain_test, test};

#[test]
fn an_object_goes_past_those_who_gave_up() {
    let queue = DeferredQueue::new();
    let (first, second, third) = (queue.get(), queue.get(), queue.get());
    first.cancel();
    drop(second);
    queue.put(1).unwrap();
    assert_eq!(value(third), 1);
    failure(first);
}

#[test]
fn objects_that_nobody_gets_are_dropped_with_the_queue() {
    let drops = Drops::new();
    let queue = DeferredQueue::new();
    queue.put(drops.token()).unwrap();
    queue.put(drops.token()).unwrap();
    drop(queue.get());
    assert_eq!(drops.alive(), 1);
    drop(queue);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn those_who_wait_for_a_queue_that_goes_away_are_told() {
    let queue = DeferredQueue::<u32>::new();
    let d = queue.get();
    let other = queue.clone();
    drop(queue);
    assert!(!d.has_result());
    drop(other);
    assert!(failure(d).is::<Abandoned>());
}

#[test]
fn one_who_asks_again_from_inside_comes_last() {
    let log = Log::new();
    let queue = DeferredQueue::new();
    let (own, note) = (queue.clone(), log.clone());
    let first = queue.get().add_callback(move |n| {
        note.note(format!("first {n}"));
        let note = note.clone();
        own.get().map(move |n| note.note(format!("first again {n}")))
    });
    let note = log.clone();
    let second = queue.get().map(move |n| note.note(format!("second {n}")));
    for n in 1..=3 {
        queue.put(n).unwrap();
    }
    assert_eq!(log.take(), "first 1, second 2, first again 3");
    value(first);
    value(second);
}

#[test]
fn putting_from_inside_goes_to_the_next_one() {
    let log = Log::new();
    let queue = DeferredQueue::new();
    let (own, note) = (queue.clone(), log.clone());
    let first = queue.get().map(move |n: u32| {
        note.note(n);
        own.put(n + 1).unwrap();
    });
    let note = log.clone();
    let second = queue.get().map(move |n| note.note(n));
    queue.put(1).unwrap();
    assert_eq!(log.take(), "1, 2");
    value(first);
    value(second);
}

#[test]
fn a_coroutine_serves_a_queue() {
    let log = Log::new();
    let queue = DeferredQueue::new();
    let (own, note) = (queue.clone(), log.clone());
    let server = Deferred::from_coroutine(async move {
        loop {
            match own.get().await? {
                Some(n) => note.note(n),
                None => return Ok("served"),
            }
        }
    });
    for n in 0..3 {
        queue.put(Some(n)).unwrap();
    }
    queue.put(None).unwrap();
    assert_eq!(log.take(), "0, 1, 2");
    assert_eq!(value(server), "served");
}

#[plain_test]
fn a_long_queue_is_served_on_little_stack() {
    let count = many(100_000);
    with_small_stack(move || {
        let queue = DeferredQueue::new();
        for n in 0..count {
            queue.put(n).unwrap();
        }
        let own = queue.clone();
        let total = Deferred::from_coroutine(async move {
            let mut total = 0;
            for _ in 0..count {
                total += own.get().await?;
            }
            Ok(total)
        });
        assert_eq!(value(total), count * (count - 1) / 2);
    });
}

#[test]
fn bounds_of_zero() {
    let queue = DeferredQueue::<u32>::bounded(Some(0), Some(0));
    assert!(queue.put(1).is_err());
    assert!(failure(queue.get()).is::<QueueUnderflow>());
}

#[test]
fn it_shows_its_state() {
    let queue = DeferredQueue::default();
    queue.put(1).unwrap();
    assert_eq!(format!("{queue:?}"), "DeferredQueue { len: 1, waiting: 0 }");
    assert_eq!(format!("{:?}", hereafter::errors::QueueOverflow(1)), "QueueOverflow(..)");
}
