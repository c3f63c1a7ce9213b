//! User code that panics, wherever it is called: somebody is told, and everything else goes on.
//!
//! What is dropped has a module of its own, `drops`; here is what is called, and what panics while it is
//! replaced, refused or left over.

use crate::common::{Drops, Log, OnDrop, Oops, Stash, failure, oops, quietly, value};
use hereafter::clock::{Clock, ManualClock};
use hereafter::errors::{Abandoned, Panicked};
use hereafter::mailbox::Mailbox;
use hereafter::report::{self, Report};
use hereafter::{
    Deferred, DeferredList, DeferredLock, DeferredQueue, Failure, Outcome, Trigger, execute,
    maybe_deferred,
};
use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Something whose drop panics.
fn bomb() -> OnDrop<fn()> {
    OnDrop::new(|| panic!("dropped"))
}

/// The headlines of panics that said `message`.
#[track_caller]
fn headlines(reports: &[Report], message: &str) -> Vec<String> {
    let panicked = |report: &&Report| {
        report.failure.check::<Panicked>().is_some_and(|panic| panic.message() == message)
    };
    let headlines = reports.iter().filter(panicked).map(|report| report.headline.clone());
    let headlines: Vec<_> = headlines.collect();
    assert_eq!(headlines.len(), reports.len(), "{reports:?}");
    headlines
}

/// What the thread can do is not less than before.
#[track_caller]
fn goes_on() {
    let (trigger, d) = Deferred::<u32>::new();
    let coroutine = Deferred::from_coroutine(async move { Ok(d.map(|n| n + 1).await? * 2) });
    let (inner, returned) = Deferred::<u32>::new();
    let d = coroutine.add_callback(move |n| returned.map(move |m| n + m));
    trigger.callback(1);
    inner.callback(10);
    assert_eq!(value(d), 14);
}

#[test]
fn every_kind_of_link() {
    type Add = fn(Deferred<u32>) -> Deferred<u32>;
    let links: [(bool, Add); 8] = [
        (true, |d| d.map(|_| panic!("oh no"))),
        (true, |d| d.add_callback(|_| -> Result<u32, Failure> { panic!("oh no") })),
        (false, |d| d.add_errback(|_| -> Result<u32, Failure> { panic!("oh no") })),
        (true, |d| d.add_callbacks(|_| -> Result<u32, Failure> { panic!("oh no") }, Err)),
        (false, |d| d.add_callbacks(Ok, |_| -> Result<u32, Failure> { panic!("oh no") })),
        (true, |d| d.add_both(|_| -> Result<u32, Failure> { panic!("oh no") })),
        (false, |d| d.add_both(|_| -> Deferred<u32> { panic!("oh no") })),
        (true, |d| d.add_callback(|_| -> Deferred<u32> { panic!("oh no") })),
    ];
    for (on_value, add) in links {
        let result = || if on_value { Ok(1) } else { Err(Failure::new(Oops(1))) };
        quietly(|| {
            let (trigger, pending) = Deferred::new();
            let pending = add(pending);
            trigger.fire(result());
            for d in [pending, add(Deferred::ready(result()))] {
                assert_eq!(failure(d).check::<Panicked>().unwrap().message(), "oh no");
            }
        });
        goes_on();
    }
}

/// What panics when it is asked what it comes to.
struct Hostile;

impl Outcome for Hostile {
    type Value = u32;
    fn into_deferred(self) -> Deferred<u32> {
        panic!("asked")
    }
}

#[test]
fn what_a_callback_gives_back() {
    quietly(|| {
        let (trigger, d) = Deferred::new();
        let pending = d.add_callback(|()| Hostile);
        trigger.callback(());
        for d in [
            pending,
            Deferred::succeed(()).add_callback(|()| Hostile),
            maybe_deferred(|| Hostile),
            Deferred::from_coroutine(async { Hostile }),
            DeferredLock::new().run(|| Hostile),
        ] {
            assert!(failure(d).is::<Panicked>());
        }
    });
    goes_on();
}

