//! Who runs coroutines, and when.
//!
//! A coroutine is a task of `async-task`. It is woken by the deferred that it awaits, from inside
//! the engine's loop, and must run *there*: synchronously, as Twisted's do, but without nesting a
//! loop in a loop for each coroutine that waits on another. So a wake only queues the task, the
//! loop runs what was queued, and a coroutine that finishes queues its own deferred for the same
//! loop to go on with.
//!
//! A task that is woken by anything else (a timer, a socket, another thread) goes to the
//! [`Mailbox`](crate::mailbox::Mailbox) of its thread.

use crate::cell::CellRef;
use crate::erased::LocalTask;
use crate::mailbox::Mailbox;
use core::cell::{Cell, RefCell};
use std::collections::VecDeque;

struct Driver {
    /// How many [`run_all`] are on the stack.
    depth: Cell<usize>,
    /// Tasks to run next.
    woken: RefCell<VecDeque<LocalTask>>,
    /// Cells that coroutines have filled, and that have not run their links.
    finished: RefCell<Vec<CellRef>>,
    /// The cell that the coroutine being polled will fill.
    current: Cell<Option<CellRef>>,
}

thread_local! {
    static DRIVER: Driver = const {
        Driver {
            depth: Cell::new(0),
            woken: RefCell::new(VecDeque::new()),
            finished: RefCell::new(Vec::new()),
            current: Cell::new(None),
        }
    };
}

impl Driver {
    /// The first of the finished cells after the first `before`, if there are `enough` of those.
    fn take_finished(&self, before: usize, enough: usize) -> Option<CellRef> {
        let mut finished = self.finished.borrow_mut();
        if finished.len() >= before + enough { Some(finished.remove(before)) } else { None }
    }
}

/// Looks at this thread's driver; `None` while the thread is being torn down.
fn with<R>(look: impl FnOnce(&Driver) -> R) -> Option<R> {
    DRIVER.try_with(look).ok()
}

/// Does `start`, runs every task that was woken by it, and gives back the cell of the coroutine
/// that finished last. Others that finished with it have run their links by then.
pub(crate) fn run_all(start: impl FnOnce()) -> Option<CellRef> {
    let before = with(|driver| {
        driver.depth.set(driver.depth.get() + 1);
        driver.finished.borrow().len()
    });
    let depth = before.map(|_| Depth);
    start();
    while let Some(task) = with(|driver| driver.woken.borrow_mut().pop_front()).flatten() {
        task.run();
    }
    drop(depth);
    let before = before?;
    while let Some(cell) = with(|driver| driver.take_finished(before, 2)).flatten() {
        cell.run();
    }
    with(|driver| driver.take_finished(before, 1)).flatten()
}

/// As [`run_all`], from where no loop of the engine could go on with the result.
pub(crate) fn run_here(start: impl FnOnce()) {
    if let Some(cell) = run_all(start) {
        cell.run();
    }
}

struct Depth;

impl Drop for Depth {
    fn drop(&mut self) {
        with(|driver| driver.depth.set(driver.depth.get() - 1));
    }
}

/// Queues a woken task: for the loop that woke it, or for the mailbox of its thread.
pub(crate) fn schedule(home: &Mailbox, task: LocalTask) {
    let mut task = Some(task);
    if home.is_of_this_thread() {
        with(|driver| {
            if driver.depth.get() > 0 {
                driver.woken.borrow_mut().extend(task.take());
            }
        });
    }
    if let Some(task) = task {
        home.post_task(task);
    }
}

/// Queues a cell that a coroutine has just filled, for [`run_all`] to go on with.
pub(crate) fn finished(cell: CellRef) {
    with(|driver| driver.finished.borrow_mut().push(cell));
}

/// Polls a coroutine, on behalf of the cell that it will fill.
pub(crate) fn poll_for<R>(cell: &CellRef, poll: impl FnOnce() -> R) -> R {
    cell.body().set_awaiting(None);
    let before = with(|driver| driver.current.replace(Some(cell.clone()))).flatten();
    let polled = poll();
    drop(with(|driver| driver.current.replace(before)));
    polled
}

/// A deferred was polled and is pending: notes it as what the current coroutine awaits, and gives
/// back that coroutine's cell, if there is one.
///
/// # Errors
///
/// When the deferred waits, in the end, on that very coroutine.
pub(crate) fn note_awaiting(cell: &CellRef) -> Result<Option<CellRef>, ()> {
    let current = with(|driver| {
        let current = driver.current.take();
        driver.current.set(current.clone());
        current
    });
    let Some(current) = current.flatten() else { return Ok(None) };
    if current.closes_cycle(cell) {
        return Err(());
    }
    current.body().set_awaiting(Some(cell.clone()));
    Ok(Some(current))
}
