//! The rules: firing, running, waiting, cancelling.

use crate::chain::{Chain, Claim};
use crate::world::{Cancelling, Event, Step, World};
use alloc::vec::Vec;

/// Fires a chain: claims it, lets `put` put the result in place, and runs its links.
///
/// `put` is called only for [`Claim::Mine`]. It must not call user code.
///
/// # Examples
///
/// In the world of [`World`]'s own example:
///
/// ```
/// # #![allow(dead_code, unused_imports)]
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doc/tiny.rs"));
/// # fn main() {
/// let d = Tiny::default();
/// d.add(|value| Outcome::Now(value.map(|n| n + 1)));
/// let claim = fire::<Doors>(&d, || d.0.result.set(Some(Ok(41))));
/// assert_eq!(claim, hereafter_engine::Claim::Mine);
/// assert_eq!(d.look(), Some(Ok(42)));
/// # }
/// ```
#[inline]
pub fn fire<W: World>(handle: &W::Handle, put: impl FnOnce()) -> Claim {
    let claim = W::chain(handle).claim();
    if claim == Claim::Mine {
        W::release_canceller(handle);
        put();
        W::observe(handle, Event::Fired);
        run::<W>(handle);
    }
    claim
}

/// Takes one pause back, and runs the chain if that was the last and there is a result.
///
/// One that was not paused counts below zero then, and is held back until it is paused as often.
///
/// # Examples
///
/// In the world of [`World`]'s own example:
///
/// ```
/// # #![allow(dead_code, unused_imports)]
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doc/tiny.rs"));
/// # fn main() {
/// let d = Tiny::default();
/// d.0.chain.pause();
/// d.fire(Ok(41));
/// d.add(|value| Outcome::Now(value.map(|n| n + 1)));
/// assert_eq!(d.look(), Some(Ok(41)));
/// unpause::<Doors>(&d);
/// assert_eq!(d.look(), Some(Ok(42)));
/// # }
/// ```
pub fn unpause<W: World>(handle: &W::Handle) {
    let chain = W::chain(handle);
    if chain.lift() && chain.is_fired() {
        run::<W>(handle);
    }
}

/// Runs the links of a fired chain, and of every chain that gets its result by that.
///
/// Does nothing when the chain is paused or waiting, or when a loop that is already running it is
/// further up the call stack: that loop will get to the links queued since.
///
/// The chains visited form a stack, not of frames but of handles: a chain that hands its result to
/// another comes back to its own later links after that other has got as far as it can. One that
/// has no later links is not kept, so a long line of waiters is gone through in constant memory.
///
/// # Examples
///
/// In the world of [`World`]'s own example:
///
/// ```
/// # #![allow(dead_code, unused_imports)]
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doc/tiny.rs"));
/// # fn main() {
/// let d = Tiny::default();
/// d.fire(Ok(41));
/// d.0.links.borrow_mut().push_back(Box::new(|value| Outcome::Now(value.map(|n| n + 1))));
/// run::<Doors>(&d); // which `Tiny::add` does
/// assert_eq!(d.look(), Some(Ok(42)));
/// # }
/// ```
#[inline]
pub fn run<W: World>(handle: &W::Handle) {
    if !W::chain(handle).is_running() {
        go_on::<W>(handle, advance::<W>(handle));
    }
}

/// Goes on where a chain has led.
#[inline]
fn go_on<W: World>(handle: &W::Handle, next: Next<W::Handle>) {
    match next {
        Next::Back | Next::Stop => {}
        Next::Chain(next) => {
            let kept = (!W::is_drained(handle)).then(|| handle.clone());
            follow::<W>(kept, next);
        }
        Next::Called(next) => follow::<W>(Some(handle.clone()), next),
    }
}

