//! The living objects of a class that were entered, none of them kept alive by that.

use super::Attached;
use hereafter_insight as insight;
use pyo3::prelude::*;
use pyo3::{PyClass, ffi};
use std::cell::RefCell;
use std::marker::PhantomData;

/// Objects of the class `T`, by a number that each is entered with.
pub(crate) struct Roll<T>(
    Attached<RefCell<insight::Roll<*mut ffi::PyObject>>>,
    PhantomData<fn() -> T>,
);

impl<T: PyClass> Roll<T> {
    pub(crate) const fn new() -> Self {
        Self(Attached::new(RefCell::new(insight::Roll::new())), PhantomData)
    }

    /// Enters an object, which has to be struck off before it is freed.
    pub(crate) fn enter(&self, object: &Bound<'_, T>, number: u64) {
        self.0.get(object.py()).borrow_mut().enter(number, object.as_ptr());
    }

    /// Strikes an object off, which may be in the middle of being freed.
    pub(crate) fn strike(&self, number: u64) {
        self.0.in_collector().borrow_mut().strike(number);
    }

    /// The object of that number, if it is alive.
    pub(crate) fn find<'py>(&self, py: Python<'py>, number: u64) -> Option<Bound<'py, T>> {
        let object = *self.0.get(py).borrow().get(number)?;
        // SAFETY: it was not struck off, and so its memory is still there. An object that is being
        // freed has no references left, and gets none.
        unsafe {
            if ffi::Py_REFCNT(object) == 0 {
                return None;
            }
            Some(Bound::from_borrowed_ptr(py, object).cast_into_unchecked())
        }
    }

    /// The numbers of all, in their order.
    pub(crate) fn numbers(&self, py: Python<'_>) -> Vec<u64> {
        self.0.get(py).borrow().iter().map(|(number, _)| number).collect()
    }
}

/// How many references there are to an object.
pub(crate) fn references<T>(object: &Bound<'_, T>) -> usize {
    // SAFETY: whoever holds an object has one that is alive.
    usize::try_from(unsafe { ffi::Py_REFCNT(object.as_ptr()) }).unwrap_or(usize::MAX)
}
