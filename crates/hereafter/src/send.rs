//! Waiting for a deferred on another thread.

use crate::deferred::Deferred;
use crate::failure::Failure;
use crate::report;
use crate::sync::{Mutex, MutexGuard};
use core::fmt;
use core::future::Future;
use core::panic::Location;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, PoisonError};

/// A future of a deferred's result for any thread; made by [`Deferred::into_send`].
///
/// The deferred stays on its own thread; this only gets its result. Dropping it lets the deferred
/// go on: its value is dropped then, and its failure reported, on whichever thread comes last.
pub struct SendDeferred<T: Send + 'static>(Arc<Mutex<State<T>>>);

struct State<T> {
    result: Option<Result<T, Failure>>,
    waker: Option<Waker>,
    /// The result was handed out.
    taken: bool,
}

impl<T> Drop for State<T> {
    /// On whichever of the two threads comes last.
    fn drop(&mut self) {
        if let Some(Err(failure)) = self.result.take() {
            report::failure("Unhandled error in Deferred", failure);
        }
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// A future of the result that can be sent to, and awaited on, another thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    ///
    /// let (trigger, d) = Deferred::<u32>::new();
    /// let future = d.into_send();
    /// let thread = std::thread::spawn(|| futures::executor::block_on(future).unwrap());
    /// trigger.callback(42);
    /// assert_eq!(thread.join().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn into_send(self) -> SendDeferred<T> {
        let state = Arc::new(Mutex::new(State { result: None, waker: None, taken: false }));
        let arrived = Arc::downgrade(&state);
        let arrive = move |result: Result<T, Failure>| match arrived.upgrade() {
            Some(state) => {
                let waker = {
                    let mut state = lock(&state);
                    state.result = Some(result);
                    state.waker.take()
                };
                if let Some(waker) = waker {
                    waker.wake();
                }
                Ok(())
            }
            None => result.map(drop),
        };
        self.hand_over(arrive, Location::caller());
        SendDeferred(state)
    }
}

fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send + 'static> Future for SendDeferred<T> {
    type Output = Result<T, Failure>;

    /// The result, once it is there.
    ///
    /// # Panics
    ///
    /// When polled again after that.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Wakers are somebody else's code: none is cloned or dropped while the state is locked.
        let waker = context.waker().clone();
        let mut state = lock(&self.0);
        assert!(!state.taken, "a deferred was polled after it had given its result");
        if let Some(result) = state.result.take() {
            state.taken = true;
            return Poll::Ready(result);
        }
        let before = state.waker.replace(waker);
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl<T: Send + 'static> fmt::Debug for SendDeferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendDeferred").field("has_result", &lock(&self.0).result.is_some()).finish()
    }
}