/// Ends a [`Chain::hold`], and runs the links that have waited for that.
///
/// A chain that was paused meanwhile is in the middle of a run, which no pause ends.
///
/// # Examples
///
/// In the world of [`World`]'s own example:
///
/// ```
/// # #![allow(dead_code, unused_imports)]
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doc/tiny.rs"));
/// # fn main() {
/// let d = Tiny::default();
/// d.fire(Ok(41));
/// d.0.chain.hold();
/// d.add(|value| Outcome::Now(value.map(|n| n + 1)));
/// assert_eq!(d.look(), Some(Ok(41)));
/// hereafter_engine::release::<Doors>(&d);
/// assert_eq!(d.look(), Some(Ok(42)));
/// # }
/// ```
pub fn release<W: World>(handle: &W::Handle) {
    go_on::<W>(handle, run_links::<W>(handle));
}

/// Where the loop goes on after it has worked on one chain.
enum Next<H> {
    /// The chain has done all it can.
    Back,
    /// The chain is paused: whoever waits on it has to go on waiting.
    Stop,
    /// This chain got a result.
    Chain(H),
    /// This one too, by a link that waits for it: the chain left is held.
    Called(H),
}

/// The part of [`run`] that a deferred needs only when another gets its result by it.
///
/// What it keeps are the chains to come back to: those that have links left, and those that are
/// held by a link of theirs which fired the next, and are marked as running.
#[cold]
#[inline(never)]
fn follow<W: World>(first: Option<W::Handle>, second: W::Handle) {
    let mut unfinished: Vec<W::Handle> = Vec::from_iter(first);
    let mut current = second;
    let mut next = advance::<W>(&current);
    loop {
        let last = match next {
            Next::Chain(other) => {
                let previous = core::mem::replace(&mut current, other);
                if !W::is_drained(&previous) {
                    unfinished.push(previous);
                }
                next = advance::<W>(&current);
                continue;
            }
            Next::Called(other) => {
                unfinished.push(core::mem::replace(&mut current, other));
                next = advance::<W>(&current);
                continue;
            }
            Next::Back => unfinished.pop(),
            // It ends what the last call set off, and that call's own chain goes on.
            Next::Stop => loop {
                match unfinished.pop() {
                    Some(waiting) if !W::chain(&waiting).is_running() => {}
                    held => break held,
                }
            },
        };
        let Some(previous) = last else { return };
        current = previous;
        // A held chain is in the middle of a run, which no pause ends.
        next = if W::chain(&current).is_running() {
            run_links::<W>(&current)
        } else {
            advance::<W>(&current)
        };
    }
}

/// Runs the links of one chain until it has no more, has to wait, or hands its result on.
#[inline]
fn advance<W: World>(handle: &W::Handle) -> Next<W::Handle> {
    if W::chain(handle).paused() != 0 {
        return Next::Stop;
    }
    run_links::<W>(handle)
}

#[inline]
fn run_links<W: World>(handle: &W::Handle) -> Next<W::Handle> {
    let chain = W::chain(handle);
    chain.set_running(true);
    let next = loop {
        W::observe(handle, Event::Runs);
        let step = W::step(handle);
        W::observe(handle, Event::Ran(&step));
        match step {
            Step::Ran => {}
            Step::Returned => {
                if !take_or_wait::<W>(handle, chain) {
                    break Next::Back;
                }
            }
            Step::Resumed(next) => {
                W::chain(&next).lift();
                W::observe(&next, Event::Resumed);
                break Next::Chain(next);
            }
            Step::Fired(next) => break Next::Chain(next),
            Step::Called(next) => return Next::Called(next),
            Step::Empty => {
                chain.set_running(false);
                W::settled(handle);
                return Next::Back;
            }
        }
    };
    chain.set_running(false);
    next
}

/// A link gave back another deferred: takes its result if it has one, else begins to wait.
///
/// Whether there is a result to go on with.
fn take_or_wait<W: World>(handle: &W::Handle, chain: &Chain) -> bool {
    let Some(inner) = W::waiting_on(handle) else { return true };
    if closes_cycle::<W>(handle, &inner) && W::refuse_cycle(handle) {
        W::observe(handle, Event::Resumed);
        return true;
    }
    let ready = W::has_result(&inner) && W::chain(&inner).paused() == 0;
    if ready {
        W::take_returned(handle);
        W::observe(handle, Event::Resumed);
    } else {
        chain.pause();
        W::observe(handle, Event::Waits(&inner));
        W::await_returned(handle);
    }
    ready
}

