//! Random chains against a naive model of what Twisted's documentation says goes on inside.
//!
//! What is dropped is counted by each test itself, since no two runs of one are the same.

// Miri runs the other tests; this one needs many cases.
#![cfg(not(miri))]

mod common;

use common::{Drops, Oops, Token, quietly};
use hereafter::errors::{CancelledError, Panicked};
use hereafter::{Deferred, Failure, PauseGuard, Trigger, report};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// What a callback or an errback does with what it is given.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Gives back a value: the argument and so many more.
    Value(u8),
    Fail(u8),
    Panic,
    /// On the errback side: hands the failure on. On the callback side: gives back the argument.
    Pass,
    /// Gives back a deferred that was born with a value.
    Ready(u8),
    /// Gives back a deferred that has been fired.
    Fired(u8),
    FailedDeferred(u8),
    CancelledDeferred,
    /// Gives back a deferred that is fired later.
    Pending(Cancel),
}

/// How a pending deferred takes a cancel.
#[derive(Debug, Clone, Copy)]
enum Cancel {
    NoCanceller,
    Canceller,
    CancellerWithValue(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Map,
    /// Callbacks that give back a `Result`.
    TryCallback,
    /// Callbacks that give back a `Deferred`.
    Callback,
    TryErrback,
    Errback,
    Callbacks,
    TryBoth,
    Both,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    kind: Kind,
    /// Which type comes out of it.
    to: usize,
    /// How much it captures.
    ballast: usize,
    on_value: Act,
    on_failure: Act,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Add(Link),
    Fire(Result<u8, u8>),
    /// Fires one of the deferreds that links gave back.
    FireInner(usize, Result<u8, u8>),
    Pause,
    Unpause,
    Cancel,
}

/// A result as the model has it, and as tests show it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    Value(u8),
    Oops(u8),
    Panicked,
    Cancelled,
}

fn show(failure: &Failure) -> Shown {
    if let Some(oops) = failure.check::<Oops>() {
        Shown::Oops(u8::try_from(oops.0).unwrap())
    } else if failure.is::<Panicked>() {
        Shown::Panicked
    } else {
        assert!(failure.is::<CancelledError>(), "{failure:#?}");
        Shown::Cancelled
    }
}

fn oops(n: u8) -> Failure {
    Failure::new(Oops(u32::from(n)))
}

// The model.

struct ModelInner {
    cancel: Cancel,
    waiting: bool,
    /// Whether its trigger is still to be used.
    to_fire: bool,
}

#[derive(Default)]
struct Model {
    result: Option<Shown>,
    fired: bool,
    paused: usize,
    waits_on: Option<usize>,
    links: VecDeque<(usize, Link)>,
    added: usize,
    inners: Vec<ModelInner>,
    trace: Vec<(usize, Shown)>,
}

impl Model {
    fn run(&mut self) {
        while self.paused == 0 && self.waits_on.is_none() && self.result.is_some() {
            let Some((number, link)) = self.links.pop_front() else { break };
            let result = self.result.take().unwrap();
            self.result = self.run_one(number, link, result);
        }
    }

    fn run_one(&mut self, number: usize, link: Link, result: Shown) -> Option<Shown> {
        let is_value = matches!(result, Shown::Value(_));
        let act = match (link.kind, is_value) {
            (Kind::Map | Kind::TryCallback | Kind::Callback, false)
            | (Kind::TryErrback | Kind::Errback, true) => return Some(result),
            (_, true) => link.on_value,
            (_, false) => link.on_failure,
        };
        self.trace.push((number, result.clone()));
        let argument = if let Shown::Value(n) = result { n } else { 0 };
        match act {
            Act::Value(n) | Act::Ready(n) | Act::Fired(n) => {
                Some(Shown::Value(argument.wrapping_add(n)))
            }
            Act::Fail(n) | Act::FailedDeferred(n) => Some(Shown::Oops(n)),
            Act::Panic => Some(Shown::Panicked),
            Act::Pass => Some(result),
            Act::CancelledDeferred => Some(Shown::Cancelled),
            Act::Pending(cancel) => {
                self.waits_on = Some(self.inners.len());
                self.inners.push(ModelInner { cancel, waiting: true, to_fire: true });
                None
            }
        }
    }

