//! The deferreds and triggers of a program, and what is told of them.

use super::value::{Outcome, Value, ours_alone, show, show_failure};
use crate::program::{Id, Program, Thing};
use crate::trace::Event;
use hereafter::clock::ManualClock;
use hereafter::report::{self, Collector};
use hereafter::{
    CancelHandle, Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, LockGuard, PauseGuard,
    Permit, SharedTrigger, Trigger,
};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// One program, while it runs.
pub(super) struct World {
    told: RefCell<Vec<Event>>,
    slots: RefCell<BTreeMap<Id, Slot>>,
    things: RefCell<BTreeMap<Thing, Guarded>>,
    /// What a program let go of, but what must not be dropped while it runs: dropping a trigger
    /// fires, and dropping the guard of a pause goes on.
    limbo: RefCell<Vec<Slot>>,
    pub(super) clock: ManualClock,
    /// No more is done or told.
    ended: Cell<bool>,
}

/// A deferred.
#[derive(Default)]
pub(super) struct Slot {
    /// It is not here once it was given away, nor while something is added to it.
    pub(super) handle: Option<Deferred<Value>>,
    pub(super) trigger: Firing,
    /// To cancel it after it was given away.
    pub(super) cancel: Option<CancelHandle>,
    pub(super) pauses: Vec<PauseGuard>,
    /// A link of it is being called.
    running: bool,
    /// What was told of its state last.
    state: Option<State>,
}

/// Who fires a deferred.
#[derive(Default)]
pub(super) enum Firing {
    /// Nobody who could be asked to.
    #[default]
    Nobody,
    Own(Trigger<Value>),
    Shared(SharedTrigger<Value>),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Gone,
    Here { settled: bool },
}

/// A lock, semaphore or queue, and what is held of it.
pub(super) enum Guarded {
    Lock(DeferredLock, Vec<LockGuard>),
    Semaphore(DeferredSemaphore, Vec<Permit>),
    Queue(DeferredQueue<Value>),
}

/// What can be had by one, or by so many, at a time.
pub(super) enum Either {
    Lock(DeferredLock),
    Semaphore(DeferredSemaphore),
}

/// Then what it ends with is reported when the guard goes.
const PAUSED: &str = "a deferred is paused when it is dropped";

/// Runs a program, and gives back what happened.
pub(super) fn trace(program: &Program) -> Vec<Event> {
    let world = Rc::new(World {
        told: RefCell::default(),
        slots: RefCell::default(),
        things: RefCell::default(),
        limbo: RefCell::default(),
        clock: ManualClock::new(),
        ended: Cell::new(false),
    });
    let reports = report::collect();
    for (number, step) in program.iter().enumerate() {
        world.tell("step", [json!(number)]);
        world.perform(std::slice::from_ref(step));
        world.tell_states();
        world.tell_reports(&reports);
    }
    world.tell("end", []);
    world.tell_results();
    world.tell_reports(&reports);
    world.dismantle();
    drop(reports);
    let mut told = world.told.take();
    if Rc::strong_count(&world) > 1 {
        told.push(vec![json!("leak"), json!(Rc::strong_count(&world) - 1)]);
    }
    told
}

impl World {
    // Telling

    pub(super) fn tell(&self, kind: &str, parts: impl IntoIterator<Item = serde_json::Value>) {
        if !self.has_ended() {
            self.told.borrow_mut().push(std::iter::once(json!(kind)).chain(parts).collect());
        }
    }

    /// As [`show`], and the end of what is told if Twisted has no such failure.
    pub(super) fn show(&self, outcome: &Outcome) -> String {
        if let Some(rule) = outcome.as_ref().err().and_then(ours_alone) {
            self.end(rule);
        }
        show(outcome)
    }