/// Whether the result of `inner`, on which `outer` is about to wait, would have to come from `outer`.
///
/// Looks down from `inner` and up from `outer` by turns; where either way ends, there is no
/// cycle. A long line of waiters that grows at one end is thus never walked as a whole.
///
/// # Examples
///
/// In the world of [`World`]'s own example:
///
/// ```
/// # #![allow(dead_code, unused_imports)]
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doc/tiny.rs"));
/// # fn main() {
/// use hereafter_engine::closes_cycle;
/// let (outer, inner) = (Tiny::default(), Tiny::default());
/// assert!(closes_cycle::<Doors>(&outer, &outer));
/// assert!(!closes_cycle::<Doors>(&outer, &inner));
/// # }
/// ```
pub fn closes_cycle<W: World>(outer: &W::Handle, inner: &W::Handle) -> bool {
    if W::same(outer, inner) {
        return true;
    }
    let mut down = W::source(inner);
    let mut up = W::waiter(outer);
    while let (Some(below), Some(above)) = (down, up) {
        if W::same(&below, outer) || W::same(&above, inner) {
            return true;
        }
        down = W::source(&below);
        up = W::waiter(&above);
    }
    false
}

/// Cancels a deferred, or the innermost one that it waits on.
///
/// One that has fired and waits on nothing stays as it is. One that has not fired calls its
/// canceller; if that did not fire it, it fires with the world's "cancelled" failure. Where there
/// was no canceller, one later firing is swallowed, since whoever would fire it cannot know.
///
/// One that has not fired and waits on another will be fired by work that is under way, a coroutine's.
/// The work hears of the cancel from what it waits on, and whoever waits for what it comes to is told
/// when the cancel is through, the innermost first. Until then, to cancel it again does nothing.
///
/// # Examples
///
/// In the world of [`World`]'s own example:
///
/// ```
/// # #![allow(dead_code, unused_imports)]
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doc/tiny.rs"));
/// # fn main() {
/// let (outer, inner) = (Tiny::default(), Tiny::default());
/// let awaited = inner.clone();
/// outer.add(move |_| Outcome::Later(awaited));
/// outer.fire(Ok(1));
/// cancel::<Doors>(&outer); // reaches the inner one, whose failure travels outwards
/// assert_eq!(outer.look(), Some(Err("cancelled".to_owned())));
/// # }
/// ```
pub fn cancel<W: World>(handle: &W::Handle) {
    let mut innermost = handle.clone();
    // Those on the way that have not fired: work is under way that waits, and will fire them.
    let mut at_work: Vec<W::Handle> = Vec::new();
    // A world that lets cycles be has nothing to cancel in them: Brent's way to notice one.
    let (mut mark, mut steps, mut limit) = (innermost.clone(), 0_usize, 1_usize);
    while let Some(inner) = W::waiting_on(&innermost) {
        if W::same(&inner, &mark) || W::chain(&innermost).is_passing() {
            return;
        }
        let outer = core::mem::replace(&mut innermost, inner);
        let chain = W::chain(&outer);
        if !chain.is_fired() && chain.paused() == 0 {
            at_work.push(outer);
        }
        steps += 1;
        if steps == limit {
            mark = innermost.clone();
            steps = 0;
            limit = limit.saturating_mul(2);
        }
    }
    for outer in &at_work {
        W::chain(outer).set_passing(true);
        W::chain(outer).pause();
    }
    cancel_itself::<W>(&innermost);
    while let Some(outer) = at_work.pop() {
        let chain = W::chain(&outer);
        chain.set_passing(false);
        chain.lift();
        if chain.is_fired() {
            release::<W>(&outer);
        }
    }
}

/// Cancels a deferred that waits on no other.
fn cancel_itself<W: World>(handle: &W::Handle) {
    let chain = W::chain(handle);
    if chain.is_fired() || chain.is_passing() {
        return;
    }
    W::observe(handle, Event::Cancelled);
    match W::call_canceller(handle) {
        Cancelling::Missing => chain.swallow_next(),
        Cancelling::Called => {}
        Cancelling::PassedOn => return,
    }
    if !chain.is_fired() {
        W::fire_cancelled(handle);
    }
}