    fn inner_done(&mut self, result: Shown) {
        if let Some(inner) = self.waits_on.take() {
            self.inners[inner].waiting = false;
            // Each inner has a link of its own, that adds one.
            self.result = Some(match result {
                Shown::Value(n) => Shown::Value(n.wrapping_add(1)),
                failed => failed,
            });
            self.run();
        }
    }

    fn fire(&mut self, result: Result<u8, u8>) {
        if !self.fired {
            self.fired = true;
            self.result = Some(result.map_or_else(Shown::Oops, Shown::Value));
            self.run();
        }
    }

    fn fire_inner(&mut self, choice: usize, result: Result<u8, u8>) {
        let open: Vec<_> = (0..self.inners.len()).filter(|n| self.inners[*n].to_fire).collect();
        if open.is_empty() {
            return;
        }
        let inner = open[choice % open.len()];
        self.inners[inner].to_fire = false;
        if self.inners[inner].waiting {
            self.inner_done(result.map_or_else(Shown::Oops, Shown::Value));
        }
    }

    fn cancel(&mut self) {
        if let Some(inner) = self.waits_on {
            self.inner_done(match self.inners[inner].cancel {
                Cancel::NoCanceller | Cancel::Canceller => Shown::Cancelled,
                Cancel::CancellerWithValue(n) => Shown::Value(n),
            });
        } else if !self.fired {
            self.fired = true;
            self.result = Some(Shown::Cancelled);
            self.run();
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Add(link) => {
                self.links.push_back((self.added, link));
                self.added += 1;
                self.run();
            }
            Step::Fire(result) => self.fire(result),
            Step::FireInner(choice, result) => self.fire_inner(choice, result),
            Step::Pause => self.paused += 1,
            Step::Unpause => {
                self.paused = self.paused.saturating_sub(1);
                self.run();
            }
            Step::Cancel => self.cancel(),
        }
    }
}

// The real thing, in types of several sizes.

thread_local! {
    static DROPS: Drops = Drops::new();
}

/// A type of value that carries a small number.
trait Carrier: 'static {
    fn of(number: u8) -> Self;
    fn number(&self) -> u8;
}

impl Carrier for u8 {
    fn of(number: u8) -> Self {
        number
    }
    fn number(&self) -> u8 {
        *self
    }
}

impl Carrier for String {
    fn of(number: u8) -> Self {
        number.to_string()
    }
    fn number(&self) -> u8 {
        self.parse().unwrap()
    }
}

impl Carrier for [u64; 8] {
    fn of(number: u8) -> Self {
        [u64::from(number); 8]
    }
    fn number(&self) -> u8 {
        assert!(self.iter().all(|word| *word == self[0]));
        u8::try_from(self[7]).unwrap()
    }
}

#[repr(align(32))]
struct Aligned {
    number: u8,
    token: Token,
}

impl Carrier for Aligned {
    fn of(number: u8) -> Self {
        Self { number, token: DROPS.with(Drops::token) }
    }
    fn number(&self) -> u8 {
        self.token.hold();
        assert_eq!(std::ptr::from_ref(self) as usize % 32, 0);
        self.number
    }
}

/// What a link captures besides what it needs.
trait Ballast: Carrier {}
impl Ballast for u8 {}
impl Ballast for [u64; 8] {}
impl Ballast for Aligned {}

/// A deferred of one of the types.
enum Any {
    Byte(Deferred<u8>),
    Text(Deferred<String>),
    Array(Deferred<[u64; 8]>),
    Aligned(Deferred<Aligned>),
}

trait Wrap: Carrier + Sized {
    fn wrap(d: Deferred<Self>) -> Any;
}

macro_rules! wrap {
    ($($type:ty => $variant:ident),+) => {
        $(impl Wrap for $type {
            fn wrap(d: Deferred<Self>) -> Any {
                Any::$variant(d)
            }
        })+
    };
}

wrap!(u8 => Byte, String => Text, [u64; 8] => Array, Aligned => Aligned);

