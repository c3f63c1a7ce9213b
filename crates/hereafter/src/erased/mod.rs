//! The unsafe room: typed links and results in one untyped cell.
//!
//! A `Deferred<T>` changes its type with every link, while its cell stays where it is. So the cell
//! holds its result and its links without their types, and this module keeps them in step.
//!
//! # The type discipline
//!
//! Write the links of a cell in their order as `L1: T0 -> T1`, `L2: T1 -> T2`, ... `Ln: ... -> Tn`.
//!
//! 1. [`In<T0>`](In) and [`Out<T0>`](Out) are made together, by [`cell`], which fixes `T0`.
//! 2. The only way to add a link is [`Out::push`]: it takes the `Out<Tn>` and gives back an
//!    `Out<Tn+1>`. An `Out` cannot be cloned, so there is one, and its type is that of the end.
//! 3. The slot is first filled by [`In::put`], with a `T0`, or with a failure, and only once: it
//!    is [`Kind::Unfilled`] until then, and never again.
//! 4. Running the front link takes it out of the queue, takes its `Ti` out of the slot, and puts
//!    back its `Ti+1` or a failure, or leaves the slot empty and notes the `Out<Ti+1>` of another
//!    cell in `waiting_on`. The slot is [`Kind::Busy`] as long as it is empty after rule 3, and
//!    nothing but the end of that link, or of that wait, fills it.
//! 5. [`Out::take`] takes the result out only when the slot is full and the queue is empty, so it
//!    is a `Tn`.
//! 6. [`CellRef::take_returned`] and [`CellRef::hand_on`] move a result from the cell noted in
//!    `waiting_on` (rule 4) into the waiting one, under the conditions of rule 5.
//! 7. [`Out::chain_to`] takes the one `Out<T>` and an `In<T>`; [`CellRef::hand_on`] moves the result
//!    from the one's cell to the other's, under the conditions of rules 5 and 3.
//!
//! `slot` keeps a result, `links` the queue; `task` is the room's third thing, coroutines that stay
//! on their thread. Each of these conditions is looked at where it is needed, and does not rest on the engine or on
//! any other module.

mod links;
mod slot;
mod task;

pub(crate) use crate::cell::CellRef;
#[cfg(feature = "inspect")]
pub(crate) use links::Seen;
pub(crate) use links::{Link, Ran};
pub(crate) use task::{DropGuarded, LocalTask};

use crate::cell::Head;
#[cfg(feature = "inspect")]
use crate::debug;
use crate::deferred::{Deferred, Repr};
use crate::failure::Failure;
use crate::report;
use crate::trigger::Trigger;
use core::cell::Cell;
use core::marker::PhantomData;
use core::panic::Location;
use core::task::Waker;
use links::{INLINE_CAPACITY, Links};
use slot::{Kind, Slot, drop_nothing};
use std::rc::Rc;

/// Who wants the final result of a cell.
#[derive(Default)]
enum Waiter {
    /// Nobody yet.
    #[default]
    Nobody,
    /// The cell whose link gave this one back (rule 6).
    Resume(CellRef),
    /// The cell that fires with our result (rule 7).
    Fire(CellRef),
    /// A task that polls this deferred, and the cell that it will fill, if it is a coroutine.
    Wake(Waker, Option<CellRef>),
}

impl Waiter {
    /// Drops one that gave its place to another. A waker is somebody else's code, and must not unwind
    /// through whoever took the place.
    #[inline]
    fn dismiss(self) {
        if let Self::Wake(waker, coroutine) = self {
            report::guard("a waker, when it was dropped", || drop(waker));
            drop(coroutine);
        }
    }
}

/// What [`CellRef::hand_on`] did.
pub(crate) enum Handed {
    /// Nobody waits.
    ToNobody,
    /// The result was moved to this cell, which waited for it.
    Resumed(CellRef),
    /// The result was moved to this cell, whose firing had been claimed.
    Fired(CellRef),
    /// Who waited cannot take it any more: a value was dropped, a failure stays.
    Refused,
    /// This task is to be woken, and takes the result itself. If it is a coroutine, it will fill
    /// that cell.
    Wake(Waker, Option<CellRef>),
}

