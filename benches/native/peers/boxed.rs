//! A one-shot channel with each combinator boxed: the closest that `futures` has to a Deferred,
//! for the type stays the same whatever is added, so the chain can grow at run time.
//!
//! Its callbacks run when the result is asked for, and the chain is polled once only. Each poll
//! nests as deep as the chain is long.

use std::hint::black_box;

use futures::FutureExt;
use futures::TryFutureExt;
use futures::future::{Aborted, LocalBoxFuture, abortable, ready};

use crate::measure::{Case, Kind, System};
use crate::peers::channel::{Channel, Futures, Tokio};
use crate::peers::composed::results;
use crate::shapes::{EXTRA_LINKS, RETURNED, WAITERS};
use crate::work::{
    BoxError, adding, boom, chain, closed, fail, finish, flipping, mixing, one, pass_on, recover,
    start, three, two, value, wait,
};

const READY: System = System::new("futures ready, boxed maps", Kind::Erased);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = over::<Tokio>();
    cases.extend(over::<Futures>());
    cases.push(Case::new("ready3", READY, || {
        let future = ready(value(start())).mapped(one).mapped(two).mapped(three);
        black_box(finish(future).is_ok());
    }));
    cases
}

/// Adds a combinator and boxes what came out.
trait Boxed: Future + Sized + 'static {
    fn mapped<T: 'static, U: 'static, E: 'static>(
        self,
        callback: impl FnOnce(T) -> U + 'static,
    ) -> LocalBoxFuture<'static, Result<U, E>>
    where
        Self: Future<Output = Result<T, E>>,
    {
        self.map_ok(callback).boxed_local()
    }

    fn both<U: 'static>(
        self,
        callback: impl FnOnce(Self::Output) -> U + 'static,
    ) -> LocalBoxFuture<'static, U> {
        self.map(callback).boxed_local()
    }

    fn waiting<F: Future + 'static>(
        self,
        callback: impl FnOnce(Self::Output) -> F + 'static,
    ) -> LocalBoxFuture<'static, F::Output> {
        self.then(callback).boxed_local()
    }
}

impl<F: Future + 'static> Boxed for F {}

fn over<C: Channel>() -> Vec<Case> {
    let mut cases = chains::<C>();
    cases.extend(failures::<C>());
    cases.push(Case::new("waiting_item", C::BOXED, waiting::<C>).per(WAITERS));
    cases
}

fn chains<C: Channel>() -> Vec<Case> {
    vec![
        Case::new("fire3", C::BOXED, || {
            let (sender, receiver) = C::open();
            let future = receiver.mapped(one).mapped(two).mapped(three);
            C::send(sender, start());
            black_box(finish(future).is_ok());
        }),
        Case::new("fire3_capturing", C::BOXED, || {
            let (sender, receiver) = C::open();
            let future = receiver.mapped(adding()).mapped(mixing()).mapped(flipping());
            C::send(sender, start());
            black_box(finish(future).is_ok());
        }),
        Case::new("fire3_result", C::BOXED, || {
            let (sender, receiver) = C::open();
            let future = results::<C>(receiver)
                .both(|r| r.and_then(|n| value(one(n))))
                .both(|r| r.and_then(|n| value(two(n))))
                .both(|r| r.and_then(|n| value(three(n))));
            C::send(sender, Ok(start()));
            black_box(finish(future).is_ok());
        }),
        Case::new("next_link", C::BOXED, || {
            let (sender, receiver) = C::open();
            let future = chain!(19; receiver, mapped, one);
            C::send(sender, start());
            black_box(finish(future).is_ok());
        })
        .less(|| {
            let (sender, receiver) = C::open();
            let future = chain!(3; receiver, mapped, one);
            C::send(sender, start());
            black_box(finish(future).is_ok());
        })
        .per(EXTRA_LINKS),
        Case::new("ready_returned", C::BOXED, || {
            let (sender, receiver) = C::open();
            let future = chain!(4; results::<C>(receiver), waiting, |r| ready(
                r.and_then(|n| value(one(n)))
            )
            .boxed_local());
            C::send(sender, Ok(start()));
            black_box(finish(future).is_ok());
        })
        .less(|| {
            let (sender, receiver) = C::open();
            let future = chain!(4; results::<C>(receiver), both, |r| r.and_then(|n| value(one(n))));
            C::send(sender, Ok(start()));
            black_box(finish(future).is_ok());
        })
        .per(RETURNED),
    ]
}

fn failures<C: Channel>() -> Vec<Case> {
    vec![
        Case::new("failing_link", C::BOXED, || {
            let (sender, receiver) = C::open();
            let future = chain!(19; results::<C>(receiver), both, |r| r.or_else(pass_on));
            C::send(sender, Err(boom()));
            black_box(finish(future).is_err());
        })
        .less(|| {
            let (sender, receiver) = C::open();
            let future = chain!(3; results::<C>(receiver), both, |r| r.or_else(pass_on));
            C::send(sender, Err(boom()));
            black_box(finish(future).is_err());
        })
        .per(EXTRA_LINKS),
        Case::new("new_failure", C::BOXED, || {
            let (sender, receiver) = C::open();
            let future =
                results::<C>(receiver).both(|r| r.and_then(fail)).both(|r| r.or_else(recover));
            C::send(sender, Ok(start()));
            black_box(finish(future).is_ok());
        }),
        Case::new("cancel", C::BOXED, || {
            let (sender, receiver) = C::open::<u64>();
            let (future, handle) = abortable(receiver);
            let future = future.both(|r| match r {
                Ok(result) => result.map_err(closed),
                Err(Aborted) => value(black_box(1)),
            });
            handle.abort();
            black_box(finish(future).is_ok());
            drop(sender);
        }),
    ]
}

/// Each future waits on the next; the outermost is polled, the innermost fired.
fn waiting<C: Channel>() {
    let (sender, receiver) = C::open();
    let mut future: LocalBoxFuture<'static, Result<u64, BoxError>> =
        results::<C>(receiver).boxed_local();
    for _ in 0..WAITERS {
        let (outer_sender, outer) = C::open();
        let inner = future;
        future = results::<C>(outer).waiting(move |_| inner);
        C::send(outer_sender, Ok(start()));
    }
    wait(&mut future);
    C::send(sender, Ok(start()));
    black_box(finish(future).is_ok());
}
