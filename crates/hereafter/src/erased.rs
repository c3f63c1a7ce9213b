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
//! Each of these conditions is looked at where it is needed, and does not rest on the engine or on
//! any other module.

use crate::cell::Head;
use crate::deferred::{Deferred, Repr};
use crate::failure::Failure;
use crate::trigger::Trigger;
use core::cell::{Cell, UnsafeCell};
use core::marker::PhantomData;
use core::mem::{MaybeUninit, align_of, size_of};
use core::panic::Location;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

pub(crate) use crate::cell::CellRef;

/// Words of room for links inside the cell itself: three callbacks that capture two words each.
const INLINE_WORDS: usize = 12;
#[allow(clippy::cast_possible_truncation, reason = "it is a small constant")]
const INLINE_CAPACITY: u32 = INLINE_WORDS as u32;
/// Words of the first room on the heap.
const FIRST_HEAP_WORDS: u32 = 32;
/// Bytes of room for a result inside the cell itself; a `String` or a `Vec` fits.
const SLOT_BYTES: usize = 3 * size_of::<usize>();

/// One link of a chain, still with its types.
///
/// The type `T` goes in and [`Out`](Link::Out) comes out.
pub(crate) trait Link<T: 'static>: Sized + 'static {
    /// The type of the value that this link leaves.
    type Out: 'static;
    /// Whether a failure goes past this link untouched.
    const SKIPS_FAILURES: bool;
    /// Whether a value goes past this link untouched; looked at only where `Out` is `T`.
    const SKIPS_VALUES: bool;
    /// Runs the callback side.
    fn on_value(self, value: T) -> Deferred<Self::Out>;
    /// Runs the errback side.
    fn on_failure(self, failure: Failure) -> Deferred<Self::Out>;
}

/// A link whose alignment is larger than the queue's lives in a box.
struct Boxed<L>(Box<L>);

impl<T: 'static, L: Link<T>> Link<T> for Boxed<L> {
    type Out = L::Out;
    const SKIPS_FAILURES: bool = L::SKIPS_FAILURES;
    const SKIPS_VALUES: bool = L::SKIPS_VALUES;
    fn on_value(self, value: T) -> Deferred<L::Out> {
        self.0.on_value(value)
    }
    fn on_failure(self, failure: Failure) -> Deferred<L::Out> {
        self.0.on_failure(failure)
    }
}

/// What the queue knows of a link.
struct LinkTable {
    /// Takes the link at this address and runs it with the result in the cell's slot.
    run: unsafe fn(&Body, *mut Word) -> Ran,
    /// Drops the link at this address.
    drop: unsafe fn(*mut Word),
    /// The whole entry's length.
    words: u32,
}

/// The unit of the queue. An entry is a `&LinkTable`, a `&Location`, and the link itself.
type Word = MaybeUninit<usize>;

/// Words before the link in an entry.
const HEADER_WORDS: usize = 2;

/// What running a link came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// The slot holds the outcome.
    Settled,
    /// The link gave back a deferred that is still pending; `waiting_on` holds it.
    Returned,
}

/// What the slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing yet: the cell has not been fired.
    Unfilled,
    /// A value of the type that the front link takes (rules 3 and 4).
    Value,
    /// A failure.
    Failure,
    /// Nothing: a link runs, or another cell's result is waited for (rule 4), or the result was
    /// taken out for good (rule 5).
    Busy,
}

/// A result without its type. The caller knows the type (see the head of the module).
struct Slot {
    kind: Cell<Kind>,
    /// Drops the value in `data`; meaningful only for [`Kind::Value`].
    drop: Cell<unsafe fn(*mut MaybeUninit<[usize; 3]>)>,
    data: UnsafeCell<MaybeUninit<[usize; 3]>>,
}

const fn fits<T>() -> bool {
    size_of::<T>() <= SLOT_BYTES && align_of::<T>() <= align_of::<usize>()
}

/// Does nothing: stands in where there is nothing to drop.
unsafe fn drop_nothing(_: *mut MaybeUninit<[usize; 3]>) {}

