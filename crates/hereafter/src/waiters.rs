//! A row of waiters, first come first served, that cancelled ones leave.

use crate::deferred::Deferred;
use crate::trigger::Trigger;
use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Who waits for a `T`, in the order of coming.
pub(crate) struct Waiters<T: 'static>(Rc<Row<T>>);

struct Row<T: 'static> {
    waiting: RefCell<BTreeMap<u64, Trigger<T>>>,
    came: Cell<u64>,
}

impl<T: 'static> Row<T> {
    fn remove(&self, number: u64) -> Option<Trigger<T>> {
        self.waiting.borrow_mut().remove(&number)
    }
}

impl<T: 'static> Waiters<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Row { waiting: RefCell::default(), came: Cell::new(0) }))
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.waiting.borrow().len()
    }

    /// Joins the row. A cancel leaves it.
    #[track_caller]
    pub(crate) fn wait(&self) -> Deferred<T> {
        let number = self.0.came.get();
        self.0.came.set(number + 1);
        let row = Rc::downgrade(&self.0);
        let (trigger, d) = Deferred::with_canceller(move || {
            row.upgrade()?.remove(number);
            None
        });
        self.0.waiting.borrow_mut().insert(number, trigger);
        d
    }

    /// The next who still wants it.
    pub(crate) fn next(&self) -> Option<Trigger<T>> {
        loop {
            let (_, trigger) = self.0.waiting.borrow_mut().pop_first()?;
            if !trigger.is_cancelled() {
                return Some(trigger);
            }
        }
    }
}
