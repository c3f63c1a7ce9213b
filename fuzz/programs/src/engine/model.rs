//! Twisted's own loop, written down once more: `_runCallbacks`, `cancel`, `pause` and `unpause` of
//! `twisted/internet/defer.py`, nearly line by line, with none of the engine's code.
//!
//! What Twisted does not have is done in its manner: a result that is passed on goes as that to a
//! waiter does, one that fires another by a call is a callback that calls `callback`, and a chain
//! that is held counts as running. And one thing is done as the engine does it: a chain that has handed
//! its result on and has no callbacks left is not come back to. Twisted comes back, and if a callback
//! has paused that chain meanwhile, its loop ends there, with the callbacks of others still to run.

use super::{Call, Deferred, Outcome, State, Value, settled};
use hereafter_engine::{Cancelling, Claim};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

enum Callback {
    Call(Call<Handle>),
    /// Twisted's `_CONTINUE`.
    Continue(Handle),
    Fire(Handle, bool),
}

/// What a chain is.
pub struct Inside {
    called: Cell<bool>,
    running_callbacks: Cell<bool>,
    suppress_already_called: Cell<bool>,
    paused: Cell<i32>,
    result: Cell<Option<Value>>,
    chained_to: RefCell<Option<Handle>>,
    callbacks: RefCell<VecDeque<Callback>>,
    canceller: RefCell<Option<Box<dyn Fn() -> Cancelling>>>,
    /// The result with which the queue was left empty.
    settled: Cell<Option<Value>>,
    cycles: bool,
}

/// A chain on the model.
#[derive(Clone)]
pub struct Handle(Rc<Inside>);

impl Handle {
    fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    fn chained_to(&self) -> Option<Self> {
        self.0.chained_to.borrow().clone()
    }

    /// Whether this is what the other waits for, directly or not; a cycle is walked once.
    fn is_below(&self, other: &Self) -> bool {
        let (mut at, mut seen) = (Some(other.clone()), Vec::<Self>::new());
        while let Some(handle) = at {
            if handle.same(self) {
                return true;
            }
            if seen.iter().any(|old| old.same(&handle)) {
                return false;
            }
            at = handle.chained_to();
            seen.push(handle);
        }
        false
    }

    fn hand_on_to(&self, other: &Self) {
        self.0.settled.set(None);
        other.0.result.set(self.0.result.replace(Some(Value::Nothing)));
    }

    fn claim(&self) -> Claim {
        if self.0.called.get() {
            if self.0.suppress_already_called.replace(false) {
                return Claim::Swallowed;
            }
            return Claim::Taken;
        }
        self.0.called.set(true);
        drop(self.0.canceller.take());
        Claim::Mine
    }

    fn push(&self, callback: Callback) {
        self.0.callbacks.borrow_mut().push_back(callback);
        if self.0.called.get() {
            self.run_callbacks();
        }
    }

    fn run_callbacks(&self) {
        if !self.0.running_callbacks.get() {
            self.run_from_here(false);
        }
    }

    /// The outer loop. A chain that is `under_way` is in the inner one already, which no pause ends.
    fn run_from_here(&self, mut under_way: bool) {
        let mut chain = vec![self.clone()];
        while let Some(current) = chain.last().cloned() {
            let goes_on = std::mem::take(&mut under_way);
            if !goes_on && current.0.paused.get() != 0 {
                return;
            }
            match current.run_own_callbacks() {
                Some(next) => {
                    if current.0.callbacks.borrow().is_empty() {
                        chain.pop();
                    }
                    chain.push(next);
                }
                None => drop(chain.pop()),
            }
        }
    }

    /// The inner loop. What is given back goes on the chain.
    fn run_own_callbacks(&self) -> Option<Self> {
        let next = || self.0.callbacks.borrow_mut().pop_front();
        while let Some(callback) = next() {
            match callback {
                Callback::Continue(chainee) => {
                    self.hand_on_to(&chainee);
                    chainee.0.paused.set(chainee.0.paused.get() - 1);
                    drop(chainee.0.chained_to.take());
                    return Some(chainee);
                }
                Callback::Fire(target, by_call) => {
                    if target.claim() != Claim::Mine {
                        continue;
                    }
                    self.hand_on_to(&target);
                    if !by_call {
                        return Some(target);
                    }
                    self.0.running_callbacks.set(true);
                    target.run_callbacks();
                    self.0.running_callbacks.set(false);
                }
                Callback::Call(call) => {
                    let value = self.0.result.take().expect("there is a result");
                    self.0.running_callbacks.set(true);
                    let outcome = call(value);
                    self.0.running_callbacks.set(false);
                    match outcome {
                        Outcome::Now(value) => self.0.result.set(Some(value)),
                        Outcome::Later(inner) if !self.take_result_of(&inner) => return None,
                        Outcome::Later(_) => {}
                    }
                }
            }
        }
        self.0.settled.set(self.0.result.get());
        None
    }

