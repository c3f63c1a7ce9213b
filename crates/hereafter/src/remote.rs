//! Firing from another thread.

use crate::failure::Failure;
use crate::mailbox::Mailbox;
use crate::trigger::{Trigger, abandoned};
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::marker::PhantomData;
use core::panic::Location;
use std::collections::HashMap;

/// The triggers of this thread that other threads may fire. They never leave it; what travels is
/// their key.
struct Registry {
    next: Cell<u64>,
    triggers: RefCell<HashMap<u64, Box<dyn Any>>>,
}

thread_local! {
    static REGISTRY: Registry =
        Registry { next: Cell::new(0), triggers: RefCell::new(HashMap::new()) };
}

/// A [`Trigger`] for another thread. Made by [`Trigger::remote`].
///
/// Firing posts the result to the [`Mailbox`] of the deferred's own thread, and the callbacks run
/// there. Dropped unfired, it fires with
/// [`Abandoned`](crate::errors::Abandoned) in the same way. When that thread has ended,
/// the result is dropped.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, mailbox::Mailbox};
///
/// let (trigger, d) = Deferred::new();
/// let remote = trigger.remote();
/// std::thread::spawn(move || remote.callback("from afar"));
/// Mailbox::current().wait();
/// assert_eq!(d.take_result().unwrap().unwrap(), "from afar");
/// ```
#[must_use = "a trigger that is dropped fires its deferred with an `Abandoned` failure"]
pub struct RemoteTrigger<T: Send + 'static> {
    home: Mailbox,
    key: u64,
    made: &'static Location<'static>,
    fired: bool,
    value: PhantomData<fn(T)>,
}

impl<T: Send + 'static> RemoteTrigger<T> {
    pub(crate) fn new(trigger: Trigger<T>) -> Self {
        let made = trigger.made();
        let key = REGISTRY.with(|registry| {
            let key = registry.next.get();
            registry.next.set(key + 1);
            registry.triggers.borrow_mut().insert(key, Box::new(trigger));
            key
        });
        Self { home: Mailbox::current(), key, made, fired: false, value: PhantomData }
    }

    /// Fires with a value; returns at once.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, _d) = hereafter::Deferred::new();
    /// trigger.remote().callback(1);
    /// ```
    pub fn callback(self, value: T) {
        self.fire(Ok(value));
    }

    /// Fires with a failure; returns at once.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, _d) = hereafter::Deferred::<u32>::new();
    /// trigger.remote().errback(std::fmt::Error);
    /// ```
    #[track_caller]
    pub fn errback(self, failure: impl Into<Failure>) {
        self.fire(Err(failure.into()));
    }

    /// Fires with either; returns at once.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, _d) = hereafter::Deferred::new();
    /// trigger.remote().fire(Ok(1));
    /// ```
    pub fn fire(mut self, result: Result<T, Failure>) {
        self.post(result);
    }

    fn post(&mut self, result: Result<T, Failure>) {
        self.fired = true;
        let key = self.key;
        self.home.post(move || {
            let trigger = REGISTRY.with(|registry| registry.triggers.borrow_mut().remove(&key));
            if let Some(Ok(trigger)) = trigger.map(<Box<dyn Any>>::downcast::<Trigger<T>>) {
                trigger.fire(result);
            }
        });
    }
}

impl<T: Send + 'static> Drop for RemoteTrigger<T> {
    fn drop(&mut self) {
        if !self.fired {
            self.post(Err(abandoned(self.made)));
        }
    }
}

impl<T: Send + 'static> fmt::Debug for RemoteTrigger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<RemoteTrigger of the Deferred made at {}>", self.made)
    }
}
