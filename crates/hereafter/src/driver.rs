//! Who runs coroutines, and when.
//!
//! A coroutine is a task of `async-task`. It is woken by the deferred that it awaits, from inside
//! the engine's loop, and must run *there*: synchronously, as Twisted's do, but without nesting a
//! loop in a loop for each coroutine that waits on another. So such a wake only queues the task,
//! the loop runs what was queued, and a coroutine that finishes queues its own deferred for the
//! same loop to go on with.
//!
//! A task that is woken by anything else (a timer, a socket, another thread) goes to the
//! [`Mailbox`](crate::mailbox::Mailbox) of its thread. One that wakes itself, as several futures
//! polled by one do now and then, goes on where it is, a few times; then it goes to the mailbox
//! too, so that nobody is kept waiting by one that always has something to do.

use crate::cell::CellRef;
use crate::erased::LocalTask;
use crate::mailbox::Mailbox;
use crate::report;
use core::cell::{Cell, RefCell};
use core::task::Waker;
use std::collections::VecDeque;

/// How often tasks may go on at once that woke themselves, in one run.
const YIELDS: u32 = 128;

struct Driver {
    /// What is woken right now is woken by a deferred.
    waking: Cell<bool>,
    /// The coroutine that was polled last was woken by a deferred in the course of it.
    resumed: Cell<bool>,
    /// How often tasks that woke themselves may still go on in this run.
    yields: Cell<u32>,
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
            waking: Cell::new(false),
            resumed: Cell::new(false),
            yields: Cell::new(0),
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

    /// Whether a task goes on in the run that is under way.
    fn goes_on_here(&self, while_running: bool) -> bool {
        if !while_running {
            return self.waking.get();
        }
        let left = self.yields.get();
        if !self.resumed.get() {
            self.yields.set(left.saturating_sub(1));
        }
        self.resumed.get() || left > 0
    }
}

/// Looks at this thread's driver; `None` while the thread is being torn down.
fn with<R>(look: impl FnOnce(&Driver) -> R) -> Option<R> {
    DRIVER.try_with(look).ok()
}

/// Wakes a task, on behalf of a deferred that has its result, and runs it. `coroutine` is the cell
/// that it will fill, if it is a coroutine.
///
/// Gives back the cell of the coroutine that finished last. Others that finished with it have run
/// their links by then.
pub(crate) fn wake(waker: Waker, coroutine: Option<CellRef>) -> Option<CellRef> {
    if let Some(coroutine) = coroutine {
        // It may be the very one that is being polled; then it is scheduled only after that.
        coroutine.note_resumed(true);
    }
    waking(|| waker.wake());
    run_woken()
}

/// Drops a task, and with it the future in it, which async-task has run for that.
pub(crate) fn cancel(task: async_task::Task<()>) {
    waking(|| drop(task));
    run_woken_here();
}

/// Runs a task that was woken, or that begins.
pub(crate) fn run(task: LocalTask) {
    with(|driver| driver.woken.borrow_mut().push_back(task));
    run_woken_here();
}

fn waking(wake: impl FnOnce()) {
    let before = with(|driver| driver.waking.replace(true));
    // Somebody else's code: it must not unwind through the engine's loop.
    report::guard("a waker", wake);
    with(|driver| driver.waking.set(before.unwrap_or(false)));
}

fn run_woken() -> Option<CellRef> {
    let (waking, yields, before) = with(|driver| {
        let before = driver.finished.borrow().len();
        (driver.waking.replace(false), driver.yields.replace(YIELDS), before)
    })?;
    while let Some(task) = with(|driver| driver.woken.borrow_mut().pop_front()).flatten() {
        task.run();
    }
    with(|driver| {
        driver.waking.set(waking);
        driver.yields.set(yields);
    });
    while let Some(cell) = with(|driver| driver.take_finished(before, 2)).flatten() {
        cell.run();
    }
    with(|driver| driver.take_finished(before, 1)).flatten()
}

/// As [`run_woken`], from where no loop of the engine could go on with the result.
fn run_woken_here() {
    if let Some(cell) = run_woken() {
        cell.run();
    }
}

/// Queues a woken task: for the loop that woke it, or for the mailbox of its thread.
///
/// `while_running`: it was woken while it was polled, and that poll is just over.
pub(crate) fn schedule(home: &Mailbox, task: LocalTask, while_running: bool) {
    let mut task = Some(task);
    if home.is_of_this_thread() {
        with(|driver| {
            if driver.goes_on_here(while_running) {
                driver.woken.borrow_mut().extend(task.take());
            }
        });
    }
    if let Some(task) = task {
        home.post_task(task);
    }
}

/// Queues a cell that a coroutine has just filled, for [`run_woken`] to go on with.
pub(crate) fn finished(cell: CellRef) {
    with(|driver| driver.finished.borrow_mut().push(cell));
}

/// Polls a coroutine, on behalf of the cell that it will fill.
pub(crate) fn poll_for<R>(cell: &CellRef, poll: impl FnOnce() -> R) -> R {
    cell.body().set_awaiting(None);
    cell.note_resumed(false);
    let before = with(|driver| driver.current.replace(Some(cell.clone()))).flatten();
    let polled = poll();
    drop(with(|driver| {
        driver.resumed.set(cell.was_resumed());
        driver.current.replace(before)
    }));
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