#[test]
fn a_coroutine_that_was_cancelled_from_inside_and_gives_what_panics_when_it_is_dropped() {
    let collector = report::collect();
    let log = Log::new();
    let note = log.clone();
    let (trigger, d) = Deferred::<()>::new();
    let shared = d.share();
    let (first, second) = (shared.wait(), shared.wait());
    let own = Stash::<hereafter::CancelHandle>::new();
    let reach = own.clone();
    let mut cancelled = Deferred::from_coroutine(async move {
        first.await?;
        reach.take().cancel();
        Ok(bomb())
    });
    own.put(cancelled.cancel_handle());
    let other = Deferred::from_coroutine(async move {
        second.await?;
        note.note("the other goes on");
        Ok(())
    });
    quietly(|| trigger.callback(()));
    value(other);
    assert_eq!(log.take(), "the other goes on");
    assert!(failure(cancelled.map(drop)).is::<hereafter::errors::CancelledError>());
    assert_eq!(
        headlines(&collector.take(), "dropped"),
        ["Unhandled error in a result that nobody wants any more, when it was dropped"]
    );
    goes_on();
}

/// A waker whose drop, with the last clone, calls a function.
struct Told<F: Fn() + Send + Sync + 'static>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Told<F> {
    fn wake(self: Arc<Self>) {}
}

impl<F: Fn() + Send + Sync + 'static> Drop for Told<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn waker_that_panics_when_dropped() -> Waker {
    Arc::new(Told(|| panic!("dropped"))).into()
}

/// Polls it with a waker that only it has from then on.
fn poll_with<T: 'static>(d: &mut Deferred<T>, waker: Waker) {
    assert!(Pin::new(d).poll(&mut Context::from_waker(&waker)).is_pending());
}

#[test]
fn the_waker_of_a_polled_deferred_that_is_polled_by_another() {
    let collector = report::collect();
    let (trigger, mut d) = Deferred::<u32>::new();
    poll_with(&mut d, waker_that_panics_when_dropped());
    quietly(|| poll_with(&mut d, Waker::noop().clone()));
    assert_eq!(headlines(&collector.take(), "dropped"), [WAKER]);
    trigger.callback(1);
    assert_eq!(value(d), 1);
}

const WAKER: &str = "Unhandled error in a waker, when it was dropped";

#[test]
fn the_waker_of_a_polled_deferred_that_is_dropped() {
    let collector = report::collect();
    let (trigger, mut d) = Deferred::<u32>::new();
    poll_with(&mut d, waker_that_panics_when_dropped());
    // The failure is there, and its report must not be lost with the waker.
    let pause = d.pause();
    trigger.errback(Oops(1));
    quietly(|| drop(d));
    assert_eq!(headlines(&collector.take(), "dropped"), [WAKER]);
    drop(pause);
    assert_eq!(collector.take().len(), 1);
}

#[test]
fn the_waker_of_a_polled_deferred_that_is_given_back() {
    let collector = report::collect();
    let (inner, mut returned) = Deferred::<u32>::new();
    poll_with(&mut returned, waker_that_panics_when_dropped());
    let (trigger, outer) = Deferred::<()>::new();
    let outer = outer.add_callback(move |()| returned).map(|n| n + 1);
    quietly(|| trigger.callback(()));
    assert_eq!(headlines(&collector.take(), "dropped"), [WAKER]);
    inner.callback(1);
    assert_eq!(value(outer), 2);
}

#[test]
fn the_waker_of_a_polled_deferred_that_is_chained() {
    let collector = report::collect();
    let (trigger, mut d) = Deferred::<u32>::new();
    poll_with(&mut d, waker_that_panics_when_dropped());
    let (target, other) = Deferred::new();
    quietly(|| d.chain_to(target));
    assert_eq!(headlines(&collector.take(), "dropped"), [WAKER]);
    trigger.callback(1);
    assert_eq!(value(other), 1);
}

#[test]
fn a_waker_that_fires_a_sent_deferred_when_its_future_lets_go_of_it() {
    thread_local! {
        static TRIGGER: Cell<Option<Trigger<u32>>> = const { Cell::new(None) };
    }
    let (trigger, d) = Deferred::<u32>::new();
    TRIGGER.set(Some(trigger));
    let mut future = d.into_send();
    let mut poll = |waker: &Waker| Pin::new(&mut future).poll(&mut Context::from_waker(waker));
    {
        let fires = Arc::new(Told(|| TRIGGER.take().unwrap().callback(5))).into();
        assert!(poll(&fires).is_pending());
    }
    let woken = Arc::new(Woken::default());
    assert!(poll(&woken.clone().into()).is_pending(), "it fires as this poll ends");
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(matches!(poll(Waker::noop()), Poll::Ready(Ok(5))));
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Panics when it is cloned for the `n`th time.
#[derive(Debug)]
struct Brittle(Arc<AtomicUsize>);

impl Brittle {
    fn good_for(clones: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(clones)))
    }
}