/// Does something with the deferred, whatever its type.
macro_rules! with_any {
    ($any:expr, $d:pat => $do:expr) => {
        match $any {
            Any::Byte($d) => $do,
            Any::Text($d) => $do,
            Any::Array($d) => $do,
            Any::Aligned($d) => $do,
        }
    };
}

type Firing = Box<dyn FnOnce(Result<u8, u8>)>;

#[derive(Default)]
struct Context {
    trace: RefCell<Vec<(usize, Shown)>>,
    inners: RefCell<Vec<Firing>>,
}

fn firing<T: Carrier>(trigger: Trigger<T>) -> Firing {
    Box::new(move |result| trigger.fire(result.map(T::of).map_err(oops)))
}

/// What links share, the number of this one, and things to be dropped.
struct Held<B> {
    context: Rc<Context>,
    number: usize,
    link: Link,
    token: Token,
    ballast: B,
}

impl<B: Ballast> Held<B> {
    /// Does what a link does, with the side it was called on.
    fn call<T: Carrier, U: Carrier>(&self, result: Result<T, Failure>) -> Deferred<U> {
        self.token.hold();
        assert_eq!(self.ballast.number(), 77);
        let (shown, act) = match &result {
            Ok(value) => (Shown::Value(value.number()), self.link.on_value),
            Err(failure) => (show(failure), self.link.on_failure),
        };
        self.context.trace.borrow_mut().push((self.number, shown));
        let argument = result.as_ref().map_or(0, Carrier::number);
        let value = |n: u8| U::of(argument.wrapping_add(n));
        match act {
            Act::Value(n) | Act::Ready(n) => Deferred::succeed(value(n)),
            Act::Fail(n) | Act::FailedDeferred(n) => Deferred::fail(oops(n)),
            Act::Panic => panic!("on purpose"),
            Act::Pass => Deferred::ready(result.map(|value| U::of(value.number()))),
            Act::Fired(n) => {
                let (trigger, d) = Deferred::new();
                trigger.callback(value(n));
                d
            }
            Act::CancelledDeferred => {
                let (trigger, d) = Deferred::new();
                d.cancel();
                drop(trigger);
                d
            }
            Act::Pending(cancel) => {
                let (trigger, d) = match cancel {
                    Cancel::NoCanceller => Deferred::new(),
                    Cancel::Canceller => Deferred::with_canceller(|| None),
                    Cancel::CancellerWithValue(n) => {
                        Deferred::with_canceller(move || Some(Ok(U::of(n))))
                    }
                };
                self.context.inners.borrow_mut().push(firing(trigger));
                d.map(|value: U| U::of(value.number().wrapping_add(1)))
            }
        }
    }

    /// As `call`, for links whose acts give back no pending deferred.
    fn call_now<T: Carrier, U: Carrier>(&self, result: Result<T, Failure>) -> Result<U, Failure> {
        let Ok(result) = self.call(result).take_result() else { unreachable!("it is at once") };
        result
    }
}

fn add_to<T: Wrap, U: Wrap, B: Ballast>(d: Deferred<T>, held: Held<B>) -> Any {
    match held.link.kind {
        Kind::Map => U::wrap(d.map(move |value| match held.call_now(Ok(value)) {
            Ok(value) => value,
            Err(_) => unreachable!("a map gives back a value"),
        })),
        Kind::TryCallback => U::wrap(d.add_callback(move |value| held.call_now(Ok(value)))),
        Kind::Callback => U::wrap(d.add_callback(move |value| held.call(Ok(value)))),
        Kind::TryErrback => {
            T::wrap(d.add_errback(move |failure| held.call_now::<T, T>(Err(failure))))
        }
        Kind::Errback => T::wrap(d.add_errback(move |failure| held.call::<T, T>(Err(failure)))),
        Kind::Callbacks => {
            let held = Rc::new(held);
            let other = held.clone();
            U::wrap(d.add_callbacks(
                move |value| held.call::<T, U>(Ok(value)),
                move |failure| other.call::<T, U>(Err(failure)),
            ))
        }
        Kind::TryBoth => U::wrap(d.add_both(move |result| held.call_now::<T, U>(result))),
        Kind::Both => U::wrap(d.add_both(move |result| held.call::<T, U>(result))),
    }
}

