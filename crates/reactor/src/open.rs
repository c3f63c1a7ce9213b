//! What is open: connections, attempts at them, and ports, so that the end of the reactor can close them, and tests
//! can see that none is left.

use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

/// Something that is open until it closes itself, or the reactor ends.
pub(crate) trait Close {
    /// The reactor has come to its end. Calls user code.
    fn close(&self);
}

/// What is open on one reactor, in the order of opening. Clones are handles on the same.
#[derive(Clone, Default)]
pub(crate) struct Open(Rc<Lists>);

#[derive(Default)]
struct Lists {
    opened: Cell<u64>,
    attempts: List,
    connections: List,
    ports: List,
}

type List = RefCell<BTreeMap<u64, Weak<dyn Close>>>;

/// A place in the list, left by a drop.
pub(crate) struct Entry {
    lists: Rc<Lists>,
    list: fn(&Lists) -> &List,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        (self.list)(&self.lists).borrow_mut().remove(&self.number);
    }
}

impl Open {
    /// Something that is to become a connection; a cancel gives it up.
    pub(crate) fn add_attempt(&self, attempt: Weak<dyn Close>) -> Entry {
        self.add(|lists| &lists.attempts, attempt)
    }

    pub(crate) fn add_connection(&self, connection: Weak<dyn Close>) -> Entry {
        self.add(|lists| &lists.connections, connection)
    }

    pub(crate) fn add_port(&self, port: Weak<dyn Close>) -> Entry {
        self.add(|lists| &lists.ports, port)
    }

    fn add(&self, list: fn(&Lists) -> &List, what: Weak<dyn Close>) -> Entry {
        let number = self.0.opened.get();
        self.0.opened.set(number + 1);
        list(&self.0).borrow_mut().insert(number, what);
        Entry { lists: self.0.clone(), list, number }
    }

    pub(crate) fn connections(&self) -> usize {
        self.0.connections.borrow().len()
    }

    pub(crate) fn ports(&self) -> usize {
        self.0.ports.borrow().len()
    }

    /// Closes all there is, and first what might bring more.
    pub(crate) fn close_all(&self) {
        for list in [&self.0.ports, &self.0.attempts, &self.0.connections] {
            loop {
                // Closing may open and close others, so each is taken for itself.
                let first = list.borrow_mut().pop_first();
                let Some((_, what)) = first else { break };
                if let Some(what) = what.upgrade() {
                    what.close();
                }
            }
        }
    }
}