impl Clone for Brittle {
    fn clone(&self) -> Self {
        let left = self.0.load(Ordering::Relaxed).checked_sub(1).expect("no more clones");
        self.0.store(left, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

#[test]
fn a_shared_value_that_panics_when_it_is_cloned() {
    let (trigger, d) = Deferred::new();
    let shared = d.share();
    let waiting = [shared.wait(), shared.wait(), shared.wait()];
    quietly(|| trigger.callback(Brittle::good_for(1)));
    let [first, second, third] = waiting;
    value(first);
    for d in [second, third, quietly(|| shared.wait())] {
        assert_eq!(failure(d).check::<Panicked>().unwrap().message(), "no more clones");
    }
}

#[test]
fn a_watched_value_that_panics_when_it_is_cloned() {
    let (trigger, d) = Deferred::new();
    let mut list = DeferredList::new([]);
    let member = list.watch(d);
    let list = list.wait();
    quietly(|| trigger.callback(Brittle::good_for(0)));
    assert!(failure(member).is::<Panicked>());
    let results = value(list);
    assert!(results[0].as_ref().unwrap_err().is::<Abandoned>());
}

#[test]
fn a_list_whose_left_over_values_panic_when_they_are_dropped() {
    let collector = report::collect();
    let (trigger, pending) = Deferred::new();
    let members = [Deferred::succeed(None), Deferred::succeed(Some(bomb())), pending];
    let list = quietly(|| DeferredList::new(members).fire_on_one_callback());
    quietly(|| trigger.callback(Some(bomb())));
    assert_eq!(value(list.map(|(_, index)| index)), 0);
    let what = "Unhandled error in a result that nobody wants any more, when it was dropped";
    assert_eq!(headlines(&collector.take(), "dropped"), [what, what]);
}

#[test]
fn a_trigger_that_a_panic_drops_calls_back_and_that_panics_too() {
    let seen = Stash::new();
    let keep = seen.clone();
    let (inner, d) = Deferred::<u32>::new();
    let second = d.map(|n| n + 1).add_errback(move |abandoned| -> Result<u32, Failure> {
        keep.put(abandoned);
        panic!("second")
    });
    let (trigger, d) = Deferred::<()>::new();
    let first = d.map(move |()| {
        let _dropped_by_the_panic = inner;
        panic!("first")
    });
    quietly(|| trigger.callback(()));
    let message = |failure: Failure| failure.check::<Panicked>().unwrap().message().to_owned();
    assert_eq!(
        (message(failure(first.map(|()| 0))), message(failure(second))),
        ("first".into(), "second".into())
    );
    assert!(seen.take().is::<Abandoned>());
    goes_on();
}

#[test]
fn a_guard_that_a_panic_drops_lets_the_next_one_in() {
    let lock = DeferredLock::new();
    let log = Log::new();
    let guard = value(lock.acquire());
    let note = log.clone();
    let next = lock.run(move || -> Result<(), Failure> {
        note.note("next");
        panic!("next")
    });
    let note = log.clone();
    let last = lock.run(move || {
        note.note("last");
        Ok(())
    });
    let first = quietly(|| {
        execute(move || {
            let _released_by_the_panic = guard;
            panic!("first")
        })
    });
    assert_eq!(log.take(), "next, last");
    assert!(failure(first.map(|()| ())).is::<Panicked>());
    assert!(failure(next).is::<Panicked>());
    value(last);
    assert!(!lock.is_locked());
}

#[test]
fn a_queue_whose_getter_panics_takes_the_next_object() {
    let queue = DeferredQueue::<u32>::new();
    let got = queue.get().map(|_| -> u32 { panic!("oh no") });
    quietly(|| queue.put(1).unwrap());
    assert!(failure(got).is::<Panicked>());
    queue.put(2).unwrap();
    assert_eq!(value(queue.get()), 2);
}

#[test]
fn a_timed_call_that_panics_when_it_is_cancelled_away() {
    let collector = report::collect();
    let clock = ManualClock::new();
    let holding = bomb();
    let call = clock.call_later(Duration::from_secs(1), move || holding.hold());
    quietly(|| call.cancel().unwrap());
    assert!(clock.delayed_calls().is_empty());
    assert_eq!(
        headlines(&collector.take(), "dropped"),
        ["Unhandled error in a timed call, when it was dropped"]
    );
}

#[test]
fn a_clock_that_goes_with_calls_that_panic_when_they_are_dropped() {
    let collector = report::collect();
    let (drops, clock) = (Drops::new(), ManualClock::new());
    for _ in 0..3 {
        let (holding, token) = (bomb(), drops.token());
        clock.call_later(Duration::from_secs(1), move || {
            holding.hold();
            token.hold();
        });
    }
    quietly(|| drop(clock));
    assert_eq!(drops.alive(), 0);
    assert_eq!(headlines(&collector.take(), "dropped").len(), 3);
}

#[test]
fn a_timed_call_that_panics_leaves_the_clock_as_it_should_be() {
    let log = Log::new();
    let clock = ManualClock::new();
    clock.call_later(Duration::from_secs(1), || panic!("oh no"));
    let note = log.clone();
    clock.call_later(Duration::from_secs(1), move || note.note("next"));
    // It is wound by hand, so the panic is that hand's.
    let wound = quietly(|| {
        execute({
            let clock = clock.clone();
            move || clock.advance(Duration::from_secs(1))
        })
    });
    assert!(failure(wound).is::<Panicked>());
    clock.advance(Duration::ZERO);
    assert_eq!(log.take(), "next");
}

#[test]
fn a_notification_of_post_that_panics() {
    let mailbox = Mailbox::current();
    mailbox.set_notify(Some(Arc::new(|| panic!("no bell"))));
    let (trigger, d) = Deferred::new();
    let remote = trigger.remote();
    let collector = report::collect();
    quietly(|| remote.callback(5));
    assert_eq!(
        headlines(&collector.take(), "no bell"),
        ["Unhandled error in what notifies of a mailbox"]
    );
    mailbox.set_notify(None);
    mailbox.run_pending();
    assert_eq!(value(d), 5);
}

#[test]
fn a_notification_that_posts_when_it_is_replaced() {
    struct Posts(Mailbox);
    impl Drop for Posts {
        fn drop(&mut self) {
            self.0.post(|| ());
        }
    }
    let mailbox = Mailbox::current();
    let posts = Posts(mailbox.clone());
    mailbox.set_notify(Some(Arc::new(move || {
        let _held = &posts;
    })));
    mailbox.set_notify(None);
    assert_eq!(mailbox.run_pending(), 1);
}

#[test]
fn post_that_panics_when_it_is_refused() {
    let collector = report::collect();
    let mailbox = std::thread::spawn(Mailbox::current).join().unwrap();
    let holding = OnDrop::<fn()>::new(|| panic!("dropped"));
    quietly(|| mailbox.post(move || holding.hold()));
    assert_eq!(
        headlines(&collector.take(), "dropped"),
        ["Unhandled error in a call posted to a mailbox, when it was dropped"]
    );
}

/// Runs the test `name` of this program again, alone and in a process of its own; what it said on stderr.
fn in_a_process(name: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("panics::{name}"), "--nocapture", "--include-ignored"])
        .env("HEREAFTER_TEST_CHILD", "1")
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn is_child() -> bool {
    std::env::var_os("HEREAFTER_TEST_CHILD").is_some()
}

#[test]
#[cfg_attr(miri, ignore = "it starts a process")]
fn post_that_panics_when_it_goes_with_its_thread() {
    if !is_child() {
        let said = in_a_process("post_that_panics_when_it_goes_with_its_thread");
        let headline = "Unhandled error in a call posted to a mailbox, when it was dropped:";
        assert_eq!(said.matches(headline).count(), 2, "{said}");
        return;
    }
    std::thread::spawn(|| {
        let mailbox = Mailbox::current();
        for _ in 0..2 {
            let holding = bomb();
            mailbox.post(move || holding.hold());
        }
    })
    .join()
    .unwrap();
}

/// An error that cannot be shown.
#[derive(Clone, Copy)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

impl fmt::Debug for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Unspeakable {}

#[test]
#[cfg_attr(miri, ignore = "it starts a process")]
fn an_error_that_cannot_be_shown_is_named_by_its_type() {
    if !is_child() {
        let said = in_a_process("an_error_that_cannot_be_shown_is_named_by_its_type");
        let told = "Unhandled error in Deferred: situations::panics::Unspeakable, whose text cannot be had";
        assert!(said.contains(told), "{said}");
        return;
    }
    drop(Deferred::<u32>::fail(Unspeakable));
}

#[test]
#[cfg_attr(miri, ignore = "it starts a process")]
fn what_a_hook_panics_on_goes_to_stderr() {
    if !is_child() {
        let said = in_a_process("what_a_hook_panics_on_goes_to_stderr");
        assert_eq!(said.matches("Unhandled error in Deferred:\nTraceback").count(), 1, "{said}");
        assert!(said.contains("Oops: oops 7"), "{said}");
        return;
    }
    report::set_hook(Some(|_: &Report| std::panic::panic_any(bomb())));
    drop(Deferred::<u32>::fail(Oops(7)));
}

#[test]
#[cfg(feature = "tracing")]
#[cfg_attr(miri, ignore = "it starts a process")]
fn what_a_subscriber_panics_on_goes_to_stderr() {
    use tracing::{Event, Metadata, Subscriber, span};

    struct Panics;
    impl Subscriber for Panics {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, _: &Event<'_>) {
            panic!("no ears")
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    if !is_child() {
        let said = in_a_process("what_a_subscriber_panics_on_goes_to_stderr");
        assert!(said.contains("Oops: oops 7"), "{said}");
        return;
    }
    tracing::subscriber::with_default(Panics, || drop(Deferred::<u32>::fail(Oops(7))));
}

/// An error whose drop panics.
#[derive(Debug)]
struct Fragile;

impl fmt::Display for Fragile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fragile")
    }
}

impl std::error::Error for Fragile {}

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn an_error_that_panics_when_it_is_dropped() {
    // By the errback that handles it, by the report that nobody reads, and unseen in a list.
    quietly(|| {
        let d = Deferred::<u32>::fail(Fragile).add_errback(|failure| {
            drop(failure);
            Ok(1)
        });
        assert!(failure(d).is::<Panicked>());
        let collector = report::collect();
        let members = [Deferred::succeed(1), Deferred::fail(Fragile)];
        let list = DeferredList::new(members).consume_errors().fire_on_one_callback();
        assert_eq!(value(list), (1, 0));
        assert_eq!(headlines(&collector.take(), "dropped").len(), 1);
    });
    goes_on();
}

#[test]
fn a_panic_that_carries_what_panics_when_it_is_dropped() {
    quietly(|| {
        let d = Deferred::succeed(()).map(|()| -> u32 { std::panic::panic_any(bomb()) });
        let d = d.add_errback(|failure| {
            failure.trap::<Panicked>()?;
            drop(failure);
            Ok(1)
        });
        let failure = failure(d);
        assert_eq!(failure.check::<Panicked>().unwrap().message(), "dropped");
    });
    goes_on();
}

#[test]
fn a_future_that_panics_when_it_is_polled_and_when_it_is_dropped() {
    let collector = report::collect();
    let holding = bomb();
    let d = quietly(|| {
        Deferred::<u32>::from_coroutine(poll_fn(move |_| -> Poll<Result<u32, Failure>> {
            holding.hold();
            panic!("polled")
        }))
    });
    assert_eq!(failure(d).check::<Panicked>().unwrap().message(), "polled");
    assert_eq!(
        headlines(&collector.take(), "dropped"),
        ["Unhandled error in a coroutine, when it was dropped"]
    );
}

#[test]
fn a_canceller_that_panics_when_another_takes_its_place() {
    let collector = report::collect();
    let holding = bomb();
    let (trigger, d) = Deferred::<u32>::with_canceller(move || {
        holding.hold();
        None
    });
    let d = quietly(|| d.on_cancel(|| ()));
    assert_eq!(
        headlines(&collector.take(), "dropped"),
        ["Unhandled error in a canceller, when it was dropped"]
    );
    trigger.errback(Oops(3));
    assert_eq!(oops(d), 3);
}
