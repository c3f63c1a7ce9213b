// A world whose values are numbers, and whose failures are texts.
use hereafter_engine::{Cancelling, Chain, Step, World, cancel, fire, run, unpause};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

type Value = Result<i64, String>;

/// What a link gives back: a value, or another deferred to wait for.
enum Outcome {
    Now(Value),
    Later(Tiny),
}

#[derive(Clone, Default)]
struct Tiny(Rc<Inside>);

#[derive(Default)]
struct Inside {
    chain: Chain,
    result: Cell<Option<Value>>,
    links: RefCell<VecDeque<Box<dyn FnOnce(Value) -> Outcome>>>,
    waiting_on: RefCell<Option<Tiny>>,
    waiter: RefCell<Option<Tiny>>,
}

impl Tiny {
    fn add(&self, link: impl FnOnce(Value) -> Outcome + 'static) {
        self.0.links.borrow_mut().push_back(Box::new(link));
        if self.0.chain.is_fired() {
            run::<Doors>(self);
        }
    }
    fn fire(&self, value: Value) -> hereafter_engine::Claim {
        fire::<Doors>(self, || self.0.result.set(Some(value)))
    }
    fn look(&self) -> Option<Value> {
        let value = self.0.result.take();
        self.0.result.set(value.clone());
        value
    }
}

struct Doors;

impl World for Doors {
    type Handle = Tiny;
    fn chain(d: &Tiny) -> &Chain {
        &d.0.chain
    }
    fn same(a: &Tiny, b: &Tiny) -> bool {
        Rc::ptr_eq(&a.0, &b.0)
    }
    fn has_result(d: &Tiny) -> bool {
        d.look().is_some()
    }
    fn step(d: &Tiny) -> Step<Tiny> {
        let link = d.0.links.borrow_mut().pop_front(); // no borrow is left when it runs
        match (link, d.0.result.take()) {
            (Some(link), Some(value)) => match link(value) {
                Outcome::Now(value) => {
                    d.0.result.set(Some(value));
                    Step::Ran
                }
                Outcome::Later(inner) => {
                    *d.0.waiting_on.borrow_mut() = Some(inner);
                    Step::Returned
                }
            },
            (_, value) => match d.0.waiter.take() {
                Some(outer) => {
                    *outer.0.waiting_on.borrow_mut() = None;
                    outer.0.result.set(value);
                    Step::Resumed(outer)
                }
                None => {
                    d.0.result.set(value);
                    Step::Empty
                }
            },
        }
    }
    fn is_drained(d: &Tiny) -> bool {
        d.0.links.borrow().is_empty() && d.0.waiter.borrow().is_none()
    }
    fn settled(_: &Tiny) {}
    fn waiting_on(d: &Tiny) -> Option<Tiny> {
        d.0.waiting_on.borrow().clone()
    }
    fn source(d: &Tiny) -> Option<Tiny> {
        Self::waiting_on(d)
    }
    fn waiter(d: &Tiny) -> Option<Tiny> {
        d.0.waiter.borrow().clone()
    }
    fn take_returned(d: &Tiny) {
        let inner = d.0.waiting_on.take();
        d.0.result.set(inner.and_then(|inner| inner.0.result.take()));
    }
    fn await_returned(d: &Tiny) {
        if let Some(inner) = Self::waiting_on(d) {
            *inner.0.waiter.borrow_mut() = Some(d.clone());
        }
    }
    fn refuse_cycle(d: &Tiny) -> bool {
        d.0.waiting_on.take();
        d.0.result.set(Some(Err("it would wait on itself".to_owned())));
        true
    }
    fn release_canceller(_: &Tiny) {}
    fn call_canceller(_: &Tiny) -> Cancelling {
        Cancelling::Missing
    }
    fn fire_cancelled(d: &Tiny) {
        d.fire(Err("cancelled".to_owned()));
    }
}
