//! Freeing without recursion.

use crate::tiny::{many, with_stack};
use hereafter_engine::Graveyard;
use hereafter_testing::{plain_test, test};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn the_outermost_burial_takes_apart_what_is_buried_meanwhile() {
    let graveyard = Graveyard::default();
    let order = RefCell::new(Vec::new());
    let deepest = Cell::new(0);
    let depth = Cell::new(0);
    let dismantle = |n: u32| {
        depth.set(depth.get() + 1);
        deepest.set(deepest.get().max(depth.get()));
        order.borrow_mut().push(n);
        if n < 4 {
            graveyard.bury(2 * n, |_| unreachable!("only the outermost takes apart"));
            graveyard.bury(2 * n + 1, |_| unreachable!("only the outermost takes apart"));
        }
        depth.set(depth.get() - 1);
    };
    graveyard.bury(1, dismantle);
    assert_eq!(deepest.get(), 1);
    let mut order = order.take();
    assert_eq!(order.len(), 7);
    order.sort_unstable();
    assert_eq!(order, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn it_serves_again_after_one_burial_is_over() {
    let graveyard = Graveyard::new();
    let count = Cell::new(0);
    for n in 0..3 {
        graveyard.bury(n, |_| count.set(count.get() + 1));
    }
    assert_eq!(count.get(), 3);
}

#[test]
fn it_serves_again_after_one_that_unwound() {
    let graveyard = Graveyard::new();
    let burial = || graveyard.bury(1, |_| std::panic::resume_unwind(Box::new("on purpose")));
    assert!(catch_unwind(AssertUnwindSafe(burial)).is_err());
    let count = Cell::new(0);
    graveyard.bury(2, |_| count.set(count.get() + 1));
    assert_eq!(count.get(), 1);
}

#[plain_test]
fn a_long_list_is_freed_on_little_stack() {
    struct Node(Option<Box<Node>>);
    thread_local! { static GRAVEYARD: Graveyard<Node> = const { Graveyard::new() }; }
    impl Drop for Node {
        fn drop(&mut self) {
            if let Some(next) = self.0.take() {
                GRAVEYARD.with(|graveyard| graveyard.bury(*next, drop));
            }
        }
    }
    with_stack(256, || {
        let mut list = Node(None);
        for _ in 0..many(1_000_000) {
            list = Node(Some(Box::new(list)));
        }
        drop(list);
    });
}
