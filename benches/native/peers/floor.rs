//! The floor: the same callbacks with nothing in between.
//!
//! Called by hand, they show what the optimizer leaves of them. Called through a pointer, out of
//! one heap block that is made and freed, they show what any chain of erased callbacks must pay.

use std::hint::black_box;
use std::pin::Pin;

use futures::future::ready;

use crate::measure::{Case, Kind, System};
use crate::shapes::{EXTRA_LINKS, GATHERED, LONG, SHORT};
use crate::work::{
    Boom, BoxError, adding, chain, finish, flipping, mixing, one, start, three, two,
};

const BY_HAND: System = System::new("floor: by hand", Kind::Floor);
const ERASED: System = System::new("floor: one malloc, dynamic calls", Kind::Floor);
const BOXED: System = System::new("floor: one boxed async block", Kind::Floor);
const COLLECTED: System = System::new("floor: collect into a Vec", Kind::Floor);

type Callback = dyn Fn(u64) -> u64;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("fire3", BY_HAND, || {
            black_box(three(two(one(start()))));
        }),
        Case::new("fire3", ERASED, || erased(one, two, three)),
        Case::new("fire3_capturing", BY_HAND, || {
            let (a, b, c) = (adding(), mixing(), flipping());
            black_box(c(b(a(start()))));
        }),
        Case::new("fire3_capturing", ERASED, || erased(adding(), mixing(), flipping())),
        Case::new("next_link", BY_HAND, || {
            black_box(chain!(19; Value(start()), map, one).0);
        })
        .less(|| {
            black_box(chain!(3; Value(start()), map, one).0);
        })
        .per(EXTRA_LINKS),
        Case::new("next_link", ERASED, || call_all([&one as &Callback; LONG]))
            .less(|| call_all([&one as &Callback; SHORT]))
            .per(EXTRA_LINKS),
        Case::new("new_failure", BY_HAND, || {
            let failed: Result<u64, BoxError> = Err(Box::new(Boom(start())));
            let recovered = black_box(failed).unwrap_or_else(|_| black_box(1));
            black_box(recovered);
        }),
        Case::new("gather100_item", COLLECTED, || {
            let all: Vec<u64> = (0..GATHERED).map(|n| black_box(u64::from(n))).collect();
            black_box(all);
        })
        .per(GATHERED),
        Case::new("coroutine_ready", BOXED, || {
            let body: Pin<Box<dyn Future<Output = u64>>> =
                Box::pin(async { ready(start()).await + ready(start()).await });
            black_box(finish(black_box(body)));
        }),
    ]
}

/// Puts a value and three callbacks into one heap block, then calls them through pointers.
#[inline]
fn erased<A, B, C>(a: A, b: B, c: C)
where
    A: Fn(u64) -> u64 + 'static,
    B: Fn(u64) -> u64 + 'static,
    C: Fn(u64) -> u64 + 'static,
{
    let block = black_box(Box::new((start(), a, b, c)));
    let callbacks: [&Callback; 3] = black_box([&block.1, &block.2, &block.3]);
    black_box(callbacks.iter().fold(block.0, |value, callback| callback(value)));
}

/// Calls that many callbacks through pointers.
#[inline]
fn call_all<const N: usize>(callbacks: [&Callback; N]) {
    black_box(black_box(callbacks).iter().fold(start(), |value, callback| callback(value)));
}

/// A value that can be mapped, so that the chains of all systems read alike.
struct Value(u64);

impl Value {
    #[inline]
    fn map(self, callback: impl FnOnce(u64) -> u64) -> Self {
        Self(callback(self.0))
    }
}
