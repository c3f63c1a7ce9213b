//! A tiny world: values are numbers, failures are texts, links are boxed closures.
//!
//! As in Twisted, a waiter is a link like any other: several may wait on one deferred, and links
//! may be added behind a waiter.

use hereafter_engine::{Cancelling, Chain, Claim, Graveyard, Step, World};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// What lies in a result's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Number(usize),
    Failure(&'static str),
    /// What is left when the result went elsewhere.
    Nothing,
}

use Value::{Failure, Nothing, Number};

/// What a link gives back.
pub(crate) enum Outcome {
    Now(Value),
    Later(Tiny),
}

impl From<usize> for Outcome {
    fn from(number: usize) -> Self {
        Self::Now(Number(number))
    }
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Self {
        Self::Now(value)
    }
}

impl From<Tiny> for Outcome {
    fn from(deferred: Tiny) -> Self {
        Self::Later(deferred)
    }
}

enum Link {
    Call(Box<dyn FnOnce(Value) -> Outcome>),
    /// The deferred that waits on this one.
    Waiter(Tiny),
    /// The deferred that fires with this one's result.
    Fire(Tiny),
}

type Canceller = Box<dyn FnOnce() -> Cancelling>;

#[derive(Default)]
struct Inside {
    chain: Chain,
    result: Cell<Option<Value>>,
    returned: RefCell<Option<Tiny>>,
    links: RefCell<VecDeque<Link>>,
    canceller: Cell<Option<Canceller>>,
    /// How often the loop left this chain with an empty queue.
    settled: Cell<usize>,
    /// Whether it is one that waits on itself when it is told to.
    lets_cycles_be: Cell<bool>,
}

/// A deferred of the tiny world.
#[derive(Clone, Default)]
pub(crate) struct Tiny(Rc<Inside>);

thread_local! {
    static GRAVEYARD: Graveyard<Tiny> = const { Graveyard::new() };
    static ALIVE: Cell<usize> = const { Cell::new(0) };
}

impl Drop for Inside {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let bare = self.0.links.borrow().is_empty() && self.0.returned.borrow().is_none();
        if Rc::strong_count(&self.0) == 1 && !bare {
            GRAVEYARD.with(|graveyard| {
                graveyard.bury(self.clone(), |dead| {
                    drop(dead.0.returned.take());
                    drop(dead.0.links.take());
                });
            });
        }
    }
}

impl Tiny {
    pub(crate) fn new() -> Self {
        ALIVE.set(ALIVE.get() + 1);
        Self::default()
    }

    /// A deferred with a canceller.
    pub(crate) fn with_canceller(canceller: impl FnOnce() -> Cancelling + 'static) -> Self {
        let tiny = Self::new();
        tiny.0.canceller.set(Some(Box::new(canceller)));
        tiny
    }

    /// A deferred that has fired.
    pub(crate) fn fired(number: usize) -> Self {
        let tiny = Self::new();
        tiny.fire(number);
        tiny
    }

    /// How many deferreds there are on this thread.
    pub(crate) fn alive() -> usize {
        ALIVE.get()
    }

    pub(crate) fn lets_cycles_be(self) -> Self {
        self.0.lets_cycles_be.set(true);
        self
    }

    fn push(&self, link: Link) {
        self.0.links.borrow_mut().push_back(link);
        if self.chain().is_fired() {
            self.run();
        }
    }

    /// Adds a link, which runs now if it can.
    pub(crate) fn add<O: Into<Outcome>>(&self, link: impl FnOnce(Value) -> O + 'static) -> &Self {
        self.push(Link::Call(Box::new(move |value| link(value).into())));
        self
    }

    /// Adds a link that adds to a number, and lets everything else pass.
    pub(crate) fn plus(&self, more: usize) -> &Self {
        self.add(move |value| match value {
            Number(number) => Number(number + more),
            other => other,
        })
    }

    /// Has `other` fire with this one's result.
    pub(crate) fn chain_to(&self, other: &Self) -> &Self {
        self.push(Link::Fire(other.clone()));
        self
    }

    pub(crate) fn fire(&self, number: usize) -> Claim {
        hereafter_engine::fire::<TinyWorld>(self, || self.0.result.set(Some(Number(number))))
    }

    pub(crate) fn fail(&self, text: &'static str) -> Claim {
        hereafter_engine::fire::<TinyWorld>(self, || self.0.result.set(Some(Failure(text))))
    }

    pub(crate) fn run(&self) {
        hereafter_engine::run::<TinyWorld>(self);
    }

    pub(crate) fn pause(&self) {
        self.chain().pause();
    }

    pub(crate) fn unpause(&self) {
        hereafter_engine::unpause::<TinyWorld>(self);
    }

    pub(crate) fn cancel(&self) {
        hereafter_engine::cancel::<TinyWorld>(self);
    }

    pub(crate) fn chain(&self) -> &Chain {
        &self.0.chain
    }

    pub(crate) fn result(&self) -> Option<Value> {
        self.0.result.get()
    }

