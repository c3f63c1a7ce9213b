//! The reactor as other threads see it.

use crate::reactor::{Reactor, ReactorNotRunning};
use core::fmt;
use hereafter::mailbox::Mailbox;
use hereafter::{Failure, Outcome, maybe_deferred};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// A [`Reactor`] for other threads: `Send`, `Sync`, and cheap to clone. Made by
/// [`Reactor::remote`].
///
/// It does not keep the reactor alive.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let remote = reactor.remote();
/// std::thread::spawn(move || remote.stop());
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RemoteReactor(Arc<Shared>);

struct Shared {
    mailbox: Mailbox,
    thread: ThreadId,
    /// The reactor's thread takes no blocking calls any more.
    closed: Mutex<bool>,
    /// A blocking call got its result, or `closed` was set.
    answered: Condvar,
}

impl RemoteReactor {
    pub(crate) fn new(mailbox: Mailbox) -> Self {
        Self(Arc::new(Shared {
            mailbox,
            thread: thread::current().id(),
            closed: Mutex::new(false),
            answered: Condvar::new(),
        }))
    }

    pub(crate) fn is_of(&self, reactor: &Reactor) -> bool {
        Arc::ptr_eq(&self.0, &reactor.remote().0)
    }

    fn closed(&self) -> MutexGuard<'_, bool> {
        self.0.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets every thread go that waits in [`block_from_thread`](Self::block_from_thread).
    pub(crate) fn close(&self) {
        *self.closed() = true;
        self.0.answered.notify_all();
    }

    /// Has the reactor call `call` on its own thread, after what was asked for before (Twisted's
    /// `callFromThread`).
    ///
    /// Returns at once. Before [`Reactor::run`] the call waits for it; when that has returned, the
    /// call is not made. A panic in it is reported, and stops nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let remote = reactor.remote();
    /// std::thread::spawn(move || {
    ///     remote.call_from_thread(|| Reactor::current().unwrap().stop().unwrap());
    /// });
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_from_thread(&self, call: impl FnOnce() + Send + 'static) {
        self.0.mailbox.post(call);
    }

    /// Stops the reactor, if it runs by the time that it hears of this.
    ///
    /// Returns at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let remote = reactor.remote();
    /// std::thread::spawn(move || remote.stop());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop(&self) {
        let this = self.clone();
        self.call_from_thread(move || {
            if let Some(reactor) = Reactor::current().filter(|reactor| this.is_of(reactor)) {
                // That it is stopping already is what was asked for.
                let _ = reactor.stop();
            }
        });
    }

    /// Calls `call` on the reactor's thread and blocks until its outcome is there (Twisted's
    /// `blockingCallFromThread`).
    ///
    /// # Errors
    ///
    /// The failure that `call` ended in; or [`ReactorNotRunning`], when the reactor stopped, or had
    /// stopped, before there was an outcome.
    ///
    /// # Panics
    ///
    /// When called on the reactor's own thread, which would wait for itself for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Reactor, task::defer_later};
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let remote = reactor.remote();
    /// let thread = std::thread::spawn(move || {
    ///     let answer = remote.block_from_thread(|| {
    ///         let reactor = Reactor::current().unwrap();
    ///         defer_later(&reactor, Duration::from_millis(1), || Ok(42))
    ///     });
    ///     remote.stop();
    ///     answer
    /// });
    /// reactor.run()?;
    /// assert_eq!(thread.join().unwrap()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn block_from_thread<R>(
        &self,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R::Value, Failure>
    where
        R: Outcome,
        R::Value: Send,
    {
        assert_ne!(
            thread::current().id(),
            self.0.thread,
            "the reactor's thread cannot block to wait for itself"
        );
        let answer = Arc::new(Mutex::new(None));
        let (this, slot) = (self.clone(), answer.clone());
        let mut closed = self.closed();
        if *closed {
            return Err(ReactorNotRunning.into());
        }
        self.call_from_thread(move || {
            let outcome = maybe_deferred(call);
            let told = outcome.add_both(move |result| {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                drop(this.closed()); // whoever waits is waiting by now, and not about to
                this.0.answered.notify_all();
            });
            told.detach();
        });
        loop {
            if let Some(result) = answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return result;
            }
            if *closed {
                return Err(ReactorNotRunning.into());
            }
            closed = self.0.answered.wait(closed).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for RemoteReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<RemoteReactor of {:?}>", self.0.thread)
    }
}
