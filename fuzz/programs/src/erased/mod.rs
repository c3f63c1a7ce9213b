//! Programs for the erased values and closures of the native door.
//!
//! Results and captures are [`things`] on both sides of every boundary of size and alignment, in
//! every pairing of argument, result and capture; their drops, those of errors and of cancellers
//! among them, panic or run blocks that reach the same deferreds. While a program runs and after it:
//!
//! * everything that is handed to a link, captured by one or dropped is whole, aligned and alive;
//! * the links of a deferred run in the order in which they were added, none of them twice;
//! * what must not unwind does not, whatever panics inside;
//! * when all handles have gone, everything that was made has been dropped, and nothing twice.
//!
//! Under a sanitizer, nothing is read out of its place or out of its time, and no memory is lost.

pub mod things;

use crate::program::{Block, FUEL, Link, Program, Which};
use crate::tokens::{self, OnDrop, Oops, Sizeless, Token, wrong};
use arbitrary::Arbitrary;
use hereafter::{CancelHandle, Deferred, Failure, PauseGuard, SharedTrigger, Trigger, report};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use things::{Aligned, AlignedNothing, Capture, Fits, Huge, Kind, Large, Thing, Word};

/// What can be done.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Op {
    /// Makes a deferred and its trigger.
    New(Kind, Canceller, OnDrop),
    /// Makes one that has its result.
    Ready(Kind, Ended),
    /// Adds a link: of which kind, what comes out of it, what it captures, and what it does.
    Add(Which, Link, Kind, (Capture, OnDrop), Act),
    /// Fires.
    Fire(Which, Ended),
    /// Makes a trigger one that can be used more than once.
    Share(Which),
    /// Drops a trigger.
    Abandon(Which),
    /// Drops a deferred.
    Drop(Which),
    /// Takes the result, if it is there.
    Take(Which),
    /// Pauses a deferred.
    Pause(Which),
    /// Drops a guard of a pause.
    Unpause(Which),
    /// Cancels; by a handle made for it, or the deferred itself.
    Cancel(Which, bool),
    /// Makes a handle that can cancel a deferred.
    Handle(Which),
    /// Cancels by such a handle, and drops it.
    CancelByHandle(Which),
    /// Has a trigger fired with the result of a deferred.
    ChainTo(Which, Which),
    /// Makes a coroutine that awaits a deferred, holding something meanwhile.
    Coroutine(Which, OnDrop, Act),
}

/// A result.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Ended {
    /// A value that does this when it is dropped.
    Value(OnDrop),
    /// An error that does this when it is dropped.
    Failure(OnDrop),
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
    /// A result.
    Now(Ended),
    /// It panics.
    Panics,
    /// A deferred, if that is of the type that is asked for; else a new one.
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
    Fires(Block, OnDrop),
    /// It panics.
    Panics,
}

/// A deferred, and by what its links are told from others.
struct Entry {
    d: Any,
    line: usize,
    added: usize,
}

enum Any {
    Nothing(Deferred<Sizeless>),
    AlignedNothing(Deferred<AlignedNothing>),
    Fits(Deferred<Fits>),
    Large(Deferred<Large>),
    Aligned(Deferred<Aligned>),
}

enum AnyTrigger {
    Nothing(Either<Sizeless>),
    AlignedNothing(Either<AlignedNothing>),
    Fits(Either<Fits>),
    Large(Either<Large>),
    Aligned(Either<Aligned>),
}

enum Either<T: 'static> {
    Once(Trigger<T>),
    Shared(SharedTrigger<T>),
}

/// A type of result that there is a place for.
#[expect(clippy::result_large_err, reason = "the error is what was given, and is put back")]
trait Result_: Thing + Sized {
    fn wrap(d: Deferred<Self>) -> Any;
    fn unwrap(any: Any) -> Result<Deferred<Self>, Any>;
    fn wrap_trigger(trigger: Either<Self>) -> AnyTrigger;
    fn unwrap_trigger(any: AnyTrigger) -> Result<Either<Self>, AnyTrigger>;
}