/// # Safety
///
/// `data` holds a `T` as written by `Slot::write::<T>`, which is not used again.
unsafe fn drop_value<T>(data: *mut MaybeUninit<[usize; 3]>) {
    // SAFETY: the caller's promise; `write` put a `T` or a `Box<T>` there by the same `fits`.
    unsafe {
        if fits::<T>() {
            data.cast::<T>().drop_in_place();
        } else {
            data.cast::<Box<T>>().drop_in_place();
        }
    }
}

impl Slot {
    /// Whether there is a value or a failure.
    fn is_full(&self) -> bool {
        matches!(self.kind.get(), Kind::Value | Kind::Failure)
    }

    /// Puts a result in place of nothing.
    #[inline]
    fn put<T>(&self, result: Result<T, Failure>) {
        debug_assert!(!self.is_full());
        match result {
            Ok(value) => {
                // SAFETY: `data` holds nothing (full slots are always emptied first), and no
                // reference into it exists: this type hands none out.
                unsafe { self.write(value) };
                self.drop.set(drop_value::<T>);
                self.kind.set(Kind::Value);
            }
            Err(failure) => {
                // SAFETY: as above.
                unsafe { self.write(failure) };
                self.kind.set(Kind::Failure);
            }
        }
    }

    /// # Safety
    ///
    /// `data` holds nothing that needs to be dropped.
    #[inline]
    unsafe fn write<T>(&self, value: T) {
        let data = self.data.get();
        // SAFETY: `data` is valid for writes of `SLOT_BYTES` at the alignment of `usize`, and
        // `fits` has compared both; a box always fits.
        unsafe {
            if fits::<T>() {
                data.cast::<T>().write(value);
            } else {
                data.cast::<Box<T>>().write(Box::new(value));
            }
        }
    }

    /// # Safety
    ///
    /// `data` holds a `T` by the last `write`, and is not read again before the next one.
    #[inline]
    unsafe fn read<T>(&self) -> T {
        let data = self.data.get();
        // SAFETY: the caller's promise, and the same `fits` as in `write`.
        unsafe { if fits::<T>() { data.cast::<T>().read() } else { *data.cast::<Box<T>>().read() } }
    }

    /// Takes the result out, leaving [`Kind::Busy`]; nothing if there is none.
    ///
    /// # Safety
    ///
    /// A value in the slot is a `T`.
    #[inline]
    unsafe fn take<T>(&self) -> Option<Result<T, Failure>> {
        match self.kind.get() {
            Kind::Value => {
                self.kind.set(Kind::Busy);
                // SAFETY: the caller's promise; `kind` now says that nothing is left.
                Some(Ok(unsafe { self.read() }))
            }
            Kind::Failure => {
                self.kind.set(Kind::Busy);
                // SAFETY: `Kind::Failure` is set only after a `Failure` was written.
                Some(Err(unsafe { self.read() }))
            }
            Kind::Unfilled | Kind::Busy => None,
        }
    }

    /// Moves the result of `from` here, without knowing its type.
    fn move_from(&self, from: &Slot) {
        debug_assert!(from.is_full() && !self.is_full());
        self.drop.set(from.drop.get());
        // SAFETY: both are valid for `SLOT_BYTES`, and different: one is full, one is not. The
        // value moves with its bytes, and `from` is marked as empty next.
        unsafe { self.data.get().copy_from_nonoverlapping(from.data.get(), 1) };
        self.kind.set(from.kind.replace(Kind::Busy));
    }

    /// Drops the result, if there is one.
    fn clear(&self) {
        match self.kind.replace(Kind::Busy) {
            Kind::Value => {
                // SAFETY: `data` is initialised as far as the value reaches, and `kind` says from
                // now on that nothing is left there. The value is dropped where nobody can come,
                // since its own `drop` is user code.
                let mut data = unsafe { self.data.get().read() };
                // SAFETY: `drop` was set together with the value.
                unsafe { (self.drop.get())(&raw mut data) };
            }
            // SAFETY: `Kind::Failure` is set only after a `Failure` was written.
            Kind::Failure => drop(unsafe { self.read::<Failure>() }),
            other => self.kind.set(other),
        }
    }
}