/// What a cell holds without types: its result, its links, and its place among other cells.
pub(crate) struct Body {
    slot: Slot,
    /// While the slot is [`Kind::Busy`]: the cell whose result comes next (rule 4). While it is
    /// [`Kind::Unfilled`]: what this cell's coroutine awaits, of any type, for [`CellRef`]'s cancel.
    waiting_on: Cell<Option<CellRef>>,
    /// What is in `waiting_on` passes its result on to us (rule 7), and is none of our own: a
    /// cancel does not go there.
    fed: Cell<bool>,
    waiter: Cell<Waiter>,
    links: Links,
}

/// A copy of the handle in `cell`.
pub(crate) fn peek(cell: &Cell<Option<CellRef>>) -> Option<CellRef> {
    let handle = cell.take();
    let copy = handle.clone();
    cell.set(handle);
    copy
}

impl Body {
    /// Whether a value or a failure is there.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.slot.is_full()
    }

    /// Whether a failure is there.
    #[inline]
    pub(crate) fn is_failure(&self) -> bool {
        self.slot.kind.get() == Kind::Failure
    }

    /// Whether links are queued.
    #[inline]
    pub(crate) fn has_links(&self) -> bool {
        !self.links.is_empty()
    }

    /// Whether nothing is left here that would have to be freed.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        // SAFETY: nobody else looks at the two cells during the call, which runs no user code.
        let waits = unsafe { (*self.waiting_on.as_ptr()).is_some() };
        !waits && !self.slot.is_full() && self.links.is_empty() && self.is_unwaited()
    }

    /// Whether nobody waits for the final result.
    #[inline]
    pub(crate) fn is_unwaited(&self) -> bool {
        // SAFETY: as in `is_bare`: the reference ends before anything else is done.
        unsafe { matches!(&*self.waiter.as_ptr(), Waiter::Nobody) }
    }

    /// Whether a task waits for the result.
    pub(crate) fn is_polled(&self) -> bool {
        // SAFETY: as in `is_bare`: the reference ends before anything else is done.
        unsafe { matches!(&*self.waiter.as_ptr(), Waiter::Wake(..)) }
    }

    /// What this cell waits on, and cancels.
    #[inline]
    pub(crate) fn waiting_on(&self) -> Option<CellRef> {
        if self.fed.get() { None } else { self.source() }
    }

    /// Where this cell's result will come from.
    #[inline]
    pub(crate) fn source(&self) -> Option<CellRef> {
        peek(&self.waiting_on)
    }

    /// What `look` sees in the cell where this one's result will come from. It must run no user code.
    #[cfg(feature = "inspect")]
    pub(crate) fn with_source<R>(&self, look: impl FnOnce(&CellRef) -> R) -> Option<R> {
        let source = self.waiting_on.take();
        let seen = source.as_ref().map(look);
        self.waiting_on.set(source);
        seen
    }

    /// The cell that waits on this one.
    pub(crate) fn waiting_cell(&self) -> Option<CellRef> {
        let waiter = self.waiter.take();
        let cell = match &waiter {
            Waiter::Resume(cell) | Waiter::Fire(cell) => Some(cell.clone()),
            Waiter::Nobody => None,
            Waiter::Wake(_, cell) => cell.clone(),
        };
        self.waiter.set(waiter);
        cell
    }

    /// Has `waker` woken when the result is there; in place of an earlier waker only. `cell` is the
    /// one that the task will fill, if it is a coroutine.
    pub(crate) fn wake_later(&self, waker: &Waker, cell: Option<CellRef>) {
        match self.waiter.take() {
            Waiter::Wake(old, _) if old.will_wake(waker) => {
                self.waiter.set(Waiter::Wake(old, cell));
            }
            before @ (Waiter::Nobody | Waiter::Wake(..)) => {
                self.waiter.set(Waiter::Wake(waker.clone(), cell));
                before.dismiss();
            }
            other => self.waiter.set(other),
        }
    }

    /// Forgets a waker.
    pub(crate) fn forget_waker(&self) {
        match self.waiter.take() {
            waker @ Waiter::Wake(..) => waker.dismiss(),
            other => self.waiter.set(other),
        }
    }

    /// Notes what the coroutine that will fill this cell awaits; nothing for a filled cell.
    pub(crate) fn set_awaiting(&self, cell: Option<CellRef>) {
        self.set_source(cell, false);
    }

    fn set_source(&self, cell: Option<CellRef>, fed: bool) {
        if self.slot.kind.get() == Kind::Unfilled {
            self.fed.set(fed);
            drop(self.waiting_on.replace(cell));
        }
    }

    /// Fills the slot for the first time (rule 3); whether it was the first time.
    ///
    /// What the cell awaited until then is of no interest any more, and must not be taken for the
    /// cell of rule 4. It is dropped last, since that may run user code.
    #[inline]
    fn fill_first(&self, fill: impl FnOnce(&Slot)) -> bool {
        let first = self.slot.kind.get() == Kind::Unfilled;
        if first {
            let awaited = self.waiting_on.take();
            self.fed.set(false);
            fill(&self.slot);
            drop(awaited);
        }
        first
    }

    /// Runs the front link; nothing if there is none, or no result for it.
    #[inline]
    pub(crate) fn run_front(&self) -> Option<Ran> {
        if !self.slot.is_full() {
            return None;
        }
        let (table, link) = self.links.pop()?;
        // SAFETY: the table and the address are of one entry, just taken out of this queue; the
        // slot is full.
        Some(unsafe { (table.run)(self, link) })
    }

    /// Takes a failure out for good, when it is all there is left to do.
    pub(crate) fn take_unhandled(&self) -> Option<Failure> {
        if !self.is_failure() || self.has_links() || !self.is_unwaited() {
            return None;
        }
        self.slot.kind.set(Kind::Busy);
        // SAFETY: `Kind::Failure` is set only after a `Failure` was written, and now is not.
        Some(unsafe { self.slot.read() })
    }

    /// What `look` sees in the failure that lies there. It must run no user code.
    #[cfg(feature = "inspect")]
    pub(crate) fn with_failure<R>(&self, look: impl FnOnce(&Failure) -> R) -> Option<R> {
        if !self.is_failure() {
            return None;
        }
        // SAFETY: `Kind::Failure` is set only while a `Failure` lies there. The reading is a second
        // one of the same bits, and is never dropped, so they have one owner as before.
        let failure = core::mem::ManuallyDrop::new(unsafe { self.slot.read::<Failure>() });
        Some(look(&failure))
    }

    /// The link that would run next.
    #[cfg(feature = "inspect")]
    #[inline]
    pub(crate) fn front(&self) -> Option<Seen> {
        if self.slot.is_full() { self.links.front(self.slot.kind.get()) } else { None }
    }

    /// The links that have not run.
    #[cfg(feature = "inspect")]
    pub(crate) fn links_to_come(&self) -> Vec<Seen> {
        self.links.seen(self.slot.kind.get())
    }

    /// Puts `failure` where the result of a returned deferred should have come.
    pub(crate) fn refuse_returned(&self, failure: Failure) {
        if self.slot.kind.get() == Kind::Busy {
            let returned = self.waiting_on.take();
            self.slot.put::<()>(Err(failure));
            drop(returned);
        }
    }

    /// Puts a failure in place as the first result.
    pub(crate) fn put_failure(&self, failure: Failure) {
        self.fill_first(|slot| slot.put::<()>(Err(failure)));
    }

    /// Moves the final result of `from`, which this body waits on, here; whether that was so.
    ///
    /// This is rule 6: `from` has a result and no links left, so that its type is the one with
    /// which its `Out` was given back, which is what our next link takes.
    fn move_awaited(&self, from: &Body) -> bool {
        let fits = self.slot.kind.get() == Kind::Busy && from.slot.is_full() && !from.has_links();
        if fits {
            self.slot.move_from(&from.slot);
        }
        fits
    }

    /// Drops everything that is left: user code may run.
    pub(crate) fn clear(&self) {
        drop(self.waiter.take());
        drop(self.waiting_on.take());
        self.links.clear();
        self.slot.clear();
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.links.clear();
        self.slot.clear();
        self.links.free_heap();
    }
}