fn add_with<B: Ballast>(any: Any, held: Held<B>) -> Any {
    let to = held.link.to;
    with_any!(any, d => match to {
        0 => add_to::<_, u8, B>(d, held),
        1 => add_to::<_, String, B>(d, held),
        2 => add_to::<_, [u64; 8], B>(d, held),
        _ => add_to::<_, Aligned, B>(d, held),
    })
}

fn add(any: Any, context: &Rc<Context>, number: usize, link: Link) -> Any {
    fn held<B: Ballast>(context: &Rc<Context>, number: usize, link: Link) -> Held<B> {
        let token = DROPS.with(Drops::token);
        Held { context: context.clone(), number, link, token, ballast: B::of(77) }
    }
    match link.ballast {
        0 => add_with(any, held::<u8>(context, number, link)),
        1 => add_with(any, held::<[u64; 8]>(context, number, link)),
        _ => add_with(any, held::<Aligned>(context, number, link)),
    }
}

struct Real {
    context: Rc<Context>,
    d: Cell<Option<Any>>,
    trigger: Option<Firing>,
    guards: Vec<PauseGuard>,
    added: usize,
}

impl Real {
    fn new(cancel: Cancel) -> Self {
        let (trigger, d) = match cancel {
            Cancel::NoCanceller => Deferred::<u8>::new(),
            Cancel::Canceller | Cancel::CancellerWithValue(_) => Deferred::with_canceller(|| None),
        };
        Self {
            context: Rc::default(),
            d: Cell::new(Some(Any::Byte(d))),
            trigger: Some(firing(trigger)),
            guards: Vec::new(),
            added: 0,
        }
    }

    /// Starts with its result there.
    fn ready(result: Result<u8, u8>) -> Self {
        let d = Deferred::ready(result.map_err(oops));
        Self { d: Cell::new(Some(Any::Byte(d))), trigger: None, ..Self::new(Cancel::Canceller) }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Add(link) => {
                let d = self.d.take().unwrap();
                self.d.set(Some(add(d, &self.context, self.added, link)));
                self.added += 1;
            }
            Step::Fire(result) => {
                if let Some(fire) = self.trigger.take() {
                    fire(result);
                }
            }
            Step::FireInner(choice, result) => {
                let fire = {
                    let mut inners = self.context.inners.borrow_mut();
                    let count = inners.len();
                    if count == 0 { None } else { Some(inners.remove(choice % count)) }
                };
                if let Some(fire) = fire {
                    fire(result);
                }
            }
            Step::Pause => {
                let guard = with_any!(self.d.get_mut().as_mut().unwrap(), d => d.pause());
                self.guards.push(guard);
            }
            Step::Unpause => drop(self.guards.pop()),
            Step::Cancel => with_any!(self.d.get_mut().as_ref().unwrap(), d => d.cancel()),
        }
    }

    fn result(&mut self) -> Option<Shown> {
        fn shown<T: Carrier>(result: Result<T, Failure>) -> Shown {
            result.map_or_else(|failure| show(&failure), |value| Shown::Value(value.number()))
        }
        with_any!(self.d.take().unwrap(), d => d.take_result().ok().map(shown))
    }
}

/// Does the same with the model and the real thing, and then all that is left to be done.
fn both_do(steps: &[Step], cancel: Cancel, ready: Option<Result<u8, u8>>) -> (Model, Real) {
    let (mut model, mut real) = (Model::default(), Real::new(cancel));
    if let Some(result) = ready {
        real = Real::ready(result);
        model.fire(result);
    }
    let mut both = |step| {
        model.step(step);
        real.step(step);
        (model.paused > 0 || !model.fired, model.inners.iter().any(|inner| inner.to_fire))
    };
    for step in steps {
        both(*step);
    }
    both(Step::Fire(Ok(9)));
    while let (true, _) | (_, true) = {
        both(Step::Unpause);
        both(Step::FireInner(0, Ok(3)))
    } {}
    (model, real)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => any::<u8>().prop_map(Act::Value),
        2 => any::<u8>().prop_map(Act::Fail),
        1 => Just(Act::Panic),
        2 => Just(Act::Pass),
    ]
}

