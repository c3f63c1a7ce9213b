//! The shapes done with Hereafter.
//!
//! Callbacks run when the deferred is fired, as is their meaning; the result is then taken
//! synchronously. `map` stands beside the peers' infallible combinators, `add_callback` beside the
//! fallible ones.

use std::hint::black_box;

use hereafter::{Deferred, Failure, gather_results, succeed};

use crate::database;
use crate::measure::{Case, Kind, System};
use crate::shapes::{EXTRA_LINKS, GATHERED, RETURNED, WAITERS};
use crate::work::{Boom, adding, chain, flipping, mixing, one, start, three, two};

/// Our system.
pub(crate) const HEREAFTER: System = System::new("hereafter", Kind::Ours);
/// The same, while histories are kept.
#[cfg(feature = "inspect")]
pub(crate) const INSPECTED: System = System::new("hereafter, inspected", Kind::Ours);

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = deferreds();
    cases.extend(database::ours());
    cases
}

/// The shapes of Deferreds alone.
fn deferreds() -> Vec<Case> {
    let mut cases = chains();
    cases.extend(failures());
    cases.extend(many());
    cases.extend(coroutines());
    cases
}

/// The shapes of Deferreds, with inspection off and on.
#[cfg(feature = "inspect")]
pub(crate) fn off_and_on() -> Vec<Case> {
    let inspected = |mut run: crate::measure::Run| -> crate::measure::Run {
        Box::new(move |n| {
            hereafter::inspect::enable();
            let took = run(n);
            hereafter::inspect::disable();
            took
        })
    };
    let on = deferreds().into_iter().map(|case| case.wrapped(INSPECTED, inspected));
    deferreds().into_iter().chain(on).collect()
}

fn case(shape: &'static str, body: impl FnMut() + 'static) -> Case {
    Case::new(shape, HEREAFTER, body)
}

/// Takes the result of a deferred that has fired.
#[inline]
fn take<T: 'static>(deferred: Deferred<T>) {
    let Ok(result) = deferred.take_result() else {
        unreachable!("the benchmark fires before it takes the result")
    };
    drop(black_box(result));
}

/// Chains of callbacks that succeed.
fn chains() -> Vec<Case> {
    vec![
        case("fire3", || {
            let (trigger, deferred) = Deferred::new();
            let deferred = deferred.map(one).map(two).map(three);
            trigger.callback(start());
            take(deferred);
        }),
        case("fire3_capturing", || {
            let (trigger, deferred) = Deferred::new();
            let deferred = deferred.map(adding()).map(mixing()).map(flipping());
            trigger.callback(start());
            take(deferred);
        }),
        case("fire3_result", || {
            let (trigger, deferred) = Deferred::new();
            let deferred = deferred
                .add_callback(|n| value(one(n)))
                .add_callback(|n| value(two(n)))
                .add_callback(|n| value(three(n)));
            trigger.callback(start());
            take(deferred);
        }),
        case("next_link", || {
            let (trigger, deferred) = Deferred::new();
            let deferred = chain!(19; deferred, map, one);
            trigger.callback(start());
            take(deferred);
        })
        .less(|| {
            let (trigger, deferred) = Deferred::new();
            let deferred = chain!(3; deferred, map, one);
            trigger.callback(start());
            take(deferred);
        })
        .per(EXTRA_LINKS),
        case("ready3", || take(succeed(start()).map(one).map(two).map(three))),
        case("ready_returned", || {
            let (trigger, deferred) = Deferred::new();
            let deferred = chain!(4; deferred, add_callback, |n| succeed(one(n)));
            trigger.callback(start());
            take(deferred);
        })
        .less(|| {
            let (trigger, deferred) = Deferred::new();
            let deferred = chain!(4; deferred, add_callback, |n| value(one(n)));
            trigger.callback(start());
            take(deferred);
        })
        .per(RETURNED),
    ]
}

/// Chains of callbacks that fail or are cancelled.
fn failures() -> Vec<Case> {
    vec![
        case("failing_link", || {
            let (trigger, deferred) = Deferred::<u64>::new();
            let deferred = chain!(19; deferred, add_errback, pass_on);
            trigger.errback(Boom(start()));
            take(deferred);
        })
        .less(|| {
            let (trigger, deferred) = Deferred::<u64>::new();
            let deferred = chain!(3; deferred, add_errback, pass_on);
            trigger.errback(Boom(start()));
            take(deferred);
        })
        .per(EXTRA_LINKS),
        case("new_failure", || {
            let (trigger, deferred) = Deferred::new();
            let deferred = deferred.add_callback(fail).add_errback(recover);
            trigger.callback(start());
            take(deferred);
        }),
        case("cancel", || {
            let (trigger, deferred) = Deferred::<u64>::new();
            let deferred = deferred.add_errback(recover);
            deferred.cancel();
            take(deferred);
            drop(trigger);
        }),
    ]
}

/// More than one deferred.
fn many() -> Vec<Case> {
    vec![
        case("gather100_item", || {
            take(gather_results((0..GATHERED).map(|n| succeed(black_box(u64::from(n))))));
        })
        .per(GATHERED),
        case("gather100_pending_item", || {
            let (triggers, deferreds): (Vec<_>, Vec<_>) =
                (0..GATHERED).map(|_| Deferred::<u64>::new()).unzip();
            let all = gather_results(deferreds);
            for (n, trigger) in (0..GATHERED).zip(triggers) {
                trigger.callback(black_box(u64::from(n)));
            }
            take(all);
        })
        .per(GATHERED),
        case("waiting_item", || {
            let (trigger, mut deferred) = Deferred::new();
            for _ in 0..WAITERS {
                let (outer_trigger, outer) = Deferred::new();
                let inner = deferred;
                deferred = outer.add_callback(move |_: u64| inner);
                outer_trigger.callback(start());
            }
            trigger.callback(start());
            take(deferred);
        })
        .per(WAITERS),
    ]
}

fn coroutines() -> Vec<Case> {
    vec![
        case("coroutine_ready", || {
            take(Deferred::from_coroutine(async {
                let n = succeed(start()).await? + succeed(start()).await?;
                Ok::<_, Failure>(n)
            }));
        }),
        case("coroutine_pending", || {
            let (trigger, deferred) = Deferred::new();
            let coroutine =
                Deferred::from_coroutine(async { Ok::<_, Failure>(one(deferred.await?)) });
            trigger.callback(start());
            take(coroutine);
        }),
    ]
}

/// A result of a callback.
#[expect(clippy::unnecessary_wraps, reason = "it stands for a callback that may fail")]
#[inline]
fn value(n: u64) -> Result<u64, Failure> {
    Ok(n)
}

/// A callback that fails.
#[inline]
fn fail(n: u64) -> Result<u64, Failure> {
    Err(Boom(n).into())
}

/// An errback that hands the failure on.
#[inline]
fn pass_on(failure: Failure) -> Result<u64, Failure> {
    Err(failure)
}

/// An errback that recovers.
#[expect(clippy::unnecessary_wraps, reason = "it stands for an errback that may fail")]
#[inline]
fn recover(failure: Failure) -> Result<u64, Failure> {
    drop(failure);
    Ok(black_box(1))
}