impl CellRef {
    /// Takes the result of the deferred that a link gave back, if that is there.
    pub(crate) fn take_returned(&self) {
        if let Some(inner) = self.body().waiting_on.take()
            && !self.body().move_awaited(inner.body())
        {
            self.body().waiting_on.set(Some(inner));
        }
    }

    /// Becomes the waiter of the deferred that a link gave back.
    pub(crate) fn await_returned(&self) {
        if let Some(inner) = self.body().waiting_on() {
            inner.body().waiter.replace(Waiter::Resume(self.clone())).dismiss();
        }
    }

    /// Hands the final result to whoever waits for it. `claim` claims the firing of a cell.
    pub(crate) fn hand_on(&self, claim: impl FnOnce(&CellRef) -> bool) -> Handed {
        match self.body().waiter.take() {
            Waiter::Nobody => Handed::ToNobody,
            Waiter::Wake(waker, coroutine) => Handed::Wake(waker, coroutine),
            Waiter::Resume(outer) if self.resume(&outer) => Handed::Resumed(outer),
            Waiter::Fire(target) if claim(&target) && self.fill(&target) => Handed::Fired(target),
            Waiter::Resume(_) | Waiter::Fire(_) => {
                if !self.body().is_failure() {
                    report::unwanted(|| self.body().slot.clear());
                }
                Handed::Refused
            }
        }
    }

