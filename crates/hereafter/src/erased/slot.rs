//! A result without its type.

use crate::failure::Failure;
use core::cell::{Cell, UnsafeCell};
use core::mem::{MaybeUninit, align_of, size_of};

/// Bytes of room for a result inside the cell itself; a `String` or a `Vec` fits.
const SLOT_BYTES: usize = 3 * size_of::<usize>();

/// The room itself.
type Data = MaybeUninit<[usize; 3]>;

/// What the slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
pub(super) struct Slot {
    pub(super) kind: Cell<Kind>,
    /// Drops the value in `data`; meaningful only for [`Kind::Value`].
    pub(super) drop: Cell<unsafe fn(*mut Data)>,
    data: UnsafeCell<Data>,
}

const fn fits<T>() -> bool {
    size_of::<T>() <= SLOT_BYTES && align_of::<T>() <= align_of::<usize>()
}

/// Does nothing: stands in where there is nothing to drop.
pub(super) unsafe fn drop_nothing(_: *mut Data) {}

/// # Safety
///
/// `data` holds a `T` as written by `Slot::write::<T>`, which is not used again.
unsafe fn drop_value<T>(data: *mut Data) {
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
    pub(super) fn is_full(&self) -> bool {
        matches!(self.kind.get(), Kind::Value | Kind::Failure)
    }

    /// Puts a result in place of nothing.
    #[inline]
    pub(super) fn put<T>(&self, result: Result<T, Failure>) {
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
    pub(super) unsafe fn read<T>(&self) -> T {
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
    pub(super) unsafe fn take<T>(&self) -> Option<Result<T, Failure>> {
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
    pub(super) fn move_from(&self, from: &Slot) {
        debug_assert!(from.is_full() && !self.is_full());
        self.drop.set(from.drop.get());
        // SAFETY: both are valid for `SLOT_BYTES`, and different: one is full, one is not. The
        // value moves with its bytes, and `from` is marked as empty next.
        unsafe { self.data.get().copy_from_nonoverlapping(from.data.get(), 1) };
        self.kind.set(from.kind.replace(Kind::Busy));
    }

    /// Drops the result, if there is one.
    pub(super) fn clear(&self) {
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
