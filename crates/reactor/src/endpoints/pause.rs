//! Waiting for a clock, inside a future.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use hereafter::Failure;
use hereafter::clock::{Clock, DelayedCall};
use hereafter::errors::TimeoutError;
use std::future::poll_fn;
use tokio::sync::oneshot;

/// Is over when its time has come. A drop takes the delayed call back.
pub(super) struct Pause {
    call: DelayedCall,
    due: oneshot::Receiver<()>,
}

impl Pause {
    pub(super) fn new(clock: &dyn Clock, delay: Duration) -> Self {
        let (sender, due) = oneshot::channel();
        let tell = move || {
            // Where nobody waits any more, nobody has to be told.
            let _ = sender.send(());
        };
        let call = clock.schedule(delay, Box::new(tell));
        Self { call, due }
    }
}

impl Future for Pause {
    type Output = ();

    /// It is over, too, when the clock is gone.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        pin!(&mut self.due).poll(context).map(drop)
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        // It has been made, where the pause is over.
        let _ = self.call.cancel();
    }
}

/// What `future` comes to, or [`TimeoutError`] when it takes longer than `timeout`.
pub(super) async fn within<T>(
    clock: &dyn Clock,
    timeout: Duration,
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut pause = Pause::new(clock, timeout);
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(result) = future.as_mut().poll(context) {
            return Poll::Ready(result);
        }
        let late = || Err(Failure::new(TimeoutError { after: timeout }));
        Pin::new(&mut pause).poll(context).map(|()| late())
    })
    .await
}
