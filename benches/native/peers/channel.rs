//! The one-shot channels of three crates behind one face.

use crate::measure::{Kind, System};

/// A one-shot channel: what a Deferred and its trigger are, less the callbacks.
pub(crate) trait Channel: 'static {
    /// The name of the peer that composes combinators over it.
    const COMPOSED: System;
    /// The name of the peer that boxes each combinator.
    const BOXED: System;
    /// The name of the peer that gathers them.
    const GATHERED: System;
    type Closed: 'static;
    type Sender<T: 'static>: 'static;
    type Receiver<T: 'static>: Future<Output = Result<T, Self::Closed>> + Unpin + 'static;

    fn open<T: 'static>() -> (Self::Sender<T>, Self::Receiver<T>);
    fn send<T: 'static>(sender: Self::Sender<T>, value: T);
}

/// `tokio::sync::oneshot`.
pub(crate) struct Tokio;

impl Channel for Tokio {
    const COMPOSED: System = System::new("tokio oneshot, static maps", Kind::Composed);
    const BOXED: System = System::new("tokio oneshot, boxed maps", Kind::Erased);
    const GATHERED: System = System::new("futures join_all of tokio oneshots", Kind::Erased);
    type Closed = tokio::sync::oneshot::error::RecvError;
    type Sender<T: 'static> = tokio::sync::oneshot::Sender<T>;
    type Receiver<T: 'static> = tokio::sync::oneshot::Receiver<T>;

    #[inline]
    fn open<T: 'static>() -> (Self::Sender<T>, Self::Receiver<T>) {
        tokio::sync::oneshot::channel()
    }

    #[inline]
    fn send<T: 'static>(sender: Self::Sender<T>, value: T) {
        // The receiver is alive; whether it takes the value is seen when it is polled.
        drop(sender.send(value));
    }
}

/// `futures::channel::oneshot`.
pub(crate) struct Futures;

impl Channel for Futures {
    const COMPOSED: System = System::new("futures oneshot, static maps", Kind::Composed);
    const BOXED: System = System::new("futures oneshot, boxed maps", Kind::Erased);
    const GATHERED: System = System::new("futures join_all of futures oneshots", Kind::Erased);
    type Closed = futures::channel::oneshot::Canceled;
    type Sender<T: 'static> = futures::channel::oneshot::Sender<T>;
    type Receiver<T: 'static> = futures::channel::oneshot::Receiver<T>;

    #[inline]
    fn open<T: 'static>() -> (Self::Sender<T>, Self::Receiver<T>) {
        futures::channel::oneshot::channel()
    }

    #[inline]
    fn send<T: 'static>(sender: Self::Sender<T>, value: T) {
        drop(sender.send(value));
    }
}

/// The crate `oneshot`.
pub(crate) struct Oneshot;

impl Channel for Oneshot {
    const COMPOSED: System = System::new("oneshot crate, static maps", Kind::Composed);
    const BOXED: System = System::new("oneshot crate, boxed maps", Kind::Erased);
    const GATHERED: System = System::new("futures join_all of the oneshot crate's", Kind::Erased);
    type Closed = oneshot::RecvError;
    type Sender<T: 'static> = oneshot::Sender<T>;
    type Receiver<T: 'static> = oneshot::AsyncReceiver<T>;

    #[inline]
    fn open<T: 'static>() -> (Self::Sender<T>, Self::Receiver<T>) {
        oneshot::async_channel()
    }

    #[inline]
    fn send<T: 'static>(sender: Self::Sender<T>, value: T) {
        drop(sender.send(value));
    }
}
