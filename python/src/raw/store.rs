//! Where a deferred keeps objects, and the links of its chain.

use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::mem::MaybeUninit;

/// A place for an object, or for none.
pub(crate) struct Slot<T = PyAny>(Cell<Option<Py<T>>>);

impl<T> Default for Slot<T> {
    #[inline]
    fn default() -> Self {
        Self(Cell::new(None))
    }
}

impl<T> Slot<T> {
    /// The place of this object.
    #[inline]
    pub(crate) fn of(object: Bound<'_, T>) -> Self {
        Self(Cell::new(Some(object.unbind())))
    }

    #[inline]
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, T>> {
        // SAFETY: nothing else has a reference into the cell while this one lives.
        unsafe { (*self.0.as_ptr()).as_ref().map(|object| object.bind(py).clone()) }
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.0.as_ptr()).is_some() }
    }

    /// The object's address and type, to compare and test only.
    #[inline]
    pub(crate) fn peek(&self) -> Option<(*mut ffi::PyObject, *mut ffi::PyTypeObject)> {
        // SAFETY: as above; an object in the slot is alive, and so has a type.
        unsafe {
            (*self.0.as_ptr())
                .as_ref()
                .map(|object| (object.as_ptr(), ffi::Py_TYPE(object.as_ptr())))
        }
    }

    /// Puts another object in place; the former is dropped when the place is in order again.
    #[inline]
    pub(crate) fn set(&self, object: Option<Bound<'_, T>>) {
        if let Some(former) = self.0.replace(object.map(Bound::unbind)) {
            release(former);
        }
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<Py<T>> {
        self.0.take()
    }

    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // SAFETY: the visitor runs none of our code.
        unsafe { (*self.0.as_ptr()).as_ref().map_or(Ok(()), |object| visit.call(object)) }
    }
}

impl<T> Drop for Slot<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(object) = self.take() {
            release(object);
        }
    }
}

/// Drops an object without a look at whether this thread may, which `PyO3` takes at every drop.
#[inline]
fn release<T>(object: Py<T>) {
    // SAFETY: rule 1: whoever holds the state that it comes from is attached.
    drop(object.into_bound(unsafe { Python::assume_attached() }));
}

/// A queue whose first few items lie in place.
///
/// Those in place come first: `head..end` of them are there. Once they have been too many, all that
/// are added go to `more`, until the queue is empty again.
#[allow(clippy::box_collection, reason = "one pointer is enough for what is hardly ever there")]
pub(crate) struct Queue<T, const N: usize> {
    place: UnsafeCell<[MaybeUninit<T>; N]>,
    head: Cell<u32>,
    end: Cell<u32>,
    more: UnsafeCell<Option<Box<VecDeque<T>>>>,
}

impl<T, const N: usize> Default for Queue<T, N> {
    #[inline]
    fn default() -> Self {
        Self {
            place: UnsafeCell::new([const { MaybeUninit::uninit() }; N]),
            head: Cell::new(0),
            end: Cell::new(0),
            more: UnsafeCell::new(None),
        }
    }
}

impl<T, const N: usize> Queue<T, N> {
    #[inline]
    pub(crate) fn push(&self, item: T) {
        let end = self.end.get();
        // SAFETY: rule 2: the borrows end with this call, which runs no other code.
        unsafe {
            if (*self.more.get()).is_none()
                && let Some(place) = (*self.place.get()).get_mut(end as usize)
            {
                place.write(item);
                self.end.set(end + 1);
                return;
            }
        }
        self.more(|more| more.push_back(item));
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        let head = self.head.get();
        if head == self.end.get() {
            // SAFETY: rule 2.
            return if unsafe { (*self.more.get()).is_some() } { self.pop_more() } else { None };
        }
        if head + 1 == self.end.get() {
            self.head.set(0);
            self.end.set(0);
        } else {
            self.head.set(head + 1);
        }
        // SAFETY: rule 2; what lies before the end was written, and what lies before the head is left alone.
        Some(unsafe { (&(*self.place.get()))[head as usize].assume_init_read() })
    }

    #[cold]
    #[inline(never)]
    fn pop_more(&self) -> Option<T> {
        // SAFETY: rule 2.
        let place = unsafe { &mut *self.more.get() };
        let more = place.as_mut()?;
        let item = more.pop_front();
        if more.is_empty() {
            *place = None;
        }
        item
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: rule 2. Where there is more, it is not empty.
        self.head.get() == self.end.get() && unsafe { (*self.more.get()).is_none() }
    }

    /// Looks at the first item, if there is one; `look` must not touch the queue.
    #[inline]
    pub(crate) fn front<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        // SAFETY: the callers in this crate look at what is there, which runs no code that could reach the queue.
        // What lies at the head, before the end, was written.
        unsafe {
            let head = self.head.get();
            if head == self.end.get() {
                return (*self.more.get()).as_ref()?.front().map(look);
            }
            Some(look((&(*self.place.get()))[head as usize].assume_init_ref()))
        }
    }

    /// Puts an item before all others.
    pub(crate) fn push_front(&self, item: T) {
        if let Some(before) = self.head.get().checked_sub(1) {
            // SAFETY: rule 2; what lies there has been taken out.
            unsafe { (&mut (*self.place.get()))[before as usize].write(item) };
            self.head.set(before);
            return;
        }
        if self.is_empty() {
            return self.push(item);
        }
        let all = self.take();
        self.push(item);
        for item in all {
            self.push(item);
        }
    }

    /// Takes all items out.
    pub(crate) fn take(&self) -> VecDeque<T> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    #[cold]
    fn more(&self, add: impl FnOnce(&mut VecDeque<T>)) {
        // SAFETY: rule 2: the callers are in this module, and add what they have at hand.
        add(unsafe { &mut *self.more.get() }.get_or_insert_default());
    }

    /// Looks at each item; `look` must not touch the queue.
    pub(crate) fn each<E>(&self, mut look: impl FnMut(&T) -> Result<(), E>) -> Result<(), E> {
        // SAFETY: the callers in this crate collect or visit, which runs no code that could reach the
        // queue. What lies between head and end was written.
        unsafe {
            for place in &(&(*self.place.get()))[self.head.get() as usize..self.end.get() as usize]
            {
                look(place.assume_init_ref())?;
            }
            (*self.more.get()).iter().flat_map(|more| more.iter()).try_for_each(look)
        }
    }
}

impl<T, const N: usize> Drop for Queue<T, N> {
    #[inline]
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
