//! A one-shot channel with combinators composed statically: one type for the whole chain, known to
//! the optimizer from end to end. Nothing is erased, so nothing can be added later, either.
//!
//! Unlike a Deferred's, its callbacks run when the result is asked for, not when it is fired, and
//! the chain is polled once only. `polled twice` also polls before firing, as a task that waits does.

use std::future::Future;
use std::hint::black_box;

use futures::FutureExt;
use futures::TryFutureExt;
use futures::future::{Aborted, abortable, join_all, ready, try_join_all};

use crate::measure::{Case, Kind, System};
use crate::peers::channel::{Channel, Futures, Oneshot, Tokio};
use crate::shapes::{EXTRA_LINKS, GATHERED, RETURNED};
use crate::work::{
    BoxError, adding, boom, chain, closed, fail, finish, flipping, mixing, one, pass_on, recover,
    start, three, two, value, wait,
};

const TWICE: System = System::new("tokio oneshot, static maps, polled twice", Kind::Composed);
const READY: System = System::new("futures ready, static maps", Kind::Composed);
const BLOCK: System = System::new("futures ready, async block not boxed", Kind::Composed);
const JOIN_ALL: System = System::new("futures join_all", Kind::Erased);
const TRY_JOIN_ALL: System = System::new("futures try_join_all", Kind::Erased);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = over::<Tokio>();
    cases.extend(over::<Futures>());
    cases.extend(over::<Oneshot>());
    cases.push(Case::new("fire3", TWICE, || {
        let (sender, receiver) = Tokio::open();
        let mut future = receiver.map_ok(one).map_ok(two).map_ok(three);
        wait(&mut future);
        Tokio::send(sender, start());
        black_box(finish(future).is_ok());
    }));
    cases.extend(over_ready());
    cases.push(
        Case::new("gather100_item", JOIN_ALL, || {
            let all = join_all((0..GATHERED).map(|n| ready(black_box(u64::from(n)))));
            black_box(finish(all));
        })
        .per(GATHERED),
    );
    cases.push(
        Case::new("gather100_item", TRY_JOIN_ALL, || {
            let all = try_join_all((0..GATHERED).map(|n| ready(value(black_box(u64::from(n))))));
            black_box(finish(all).is_ok());
        })
        .per(GATHERED),
    );
    cases
}

/// What can be done with any of the channels.
fn over<C: Channel>() -> Vec<Case> {
    let mut cases = chains::<C>();
    cases.extend(failures::<C>());
    cases.push(
        Case::new("gather100_pending_item", C::GATHERED, || {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..GATHERED).map(|_| C::open::<u64>()).unzip();
            let mut all = join_all(receivers);
            wait(&mut all);
            for (n, sender) in (0..GATHERED).zip(senders) {
                C::send(sender, black_box(u64::from(n)));
            }
            black_box(finish(all).len());
        })
        .per(GATHERED),
    );
    cases
}

/// Chains of callbacks that succeed.
fn chains<C: Channel>() -> Vec<Case> {
    vec![
        Case::new("fire3", C::COMPOSED, || {
            let (sender, receiver) = C::open();
            let future = receiver.map_ok(one).map_ok(two).map_ok(three);
            C::send(sender, start());
            black_box(finish(future).is_ok());
        }),
        Case::new("fire3_capturing", C::COMPOSED, || {
            let (sender, receiver) = C::open();
            let future = receiver.map_ok(adding()).map_ok(mixing()).map_ok(flipping());
            C::send(sender, start());
            black_box(finish(future).is_ok());
        }),
        Case::new("fire3_result", C::COMPOSED, || {
            let (sender, receiver) = C::open();
            let future = results::<C>(receiver)
                .map(|r| r.and_then(|n| value(one(n))))
                .map(|r| r.and_then(|n| value(two(n))))
                .map(|r| r.and_then(|n| value(three(n))));
            C::send(sender, Ok(start()));
            black_box(finish(future).is_ok());
        }),
        Case::new("next_link", C::COMPOSED, || {
            let (sender, receiver) = C::open();
            let future = chain!(19; receiver, map_ok, one);
            C::send(sender, start());
            black_box(finish(future).is_ok());
        })
        .less(|| {
            let (sender, receiver) = C::open();
            let future = chain!(3; receiver, map_ok, one);
            C::send(sender, start());
            black_box(finish(future).is_ok());
        })
        .per(EXTRA_LINKS),
        Case::new("ready_returned", C::COMPOSED, || {
            let (sender, receiver) = C::open();
            let future = chain!(4; results::<C>(receiver), and_then, |n| ready(value(one(n))));
            C::send(sender, Ok(start()));
            black_box(finish(future).is_ok());
        })
        .less(|| {
            let (sender, receiver) = C::open();
            let future = chain!(4; results::<C>(receiver), map, |r| r.and_then(|n| value(one(n))));
            C::send(sender, Ok(start()));
            black_box(finish(future).is_ok());
        })
        .per(RETURNED),
    ]
}

/// Chains of callbacks that fail or are cancelled.
fn failures<C: Channel>() -> Vec<Case> {
    vec![
        Case::new("failing_link", C::COMPOSED, || {
            let (sender, receiver) = C::open();
            let future = chain!(19; results::<C>(receiver), map, |r| r.or_else(pass_on));
            C::send(sender, Err(boom()));
            black_box(finish(future).is_err());
        })
        .less(|| {
            let (sender, receiver) = C::open();
            let future = chain!(3; results::<C>(receiver), map, |r| r.or_else(pass_on));
            C::send(sender, Err(boom()));
            black_box(finish(future).is_err());
        })
        .per(EXTRA_LINKS),
        Case::new("new_failure", C::COMPOSED, || {
            let (sender, receiver) = C::open();
            let future =
                results::<C>(receiver).map(|r| r.and_then(fail)).map(|r| r.or_else(recover));
            C::send(sender, Ok(start()));
            black_box(finish(future).is_ok());
        }),
        Case::new("cancel", C::COMPOSED, || {
            let (sender, receiver) = C::open::<u64>();
            let (future, handle) = abortable(receiver);
            let future = future.map(|r| match r {
                Ok(result) => result.map_err(closed),
                Err(Aborted) => value(black_box(1)),
            });
            handle.abort();
            black_box(finish(future).is_ok());
            drop(sender);
        }),
    ]
}

/// A ready value needs no channel.
fn over_ready() -> Vec<Case> {
    vec![
        Case::new("ready3", READY, || {
            let future = ready(value(start())).map_ok(one).map_ok(two).map_ok(three);
            black_box(finish(future).is_ok());
        }),
        Case::new("coroutine_ready", BLOCK, || {
            let future = async { ready(start()).await + ready(start()).await };
            black_box(finish(future));
        }),
    ]
}

/// Puts what the channel itself may say into the error that the callbacks handle.
#[inline]
pub(super) fn results<C: Channel>(
    receiver: C::Receiver<Result<u64, BoxError>>,
) -> impl Future<Output = Result<u64, BoxError>> + 'static {
    receiver.map(|r| r.unwrap_or_else(|e| Err(closed(e))))
}
