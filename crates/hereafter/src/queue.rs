//! A queue whose empty end is waited for.

use crate::deferred::Deferred;
use crate::errors::{QueueOverflow, QueueUnderflow};
use crate::waiters::Waiters;
use core::cell::RefCell;
use core::fmt;
use std::collections::VecDeque;
use std::rc::Rc;

/// Objects that are put now and got later, or the other way round (Twisted's `DeferredQueue`).
///
/// Objects come out in the order in which they were put, and go to those who wait in the order in
/// which they asked. Cancelling a wait leaves the row. Clones stand for the same queue.
///
/// # Examples
///
/// ```
/// use hereafter::DeferredQueue;
///
/// let queue = DeferredQueue::new();
/// let first = queue.get();
/// queue.put("a").unwrap();
/// queue.put("b").unwrap();
/// assert_eq!(first.take_result().unwrap().unwrap(), "a");
/// assert_eq!(queue.get().take_result().unwrap().unwrap(), "b");
/// ```
pub struct DeferredQueue<T: 'static>(Rc<Queue<T>>);

struct Queue<T: 'static> {
    size: Option<usize>,
    backlog: Option<usize>,
    objects: RefCell<VecDeque<T>>,
    waiters: Waiters<T>,
}

impl<T: 'static> Default for DeferredQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: 'static> Clone for DeferredQueue<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: 'static> DeferredQueue<T> {
    /// A queue without bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter::DeferredQueue::<u32>::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::bounded(None, None)
    }

    /// A queue that holds at most `size` objects, and lets at most `backlog` wait; `None` is no
    /// bound.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = hereafter::DeferredQueue::bounded(Some(1), None);
    /// assert!(queue.put(1).is_ok());
    /// assert!(queue.put(2).is_err());
    /// ```
    pub fn bounded(size: Option<usize>, backlog: Option<usize>) -> Self {
        let (objects, waiters) = (RefCell::default(), Waiters::new());
        Self(Rc::new(Queue { size, backlog, objects, waiters }))
    }

    /// Gives an object to the first who waits, before this returns; or keeps it.
    ///
    /// # Errors
    ///
    /// [`QueueOverflow`], with the object, when the queue is full.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = hereafter::DeferredQueue::new();
    /// queue.put(1).unwrap();
    /// assert_eq!(queue.len(), 1);
    /// ```
    pub fn put(&self, object: T) -> Result<(), QueueOverflow<T>> {
        if let Some(waiter) = self.0.waiters.next() {
            waiter.callback(object);
        } else if self.0.size.is_some_and(|size| self.len() >= size) {
            return Err(QueueOverflow(object));
        } else {
            self.0.objects.borrow_mut().push_back(object);
        }
        Ok(())
    }

    /// A deferred of the next object. It fails with [`QueueUnderflow`] when too many wait already.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = hereafter::DeferredQueue::new();
    /// let d = queue.get();
    /// queue.put(1).unwrap();
    /// assert!(d.has_result());
    /// ```
    #[track_caller]
    pub fn get(&self) -> Deferred<T> {
        let object = self.0.objects.borrow_mut().pop_front();
        match object {
            Some(object) => Deferred::succeed(object),
            None if self.0.backlog.is_some_and(|backlog| self.waiting() >= backlog) => {
                Deferred::fail(QueueUnderflow)
            }
            None => self.0.waiters.wait(),
        }
    }

    /// How many objects it holds.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter::DeferredQueue::<u32>::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.0.objects.borrow().len()
    }

    /// Whether it holds no object.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter::DeferredQueue::<u32>::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait for an object.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = hereafter::DeferredQueue::<u32>::new();
    /// let d = queue.get();
    /// assert_eq!(queue.waiting(), 1);
    /// # drop((queue.put(1), d));
    /// ```
    pub fn waiting(&self) -> usize {
        self.0.waiters.len()
    }
}

impl<T: 'static> fmt::Debug for DeferredQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredQueue")
            .field("len", &self.len())
            .field("waiting", &self.waiting())
            .finish()
    }
}