    pub(crate) fn settled(&self) -> usize {
        self.0.settled.get()
    }

    /// Whether it waits on another.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.returned.borrow().is_some()
    }

    pub(crate) fn has_canceller(&self) -> bool {
        let canceller = self.0.canceller.take();
        let has = canceller.is_some();
        self.0.canceller.set(canceller);
        has
    }

    pub(crate) fn closes_cycle(&self, inner: &Self) -> bool {
        hereafter_engine::closes_cycle::<TinyWorld>(self, inner)
    }

    /// Lets go of what it waits on: for tests that make cycles.
    pub(crate) fn forget(&self) {
        drop(self.0.returned.take());
        drop(self.0.links.take());
    }
}

/// How the engine sees it.
pub(crate) struct TinyWorld;

impl World for TinyWorld {
    type Handle = Tiny;

    fn chain(tiny: &Tiny) -> &Chain {
        tiny.chain()
    }

    fn same(a: &Tiny, b: &Tiny) -> bool {
        Rc::ptr_eq(&a.0, &b.0)
    }

    fn has_result(tiny: &Tiny) -> bool {
        tiny.result().is_some()
    }

    fn step(tiny: &Tiny) -> Step<Tiny> {
        let link = tiny.0.links.borrow_mut().pop_front();
        let Some(link) = link else { return Step::Empty };
        match link {
            Link::Call(call) => {
                let value = tiny.0.result.take().expect("a link runs when there is a result");
                match call(value) {
                    Outcome::Now(value) => {
                        tiny.0.result.set(Some(value));
                        Step::Ran
                    }
                    Outcome::Later(inner) => {
                        drop(tiny.0.returned.replace(Some(inner)));
                        Step::Returned
                    }
                }
            }
            Link::Waiter(outer) => {
                outer.0.result.set(tiny.0.result.replace(Some(Nothing)));
                drop(outer.0.returned.take());
                Step::Resumed(outer)
            }
            Link::Fire(target) => {
                if target.chain().claim() != Claim::Mine {
                    return Step::Ran;
                }
                target.0.result.set(tiny.0.result.replace(Some(Nothing)));
                Step::Fired(target)
            }
        }
    }

    fn is_drained(tiny: &Tiny) -> bool {
        tiny.0.links.borrow().is_empty()
    }

    fn settled(tiny: &Tiny) {
        tiny.0.settled.set(tiny.0.settled.get() + 1);
    }

    fn waiting_on(tiny: &Tiny) -> Option<Tiny> {
        tiny.0.returned.borrow().clone()
    }

    fn source(tiny: &Tiny) -> Option<Tiny> {
        Self::waiting_on(tiny)
    }

    fn waiter(tiny: &Tiny) -> Option<Tiny> {
        tiny.0.links.borrow().iter().find_map(|link| match link {
            Link::Waiter(outer) => Some(outer.clone()),
            Link::Call(_) | Link::Fire(_) => None,
        })
    }

    fn take_returned(tiny: &Tiny) {
        if let Some(inner) = tiny.0.returned.take() {
            tiny.0.result.set(inner.0.result.replace(Some(Nothing)));
        }
    }

    fn await_returned(tiny: &Tiny) {
        if let Some(inner) = Self::waiting_on(tiny) {
            inner.0.links.borrow_mut().push_back(Link::Waiter(tiny.clone()));
        }
    }

    fn refuse_cycle(tiny: &Tiny) -> bool {
        let refuse = !tiny.0.lets_cycles_be.get();
        if refuse {
            drop(tiny.0.returned.take());
            tiny.0.result.set(Some(Failure("a cycle")));
        }
        refuse
    }

    fn release_canceller(tiny: &Tiny) {
        drop(tiny.0.canceller.take());
    }

    fn call_canceller(tiny: &Tiny) -> Cancelling {
        tiny.0.canceller.take().map_or(Cancelling::Missing, |canceller| canceller())
    }

    fn fire_cancelled(tiny: &Tiny) {
        tiny.fail("cancelled");
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl std::fmt::Debug) {
        self.0.borrow_mut().push(format!("{what:?}"));
    }

    /// A link that notes what it is given under a name, and passes it on.
    pub(crate) fn link(&self, name: &'static str) -> impl FnOnce(Value) -> Value + 'static {
        let log = self.clone();
        move |value| {
            log.0.borrow_mut().push(match value {
                Number(number) => format!("{name} {number}"),
                Failure(text) => format!("{name} !{text}"),
                Nothing => format!("{name} nothing"),
            });
            value
        }
    }

    pub(crate) fn take(&self) -> String {
        self.0.take().join(", ")
    }
}

/// Runs `test` on a thread with this much stack.
pub(crate) fn with_stack(kibibytes: usize, test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(kibibytes * 1024).spawn(test);
    thread.expect("a thread can be started").join().expect("the test holds");
}

/// `count`, or what Miri can do in a test's time.
pub(crate) const fn many(count: usize) -> usize {
    if cfg!(miri) { 300 } else { count }
}