fn cancel() -> impl Strategy<Value = Cancel> {
    prop_oneof![
        Just(Cancel::NoCanceller),
        Just(Cancel::Canceller),
        any::<u8>().prop_map(Cancel::CancellerWithValue),
    ]
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => act(),
        1 => any::<u8>().prop_map(Act::Ready),
        1 => any::<u8>().prop_map(Act::Fired),
        1 => any::<u8>().prop_map(Act::FailedDeferred),
        1 => Just(Act::CancelledDeferred),
        4 => cancel().prop_map(Act::Pending),
    ]
}

fn link() -> impl Strategy<Value = Link> {
    let sides = |on_value: BoxedStrategy<Act>, on_failure: BoxedStrategy<Act>, kind| {
        (0..4_usize, 0..3_usize, on_value, on_failure).prop_map(
            move |(to, ballast, on_value, on_failure)| Link {
                kind,
                to,
                ballast,
                on_value,
                on_failure,
            },
        )
    };
    let value = || any::<u8>().prop_map(Act::Value).boxed();
    prop_oneof![
        2 => sides(value(), value(), Kind::Map),
        1 => sides(act().boxed(), value(), Kind::TryCallback),
        3 => sides(any_act().boxed(), value(), Kind::Callback),
        1 => sides(value(), act().boxed(), Kind::TryErrback),
        3 => sides(value(), any_act().boxed(), Kind::Errback),
        3 => sides(any_act().boxed(), any_act().boxed(), Kind::Callbacks),
        1 => sides(act().boxed(), act().boxed(), Kind::TryBoth),
        3 => sides(any_act().boxed(), any_act().boxed(), Kind::Both),
    ]
}

fn fired_with() -> impl Strategy<Value = Result<u8, u8>> {
    prop_oneof![any::<u8>().prop_map(Ok), any::<u8>().prop_map(Err)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => link().prop_map(Step::Add),
        2 => fired_with().prop_map(Step::Fire),
        4 => (0..8_usize, fired_with()).prop_map(|(choice, result)| Step::FireInner(choice, result)),
        1 => Just(Step::Pause),
        2 => Just(Step::Unpause),
        1 => Just(Step::Cancel),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_does_what_the_model_does(
        steps in prop::collection::vec(step(), 0..40),
        cancel in cancel(),
        ready in prop::option::of(fired_with()),
    ) {
        let collector = report::collect();
        let (model, mut real) = quietly(|| both_do(&steps, cancel, ready));
        prop_assert_eq!(&*real.context.trace.borrow(), &model.trace);
        prop_assert_eq!(real.result(), model.result);
        prop_assert!(model.links.is_empty());
        drop(real);
        prop_assert_eq!(DROPS.with(Drops::alive), 0);
        prop_assert!(collector.take().is_empty());
    }

    #[test]
    fn a_chain_that_is_given_up_leaves_nothing(
        steps in prop::collection::vec(step(), 0..40),
        cancel in cancel(),
        order in prop::collection::vec(0..4_u8, 8),
    ) {
        let collector = report::collect();
        quietly(|| {
            let mut real = Real::new(cancel);
            for step in steps {
                real.step(step);
            }
            // Its parts go in any order.
            let Real { context, d, mut trigger, mut guards, .. } = real;
            for part in order {
                match part {
                    0 => drop(d.take()),
                    1 => drop(trigger.take()),
                    2 => guards.clear(),
                    _ => {
                        let inners = context.inners.take();
                        drop(inners);
                    }
                }
            }
            drop((d, trigger, guards));
            // What is dropped there may make others.
            while !context.inners.borrow().is_empty() {
                let inners = context.inners.take();
                drop(inners);
            }
        });
        prop_assert_eq!(DROPS.with(Drops::alive), 0);
        prop_assert!(collector.take().len() <= 1);
    }
}