    /// Takes the result of a deferred that a callback gave back, or begins to wait for it.
    fn take_result_of(&self, inner: &Self) -> bool {
        if self.is_below(inner) && !self.0.cycles {
            self.0.result.set(Some(Value::Cycle));
            return true;
        }
        let taken = inner.0.result.get().is_some() && inner.0.paused.get() == 0;
        if taken {
            inner.hand_on_to(self);
        } else {
            self.pause();
            *self.0.chained_to.borrow_mut() = Some(inner.clone());
            inner.0.callbacks.borrow_mut().push_back(Callback::Continue(self.clone()));
        }
        taken
    }
}

impl Deferred for Handle {
    type Weak = Weak<Inside>;

    fn new(cycles: bool, canceller: Option<Box<dyn Fn() -> Cancelling>>) -> Self {
        Self(Rc::new(Inside {
            called: Cell::new(false),
            running_callbacks: Cell::new(false),
            suppress_already_called: Cell::new(false),
            paused: Cell::new(0),
            result: Cell::new(None),
            chained_to: RefCell::new(None),
            callbacks: RefCell::default(),
            canceller: RefCell::new(canceller),
            settled: Cell::new(None),
            cycles,
        }))
    }

    fn add(&self, call: Call<Self>) {
        self.push(Callback::Call(call));
    }

    fn pass_to(&self, target: &Self, by_call: bool) {
        self.push(Callback::Fire(target.clone(), by_call));
    }

    fn fire(&self, value: Value) -> Claim {
        let claim = self.claim();
        if claim == Claim::Mine {
            self.0.result.set(Some(value));
            self.run_callbacks();
        }
        claim
    }

    fn fire_held(&self, value: Value) -> Claim {
        let claim = self.claim();
        if claim == Claim::Mine {
            self.0.result.set(Some(value));
            self.0.running_callbacks.set(true);
        }
        claim
    }

    fn release(&self) {
        self.0.running_callbacks.set(false);
        self.run_from_here(true);
    }

    fn pause(&self) {
        self.0.paused.set(self.0.paused.get() + 1);
    }

    fn unpause(&self) {
        self.0.paused.set(self.0.paused.get() - 1);
        if self.0.paused.get() == 0 && self.0.called.get() {
            self.run_callbacks();
        }
    }

    fn cancel(&self) {
        let mut innermost = self.clone();
        let mut seen = Vec::<Self>::new();
        while let Some(inner) = innermost.chained_to() {
            if seen.iter().any(|old| old.same(&inner)) {
                return;
            }
            seen.push(innermost);
            innermost = inner;
        }
        let inside = &innermost.0;
        if inside.called.get() {
            return;
        }
        let canceller = inside.canceller.take();
        match canceller {
            None => inside.suppress_already_called.set(true),
            Some(canceller) => {
                if canceller() == Cancelling::PassedOn {
                    if !inside.called.get() {
                        *inside.canceller.borrow_mut() = Some(canceller);
                    }
                    return;
                }
            }
        }
        if !inside.called.get() {
            innermost.fire(Value::Cancelled);
        }
    }

    fn run(&self) {
        if self.0.called.get() {
            self.run_callbacks();
        }
    }

    fn state(&self) -> State {
        State {
            fired: self.0.called.get(),
            running: self.0.running_callbacks.get(),
            swallows: self.0.suppress_already_called.get(),
            paused: self.0.paused.get(),
            result: self.0.result.get(),
            waits: self.0.chained_to.borrow().is_some(),
            canceller: self.0.canceller.borrow().is_some(),
            links: self.0.callbacks.borrow().len(),
            settled: settled(self.0.result.get(), self.0.settled.get()),
        }
    }

    fn is_awaited(&self) -> bool {
        let callbacks = self.0.callbacks.borrow();
        callbacks.iter().any(|callback| matches!(callback, Callback::Continue(_)))
    }

    fn forget(&self) {
        let (chained_to, callbacks) = (self.0.chained_to.take(), self.0.callbacks.take());
        drop((chained_to, callbacks));
    }

    fn downgrade(&self) -> Weak<Inside> {
        Rc::downgrade(&self.0)
    }

    fn upgrade(weak: &Weak<Inside>) -> Option<Self> {
        weak.upgrade().map(Self)
    }
}
