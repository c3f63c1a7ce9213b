//! Programs for the public API of the native door: all of it together, in any order, from inside
//! callbacks, cancellers, coroutines, delayed calls and drops.
//!
//! There is a model only of what is simple. While a program runs and after it:
//!
//! * the links of a deferred run in the order in which they were added, none of them twice;
//! * a lock is held by one at a time, a semaphore by as many as it has tokens for, and who asks for
//!   one is let in by turns; what is put into a queue comes out in its order, to whoever asked first;
//! * a list has the results of its members as they were, in the order of the members;
//! * a timeout comes when its time has come, and never after the result;
//! * a failure is reported once at most, unless it has been copied;
//! * nothing unwinds out of a call, whatever panics inside;
//! * in the end, when triggers, guards and pauses are gone, time has passed and what still waits is
//!   cancelled, every deferred has a result: nothing hangs. No delayed call is left, and when the
//!   last handle has gone, everything that was made has been dropped, and nothing twice.
//!
//! Programs do not make deferreds wait for themselves: through locks, lists and shared results the
//! crate cannot see that, and such deferreds stay for good. Where it can see it (see `erased`), it
//! does.

mod operations;
mod world;

use crate::program::{Block, FUEL, Link, Program, Which};
use crate::tokens;
use arbitrary::Arbitrary;
use hereafter::report;
use std::rc::Rc;
use world::World;

/// What can be done.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Op {
    /// Makes a deferred and its trigger.
    New(Canceller),
    /// Makes one that has its result.
    Ready(bool),
    /// Adds a link.
    Add(Which, Link, Act),
    /// Fires, with a value or a failure.
    Fire(Which, bool),
    /// Makes a trigger one that can be used more than once.
    Share(Which),
    /// Fires a trigger by way of another thread's door to this one.
    Remote(Which, bool),
    /// Does what has come in by that door.
    RunMailbox,
    /// Drops a trigger.
    Abandon(Which),
    /// Drops a deferred.
    Drop(Which),
    /// Takes the result, if it is there.
    Take(Which),
    /// Pauses.
    Pause(Which),
    /// Drops the guard of a pause.
    Unpause(Which),
    /// Cancels.
    Cancel(Which),
    /// Makes a handle that can cancel it.
    Handle(Which),
    /// Cancels by such a handle; whether it is dropped then.
    CancelByHandle(Which, bool),
    /// Has a trigger fired with the result of a deferred.
    ChainTo(Which, Which),
    /// `shield`
    Shield(Which),
    /// `on_cancel`
    OnCancel(Which, Block),
    /// `add_timeout`, in so many seconds.
    Timeout(Which, u8),
    /// Lets time go on.
    Advance(u8),
    /// Has a block run later.
    CallLater(u8, Block),
    /// `share`
    ShareResult(Which),
    /// Waits for a shared result.
    WaitForShared(Which),
    /// Cancels the deferred that is shared.
    CancelShared(Which),
    /// Several at once; whether failures are consumed, and whether the members are only watched.
    List(Rule, [Which; 3], bool, bool),
    /// Asks for a lock or semaphore.
    Acquire(Which),
    /// Takes one if it is free.
    TryAcquire(Which),
    /// Gives one back.
    Release(Which),
    /// Does something while holding one.
    RunLocked(Which, Act),
    /// Puts something into a queue.
    Put(Which),
    /// Takes something out of a queue.
    Get(Which),
    /// A coroutine that waits for these, one after the other, wakes itself once if asked to, and
    /// ends.
    Coroutine([Which; 2], bool, Act),
}

/// What a link does: it runs a block, and ends.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub struct Act {
    block: Block,
    end: End,
}

/// What a link gives back.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum End {
    /// What it was given.
    Pass,
    /// A value.
    Value,
    /// A failure.
    Failure,
    /// It panics.
    Panics,
    /// A deferred.
    Give(Which),
}

/// How a deferred is cancelled.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Canceller {
    /// It has no canceller.
    None,
    /// It runs a block, and does not fire.
    Runs(Block),
    /// It runs a block, and fires with a value.
    Fires(Block),
    /// It panics.
    Panics,
}

/// What a list waits for.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Rule {
    /// `wait`
    All,
    /// `fire_on_one_callback`
    OneCallback,
    /// `fire_on_one_errback`
    OneErrback,
    /// `fire_on_first`
    First,
    /// `gather_results`
    Gather,
    /// `gather`
    GatherTuple,
    /// `race`
    Race,
}

/// Runs a program.
///
/// # Panics
///
/// When something that must hold does not.
pub fn run(program: &Program<Op>) {
    tokens::begin(Rc::new(|block| World::current().block(block)));
    let collector = report::collect();
    let world = World::begin(program.clone());
    for (number, step) in program.steps.iter().enumerate() {
        world.operate(*step);
        world.look_at(collector.take());
        tokens::assert_nothing_is_wrong(&format_args!("step {number}, {step:?}"));
    }
    let mut rounds = 0;
    while world.settle() {
        rounds += 1;
        if rounds > 2 * FUEL {
            world.assert_that_nothing_hangs();
            panic!("the end does not come");
        }
    }
    world.assert_that_nothing_hangs();
    // What is dropped may make more.
    loop {
        world.look_at(collector.take());
        if !world.let_go() {
            break;
        }
        rounds += 1;
        assert!(rounds <= 4 * FUEL, "the end does not come");
    }
    World::end();
    drop(world);
    tokens::end();
}