macro_rules! results {
    ($($type:ty => $variant:ident),+) => {
        $(impl Result_ for $type {
            fn wrap(d: Deferred<Self>) -> Any {
                Any::$variant(d)
            }
            fn unwrap(any: Any) -> Result<Deferred<Self>, Any> {
                if let Any::$variant(d) = any { Ok(d) } else { Err(any) }
            }
            fn wrap_trigger(trigger: Either<Self>) -> AnyTrigger {
                AnyTrigger::$variant(trigger)
            }
            fn unwrap_trigger(any: AnyTrigger) -> Result<Either<Self>, AnyTrigger> {
                if let AnyTrigger::$variant(trigger) = any { Ok(trigger) } else { Err(any) }
            }
        })+
    };
}

results!(Sizeless => Nothing, AlignedNothing => AlignedNothing, Fits => Fits, Large => Large,
    Aligned => Aligned);

/// Does something with a deferred or a trigger, whatever its type.
macro_rules! each {
    ($any:expr, $enum:ident, $d:pat => $do:expr) => {
        match $any {
            $enum::Nothing($d) => $do,
            $enum::AlignedNothing($d) => $do,
            $enum::Fits($d) => $do,
            $enum::Large($d) => $do,
            $enum::Aligned($d) => $do,
        }
    };
}

/// Does something with the type that a kind stands for.
macro_rules! of_kind {
    ($kind:expr, $type:ident => $do:expr) => {
        match $kind {
            Kind::Nothing => {
                type $type = Sizeless;
                $do
            }
            Kind::AlignedNothing => {
                type $type = AlignedNothing;
                $do
            }
            Kind::Fits => {
                type $type = Fits;
                $do
            }
            Kind::Large => {
                type $type = Large;
                $do
            }
            Kind::Aligned => {
                type $type = Aligned;
                $do
            }
        }
    };
}

/// Everything that a program has made.
struct World {
    program: Program<Op>,
    fuel: Cell<u32>,
    deferreds: RefCell<Vec<Option<Entry>>>,
    triggers: RefCell<Vec<Option<AnyTrigger>>>,
    guards: RefCell<Vec<PauseGuard>>,
    handles: RefCell<Vec<CancelHandle>>,
    /// For each line of links, how many are known to be over.
    lines: RefCell<Vec<usize>>,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// The world of the program that runs.
fn world() -> Rc<World> {
    WORLD.with(|world| world.borrow().clone().expect("a program runs"))
}

/// Which link it is, and what it does.
#[derive(Clone, Copy)]
struct Role {
    line: usize,
    place: usize,
    act: Act,
}

/// What a link holds.
struct Held<C: Thing> {
    capture: C,
    role: Role,
}

impl<C: Thing> Held<C> {
    fn run<T: Thing, U: Result_>(self, result: Result<T, Failure>) -> Deferred<U> {
        self.capture.check();
        check(&result);
        world().note_run(self.role);
        self.role.act.perform((result, self.capture))
    }
}

fn check<T: Thing>(result: &Result<T, Failure>) {
    match result {
        Ok(value) => value.check(),
        Err(failure) => {
            if let Some(oops) = failure.check::<Oops>() {
                oops.0.check();
            }
        }
    }
}

impl Ended {
    fn make<T: Thing>(self) -> Result<T, Failure> {
        match self {
            Self::Value(on_drop) => Ok(T::new(on_drop)),
            Self::Failure(on_drop) => Err(Failure::new(Oops(Token::new(on_drop)))),
        }
    }
}

impl Act {
    /// `held` goes before there is something to give back: Rust leaks what a function is about to
    /// return when the drop of one of its variables panics.
    fn perform<U: Result_>(self, held: impl Sized) -> Deferred<U> {
        world().block(self.block);
        drop(held);
        match self.end {
            End::Now(ended) => Deferred::ready(ended.make()),
            End::Panics => {
                tokens::panic_on_purpose();
                Deferred::succeed(U::new(OnDrop::Nothing))
            }
            End::Give(which) => world().give(which),
        }
    }
}

impl World {
    fn block(&self, block: Block) {
        for op in &self.program.blocks[block.place()] {
            self.operate(*op);
        }
    }