/// The queue of links without their types: entries one behind the other, first in the cell itself,
/// on the heap once they need more room.
struct Links {
    /// The first entry's place, in words.
    head: Cell<u32>,
    /// The place behind the last entry, in words.
    tail: Cell<u32>,
    /// Room in words, wherever it is.
    capacity: Cell<u32>,
    /// The room on the heap, or null while the entries are in `inline`.
    heap: Cell<*mut Word>,
    /// The last field of the last field: see [`allocate`].
    inline: UnsafeCell<[Word; INLINE_WORDS]>,
}

#[allow(clippy::cast_possible_truncation, reason = "`push` refuses links of more than 16 MiB")]
const fn entry_words<L>() -> u32 {
    (HEADER_WORDS + size_of::<L>().div_ceil(size_of::<Word>())) as u32
}

impl Links {
    #[inline]
    fn is_empty(&self) -> bool {
        self.head.get() == self.tail.get()
    }

    #[inline]
    fn base(&self) -> *mut Word {
        let heap = self.heap.get();
        if heap.is_null() { self.inline.get().cast() } else { heap }
    }

    /// Adds an entry at the end.
    #[inline]
    fn push<T: 'static, L: Link<T>>(&self, link: L, added: &'static Location<'static>) {
        const { assert!(size_of::<L>() < (1 << 24), "a callback captures more than 16 MiB") };
        if align_of::<L>() > align_of::<Word>() {
            self.push_entry(Boxed(Box::new(link)), added);
        } else {
            self.push_entry(link, added);
        }
    }

    #[inline]
    fn push_entry<T: 'static, L: Link<T>>(&self, link: L, added: &'static Location<'static>) {
        assert!(align_of::<L>() <= align_of::<Word>());
        let words = const { entry_words::<L>() };
        if words > self.capacity.get() - self.tail.get() {
            self.make_room(words);
        }
        // SAFETY: `tail + words <= capacity`, so the entry lies in the room, behind all others.
        // Words are aligned for the two references, and for `L` by the test above. No reference
        // into the room exists: this type hands none out.
        unsafe {
            let entry = self.base().add(self.tail.get() as usize);
            entry.cast::<&'static LinkTable>().write(Table::<T, L>::TABLE);
            entry.add(1).cast::<&'static Location<'static>>().write(added);
            entry.add(HEADER_WORDS).cast::<L>().write(link);
        }
        self.tail.set(self.tail.get() + words);
    }

    /// Makes room for `words` more: by moving the entries to the front, or to a larger room.
    #[cold]
    #[inline(never)]
    fn make_room(&self, words: u32) {
        let (head, live) = (self.head.get(), self.tail.get() - self.head.get());
        let needed = live.checked_add(words).expect("more than 32 GiB of callbacks on a deferred");
        let old = self.base();
        let old_capacity = self.capacity.get();
        let from = old.wrapping_add(head as usize);
        if needed <= old_capacity / 2 {
            // SAFETY: both ranges lie in the room; `copy` allows them to overlap. Links are values
            // that nobody refers to, so they may be moved by their bytes.
            unsafe { from.copy_to(old, live as usize) };
        } else {
            let capacity = needed.max(old_capacity.saturating_mul(2)).max(FIRST_HEAP_WORDS);
            let mut room: Vec<Word> = Vec::with_capacity(capacity as usize);
            // SAFETY: the new room has at least `live` words and is another allocation.
            unsafe { from.copy_to_nonoverlapping(room.as_mut_ptr(), live as usize) };
            self.free_heap();
            self.heap.set(core::mem::ManuallyDrop::new(room).as_mut_ptr());
            self.capacity.set(capacity);
        }
        self.head.set(0);
        self.tail.set(live);
    }

    /// Gives the room on the heap back, if there is one. The entries must have been moved or
    /// dropped.
    fn free_heap(&self) {
        let heap = self.heap.replace(core::ptr::null_mut());
        if !heap.is_null() {
            // SAFETY: `heap` is the buffer of a `Vec<Word>` made with this capacity in
            // `make_room`, and `replace` has made sure that it is freed once. Words need no drop.
            drop(unsafe { Vec::from_raw_parts(heap, 0, self.capacity.get() as usize) });
        }
    }

    /// Takes the front entry out of the queue; its link must be taken from the address before
    /// anything else is done with the queue.
    #[inline]
    fn pop(&self) -> Option<(&'static LinkTable, *mut Word)> {
        let head = self.head.get();
        if head == self.tail.get() {
            return None;
        }
        // SAFETY: `head < tail`, so an entry starts there, written by `push`.
        let (table, link) = unsafe {
            let entry = self.base().add(head as usize);
            (entry.cast::<&'static LinkTable>().read(), entry.add(HEADER_WORDS))
        };
        let head = head + table.words;
        if head == self.tail.get() {
            self.head.set(0);
            self.tail.set(0);
        } else {
            self.head.set(head);
        }
        Some((table, link))
    }

    /// Drops all entries.
    fn clear(&self) {
        while let Some((table, link)) = self.pop() {
            // SAFETY: `pop` gave the table that belongs to this link, and gives no entry twice.
            // If the drop itself adds links, they are found by the next `pop`.
            unsafe { (table.drop)(link) };
        }
    }
}

