//! Programs for the engine: some chains, and links that do anything to any of them.
//!
//! The same program runs in a [`world`] on the engine, and on a [`model`] that is Twisted's own loop,
//! written down once more without the engine. After every step the two are compared:
//!
//! * every link that ran, in order, with its argument; every canceller; what became of each firing;
//! * the state of every chain: fired, running, paused, swallowing, its result, whether it waits, how
//!   many links it has left, and whether it has been freed.
//!
//! In the end what is not fired is fired, what is paused goes on, and what is held is released. Then
//! no chain may have a link left (but one that waits, in the end, for itself); each link has run or
//! been dropped, once; and when the last handle has gone, every chain has been freed.

pub mod model;
pub mod world;

use crate::program::{Block, FUEL, Program, Which};
use arbitrary::Arbitrary;
use hereafter_engine::{Cancelling, Claim};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What can be done to chains.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Op {
    /// Makes a chain.
    New(Canceller),
    /// Adds a link, which runs a block and then ends.
    Add(Which, Block, End),
    /// Has the second fire with the result of the first, as the last thing the loop does with it.
    PassTo(Which, Which),
    /// The same, by a link that goes on as if it had fired the other by a call.
    CallTo(Which, Which),
    /// Fires, with a number or a failure.
    Fire(Which, u8, bool),
    /// Fires, and holds the links back until `Release`.
    FireHeld(Which, u8),
    /// Lets the links of one that is held run.
    Release(Which),
    /// Pauses.
    Pause(Which),
    /// Takes back one `Pause`.
    Unpause(Which),
    /// Cancels.
    Cancel(Which),
    /// Lets go of the handle.
    Drop(Which),
}

/// What a link ends in, after its block.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum End {
    /// What it was given.
    Pass,
    /// A number.
    Number(u8),
    /// A failure.
    Failure(u8),
    /// A chain, in whatever state it is.
    Give(Which),
}

/// What a chain does when it is cancelled.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Canceller {
    /// It has no canceller.
    None,
    /// It runs a block.
    Runs(Block),
    /// It passes the cancel on to another chain, as often as asked.
    PassesOn(Which),
}

/// What lies in a result's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A value.
    Number(u8),
    /// A failure.
    Failure(u8),
    /// The failure of one that was cancelled.
    Cancelled,
    /// The failure of one that would have waited for itself.
    Cycle,
    /// What is left when the result went elsewhere.
    Nothing,
}

/// What a link gives back.
pub enum Outcome<D> {
    /// A result.
    Now(Value),
    /// One to wait for.
    Later(D),
}

/// A link.
pub type Call<D> = Box<dyn FnOnce(Value) -> Outcome<D>>;

/// All that can be told of a chain from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "that is what a chain consists of")]
pub struct State {
    /// Whether it has fired.
    pub fired: bool,
    /// Whether it is running or held.
    pub running: bool,
    /// Whether one late firing is to be swallowed.
    pub swallows: bool,
    /// How often it is paused.
    pub paused: i32,
    /// Its result.
    pub result: Option<Value>,
    /// Whether it waits for another.
    pub waits: bool,
    /// Whether it has a canceller.
    pub canceller: bool,
    /// How many links are queued.
    pub links: usize,
    /// Whether its queue was left empty with the result that it has now. The engine need not come
    /// back to one that has handed its result on, so that does not count.
    pub settled: bool,
}

fn settled(result: Option<Value>, noted: Option<Value>) -> bool {
    result.is_some_and(|result| result != Value::Nothing) && noted == result
}

/// A kind of deferred on which programs run.
pub trait Deferred: Clone + 'static {
    /// A handle that keeps nothing alive.
    type Weak;
    /// A chain that has not fired; `cycles` tells whether it may wait for itself.
    fn new(cycles: bool, canceller: Option<Box<dyn Fn() -> Cancelling>>) -> Self;
    /// Adds a link.
    fn add(&self, call: Call<Self>);
    /// Adds a link that fires `target` with the result.
    fn pass_to(&self, target: &Self, by_call: bool);
    /// Fires.
    fn fire(&self, value: Value) -> Claim;
    /// Fires and holds the links.
    fn fire_held(&self, value: Value) -> Claim;
    /// Ends `fire_held`.
    fn release(&self);
    /// Pauses.
    fn pause(&self);
    /// Takes a pause back.
    fn unpause(&self);
    /// Cancels.
    fn cancel(&self);
    /// Runs what can run.
    fn run(&self);
    /// What can be told of it.
    fn state(&self) -> State;
    /// Whether another waits for it.
    fn is_awaited(&self) -> bool;
    /// Drops its links and what it waits for, where it waits for itself.
    fn forget(&self);
    /// A handle that keeps nothing alive.
    fn downgrade(&self) -> Self::Weak;
    /// The chain, if it is still there.
    fn upgrade(weak: &Self::Weak) -> Option<Self>;
}

