//! The world in which the engine runs the programs: chains with links of every kind it knows.

use super::{Call, Deferred, Outcome, State, Value, settled};
use hereafter_engine::{Cancelling, Chain, Claim, Graveyard, Step, World};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

enum Link {
    Call(Call<Handle>),
    /// The one that waits for this one.
    Waiter(Handle),
    /// One that fires with our result; whether as if by a call.
    Fire(Handle, bool),
}

/// What a chain is.
pub struct Inside {
    chain: Chain,
    result: Cell<Option<Value>>,
    returned: RefCell<Option<Handle>>,
    links: RefCell<VecDeque<Link>>,
    canceller: RefCell<Option<Box<dyn Fn() -> Cancelling>>>,
    /// The result with which the queue was left empty.
    settled: Cell<Option<Value>>,
    cycles: bool,
}

/// A chain on the engine.
#[derive(Clone)]
pub struct Handle(Rc<Inside>);

thread_local! {
    static GRAVEYARD: Graveyard<Handle> = const { Graveyard::new() };
}

impl Drop for Handle {
    fn drop(&mut self) {
        let bare = self.0.links.borrow().is_empty() && self.0.returned.borrow().is_none();
        if Rc::strong_count(&self.0) == 1 && !bare {
            GRAVEYARD.with(|graveyard| graveyard.bury(self.clone(), |dead| dead.forget()));
        }
    }
}

impl Handle {
    fn push(&self, link: Link) {
        self.0.links.borrow_mut().push_back(link);
        if self.0.chain.is_fired() {
            self.run();
        }
    }

    fn hand_on(&self) -> Option<Value> {
        self.0.settled.set(None);
        self.0.result.replace(Some(Value::Nothing))
    }
}

impl Deferred for Handle {
    type Weak = Weak<Inside>;

    fn new(cycles: bool, canceller: Option<Box<dyn Fn() -> Cancelling>>) -> Self {
        Self(Rc::new(Inside {
            chain: Chain::new(),
            result: Cell::new(None),
            returned: RefCell::new(None),
            links: RefCell::default(),
            canceller: RefCell::new(canceller),
            settled: Cell::new(None),
            cycles,
        }))
    }

    fn add(&self, call: Call<Self>) {
        self.push(Link::Call(call));
    }

    fn pass_to(&self, target: &Self, by_call: bool) {
        self.push(Link::Fire(target.clone(), by_call));
    }

    fn fire(&self, value: Value) -> Claim {
        hereafter_engine::fire::<Engine>(self, || self.0.result.set(Some(value)))
    }

    fn fire_held(&self, value: Value) -> Claim {
        let claim = self.0.chain.claim();
        if claim == Claim::Mine {
            Engine::release_canceller(self);
            self.0.result.set(Some(value));
            self.0.chain.hold();
        }
        claim
    }

    fn release(&self) {
        hereafter_engine::release::<Engine>(self);
    }

    fn pause(&self) {
        self.0.chain.pause();
    }

    fn unpause(&self) {
        hereafter_engine::unpause::<Engine>(self);
    }

    fn cancel(&self) {
        hereafter_engine::cancel::<Engine>(self);
    }

    fn run(&self) {
        if self.0.chain.is_fired() {
            hereafter_engine::run::<Engine>(self);
        }
    }

    fn state(&self) -> State {
        let chain = &self.0.chain;
        State {
            fired: chain.is_fired(),
            running: chain.is_running(),
            swallows: chain.swallows(),
            paused: chain.paused(),
            result: self.0.result.get(),
            waits: self.0.returned.borrow().is_some(),
            canceller: self.0.canceller.borrow().is_some(),
            links: self.0.links.borrow().len(),
            settled: settled(self.0.result.get(), self.0.settled.get()),
        }
    }

    fn is_awaited(&self) -> bool {
        Engine::waiter(self).is_some()
    }

    fn forget(&self) {
        let (returned, links) = (self.0.returned.take(), self.0.links.take());
        drop((returned, links));
    }

    fn downgrade(&self) -> Weak<Inside> {
        Rc::downgrade(&self.0)
    }

    fn upgrade(weak: &Weak<Inside>) -> Option<Self> {
        weak.upgrade().map(Self)
    }
}

/// How the engine sees it.
struct Engine;

impl World for Engine {
    type Handle = Handle;

    fn chain(handle: &Handle) -> &Chain {
        &handle.0.chain
    }

    fn same(a: &Handle, b: &Handle) -> bool {
        Rc::ptr_eq(&a.0, &b.0)
    }

    fn has_result(handle: &Handle) -> bool {
        handle.0.result.get().is_some()
    }

    fn step(handle: &Handle) -> Step<Handle> {
        let link = handle.0.links.borrow_mut().pop_front();
        match link {
            None => Step::Empty,
            Some(Link::Call(call)) => {
                let value = handle.0.result.take().expect("a link runs when there is a result");
                match call(value) {
                    Outcome::Now(value) => {
                        handle.0.result.set(Some(value));
                        Step::Ran
                    }
                    Outcome::Later(inner) => {
                        let before = handle.0.returned.replace(Some(inner));
                        assert!(before.is_none(), "a link ran while its chain waited");
                        Step::Returned
                    }
                }
            }
            Some(Link::Waiter(outer)) => {
                outer.0.result.set(handle.hand_on());
                let returned = outer.0.returned.take();
                assert!(returned.is_some_and(|inner| Self::same(&inner, handle)), "no waiter");
                Step::Resumed(outer)
            }
            Some(Link::Fire(target, by_call)) => {
                if target.0.chain.claim() != Claim::Mine {
                    return Step::Ran;
                }
                Self::release_canceller(&target);
                target.0.result.set(handle.hand_on());
                if by_call { Step::Called(target) } else { Step::Fired(target) }
            }
        }
    }

    fn is_drained(handle: &Handle) -> bool {
        handle.0.links.borrow().is_empty()
    }

    fn settled(handle: &Handle) {
        handle.0.settled.set(handle.0.result.get());
    }

    fn waiting_on(handle: &Handle) -> Option<Handle> {
        handle.0.returned.borrow().clone()
    }

    fn source(handle: &Handle) -> Option<Handle> {
        Self::waiting_on(handle)
    }

    fn waiter(handle: &Handle) -> Option<Handle> {
        handle.0.links.borrow().iter().find_map(|link| match link {
            Link::Waiter(outer) => Some(outer.clone()),
            Link::Call(_) | Link::Fire(..) => None,
        })
    }

    fn take_returned(handle: &Handle) {
        let inner = handle.0.returned.take().expect("it was given back");
        handle.0.result.set(inner.hand_on());
    }

    fn await_returned(handle: &Handle) {
        let inner = Self::waiting_on(handle).expect("it was given back");
        inner.0.links.borrow_mut().push_back(Link::Waiter(handle.clone()));
    }

    fn refuse_cycle(handle: &Handle) -> bool {
        let refuse = !handle.0.cycles;
        if refuse {
            drop(handle.0.returned.take());
            handle.0.result.set(Some(Value::Cycle));
        }
        refuse
    }

    fn release_canceller(handle: &Handle) {
        drop(handle.0.canceller.take());
    }

    fn call_canceller(handle: &Handle) -> Cancelling {
        let Some(canceller) = handle.0.canceller.take() else { return Cancelling::Missing };
        let cancelling = canceller();
        if cancelling == Cancelling::PassedOn && !handle.0.chain.is_fired() {
            *handle.0.canceller.borrow_mut() = Some(canceller);
        }
        cancelling
    }

    fn fire_cancelled(handle: &Handle) {
        handle.fire(Value::Cancelled);
    }
}
