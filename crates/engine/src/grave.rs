//! Freeing long chains without recursion.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// Where handles go whose deferred is being freed, so that freeing one never nests in another.
///
/// A deferred owns what waits on it, which owns what waits on *that*: freed naively, a long chain
/// overflows the stack. A world keeps one `Graveyard` a thread, and gives every dying handle to
/// [`bury`](Graveyard::bury): the outermost call takes the dead apart one by one, and the inner
/// calls only queue.
///
/// # Examples
///
/// ```
/// use hereafter_engine::Graveyard;
/// use std::rc::Rc;
///
/// struct Node(Rc<Graveyard<Node>>, Option<Box<Node>>);
///
/// fn bury(node: Node) {
///     let graveyard = node.0.clone();
///     graveyard.bury(node, |mut node| if let Some(next) = node.1.take() { bury(*next) });
/// }
///
/// let graveyard = Rc::new(Graveyard::new());
/// let mut list = Node(graveyard.clone(), None);
/// for _ in 0..100_000 {
///     list = Node(graveyard.clone(), Some(Box::new(list)));
/// }
/// bury(list); // a plain drop of this list would overflow the stack
/// ```
#[derive(Debug)]
pub struct Graveyard<H> {
    dead: RefCell<Vec<H>>,
    digging: Cell<bool>,
}

impl<H> Default for Graveyard<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H> Graveyard<H> {
    /// An empty graveyard.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Graveyard;
    /// thread_local! {
    ///     static GRAVEYARD: Graveyard<String> = const { Graveyard::new() };
    /// }
    /// # GRAVEYARD.with(|graveyard| graveyard.bury(String::new(), drop));
    /// ```
    pub const fn new() -> Self {
        Self { dead: RefCell::new(Vec::new()), digging: Cell::new(false) }
    }

    /// Takes `handle` apart with `dismantle`, now or, from inside another burial, right after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Graveyard;
    /// use std::cell::RefCell;
    ///
    /// let (graveyard, order) = (Graveyard::new(), RefCell::new(Vec::new()));
    /// graveyard.bury(2, |number: u32| {
    ///     order.borrow_mut().push(number);
    ///     if let Some(next) = number.checked_sub(1) {
    ///         graveyard.bury(next, |_| unreachable!("the outer burial takes it apart"));
    ///     }
    /// });
    /// assert_eq!(*order.borrow(), [2, 1, 0]);
    /// ```
    pub fn bury(&self, handle: H, dismantle: impl Fn(H)) {
        if self.digging.get() {
            self.dead.borrow_mut().push(handle);
            return;
        }
        let _digging = Digging::start(&self.digging);
        dismantle(handle);
        while let Some(next) = self.pop() {
            dismantle(next);
        }
    }

    /// The next dead; the borrow ends before anything is taken apart.
    fn pop(&self) -> Option<H> {
        self.dead.borrow_mut().pop()
    }
}

/// Clears the flag on the way out, also when `dismantle` unwinds.
struct Digging<'a>(&'a Cell<bool>);

impl<'a> Digging<'a> {
    fn start(flag: &'a Cell<bool>) -> Self {
        flag.set(true);
        Self(flag)
    }
}

impl Drop for Digging<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