/// What happens, and what one can see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Called { link: usize, with: Value },
    Cancelled { chain: usize },
    Fired { chain: usize, claim: Claim },
}

/// A run of a program on one kind of deferred.
struct Run<D: Deferred> {
    program: Rc<Program<Op>>,
    cycles: bool,
    fuel: Cell<u32>,
    /// The handles of the program; a dropped one leaves its place empty.
    handles: RefCell<Vec<Option<D>>>,
    /// The pauses of each, and whether it is held.
    kept: RefCell<Vec<(u32, bool)>>,
    /// All chains, for the end.
    all: RefCell<Vec<D::Weak>>,
    links: Cell<usize>,
    /// One clone for each link that has not gone.
    token: Rc<()>,
    events: RefCell<Vec<Event>>,
}

impl<D: Deferred> Run<D> {
    fn new(program: Rc<Program<Op>>, cycles: bool) -> Rc<Self> {
        Rc::new(Self {
            program,
            cycles,
            fuel: Cell::new(FUEL),
            handles: RefCell::default(),
            kept: RefCell::default(),
            all: RefCell::new(Vec::new()),
            links: Cell::new(0),
            token: Rc::new(()),
            events: RefCell::default(),
        })
    }

    fn note(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    /// The chain that is meant, if it has not been dropped.
    fn at(&self, which: Which) -> Option<(usize, D)> {
        let handles = self.handles.borrow();
        let place = which.of(handles.len())?;
        handles[place].clone().map(|chain| (place, chain))
    }

    fn block(self: &Rc<Self>, block: Block) {
        for place in 0..self.program.blocks[block.place()].len() {
            self.operate(self.program.blocks[block.place()][place]);
        }
    }

    fn operate(self: &Rc<Self>, op: Op) {
        let Some(left) = self.fuel.get().checked_sub(1) else { return };
        self.fuel.set(left);
        // Every arm lets go of its handles before it is told of what has been freed.
        let _ = self.perform(op);
    }

    fn perform(self: &Rc<Self>, op: Op) -> Option<()> {
        match op {
            Op::New(canceller) => self.make(canceller),
            Op::Add(which, block, end) => self.at(which)?.1.add(self.link(block, end)),
            Op::PassTo(from, to) => self.at(from)?.1.pass_to(&self.at(to)?.1, false),
            Op::CallTo(from, to) => self.at(from)?.1.pass_to(&self.at(to)?.1, true),
            Op::Fire(which, number, failure) => {
                let value = if failure { Value::Failure(number) } else { Value::Number(number) };
                let (chain, d) = self.at(which)?;
                let claim = d.fire(value);
                self.note(Event::Fired { chain, claim });
            }
            Op::FireHeld(which, number) => {
                let (chain, d) = self.at(which)?;
                let claim = d.fire_held(Value::Number(number));
                if claim == Claim::Mine {
                    self.kept.borrow_mut()[chain].1 = true;
                }
                self.note(Event::Fired { chain, claim });
            }
            Op::Release(which) => {
                let (chain, d) = self.at(which)?;
                self.release(chain, &d);
            }
            Op::Pause(which) => {
                let (chain, d) = self.at(which)?;
                self.kept.borrow_mut()[chain].0 += 1;
                d.pause();
            }
            Op::Unpause(which) => {
                let (chain, d) = self.at(which)?;
                self.unpause(chain, &d);
            }
            Op::Cancel(which) => self.at(which)?.1.cancel(),
            Op::Drop(which) => {
                let place = which.of(self.handles.borrow().len())?;
                let dropped = self.handles.borrow_mut()[place].take();
                drop(dropped);
            }
        }
        Some(())
    }

    fn make(self: &Rc<Self>, canceller: Canceller) {
        let number = self.all.borrow().len();
        let run = Rc::downgrade(self);
        let canceller: Option<Box<dyn Fn() -> Cancelling>> = match canceller {
            Canceller::None => None,
            Canceller::Runs(block) => Some(Box::new(move || {
                let Some(run) = run.upgrade() else { return Cancelling::Called };
                run.note(Event::Cancelled { chain: number });
                run.block(block);
                Cancelling::Called
            })),
            Canceller::PassesOn(to) => Some(Box::new(move || {
                let Some(run) = run.upgrade() else { return Cancelling::PassedOn };
                run.note(Event::Cancelled { chain: number });
                run.operate(Op::Cancel(to));
                Cancelling::PassedOn
            })),
        };
        let d = D::new(self.cycles, canceller);
        self.all.borrow_mut().push(d.downgrade());
        self.kept.borrow_mut().push((0, false));
        self.handles.borrow_mut().push(Some(d));
    }

    fn link(self: &Rc<Self>, block: Block, end: End) -> Call<D> {
        let number = self.links.get();
        self.links.set(number + 1);
        let run = Rc::downgrade(self);
        let token = self.token.clone();
        Box::new(move |with| {
            drop(token);
            let Some(run) = run.upgrade() else { return Outcome::Now(with) };
            run.note(Event::Called { link: number, with });
            run.block(block);
            match end {
                End::Pass => Outcome::Now(with),
                End::Number(number) => Outcome::Now(Value::Number(number)),
                End::Failure(number) => Outcome::Now(Value::Failure(number)),
                End::Give(which) => match run.at(which) {
                    // Where cycles are refused, one result has one place to go to.
                    Some((_, d)) if run.cycles || !d.is_awaited() => Outcome::Later(d),
                    _ => Outcome::Now(with),
                },
            }
        })
    }

    fn release(&self, chain: usize, d: &D) {
        let held = std::mem::take(&mut self.kept.borrow_mut()[chain].1);
        if held {
            d.release();
        }
    }

    fn unpause(&self, chain: usize, d: &D) {
        let paused = {
            let mut kept = self.kept.borrow_mut();
            let paused = kept[chain].0 > 0;
            kept[chain].0 = kept[chain].0.saturating_sub(1);
            paused
        };
        if paused {
            d.unpause();
        }
    }

    fn alive(&self, chain: usize) -> Option<D> {
        self.all.borrow().get(chain).and_then(D::upgrade)
    }

    /// The state of each chain; of a freed one, none.
    fn states(&self) -> Vec<Option<State>> {
        (0..self.all.borrow().len()).map(|chain| Some(self.alive(chain)?.state())).collect()
    }

    /// Does to each chain what is left to be done, so that nothing need stay as it is.
    fn finish(&self) {
        let mut chain = 0;
        while chain < self.all.borrow().len() {
            if let Some(d) = self.alive(chain) {
                self.release(chain, &d);
                while self.kept.borrow()[chain].0 > 0 {
                    self.unpause(chain, &d);
                }
                if !d.state().fired {
                    d.fire(Value::Number(0));
                }
            }
            chain += 1;
        }
        // One that gave its result to a paused one is left with its links until somebody looks.
        let count = self.all.borrow().len();
        for d in (0..count).filter_map(|chain| self.alive(chain)) {
            d.run();
        }
    }
}

/// Runs a program on the engine and on the model.
///
/// # Panics
///
/// When they differ, or something that must hold does not.
pub fn run(program: &Program<Op>) {
    let program = Rc::new(program.clone());
    // What is refused on the native door is let be on the Python door.
    for cycles in [false, true] {
        let real = Run::<world::Handle>::new(program.clone(), cycles);
        let model = Run::<model::Handle>::new(program.clone(), cycles);
        for (number, step) in program.steps.iter().enumerate() {
            real.operate(*step);
            model.operate(*step);
            compare(&real, &model, &format!("step {number}, {step:?}"));
        }
        // Blocks may have made more, or paused again what went on before.
        for round in 0..=FUEL {
            real.finish();
            model.finish();
            compare(&real, &model, &format!("round {round} of the end"));
            if all_is_done(&real, cycles) {
                break;
            }
            assert!(round < FUEL, "the end does not come: {:#?}", real.states());
        }
        end(&real, cycles);
        end(&model, cycles);
    }
}

fn compare(real: &Rc<Run<world::Handle>>, model: &Rc<Run<model::Handle>>, when: &str) {
    let (events, expected) = (real.events.take(), model.events.take());
    let same = events.iter().zip(&expected).take_while(|(event, expected)| event == expected);
    let same = same.count();
    assert_eq!(events.get(same), expected.get(same), "event {same} of {when}: {events:?}");
    let (states, expected) = (real.states(), model.states());
    for (chain, (state, expected)) in states.iter().zip(&expected).enumerate() {
        assert_eq!(state, expected, "chain {chain} after {when}");
    }
}

/// Whether every chain has its result and no links, save for those that wait for themselves.
fn all_is_done<D: Deferred>(run: &Rc<Run<D>>, cycles: bool) -> bool {
    run.states().iter().flatten().all(|state| {
        let done = state.fired && !state.running && state.links == 0 && state.paused == 0;
        (done && state.result.is_some() && !state.waits) || (cycles && state.waits)
    })
}

fn end<D: Deferred>(run: &Rc<Run<D>>, cycles: bool) {
    // Dropping may free others, but runs none of the program's code.
    let handles = run.handles.take();
    drop(handles);
    if cycles {
        run.all.borrow().iter().filter_map(D::upgrade).for_each(|d| d.forget());
    }
    assert!(run.states().iter().all(Option::is_none), "not freed: {:#?}", run.states());
    assert_eq!(Rc::strong_count(&run.token), 1, "links that are neither run nor dropped");
}