    /// Ends the program here: what comes next cannot be written in Rust, or is told otherwise.
    pub(super) fn end(&self, rule: &str) {
        self.tell("ended", [json!(rule)]);
        self.ended.set(true);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    fn tell_states(&self) {
        let mut changes = Vec::new();
        for (id, slot) in self.slots.borrow_mut().iter_mut() {
            let state = match &slot.handle {
                None => State::Gone,
                Some(handle) => State::Here { settled: handle.has_result() },
            };
            if slot.state.replace(state) != Some(state) {
                changes.push((*id, state));
            }
        }
        for (id, state) in changes {
            match state {
                State::Gone => self.tell("gone", [json!(id)]),
                State::Here { settled } => self.tell("state", [json!(id), json!(settled)]),
            }
        }
    }

    fn tell_reports(&self, reports: &Collector) {
        for report in reports.take() {
            if let Some(rule) = ours_alone(&report.failure) {
                self.end(rule);
            }
            self.tell("report", [json!(show_failure(&report.failure))]);
        }
    }

    /// What the deferreds end with that are still here. They go by it, with a report if need be.
    fn tell_results(&self) {
        if self.slots.borrow().values().any(|slot| !slot.pauses.is_empty()) {
            self.tell("lenient", [json!(PAUSED)]);
        }
        let handles: Vec<(Id, Deferred<Value>)> = self
            .slots
            .borrow_mut()
            .iter_mut()
            .filter_map(|(id, slot)| Some((*id, slot.handle.take_if(|d| d.has_result())?)))
            .collect();
        for (id, handle) in handles {
            if let Ok(result) = handle.take_result() {
                self.tell("result", [json!(id), json!(self.show(&result))]);
                drop(Deferred::ready(result));
            }
        }
    }

    /// Takes everything apart, in silence. What runs by that does nothing.
    fn dismantle(&self) {
        self.ended.set(true);
        loop {
            let slots = self.slots.take();
            let things = self.things.take();
            let limbo = self.limbo.take();
            if slots.is_empty() && things.is_empty() && limbo.is_empty() {
                break;
            }
        }
        for call in self.clock.delayed_calls() {
            let _ = call.cancel();
        }
    }

    // Deferreds

    /// Whether a program has a deferred of that number now.
    pub(super) fn has(&self, id: Id) -> bool {
        self.slots.borrow().contains_key(&id)
    }

    pub(super) fn put(&self, id: Id, handle: Deferred<Value>, trigger: Firing) {
        let slot = Slot { handle: Some(handle), trigger, ..Slot::default() };
        let before = self.slots.borrow_mut().insert(id, slot);
        self.limbo.borrow_mut().extend(before);
    }

    /// Takes a deferred out, to be put back by [`put_back`](Self::put_back).
    pub(super) fn take(&self, id: Id) -> Option<Deferred<Value>> {
        let handle = self.slots.borrow_mut().get_mut(&id)?.handle.take();
        if handle.is_none() {
            self.end("a deferred is used that was given away");
        }
        handle
    }

    pub(super) fn put_back(&self, id: Id, handle: Deferred<Value>) {
        let dropped = match self.slots.borrow_mut().get_mut(&id) {
            Some(slot) => slot.handle.replace(handle),
            None => Some(handle),
        };
        drop(dropped);
    }

    /// Takes a deferred out for good. It can be cancelled still.
    pub(super) fn give_away(&self, id: Id) -> Option<Deferred<Value>> {
        let mut handle = self.take(id)?;
        if !handle.has_result()
            && let Some(slot) = self.slots.borrow_mut().get_mut(&id)
            && slot.cancel.is_none()
        {
            slot.cancel = Some(handle.cancel_handle());
        }
        Some(handle)
    }

    /// Notes that a link of a deferred is being called, or is through.
    pub(super) fn runs(&self, id: Id, running: bool) {
        self.with_slot(id, |slot| slot.running = running);
    }

    /// Takes a deferred out to await it.
    pub(super) fn take_to_await(&self, id: Id) -> Option<Deferred<Value>> {
        if self.with_slot(id, |slot| slot.running && !slot.pauses.is_empty()) == Some(true) {
            self.end("a deferred is awaited that is paused while it runs");
            return None;
        }
        self.give_away(id)
    }

    /// Looks at what there is of a deferred. No other code may run meanwhile.
    pub(super) fn with_slot<R>(&self, id: Id, look: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        self.slots.borrow_mut().get_mut(&id).map(look)
    }

    /// Lets go of a deferred. Its handle is dropped now, the rest of it when the program is over.
    pub(super) fn let_go(&self, id: Id) {
        let Some(mut slot) = self.slots.borrow_mut().remove(&id) else { return };
        let handle = (slot.handle.take(), slot.cancel.take());
        if !slot.pauses.is_empty() {
            self.tell("lenient", [json!(PAUSED)]);
        }
        self.limbo.borrow_mut().push(slot);
        drop(handle);
    }

    // Locks, semaphores and queues

    pub(super) fn put_thing(&self, number: Thing, thing: Guarded) {
        self.things.borrow_mut().insert(number, thing);
    }

    /// The lock or semaphore of that number.
    pub(super) fn lock(&self, number: Thing) -> Option<Either> {
        self.with_thing(number, |guarded| match guarded {
            Guarded::Lock(lock, _) => Some(Either::Lock(lock.clone())),
            Guarded::Semaphore(semaphore, _) => Some(Either::Semaphore(semaphore.clone())),
            Guarded::Queue(_) => None,
        })
        .flatten()
    }

    /// Looks at one. No other code may run meanwhile.
    pub(super) fn with_thing<R>(
        &self,
        number: Thing,
        look: impl FnOnce(&mut Guarded) -> R,
    ) -> Option<R> {
        let mut things = self.things.borrow_mut();
        let Some(thing) = things.get_mut(&number) else {
            // What goes with it may let somebody in.
            drop(things);
            drop(look);
            return None;
        };
        Some(look(thing))
    }
}
