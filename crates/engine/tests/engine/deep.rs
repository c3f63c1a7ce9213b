//! A million deferreds in a line, on little stack.

use crate::tiny::{Tiny, Value, many};
use std::cell::Cell;
use std::rc::Rc;

/// A line in which each waits on the one before; the innermost and the outermost.
fn line(count: usize) -> (Tiny, Tiny) {
    let innermost = Tiny::new();
    let mut outermost = innermost.clone();
    for _ in 0..count {
        let outer = Tiny::new();
        outer.add(move |_| outermost).plus(1);
        outer.fire(0);
        outermost = outer;
    }
    (innermost, outermost)
}

fn fired_and_freed() {
    let count = many(1_000_000);
    let (innermost, outermost) = line(count);
    assert_eq!(Tiny::alive(), count + 1);
    innermost.fire(0);
    assert_eq!(outermost.result(), Some(Value::Number(count)));
    drop((innermost, outermost));
    assert_eq!(Tiny::alive(), 0);
}

/// Each deferred lies in a link of the next one, and none has fired.
fn freed_with_links_that_never_ran() {
    let count = many(1_000_000);
    let mut last = Tiny::new();
    for _ in 0..count {
        let outer = Tiny::new();
        outer.add(move |_| last);
        last = outer;
    }
    drop(last);
    assert_eq!(Tiny::alive(), 0);
}

fn chained_fired_and_freed() {
    let count = many(1_000_000);
    let first = Tiny::new();
    let mut last = first.clone();
    for _ in 0..count {
        let next = Tiny::new();
        last.plus(1).chain_to(&next);
        last = next;
    }
    first.fire(0);
    assert_eq!(last.result(), Some(Value::Number(count)));
    drop((first, last));
    assert_eq!(Tiny::alive(), 0);
}

fn chained_freed_unfired() {
    let first = Tiny::new();
    let mut last = first.clone();
    for _ in 0..many(1_000_000) {
        let next = Tiny::new();
        last.chain_to(&next);
        last = next;
    }
    drop(last);
    drop(first);
    assert_eq!(Tiny::alive(), 0);
}

fn cancelled() {
    let (innermost, outermost) = line(many(1_000_000));
    outermost.cancel();
    assert_eq!(innermost.result(), Some(Value::Nothing));
    assert_eq!(outermost.result(), Some(Value::Failure("cancelled")));
}

fn with_later_links() {
    // Each has links behind its waiter, so the loop has to come back to all of them.
    let count = many(100_000);
    let innermost = Tiny::new();
    let mut line = vec![innermost.clone()];
    for n in 0..count {
        let outer = Tiny::new();
        let inner = line[n].clone();
        outer.add(move |_| inner).plus(1);
        outer.fire(0);
        line[n].add(|value| if value == Value::Nothing { Value::Number(7) } else { value });
        line.push(outer);
    }
    innermost.fire(0);
    assert_eq!(line.pop().map(|last| last.result()), Some(Some(Value::Number(count))));
    assert!(line.iter().all(|tiny| tiny.result() == Some(Value::Number(7))));
}

fn grown_at_the_inner_end() {
    let count = many(100_000);
    let next = Rc::new(Cell::new(None));
    let give_back_the_next = || {
        let (tiny, next) = (Tiny::new(), next.clone());
        tiny.add(move |_| next.take().unwrap_or_else(|| Tiny::fired(5))).plus(1);
        tiny
    };
    let outermost = give_back_the_next();
    let mut innermost = outermost.clone();
    for _ in 0..count {
        let inner = give_back_the_next();
        next.set(Some(inner.clone()));
        innermost.fire(0);
        innermost = inner;
    }
    innermost.fire(0);
    assert_eq!(outermost.result(), Some(Value::Number(5 + count + 1)));
}

macro_rules! on_stacks {
    ($($name:ident)+) => {
        $(mod $name {
            #[test]
            fn on_256_kib() {
                crate::tiny::with_stack(256, super::$name);
            }
            #[test]
            fn on_8_mib() {
                crate::tiny::with_stack(8 * 1024, super::$name);
            }
        })+
    };
}

on_stacks! {
    fired_and_freed
    freed_with_links_that_never_ran
    chained_fired_and_freed
    chained_freed_unfired
    cancelled
    with_later_links
    grown_at_the_inner_end
}
