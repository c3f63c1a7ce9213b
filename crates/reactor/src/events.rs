//! System events: what is to be done when the reactor starts and when it stops.

use core::cell::{Cell, RefCell};
use core::fmt;
use hereafter::{Deferred, Outcome, maybe_deferred, report};

/// The three phases of a [`SystemEvent`], in their order (Twisted's `"before"`, `"during"` and
/// `"after"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// First. The later phases wait for the deferreds that these triggers give back.
    Before,
    /// When all of `Before` is done.
    During,
    /// Last.
    After,
}

/// What a trigger waits for (Twisted's `eventType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemEvent {
    /// The reactor starts to run.
    Startup,
    /// The reactor was told to stop.
    Shutdown,
    /// An event of the program's own, fired by
    /// [`Reactor::fire_system_event`](crate::Reactor::fire_system_event).
    Custom(&'static str),
}

impl fmt::Display for SystemEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "startup",
            Self::Shutdown => "shutdown",
            Self::Custom(name) => name,
        })
    }
}

/// A trigger of a system event: what
/// [`Reactor::remove_system_event_trigger`](crate::Reactor::remove_system_event_trigger) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TriggerId(u64);

type Call = Box<dyn FnOnce() -> Deferred<()>>;

struct Entry {
    id: TriggerId,
    event: SystemEvent,
    phase: Phase,
    call: Call,
}

/// The triggers of one reactor, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Events {
    added: Cell<u64>,
    entries: RefCell<Vec<Entry>>,
}

impl Drop for Events {
    fn drop(&mut self) {
        for entry in self.entries.take() {
            report::guard("a trigger of a system event, when it was dropped", || drop(entry));
        }
    }
}

impl Events {
    pub(crate) fn add<R: Outcome>(
        &self,
        phase: Phase,
        event: SystemEvent,
        call: impl FnOnce() -> R + 'static,
    ) -> TriggerId {
        let id = TriggerId(self.added.replace(self.added.get() + 1));
        let call = || maybe_deferred(call).map(drop);
        self.entries.borrow_mut().push(Entry { id, event, phase, call: Box::new(call) });
        id
    }

    /// Takes a trigger away; whether it was there.
    pub(crate) fn remove(&self, id: TriggerId) -> bool {
        let entry = {
            let mut entries = self.entries.borrow_mut();
            let place = entries.iter().position(|entry| entry.id == id);
            place.map(|place| entries.remove(place))
        };
        entry.is_some()
    }

    /// Calls the triggers of one phase, those too that are added meanwhile.
    fn call(&self, phase: Phase, event: SystemEvent) -> Vec<Deferred<()>> {
        let mut results = Vec::new();
        loop {
            let entry = {
                let mut entries = self.entries.borrow_mut();
                let wanted = |entry: &Entry| entry.phase == phase && entry.event == event;
                let place = entries.iter().position(wanted);
                place.map(|place| entries.remove(place))
            };
            let Some(entry) = entry else { return results };
            results.push((entry.call)());
        }
    }

    /// Calls the triggers of the phase before; fires when all that they gave back is done. It
    /// never fails: what fails there is reported.
    pub(crate) fn before(&self, event: SystemEvent) -> Deferred<()> {
        let results = self.call(Phase::Before, event);
        Deferred::from_coroutine(async move {
            for result in results {
                if let Err(failure) = result.await {
                    let headline = format!("Unhandled error in a trigger before {event}");
                    report::failure(&headline, failure);
                }
            }
        })
    }

    /// Calls the triggers of a later phase, which nothing waits for.
    pub(crate) fn fire(&self, phase: Phase, event: SystemEvent) {
        // A failure in one is reported as it is dropped.
        drop(self.call(phase, event));
    }
}