    /// Moves our final result to `outer`, if that waits on us (rule 6); whether it did.
    fn resume(&self, outer: &CellRef) -> bool {
        match outer.body().waiting_on.take() {
            Some(inner) if inner.same(self) && outer.body().move_awaited(self.body()) => true,
            other => {
                outer.body().waiting_on.set(other);
                false
            }
        }
    }

    /// Moves our final result to `target`, which was our waiter (rule 7); whether it did.
    fn fill(&self, target: &CellRef) -> bool {
        let from = self.body();
        let fits = from.slot.is_full() && !from.has_links();
        fits && target.body().fill_first(|slot| slot.move_from(&from.slot))
    }
}

/// The firing end of a cell, which knows the type of the first result.
pub(crate) struct In<T> {
    cell: CellRef,
    first: PhantomData<fn(T)>,
}

impl<T> Clone for In<T> {
    fn clone(&self) -> Self {
        Self { cell: self.cell.clone(), first: PhantomData }
    }
}

impl<T: 'static> In<T> {
    #[inline]
    pub(crate) fn cell(&self) -> &CellRef {
        &self.cell
    }

    /// Puts the first result in place (rule 3); a second one is dropped.
    #[inline]
    pub(crate) fn put(&self, result: Result<T, Failure>) {
        self.cell.body().fill_first(|slot| slot.put(result));
    }
}

/// The receiving end of a cell, which knows the type at the end of the queue. There is one.
pub(crate) struct Out<T> {
    cell: CellRef,
    last: PhantomData<fn() -> T>,
}