/// The table of one kind of link.
struct Table<T, L>(PhantomData<(T, L)>);

impl<T: 'static, L: Link<T>> Table<T, L> {
    const TABLE: &'static LinkTable =
        &LinkTable { run: run_link::<T, L>, drop: drop_link::<L>, words: entry_words::<L>() };
}

/// # Safety
///
/// `link` is the address of an `L` that is not used again.
unsafe fn drop_link<L>(link: *mut Word) {
    // SAFETY: the caller's promise. The link is moved out first, because its own `drop` is user
    // code that may add links and so move the queue.
    drop(unsafe { link.cast::<L>().read() });
}

/// Takes the link at `link` and runs it with the result in the slot (rule 4).
///
/// # Safety
///
/// `link` is the address given by `Links::pop` of `body`, with this function in its table; the
/// slot is full.
unsafe fn run_link<T: 'static, L: Link<T>>(body: &Body, link: *mut Word) -> Ran {
    // SAFETY: the caller's promise: an entry written by `push::<T, L>`, which is not used again.
    let (link, added) = unsafe {
        (link.cast::<L>().read(), link.sub(1).cast::<&'static Location<'static>>().read())
    };
    let skips = match body.slot.kind.get() {
        Kind::Failure => L::SKIPS_FAILURES,
        _ => L::SKIPS_VALUES && core::any::TypeId::of::<T>() == core::any::TypeId::of::<L::Out>(),
    };
    if skips {
        // The result stays in the slot: a failure has no type, and a value keeps its own.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(link)));
        return Ran::Settled;
    }
    // SAFETY: the slot is full, and by rules 3 and 4 a value in it is what this link takes.
    let result = unsafe { body.slot.take::<T>() };
    let outcome = catch_unwind(AssertUnwindSafe(move || match result {
        Some(Ok(value)) => link.on_value(value),
        Some(Err(failure)) => link.on_failure(failure),
        None => unreachable!("the slot is full"),
    }));
    match outcome {
        Ok(deferred) => match deferred.into_repr() {
            Repr::Ready(Ok(value)) => body.slot.put(Ok(value)),
            Repr::Ready(Err(failure)) => body.slot.put::<L::Out>(Err(failure.passed(added))),
            Repr::Pending(out) => {
                body.waiting_on.set(Some(out.into_cell()));
                return Ran::Returned;
            }
            Repr::Gone => body.slot.put::<L::Out>(Err(Failure::already_taken().passed(added))),
        },
        Err(panic) => body.slot.put::<L::Out>(Err(Failure::from_panic(panic).passed(added))),
    }
    Ran::Settled
}

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
    /// A task that polls this deferred.
    Wake(core::task::Waker),
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
    /// This task is to be woken, and takes the result itself.
    Wake(core::task::Waker),
}

