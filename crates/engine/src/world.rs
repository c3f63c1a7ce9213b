//! What a door brings to the engine.

use crate::chain::Chain;

/// What [`World::step`] did with the front of the queue.
#[derive(Debug)]
pub enum Step<H> {
    /// The queue is empty: the result stays where it is.
    Empty,
    /// A link ran, or had nothing to do; the result that it left is a value or a failure.
    Ran,
    /// A link gave back another deferred. The world keeps it where [`World::waiting_on`] finds it.
    Returned,
    /// The front link was a waiter: the result was moved to this chain, whose wait is over.
    Resumed(H),
    /// A result was given to this chain, and its firing claimed, but its links did not run yet.
    ///
    /// The loop comes back to the chain that gave it only if that has links left, so what is to
    /// become of that chain's own result must be settled by then.
    Fired(H),
    /// The same, by a link that is to go on as if it had fired that chain by a call: until that one
    /// has got as far as it can, this chain counts as running, and then the loop comes back to it.
    Called(H),
}

/// What [`World::call_canceller`] found to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelling {
    /// There is no canceller.
    Missing,
    /// The canceller was called, and is used up.
    Called,
    /// The cancel went on to those that the result will come from; it comes, in their own time.
    PassedOn,
}

/// What happens to a deferred by the engine's own rules; see [`World::observe`].
#[derive(Debug)]
pub enum Event<'a, H> {
    /// It has its first result.
    Fired,
    /// Its front link is about to run.
    Runs,
    /// That link is through, and this is what it did.
    Ran(&'a Step<H>),
    /// It begins to wait for what the link gave back.
    Waits(&'a H),
    /// What it waited for has given it a result.
    Resumed,
    /// It is cancelled: it is the innermost that the cancel has found.
    Cancelled,
}

/// A kind of deferred: its handles, its store of results and links, and how one link is run.
///
/// A world has no rules of its own. It says where things are, and does one thing at a time when
/// the engine asks for it.
///
/// # What every method must keep
///
/// * No borrow, lock or other scope is alive while user code runs, and handles are not invalidated
///   by it.
/// * No method unwinds: a panic or exception of user code is turned into the world's failure.
///
/// # Examples
///
/// A whole world, and a deferred in it that waits for another:
///
/// ```
/// # #![allow(dead_code, unused_imports)]
#[doc = include_str!("doc/tiny.rs")]
///
/// fn main() {
///     let (outer, inner) = (Tiny::default(), Tiny::default());
///     let awaited = inner.clone();
///     outer.add(move |_| Outcome::Later(awaited));
///     outer.add(|value| Outcome::Now(value.map(|n| n + 1)));
///     outer.fire(Ok(0));
///     assert_eq!(outer.look(), None); // it waits
///     inner.fire(Ok(41));
///     assert_eq!(outer.look(), Some(Ok(42)));
/// }
/// ```
pub trait World: Sized {
    /// A shared, counted reference to one deferred.
    type Handle: Clone;

    /// The state behind a handle.
    fn chain(handle: &Self::Handle) -> &Chain;

    /// Whether two handles stand for the same deferred.
    fn same(a: &Self::Handle, b: &Self::Handle) -> bool;

    /// Whether a value or failure (not a deferred) lies in the result's place.
    fn has_result(handle: &Self::Handle) -> bool;

    /// Takes the front link out of the queue and runs it with the result.
    ///
    /// The link must be out of the queue before user code runs, for it may add links or start a
    /// run of its own.
    fn step(handle: &Self::Handle) -> Step<Self::Handle>;

    /// Whether no link and no waiter is left in the queue.
    fn is_drained(handle: &Self::Handle) -> bool;

    /// The loop leaves this chain with an empty queue; failures that nobody handled are noted here.
    fn settled(handle: &Self::Handle);

    /// The deferred that this one waits on: the one that a link gave back, or the one that its
    /// coroutine awaits.
    fn waiting_on(handle: &Self::Handle) -> Option<Self::Handle>;

    /// The deferred that this one's result will come from: as [`waiting_on`](World::waiting_on),
    /// and further one that passes its result on to this one, but is not cancelled from here.
    fn source(handle: &Self::Handle) -> Option<Self::Handle>;

    /// The deferred whose result will come from this one: the other end of
    /// [`source`](World::source), where the world can tell.
    fn waiter(handle: &Self::Handle) -> Option<Self::Handle>;

    /// The deferred that a link gave back has a result: takes it, and forgets that deferred.
    fn take_returned(handle: &Self::Handle);

    /// The deferred that a link gave back has no result yet: queues `handle` as its waiter.
    fn await_returned(handle: &Self::Handle);

    /// The deferred that a link gave back waits, in the end, on `handle` itself.
    ///
    /// Returns whether the world put another result in its place; if not, the wait begins, and
    /// never ends.
    fn refuse_cycle(handle: &Self::Handle) -> bool;

    /// Drops the canceller, if there is one: the chain has fired.
    fn release_canceller(handle: &Self::Handle);

    /// Calls the canceller, if there is one.
    fn call_canceller(handle: &Self::Handle) -> Cancelling;

    /// Fires the chain with the world's own "cancelled" failure.
    fn fire_cancelled(handle: &Self::Handle);

    /// Something has happened to a deferred, or is about to.
    ///
    /// A world that keeps histories notes it here. One that does not leaves this as it is: then
    /// nothing of it is compiled. It must not run user code.
    #[inline(always)]
    fn observe(_handle: &Self::Handle, _event: Event<'_, Self::Handle>) {}
}