impl<T: 'static> Out<T> {
    #[inline]
    pub(crate) fn cell(&self) -> &CellRef {
        &self.cell
    }

    pub(crate) fn into_cell(self) -> CellRef {
        self.cell
    }

    /// Adds a link (rule 2), without running it.
    #[inline]
    pub(crate) fn push<L: Link<T>>(
        self,
        link: L,
        added: &'static Location<'static>,
    ) -> Out<L::Out> {
        self.cell.body().links.push(link, added);
        Out { cell: self.cell, last: PhantomData }
    }

    /// Takes the final result out, if it is there (rule 5).
    #[inline]
    pub(crate) fn take(&self) -> Option<Result<T, Failure>> {
        let body = self.cell.body();
        if body.has_links() {
            return None;
        }
        // SAFETY: the queue is empty, so by rules 2 to 4 a value in the slot is of the type at its
        // end, which is that of the one `Out`.
        unsafe { body.slot.take() }
    }

    /// Has `target` fire with our final result (rule 7). A cancel of `target` comes here only if we
    /// are `its_own`.
    pub(crate) fn chain_to(self, target: In<T>, its_own: bool) -> CellRef {
        target.cell.body().set_source(Some(self.cell.clone()), !its_own);
        self.cell.body().waiter.replace(Waiter::Fire(target.cell)).dismiss();
        self.cell
    }
}

/// A new cell, and its two ends.
#[inline]
pub(crate) fn cell<T: 'static>(head: Head) -> (In<T>, Out<T>) {
    let cell = CellRef::new(allocate(head));
    #[cfg(feature = "inspect")]
    let cell = if debug::is_any_on(debug::HISTORIES) { crate::inspect::begin(cell) } else { cell };
    (In { cell: cell.clone(), first: PhantomData }, Out { cell, last: PhantomData })
}

/// Everything that belongs to one pending deferred: its one allocation.
pub(crate) struct Core {
    pub(crate) head: Head,
    pub(crate) body: Body,
}

/// Makes a cell where it will stay. `Rc::new` would make it on the stack and copy it, room and all.
#[inline]
fn allocate(head: Head) -> Rc<Core> {
    let mut core = Rc::<Core>::new_uninit();
    let place = Rc::get_mut(&mut core).expect("it was made above").as_mut_ptr();
    // SAFETY: every field is written, save for the room, which is made of `MaybeUninit`; all
    // writes are to places in the one allocation, which nobody else knows of yet.
    unsafe {
        (&raw mut (*place).head).write(head);
        let body = &raw mut (*place).body;
        (&raw mut (*body).slot.kind).write(Cell::new(Kind::Unfilled));
        (&raw mut (*body).slot.drop).write(Cell::new(drop_nothing));
        (&raw mut (*body).waiting_on).write(Cell::new(None));
        (&raw mut (*body).fed).write(Cell::new(false));
        (&raw mut (*body).waiter).write(Cell::new(Waiter::Nobody));
        let links = &raw mut (*body).links;
        (&raw mut (*links).head).write(Cell::new(0));
        (&raw mut (*links).tail).write(Cell::new(0));
        (&raw mut (*links).capacity).write(Cell::new(INLINE_CAPACITY));
        (&raw mut (*links).heap).write(Cell::new(core::ptr::null_mut()));
        core.assume_init()
    }
}

/// Takes a value apart without running its `Drop`: `field` names the part to keep, and the rest
/// of `whole` must be nothing that needs to be dropped.
macro_rules! take_field {
    ($whole:expr, $field:ident) => {{
        let whole = core::mem::ManuallyDrop::new($whole);
        // SAFETY: `whole` is never dropped nor used again, so the field is moved out once.
        unsafe { core::ptr::read(&raw const whole.$field) }
    }};
}

/// The contents of a deferred, without its drop.
#[inline]
pub(crate) fn contents<T: 'static>(deferred: Deferred<T>) -> Repr<T> {
    take_field!(deferred, repr)
}

/// The end that a trigger holds, without its drop.
#[inline]
pub(crate) fn end_of<T: 'static>(trigger: Trigger<T>) -> In<T> {
    take_field!(trigger, end)
}