/// What a cell holds without types: its result, its links, and its place among other cells.
pub(crate) struct Body {
    slot: Slot,
    /// While the slot is [`Kind::Busy`]: the cell whose result comes next (rule 4). While it is
    /// [`Kind::Unfilled`]: what this cell's coroutine awaits, of any type, for [`CellRef`]'s cancel.
    waiting_on: Cell<Option<CellRef>>,
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

    /// What this cell waits on.
    #[inline]
    pub(crate) fn waiting_on(&self) -> Option<CellRef> {
        peek(&self.waiting_on)
    }

    /// The cell that waits on this one.
    pub(crate) fn waiting_cell(&self) -> Option<CellRef> {
        let waiter = self.waiter.take();
        let cell = match &waiter {
            Waiter::Resume(cell) | Waiter::Fire(cell) => Some(cell.clone()),
            Waiter::Nobody | Waiter::Wake(_) => None,
        };
        self.waiter.set(waiter);
        cell
    }

    /// Has `waker` woken when the result is there; in place of an earlier waker only.
    pub(crate) fn wake_later(&self, waker: &core::task::Waker) {
        match self.waiter.take() {
            Waiter::Wake(old) if old.will_wake(waker) => self.waiter.set(Waiter::Wake(old)),
            Waiter::Nobody | Waiter::Wake(_) => self.waiter.set(Waiter::Wake(waker.clone())),
            other => self.waiter.set(other),
        }
    }

    /// Forgets a waker.
    pub(crate) fn forget_waker(&self) {
        match self.waiter.take() {
            Waiter::Wake(_) => {}
            other => self.waiter.set(other),
        }
    }

    /// Notes what the coroutine that will fill this cell awaits; nothing for a filled cell.
    pub(crate) fn set_awaiting(&self, cell: Option<CellRef>) {
        if self.slot.kind.get() == Kind::Unfilled {
            drop(self.waiting_on.replace(cell));
        }
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
        if self.slot.kind.get() == Kind::Unfilled {
            let awaited = self.waiting_on.take();
            self.slot.put::<()>(Err(failure));
            drop(awaited);
        }
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
            inner.body().waiter.set(Waiter::Resume(self.clone()));
        }
    }

    /// Hands the final result to whoever waits for it. `claim` claims the firing of a cell.
    pub(crate) fn hand_on(&self, claim: impl FnOnce(&CellRef) -> bool) -> Handed {
        match self.body().waiter.take() {
            Waiter::Nobody => Handed::ToNobody,
            Waiter::Wake(waker) => Handed::Wake(waker),
            Waiter::Resume(outer) if self.resume(&outer) => Handed::Resumed(outer),
            Waiter::Fire(target) if claim(&target) && self.fill(&target) => Handed::Fired(target),
            Waiter::Resume(_) | Waiter::Fire(_) => {
                if !self.body().is_failure() {
                    self.body().slot.clear();
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
        let (from, to) = (self.body(), target.body());
        let fits = to.slot.kind.get() == Kind::Unfilled && from.slot.is_full() && !from.has_links();
        if fits {
            let awaited = to.waiting_on.take();
            to.slot.move_from(&from.slot);
            drop(awaited);
        }
        fits
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
        let body = self.cell.body();
        if body.slot.kind.get() == Kind::Unfilled {
            // What the coroutine awaited is of no interest any more, and must not be taken for
            // the cell of rule 4. It is dropped last, since that may run user code.
            let awaited = body.waiting_on.take();
            body.slot.put(result);
            drop(awaited);
        }
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

    /// Has `target` fire with our final result.
    pub(crate) fn chain_to(self, target: In<T>) -> CellRef {
        self.cell.body().waiter.set(Waiter::Fire(target.cell));
        self.cell
    }
}

/// A new cell, and its two ends.
#[inline]
pub(crate) fn cell<T: 'static>(head: Head) -> (In<T>, Out<T>) {
    let cell = CellRef::new(allocate(head));
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
