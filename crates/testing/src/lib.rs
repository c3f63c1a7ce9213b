//! Tests that fail when they leave memory behind.
//!
//! A test program that uses this crate allocates through [`Counting`], which keeps account of every
//! thread by itself. A module of tests that says `use hereafter_testing::test;` has each of its
//! tests checked: the test runs twice, and what the second run allocates on its thread it must give
//! back, or one of a few more. (The first ones leave what a thread keeps for good, such as the room of
//! its queues.) A test that does its work on another thread, or leaks on purpose, says `#[plain_test]`.
//!
//! Under Miri a test runs once: Miri looks for leaks itself, and takes its time.

#![allow(unsafe_code, reason = "an allocator is unsafe by its nature; this is all there is of it")]

pub use core::prelude::v1::test as plain_test;
pub use hereafter_testing_macros::test;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::thread::LocalKey;

/// The system's allocator, and an account of what each thread has allocated and given back.
#[derive(Debug)]
pub struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
    static FREED: Cell<usize> = const { Cell::new(0) };
}

fn count(account: &'static LocalKey<Cell<usize>>) {
    // On a thread that ends there is nobody to count for.
    let _ = account.try_with(|account| account.set(account.get() + 1));
}

// SAFETY: every call goes on to the system's allocator unchanged, and counting neither allocates
// nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(&ALLOCATED);
        count(&FREED);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(&FREED);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }
}

/// How many allocations `work` makes on this thread, and what it gives back.
///
/// # Examples
///
/// ```
/// let (allocations, number) = hereafter_testing::allocations_of(|| *Box::new(1));
/// assert_eq!((allocations, number), (1, 1));
/// ```
pub fn allocations_of<R>(work: impl FnOnce() -> R) -> (usize, R) {
    let before = ALLOCATED.get();
    let done = work();
    (ALLOCATED.get() - before, done)
}

/// How often work is done until it has to give back all that it allocates. What a thread keeps for
/// the next who needs it, of many sizes, is enough for everybody only after some runs.
const RUNS: usize = 10;

/// How many allocations of this thread have not been given back on it.
fn balance() -> usize {
    ALLOCATED.get().wrapping_sub(FREED.get())
}

/// Checks that `work` gives back on this thread what it allocates there, when it has been done
/// often enough.
///
/// # Panics
///
/// When it does not.
///
/// # Examples
///
/// ```should_panic
/// hereafter_testing::leaves_nothing(|| std::mem::forget(Box::new(1)));
/// ```
#[track_caller]
pub fn leaves_nothing(work: impl Fn()) {
    work();
    if cfg!(miri) {
        return;
    }
    let mut left = 0;
    for _ in 0..RUNS {
        let before = balance();
        work();
        left = balance().wrapping_sub(before).cast_signed();
        if left == 0 {
            return;
        }
    }
    panic!("{left} allocations that it has not given back, run after run");
}
