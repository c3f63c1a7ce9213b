//! What may cross threads, what may not, and how wide things are.

use hereafter::clock::{DelayedCall, ManualClock};
use hereafter::mailbox::Mailbox;
use hereafter::{
    CancelHandle, Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, Failure, LockGuard,
    PauseGuard, Permit, RemoteTrigger, SendDeferred, Shared, SharedTrigger, Trigger, errors,
    report,
};
use hereafter_testing::test;
use std::marker::PhantomData;
use std::ops::Deref;

/// Whether `T` has a trait: the method of the type itself is found before that of what it derefs
/// to, if its bound holds.
struct Probe<T>(Fallback, PhantomData<T>);
struct Fallback;

impl<T> Deref for Probe<T> {
    type Target = Fallback;
    fn deref(&self) -> &Fallback {
        &self.0
    }
}

impl Fallback {
    fn is_send(&self) -> bool {
        let Self = self;
        false
    }
    fn is_sync(&self) -> bool {
        let Self = self;
        false
    }
}

impl<T: Send> Probe<T> {
    fn is_send(&self) -> bool {
        let Self(..) = self;
        true
    }
}

impl<T: Sync> Probe<T> {
    fn is_sync(&self) -> bool {
        let Self(..) = self;
        true
    }
}

macro_rules! assert_threads {
    ($($type:ty: $send:literal $sync:literal;)+) => {
        $(
            let probe = Probe::<$type>(Fallback, PhantomData);
            assert_eq!((probe.is_send(), probe.is_sync()), ($send, $sync), stringify!($type));
        )+
    };
}

#[test]
fn what_may_be_sent_and_shared() {
    assert_threads! {
        Failure: true true;
        Result<u32, Failure>: true true;
        report::Report: true true;
        errors::AlreadyCalledError: true true;
        errors::Panicked: true true;
        errors::FailureGroup: true true;
        Mailbox: true true;
        RemoteTrigger<u32>: true true;
        // What only one thread at a time may have can be fired with all the same.
        RemoteTrigger<std::cell::Cell<u32>>: true true;
        SendDeferred<u32>: true true;
        SendDeferred<std::cell::Cell<u32>>: true true;
    }
}

#[test]
fn what_stays_on_its_thread() {
    assert_threads! {
        Deferred<u32>: false false;
        Trigger<u32>: false false;
        SharedTrigger<u32>: false false;
        CancelHandle: false false;
        PauseGuard: false false;
        Shared<u32>: false false;
        DeferredLock: false false;
        LockGuard: false false;
        DeferredSemaphore: false false;
        Permit: false false;
        DeferredQueue<u32>: false false;
        ManualClock: false false;
        DelayedCall: false false;
        report::Collector: false false;
    }
}

#[test]
fn a_deferred_may_be_moved_while_it_is_polled() {
    fn is_unpin<T: Unpin>() {}
    is_unpin::<Deferred<std::marker::PhantomPinned>>();
}

#[test]
fn how_wide_things_are() {
    const POINTER: usize = size_of::<usize>();
    assert_eq!(size_of::<Failure>(), POINTER);
    assert_eq!(size_of::<Option<Failure>>(), POINTER);
    assert_eq!(size_of::<Result<(), Failure>>(), POINTER);
    assert_eq!(size_of::<Trigger<[u64; 100]>>(), POINTER);
    assert_eq!(size_of::<Option<Trigger<u8>>>(), POINTER);
    assert_eq!(size_of::<SharedTrigger<u8>>(), POINTER);
    assert_eq!(size_of::<CancelHandle>(), POINTER);
    assert!(size_of::<Deferred<u64>>() <= 3 * POINTER);
}