    fn operate(&self, op: Op) {
        let Some(left) = self.fuel.get().checked_sub(1) else { return };
        self.fuel.set(left);
        let quiet = self.must_not_unwind(op);
        if catch_unwind(AssertUnwindSafe(|| self.perform(op))).is_err() && quiet {
            wrong(format!("{op:?} has panicked"));
        }
    }

    /// Whether no panic may come out of it. It may where the program's own value is dropped by the
    /// very call that it is given to, or by the program.
    fn must_not_unwind(&self, op: Op) -> bool {
        match op {
            Op::Fire(..) | Op::Take(_) => false,
            Op::Drop(which) | Op::ChainTo(which, _) => {
                let deferreds = self.deferreds.borrow();
                let entry = which.of(deferreds.len()).and_then(|place| deferreds[place].as_ref());
                entry.is_none_or(|entry| !each!(&entry.d, Any, d => d.has_result()))
            }
            _ => true,
        }
    }

    fn note_run(&self, Role { line, place, .. }: Role) {
        let mut lines = self.lines.borrow_mut();
        if place < lines[line] {
            wrong(format!("link {place} of line {line} ran after those behind it, or again"));
        }
        lines[line] = place + 1;
    }

    fn push(&self, d: Any) {
        let line = self.lines.borrow().len();
        self.lines.borrow_mut().push(0);
        self.deferreds.borrow_mut().push(Some(Entry { d, line, added: 0 }));
    }

    fn push_trigger<T: Result_>(&self, trigger: Trigger<T>) {
        self.triggers.borrow_mut().push(Some(T::wrap_trigger(Either::Once(trigger))));
    }

    /// Takes a deferred out of its place, for as long as its methods may run the program's code.
    fn take(&self, which: Which) -> Option<(usize, Entry)> {
        let mut deferreds = self.deferreds.borrow_mut();
        let place = which.of(deferreds.len())?;
        deferreds[place].take().map(|entry| (place, entry))
    }

    fn put(&self, place: usize, entry: Entry) {
        self.deferreds.borrow_mut()[place] = Some(entry);
    }

    fn take_trigger(&self, which: Which) -> Option<(usize, AnyTrigger)> {
        let mut triggers = self.triggers.borrow_mut();
        let place = which.of(triggers.len())?;
        triggers[place].take().map(|trigger| (place, trigger))
    }

    fn put_trigger(&self, place: usize, trigger: AnyTrigger) {
        self.triggers.borrow_mut()[place] = Some(trigger);
    }

    /// The deferred that is meant, if it is of this type; else a new one.
    fn give<T: Result_>(&self, which: Which) -> Deferred<T> {
        if let Some((place, Entry { d, line, added })) = self.take(which) {
            match T::unwrap(d) {
                Ok(d) => return d,
                Err(d) => self.put(place, Entry { d, line, added }),
            }
        }
        let (trigger, d) = Deferred::new();
        self.push_trigger(trigger);
        d
    }

