//! Links without their types, one behind the other.

use super::Body;
use super::slot::Kind;
use crate::deferred::{Deferred, Repr};
use crate::failure::Failure;
use crate::links::pass_over;
use core::any::TypeId;
use core::cell::{Cell, UnsafeCell};
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit, align_of, size_of};
use core::panic::Location;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Words of room for links inside the cell itself: three callbacks that capture two words each.
const INLINE_WORDS: usize = 12;
#[allow(clippy::cast_possible_truncation, reason = "it is a small constant")]
pub(super) const INLINE_CAPACITY: u32 = INLINE_WORDS as u32;
/// Words of the first room on the heap.
const FIRST_HEAP_WORDS: u32 = 32;

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
    /// It is no function of the program's: it hands the result on, in some way.
    #[cfg_attr(not(feature = "inspect"), allow(dead_code, reason = "it runs like any other"))]
    const IS_OWN: bool = false;
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
    const IS_OWN: bool = L::IS_OWN;
    fn on_value(self, value: T) -> Deferred<L::Out> {
        self.0.on_value(value)
    }
    fn on_failure(self, failure: Failure) -> Deferred<L::Out> {
        self.0.on_failure(failure)
    }
}

/// What the queue knows of a link.
pub(super) struct LinkTable {
    /// Takes the link at this address and runs it with the result in the cell's slot.
    pub(super) run: unsafe fn(&Body, *mut Word) -> Ran,
    /// Drops the link at this address.
    drop: unsafe fn(*mut Word),
    /// The whole entry's length.
    words: u32,
    /// What it is, and which results go past it.
    #[cfg(feature = "inspect")]
    seen: (hereafter_insight::Kind, Kind),
}

/// A link, as far as it can be seen from outside.
#[cfg(feature = "inspect")]
pub(crate) struct Seen {
    pub(crate) kind: hereafter_insight::Kind,
    pub(crate) added: &'static Location<'static>,
    /// The result that lies in the slot is not for it.
    pub(crate) passes: bool,
}

/// The unit of the queue. An entry is a `&LinkTable`, a `&Location`, and the link itself.
pub(super) type Word = MaybeUninit<usize>;

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

/// The queue of links without their types: entries one behind the other, first in the cell itself,
/// on the heap once they need more room.
pub(super) struct Links {
    /// The first entry's place, in words.
    pub(super) head: Cell<u32>,
    /// The place behind the last entry, in words.
    pub(super) tail: Cell<u32>,
    /// Room in words, wherever it is.
    pub(super) capacity: Cell<u32>,
    /// The room on the heap, or null while the entries are in `inline`.
    pub(super) heap: Cell<*mut Word>,
    /// The last field of the last field: see `allocate`.
    inline: UnsafeCell<[Word; INLINE_WORDS]>,
}

#[allow(clippy::cast_possible_truncation, reason = "`push` refuses links of more than 16 MiB")]
const fn entry_words<L>() -> u32 {
    (HEADER_WORDS + size_of::<L>().div_ceil(size_of::<Word>())) as u32
}

impl Links {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head.get() == self.tail.get()
    }

    #[inline]
    fn base(&self) -> *mut Word {
        let heap = self.heap.get();
        if heap.is_null() { self.inline.get().cast() } else { heap }
    }

    /// Adds an entry at the end.
    #[inline]
    pub(super) fn push<T: 'static, L: Link<T>>(&self, link: L, added: &'static Location<'static>) {
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
            self.heap.set(ManuallyDrop::new(room).as_mut_ptr());
            self.capacity.set(capacity);
        }
        self.head.set(0);
        self.tail.set(live);
    }

    /// Gives the room on the heap back, if there is one. The entries must have been moved or
    /// dropped.
    pub(super) fn free_heap(&self) {
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
    pub(super) fn pop(&self) -> Option<(&'static LinkTable, *mut Word)> {
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

    /// What can be seen of the front entry; `kind` is what lies in the slot.
    #[cfg(feature = "inspect")]
    #[inline]
    pub(super) fn front(&self, kind: Kind) -> Option<Seen> {
        (!self.is_empty()).then(|| self.see(self.head.get(), kind).0)
    }

    /// What can be seen of all entries.
    #[cfg(feature = "inspect")]
    pub(super) fn seen(&self, kind: Kind) -> Vec<Seen> {
        let (mut place, mut all) = (self.head.get(), Vec::new());
        while place != self.tail.get() {
            let (seen, words) = self.see(place, kind);
            all.push(seen);
            place += words;
        }
        all
    }

    /// The entry at `place`, which must be where one begins.
    #[cfg(feature = "inspect")]
    #[inline]
    fn see(&self, place: u32, kind: Kind) -> (Seen, u32) {
        // SAFETY: `head <= place < tail`, and entries lie one behind the other, so one starts there,
        // written by `push`. Both references are `'static`.
        let (table, added) = unsafe {
            let entry = self.base().add(place as usize);
            (
                entry.cast::<&'static LinkTable>().read(),
                entry.add(1).cast::<&'static Location<'static>>().read(),
            )
        };
        let (sort, skipped) = table.seen;
        (Seen { kind: sort, added, passes: kind == skipped }, table.words)
    }

    /// Drops all entries.
    pub(super) fn clear(&self) {
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
    const TABLE: &'static LinkTable = &LinkTable {
        run: run_link::<T, L>,
        drop: drop_link::<L>,
        words: entry_words::<L>(),
        #[cfg(feature = "inspect")]
        seen: match (L::SKIPS_FAILURES, L::SKIPS_VALUES) {
            (true, _) => (hereafter_insight::Kind::Callback, Kind::Failure),
            (false, true) => (hereafter_insight::Kind::Errback, Kind::Value),
            // A link that runs finds a result.
            (false, false) if L::IS_OWN => (hereafter_insight::Kind::Own, Kind::Unfilled),
            (false, false) => (hereafter_insight::Kind::Both, Kind::Unfilled),
        },
    };
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
        _ => L::SKIPS_VALUES && TypeId::of::<T>() == TypeId::of::<L::Out>(),
    };
    if skips {
        // The result stays in the slot: a failure has no type, and a value keeps its own.
        pass_over(link);
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
