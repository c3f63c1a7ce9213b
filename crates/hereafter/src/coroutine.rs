//! Sequential style: coroutines, and futures, as deferreds.

use crate::cell::{Canceller, Head, cycle};
use crate::deferred::{Deferred, Repr};
use crate::driver;
use crate::erased::{self, DropGuarded, LocalTask};
use crate::failure::Failure;
use crate::mailbox::Mailbox;
use crate::outcome::Outcome;
use crate::report;
use crate::trigger::Trigger;
use core::future::{Future, poll_fn};
use core::panic::Location;
use core::pin::pin;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Puts a coroutine's result in place, for the driver to go on with.
fn finish<T: 'static>(trigger: Trigger<T>, result: Deferred<T>) {
    // It has done its part: what is left of the task may go without a word.
    let end = trigger.into_end();
    let cell = end.cell().clone();
    let result = match result.into_repr() {
        Repr::Ready(result) => result,
        // What it gives back waits for the coroutine itself: neither would ever fire.
        Repr::Pending(out) if cell.closes_cycle(out.cell()) => {
            drop(Deferred::pending(out));
            Err(cycle(cell.made()))
        }
        Repr::Pending(out) => {
            let source = out.chain_to(end, true);
            source.seal();
            if source.chain().is_fired() {
                source.run();
            }
            return;
        }
        Repr::Gone => Err(Failure::already_taken()),
    };
    if cell.claim() {
        end.put(result);
        driver::finished(cell);
    } else {
        report::unwanted(|| drop(result));
    }
}

impl<T: 'static> Deferred<T> {
    /// Runs a coroutine: a deferred of what `coroutine` gives back in the end (Twisted's
    /// `Deferred.fromCoroutine`).
    ///
    /// It starts at once, before this returns, and runs to its first `.await` that has no result
    /// yet. As long as it awaits deferreds it needs no reactor: it goes on inside the call that
    /// fires what it awaits. Other futures wake it by the [`Mailbox`] of this thread, which a
    /// reactor looks after.
    ///
    /// A panic in it is a [`Panicked`](crate::errors::Panicked) failure.
    ///
    /// Dropping the deferred lets the coroutine go on by itself. One that can never go on, because
    /// the last waker of the future that it awaits has gone, is dropped then, from the mailbox.
    ///
    /// # Cancelling
    ///
    /// [`cancel`](Deferred::cancel) reaches the deferred that it awaits, and arrives as a
    /// [`CancelledError`](crate::errors::CancelledError) at that `.await`; the coroutine may handle
    /// it and go on. Of several deferreds awaited together it reaches one; await
    /// [`gather_results`](crate::gather_results) of them instead, whose cancel reaches all. When it
    /// awaits a future that is not a deferred, the coroutine is dropped there.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    ///
    /// let (trigger, d) = Deferred::<u32>::new();
    /// let sum = Deferred::from_coroutine(async move {
    ///     let n = d.await?;
    ///     Ok(n + 1)
    /// });
    /// trigger.callback(41); // the coroutine goes on in here
    /// assert_eq!(sum.take_result().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn from_coroutine<F>(coroutine: F) -> Self
    where
        F: Future + 'static,
        F::Output: Outcome<Value = T>,
    {
        let (end, out) = erased::cell(Head::new(Location::caller()));
        let trigger = Trigger::new(end);
        let home = Mailbox::current();
        let task = async move {
            let mut coroutine = pin!(DropGuarded::new(coroutine));
            let result = poll_fn(|context| {
                let poll = || coroutine.as_mut().poll(context).map(Outcome::into_deferred);
                driver::poll_for(trigger.end.cell(), || {
                    catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|panic| {
                        core::task::Poll::Ready(Deferred::fail(Failure::from_panic(panic)))
                    })
                })
            })
            .await;
            finish(trigger, result);
        };
        let (woken, task) = LocalTask::spawn(task, move |task, while_running| {
            driver::schedule(&home, task, while_running);
        });
        out.cell().set_canceller(Canceller::Coroutine(task));
        driver::run(woken);
        match out.take() {
            Some(result) => Self::ready(result),
            None => Self::pending(out),
        }
    }

    /// A deferred of what a future gives back (Twisted's `Deferred.fromFuture`).
    ///
    /// The future is polled at once, and then whenever it wakes this thread's
    /// [`Mailbox`]. What kind of reactor it needs is the future's affair: tokio's need a running
    /// one, such as `hereafter-reactor`.
    ///
    /// # Cancelling
    ///
    /// The result is [`CancelledError`](crate::errors::CancelledError) at once, and
    /// [`cancel`](Deferred::cancel) drops the future before it returns; one that has been woken
    /// already is dropped when its turn comes.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    ///
    /// let d = Deferred::from_future(async { "42".parse::<u32>() });
    /// assert_eq!(d.take_result().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn from_future<E: Into<Failure>>(
        future: impl Future<Output = Result<T, E>> + 'static,
    ) -> Self {
        Self::from_coroutine(async move { future.await.map_err(Into::into) })
    }
}