    fn perform(&self, op: Op) -> Option<()> {
        match op {
            Op::New(kind, canceller, on_drop) => {
                of_kind!(kind, T => self.make::<T>(canceller, on_drop));
            }
            Op::Ready(kind, ended) => {
                of_kind!(kind, T => self.push(T::wrap(Deferred::ready(ended.make()))));
            }
            Op::Add(which, link, out, (capture, on_drop), act) => {
                let (place, Entry { d, line, added }) = self.take(which)?;
                let role = Role { line, place: added, act };
                let d = match capture {
                    Capture::Nothing => add_to::<Sizeless>(d, link, out, role, on_drop),
                    Capture::Word => add_to::<Word>(d, link, out, role, on_drop),
                    Capture::Some => add_to::<Large>(d, link, out, role, on_drop),
                    Capture::Aligned => add_to::<Aligned>(d, link, out, role, on_drop),
                    Capture::Huge => add_to::<Huge>(d, link, out, role, on_drop),
                };
                self.put(place, Entry { d, line, added: added + 1 });
            }
            Op::Fire(which, ended) => {
                let (place, trigger) = self.take_trigger(which)?;
                each!(trigger, AnyTrigger, trigger => self.fire(place, trigger, ended));
            }
            Op::Share(which) => {
                let (place, trigger) = self.take_trigger(which)?;
                each!(trigger, AnyTrigger, trigger => {
                    let shared = match trigger {
                        Either::Once(trigger) => trigger.shared(),
                        Either::Shared(shared) => shared.clone(),
                    };
                    self.put_trigger(place, Result_::wrap_trigger(Either::Shared(shared)));
                });
            }
            Op::Abandon(which) => drop(self.take_trigger(which)),
            Op::Drop(which) => drop(self.take(which)),
            Op::Take(which) => {
                let (place, Entry { d, line, added }) = self.take(which)?;
                each!(d, Any, d => match d.take_result() {
                    Ok(result) => check(&result),
                    Err(d) => self.put(place, Entry { d: Result_::wrap(d), line, added }),
                });
            }
            Op::Pause(which) => {
                let (place, mut entry) = self.take(which)?;
                self.guards.borrow_mut().push(each!(&mut entry.d, Any, d => d.pause()));
                self.put(place, entry);
            }
            Op::Unpause(which) => {
                let place = which.of(self.guards.borrow().len())?;
                let guard = self.guards.borrow_mut().swap_remove(place);
                guard.unpause();
            }
            Op::Cancel(which, true) => {
                let (place, mut entry) = self.take(which)?;
                let handle = each!(&mut entry.d, Any, d => d.cancel_handle());
                self.put(place, entry);
                handle.cancel();
            }
            Op::Cancel(which, false) => {
                let (place, entry) = self.take(which)?;
                each!(&entry.d, Any, d => d.cancel());
                self.put(place, entry);
            }
            Op::Handle(which) => {
                let (place, mut entry) = self.take(which)?;
                let handle = each!(&mut entry.d, Any, d => d.cancel_handle());
                self.handles.borrow_mut().push(handle);
                self.put(place, entry);
            }
            Op::CancelByHandle(which) => {
                let place = which.of(self.handles.borrow().len())?;
                let handle = self.handles.borrow_mut().swap_remove(place);
                handle.cancel();
            }
            Op::ChainTo(from, to) => {
                let (place, trigger) = self.take_trigger(to)?;
                match self.take(from) {
                    None => self.put_trigger(place, trigger),
                    Some((from, Entry { d, line, added })) => each!(d, Any, d => {
                        match Result_::unwrap_trigger(trigger) {
                            Ok(Either::Once(trigger)) => d.chain_to(trigger),
                            Ok(other) => {
                                self.put_trigger(place, Result_::wrap_trigger(other));
                                self.put(from, Entry { d: Result_::wrap(d), line, added });
                            }
                            Err(trigger) => {
                                self.put_trigger(place, trigger);
                                self.put(from, Entry { d: Result_::wrap(d), line, added });
                            }
                        }
                    }),
                }
            }
            Op::Coroutine(which, on_drop, act) => {
                let (_, entry) = self.take(which)?;
                each!(entry.d, Any, d => self.push(Result_::wrap(coroutine(d, on_drop, act))));
            }
        }
        Some(())
    }

    fn make<T: Result_>(&self, canceller: Canceller, on_drop: OnDrop) {
        let (trigger, d) = if let Canceller::None = canceller {
            Deferred::<T>::new()
        } else {
            let held = Token::new(on_drop);
            Deferred::with_canceller(move || {
                held.check();
                match canceller {
                    Canceller::None => {}
                    Canceller::Runs(block) => world().block(block),
                    Canceller::Fires(block, on_drop) => {
                        world().block(block);
                        drop(held);
                        return Some(Ok(T::new(on_drop)));
                    }
                    Canceller::Panics => tokens::panic_on_purpose(),
                }
                None
            })
        };
        self.push(T::wrap(d));
        self.push_trigger(trigger);
    }

