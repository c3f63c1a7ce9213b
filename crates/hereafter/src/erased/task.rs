//! Tasks that stay on their thread.
//!
//! `async_task::spawn_local` has this too. It looks at the thread through a reference to the whole
//! future, which the aliasing rules that Miri checks by default do not allow for a future that
//! refers to itself; so the look is here, at the task.

use crate::report;
use async_task::{Runnable, ScheduleInfo, Task, WithInfo};
use core::cell::Cell;
use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::atomic::{AtomicU64, Ordering};

/// A thread's number, which no other thread gets. 0 is nobody's.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ThreadNumber(u64);

impl ThreadNumber {
    fn current() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        thread_local! {
            static NUMBER: Cell<u64> = const { Cell::new(0) };
        }
        NUMBER.with(|number| {
            if number.get() == 0 {
                number.set(NEXT.fetch_add(1, Ordering::Relaxed));
            }
            Self(number.get())
        })
    }
}

/// A woken task. It may be sent anywhere, but runs, and is dropped, on its own thread alone.
pub(crate) struct LocalTask {
    task: ManuallyDrop<Runnable>,
    thread: ThreadNumber,
}

impl LocalTask {
    /// Makes a task of a future. `schedule` is given it whenever it is woken, on any thread, and
    /// whether that was while it was polled; the first time it is given back here.
    pub(crate) fn spawn(
        future: impl Future<Output = ()> + 'static,
        schedule: impl Fn(LocalTask, bool) + Send + Sync + 'static,
    ) -> (Self, Task<()>) {
        let thread = ThreadNumber::current();
        let schedule = WithInfo(move |task, info: ScheduleInfo| {
            schedule(Self { task: ManuallyDrop::new(task), thread }, info.woken_while_running);
        });
        // SAFETY: the future is `'static`, and `schedule` is `'static`, `Send` and `Sync`. The
        // future need not be `Send`, because every `Runnable` of it lies in a `LocalTask`, which
        // touches it on this thread alone, and leaks it elsewhere. The `Task` is not `Send`, since
        // it is kept in a cell; its output is `()`.
        let (task, handle) = unsafe { async_task::spawn_unchecked(future, schedule) };
        (Self { task: ManuallyDrop::new(task), thread }, handle)
    }

    fn is_at_home(&self) -> bool {
        self.thread == ThreadNumber::current()
    }

    /// Polls the future once.
    ///
    /// # Panics
    ///
    /// On another thread than that of [`spawn`](LocalTask::spawn).
    pub(crate) fn run(self) {
        assert!(self.is_at_home(), "a coroutine runs on the thread that started it");
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used again, nor dropped.
        let task = unsafe { ManuallyDrop::take(&mut this.task) };
        task.run();
    }
}

impl Drop for LocalTask {
    fn drop(&mut self) {
        if self.is_at_home() {
            // SAFETY: this is the drop, so `task` is not used again; `run` leaves without it.
            unsafe { ManuallyDrop::drop(&mut self.task) };
        }
        // Elsewhere it is leaked: the thread has ended, or this would not have gone astray.
    }
}

/// A future whose drop does not unwind: a panic in it is reported. Async-task would end the process.
pub(crate) struct DropGuarded<F>(ManuallyDrop<F>);

impl<F> DropGuarded<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(ManuallyDrop::new(future))
    }
}

impl<F: Future> Future for DropGuarded<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future is pinned with us: it is neither moved nor handed out, and it is
        // dropped in its place.
        unsafe { self.map_unchecked_mut(|this| &mut *this.0) }.poll(context)
    }
}

impl<F> Drop for DropGuarded<F> {
    fn drop(&mut self) {
        report::guard("a coroutine, when it was dropped", || {
            // SAFETY: this is the drop, so the future is not used again.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        });
    }
}
