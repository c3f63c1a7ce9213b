//! Calls from elsewhere.

use crate::common::{Oops, quietly};
use hereafter::mailbox::Mailbox;
use hereafter::{Deferred, report};
use hereafter_testing::{plain_test, test};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[plain_test]
fn calls_are_run_by_the_owner_in_the_order_of_arrival() {
    let mailbox = Mailbox::current();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (posting, tell) = (mailbox.clone(), seen.clone());
    let thread = std::thread::spawn(move || {
        for n in 0..3 {
            let tell = tell.clone();
            posting.post(move || tell.lock().unwrap().push((n, std::thread::current().id())));
        }
    });
    thread.join().unwrap();
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(mailbox.run_pending(), 3);
    let own = std::thread::current().id();
    assert_eq!(*seen.lock().unwrap(), [(0, own), (1, own), (2, own)]);
    assert_eq!(mailbox.run_pending(), 0);
}

#[test]
fn what_is_posted_by_a_call_waits_for_the_next_time() {
    let mailbox = Mailbox::current();
    let count = Arc::new(AtomicUsize::new(0));
    let (again, tell) = (mailbox.clone(), count.clone());
    mailbox.post(move || {
        tell.fetch_add(1, Ordering::Relaxed);
        again.post(move || {
            tell.fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!((mailbox.run_pending(), count.load(Ordering::Relaxed)), (1, 1));
    assert_eq!((mailbox.run_pending(), count.load(Ordering::Relaxed)), (1, 2));
}

#[plain_test]
fn wait_blocks_until_something_arrives() {
    let mailbox = Mailbox::current();
    let posting = mailbox.clone();
    let thread = std::thread::spawn(move || posting.post(|| ()));
    assert_eq!(mailbox.wait(), 1);
    thread.join().unwrap();
}

#[test]
fn a_call_that_panics_is_reported_and_the_others_run() {
    quietly(|| {
        let collector = report::collect();
        let mailbox = Mailbox::current();
        let count = Arc::new(AtomicUsize::new(0));
        let tell = count.clone();
        mailbox.post(|| panic!("on purpose"));
        mailbox.post(move || {
            tell.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(mailbox.run_pending(), 2);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        let reports = collector.take();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].headline, "Unhandled error in a call posted to a mailbox");
    });
}

#[test]
fn the_bell_rings_on_every_arrival() {
    let mailbox = Mailbox::current();
    let rings = Arc::new(AtomicUsize::new(0));
    let count = rings.clone();
    mailbox.set_notify(Some(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    })));
    mailbox.post(|| ());
    mailbox.post(|| ());
    assert_eq!(rings.load(Ordering::Relaxed), 2);
    mailbox.set_notify(None);
    mailbox.post(|| ());
    assert_eq!(rings.load(Ordering::Relaxed), 2);
    assert_eq!(mailbox.run_pending(), 3);
}

#[plain_test]
fn a_call_to_a_thread_that_has_ended_is_dropped() {
    let mailbox = std::thread::spawn(Mailbox::current).join().unwrap();
    let held = Arc::new(());
    let token = held.clone();
    mailbox.post(move || drop(token));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[plain_test]
fn calls_that_were_not_run_are_dropped_when_the_thread_ends() {
    let held = Arc::new(());
    let token = held.clone();
    std::thread::spawn(move || Mailbox::current().post(move || drop(token))).join().unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
}

#[plain_test]
fn another_thread_may_not_empty_it() {
    quietly(|| {
        let mailbox = Mailbox::current();
        let thread = std::thread::spawn(move || {
            quietly(|| {
                mailbox.run_pending();
            });
        });
        assert!(thread.join().is_err());
    });
}

#[test]
fn it_shows_whose_it_is() {
    let text = format!("{:?}", Mailbox::current());
    assert!(text.contains("ThreadId"), "{text}");
}

#[plain_test]
fn a_call_fires_a_deferred_of_the_owner() {
    thread_local! {
        static TRIGGER: std::cell::Cell<Option<hereafter::Trigger<u32>>> =
            const { std::cell::Cell::new(None) };
    }
    let (trigger, d) = Deferred::<u32>::new();
    TRIGGER.set(Some(trigger));
    let mailbox = Mailbox::current();
    let posting = mailbox.clone();
    std::thread::spawn(move || posting.post(|| TRIGGER.take().unwrap().errback(Oops(4))))
        .join()
        .unwrap();
    mailbox.run_pending();
    assert_eq!(crate::common::oops(d), 4);
}