    fn fire<T: Result_>(&self, place: usize, trigger: Either<T>, ended: Ended) {
        let result = ended.make();
        match trigger {
            Either::Once(trigger) => trigger.fire(result),
            Either::Shared(shared) => {
                self.put_trigger(place, T::wrap_trigger(Either::Shared(shared.clone())));
                // Fired twice or not, what it was given is dropped once.
                let _ = shared.fire(result);
            }
        }
    }

    /// Lets go of everything; whether there was anything.
    fn let_go(&self) -> bool {
        let deferreds: Vec<_> = self.deferreds.borrow_mut().iter_mut().map(Option::take).collect();
        let triggers: Vec<_> = self.triggers.borrow_mut().iter_mut().map(Option::take).collect();
        let (guards, handles) = (self.guards.take(), self.handles.take());
        let mut any = !guards.is_empty() || !handles.is_empty();
        for trigger in triggers.into_iter().flatten() {
            any = true;
            drop(trigger);
        }
        for guard in guards {
            guard.unpause();
        }
        drop(handles);
        for entry in deferreds.into_iter().flatten() {
            any = true;
            // A value that is ready panics here, as any value does in its owner's hands.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(entry)));
        }
        any
    }
}

fn add_to<C: Thing>(any: Any, link: Link, out: Kind, role: Role, on_drop: OnDrop) -> Any {
    let held = Held { capture: C::new(on_drop), role };
    each!(any, Any, d => of_kind!(out, U => add::<_, U, C>(d, link, held)))
}

fn add<T: Result_, U: Result_, C: Thing>(d: Deferred<T>, link: Link, held: Held<C>) -> Any {
    match link {
        Link::Map => U::wrap(d.map(move |value| {
            // What is no value is dropped before there is one to give back.
            let made = held.run::<T, U>(Ok(value)).take_result().ok().and_then(Result::ok);
            made.unwrap_or_else(|| U::new(OnDrop::Nothing))
        })),
        Link::Callback => U::wrap(d.add_callback(move |value| held.run::<T, U>(Ok(value)))),
        Link::Errback => T::wrap(d.add_errback(move |failure| held.run::<T, T>(Err(failure)))),
        Link::Callbacks => {
            let other = Held { capture: Token::new(OnDrop::Nothing), role: held.role };
            U::wrap(d.add_callbacks(
                move |value| held.run::<T, U>(Ok(value)),
                move |failure| other.run::<T, U>(Err(failure)),
            ))
        }
        Link::Both => U::wrap(d.add_both(move |result| held.run::<T, U>(result))),
    }
}

impl Thing for Token {
    fn new(on_drop: OnDrop) -> Self {
        Self::new(on_drop)
    }

    fn check(&self) {
        Self::check(self);
    }
}

fn coroutine<T: Result_>(d: Deferred<T>, on_drop: OnDrop, act: Act) -> Deferred<T> {
    #[expect(clippy::async_yields_async, reason = "a coroutine may give back a deferred")]
    Deferred::from_coroutine(async move {
        let held = Fits::new(on_drop);
        let result = d.await;
        held.check();
        check(&result);
        act.perform::<T>((result, held))
    })
}

/// Runs a program.
///
/// # Panics
///
/// When something that must hold does not.
pub fn run(program: &Program<Op>) {
    tokens::begin(Rc::new(|block| world().block(block)));
    let collector = report::collect();
    let world = Rc::new(World {
        program: program.clone(),
        fuel: Cell::new(FUEL),
        deferreds: RefCell::default(),
        triggers: RefCell::default(),
        guards: RefCell::default(),
        handles: RefCell::default(),
        lines: RefCell::default(),
    });
    WORLD.set(Some(world.clone()));
    for (number, step) in world.program.steps.iter().enumerate() {
        world.operate(*step);
        tokens::assert_nothing_is_wrong(&format_args!("step {number}, {step:?}"));
    }
    let mut rounds = 0;
    loop {
        let reports = collector.take();
        let any = world.let_go() | !reports.is_empty();
        // What a failure holds goes with its report, which is ours.
        for report in reports {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(report)));
        }
        if !any {
            break;
        }
        rounds += 1;
        assert!(rounds <= 2 * FUEL, "the end does not come");
    }
    tokens::end();
    WORLD.set(None);
}
