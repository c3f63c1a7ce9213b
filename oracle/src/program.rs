//! What a program is made of. `docs/oracle.md` tells what each part does.
//!
//! Every deferred, link, canceller and lock of a program has a number of its own, and each operation
//! runs at most once, so a number always stands for one object. An operation on a number that is not
//! there (yet, or any more) does nothing: a program of which parts are left out is still a program.

use serde::{Deserialize, Serialize};

/// The number of a deferred.
pub(crate) type Id = u32;
/// The number of a lock, semaphore or queue.
pub(crate) type Thing = u32;
/// The number of a callback, canceller or wait, by which the trace tells of it.
pub(crate) type Name = u32;

/// The steps of a program.
pub(crate) type Program = Vec<Op>;

/// One operation; the first number is that of the deferred that it is done to, or that it makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    New(Id, Option<Canceller>),
    Succeed(Id, i64),
    Fail(Id, Error),
    Maybe(Id, Link),
    Execute(Id, Link),
    AddCallback(Id, Link),
    AddErrback(Id, Link),
    AddBoth(Id, Link),
    AddCallbacks(Id, Link, Link),
    Callback(Id, i64),
    CallbackWith(Id, Id),
    Errback(Id, Error),
    ErrbackRaised(Id, Option<Error>),
    Cancel(Id),
    Pause(Id),
    Unpause(Id),
    Chain(Id, Id),
    List(Id, Vec<Id>, Switches),
    Gather(Id, Vec<Id>, bool),
    Race(Id, Vec<Id>),
    Lock(Thing),
    Semaphore(Thing, u32),
    Queue(Thing, Option<u32>, Option<u32>),
    Acquire(Id, Thing),
    Release(Thing),
    Run(Id, Thing, Link),
    Enqueue(Thing, i64),
    Dequeue(Id, Thing),
    Inline(Id, Vec<Statement>),
    Coroutine(Id, Vec<Statement>),
    Timeout(Id, u32, Option<Link>),
    Later(u32, Vec<Op>),
    Advance(u32),
    Drop(Id),
    Collect(),
}

/// An error: its class, and a number that tells it from others.
pub(crate) type Error = (Class, i64);

/// The classes of errors that programs raise and catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// An ordinary error.
    E,
    /// A special case of `E`.
    F,
    /// A `BaseException`; in Rust, a panic.
    B,
    /// `CancelledError`. It is caught, and never raised.
    Cancelled,
    /// Every `Exception`. It is caught, and never raised.
    Any,
    /// Everything. It is caught, and never raised.
    All,
}

/// A callback or errback: what it does, and what it gives back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    pub(crate) name: Name,
    /// What it is given beside the result, by place and by keyword.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) more: Option<i64>,
    pub(crate) r#do: Vec<Op>,
    pub(crate) end: End,
}

/// What a callback gives back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// What it was given.
    Pass,
    Return(i64),
    Raise(Error),
    /// A `Failure` object, as a value.
    Fail(Error),
    /// A deferred, in whatever state it is.
    Give(Id),
    /// `failure.trap(class)`, then nothing; a value is passed on.
    Trap(Class),
}

/// What is called when a deferred is cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Canceller {
    pub(crate) name: Name,
    pub(crate) r#do: Vec<Op>,
    pub(crate) raise: Option<Error>,
}

/// The switches of a `DeferredList`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Switches {
    pub(crate) one_callback: bool,
    pub(crate) one_errback: bool,
    pub(crate) consume: bool,
}

/// A part of the body of a generator or coroutine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Statement {
    Do(Vec<Op>),
    Await(Wait),
    Return(i64),
    /// Twisted's `returnValue`, in a generator.
    ReturnValue(i64),
    Raise(Error),
    /// Returns a deferred.
    Give(Id),
}

/// A `yield` or `await` in a `try`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    pub(crate) name: Name,
    pub(crate) what: Awaited,
    pub(crate) except: Option<Class>,
    pub(crate) handler: Vec<Op>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Awaited {
    Deferred(Id),
    Value(i64),
    /// Another body of the same style.
    Nested(Vec<Statement>),
    /// One of the other style: a coroutine in a generator, a generator in a coroutine.
    Other(Vec<Statement>),
    /// One that has a lock or semaphore while it runs.
    Locked(Thing, Vec<Statement>),
}
