//! The callback chain behind Hereafter's Deferreds, with no idea what a value or a callback is.
//!
//! A *deferred* is a result that is not there yet, and the queue of *links* (callbacks and
//! errbacks) that want it. This crate is the part of it that every door to Hereafter shares: when a
//! link may run, in which order, what happens when a link gives back another deferred, how firing
//! twice is told, how a cancel finds its way to the innermost wait. It is `no_std`, has no
//! dependency and no `unsafe` code.
//!
//! Read it in this order:
//!
//! * [`Chain`]: the state of one deferred, field by field, with who may change it and when;
//! * [`World`]: what a door brings along: its handles, and how to run one link; and
//!   [`Event`], what it is told if it wants to keep histories;
//! * [`fire`], [`run`], [`cancel`], [`unpause`], [`closes_cycle`]: the rules themselves;
//! * [`Graveyard`]: how long chains are freed without recursion.
//!
//! # The rules
//!
//! 1. **Nothing is borrowed while user code runs.** The engine keeps its state in [`Cell`]s and
//!    reads them anew after every link, so a link may fire, cancel, pause or extend any deferred,
//!    the running one too.
//! 2. **Nothing recurses.** A deferred that waits on another, one that passes its result to
//!    another, and a coroutine that finishes because a deferred fired are all continued by the loop
//!    that is already running. A million of them take no more stack than one.
//! 3. **The order is Twisted's.** Links run inside the call that fires, in the order they were
//!    added; links added later, from wherever, run after those.
//!
//! This is the ground floor; programs use the crate `hereafter`.
//!
//! [`Cell`]: core::cell::Cell
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod chain;
mod grave;
mod run;
mod world;

pub use chain::{Chain, Claim};
pub use grave::Graveyard;
pub use run::{cancel, closes_cycle, fire, release, run, unpause};
pub use world::{Cancelling, Event, Step, World};
