//! Firing from other threads.

use crate::common::{Log, Oops, failure, oops, value};
use hereafter::errors::Abandoned;
use hereafter::mailbox::Mailbox;
use hereafter::{Deferred, RemoteTrigger, gather_results};
use hereafter_testing::{plain_test, test};
use std::sync::Arc;
use std::sync::mpsc;

#[plain_test]
fn the_callbacks_run_on_the_deferreds_own_thread() {
    let log = Log::new();
    let note = log.clone();
    let own = std::thread::current().id();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.map(move |n| {
        assert_eq!(std::thread::current().id(), own);
        note.note(n);
    });
    let remote = trigger.remote();
    std::thread::spawn(move || remote.callback(5)).join().unwrap();
    assert_eq!(log.take(), "", "it waits in the mailbox");
    Mailbox::current().run_pending();
    assert_eq!(log.take(), "5");
    value(d);
}

#[plain_test]
fn a_failure_from_another_thread() {
    let (trigger, d) = Deferred::<u32>::new();
    let remote = trigger.remote();
    std::thread::spawn(move || remote.errback(Oops(6))).join().unwrap();
    Mailbox::current().run_pending();
    assert_eq!(oops(d), 6);
}

#[plain_test]
fn one_that_is_dropped_there_is_abandoned() {
    let (trigger, d) = Deferred::<u32>::new();
    let remote = trigger.remote();
    std::thread::spawn(move || drop(remote)).join().unwrap();
    Mailbox::current().run_pending();
    assert!(failure(d).is::<Abandoned>());
}

#[plain_test]
fn one_in_a_thread_that_panics_is_abandoned() {
    crate::common::quietly(|| {
        let (trigger, d) = Deferred::<u32>::new();
        let remote = trigger.remote();
        let thread = std::thread::spawn(move || {
            crate::common::quietly(|| {
                let _held = remote;
                panic!("on purpose");
            });
        });
        assert!(thread.join().is_err());
        Mailbox::current().run_pending();
        assert!(failure(d).is::<Abandoned>());
    });
}

#[test]
fn one_that_was_cancelled_meanwhile_drops_its_value() {
    let held = Arc::new(());
    let (trigger, d) = Deferred::<Arc<()>>::new();
    let remote = trigger.remote();
    d.cancel();
    remote.callback(held.clone());
    Mailbox::current().run_pending();
    assert_eq!(Arc::strong_count(&held), 1);
    failure(d);
}

#[plain_test]
fn one_whose_thread_has_ended_drops_its_value() {
    let (sender, receiver) = mpsc::channel::<RemoteTrigger<Arc<()>>>();
    std::thread::spawn(move || {
        let (trigger, d) = Deferred::<Arc<()>>::new();
        sender.send(trigger.remote()).unwrap();
        drop(d);
    })
    .join()
    .unwrap();
    let held = Arc::new(());
    receiver.recv().unwrap().callback(held.clone());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[plain_test]
fn one_that_arrives_while_its_thread_ends_goes_with_it() {
    let held = Arc::new(());
    let token = held.clone();
    std::thread::spawn(move || {
        let (trigger, d) = Deferred::<Arc<()>>::new();
        trigger.remote().callback(token);
        drop(d);
        // Nobody empties the mailbox.
    })
    .join()
    .unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
}

#[plain_test]
fn many_from_many_threads() {
    let threads = if cfg!(miri) { 3 } else { 8 };
    let (triggers, members): (Vec<_>, Vec<_>) = (0..threads).map(|_| Deferred::new()).unzip();
    let d = gather_results(members);
    let handles: Vec<_> = (0..threads)
        .zip(triggers)
        .map(|(n, trigger)| {
            let remote = trigger.remote();
            std::thread::spawn(move || remote.callback(n * n))
        })
        .collect();
    while !d.has_result() {
        Mailbox::current().wait();
    }
    for handle in handles {
        handle.join().unwrap();
    }
    assert_eq!(value(d), (0..threads).map(|n| n * n).collect::<Vec<_>>());
}

#[plain_test]
fn a_coroutine_awaits_what_another_thread_fires() {
    let (trigger, d) = Deferred::<u32>::new();
    let remote = trigger.remote();
    let coroutine = Deferred::from_coroutine(async move { Ok(d.await? + 1) });
    let thread = std::thread::spawn(move || remote.callback(1));
    while !coroutine.has_result() {
        Mailbox::current().wait();
    }
    thread.join().unwrap();
    assert_eq!(value(coroutine), 2);
}

#[test]
fn it_shows_which_deferred_it_fires() {
    let line = line!() + 1;
    let (trigger, _d) = Deferred::<u32>::new();
    let text = format!("{:?}", trigger.remote());
    assert!(text.contains(&format!("{}:{line}", file!())), "{text}");
    // It was dropped, which this thread has been told of.
    Mailbox::current().run_pending();
}
