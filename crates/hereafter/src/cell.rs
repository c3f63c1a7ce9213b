//! The cell of a pending deferred, and how the engine sees it.

use crate::driver;
use crate::erased::{Body, Core, Handed, Ran};
use crate::errors::{CancelledError, CycleError};
use crate::failure::Failure;
use crate::{debug, report};
use async_task::Task;
use core::cell::Cell;
#[cfg(feature = "inspect")]
use core::hint::cold_path;
use core::panic::Location;
use hereafter_engine::{Cancelling, Chain, Claim, Event, Graveyard, Step, World};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// What a cell holds beside its result and its links.
pub(crate) struct Head {
    chain: Chain,
    /// The `Deferred` was dropped: nobody can add links any more.
    detached: Cell<bool>,
    canceller: Cell<Option<Canceller>>,
    /// How many handles can cancel it, beside the `Deferred`.
    cancel_handles: Cell<u32>,
    /// Its canceller is being called.
    cancelling: Cell<bool>,
    /// A deferred has woken the coroutine that will fill it, since that was polled.
    resumed: Cell<bool>,
    /// Where it was made.
    made: &'static Location<'static>,
    /// What debug mode and inspection note.
    notes: debug::Notebook,
}

/// How a deferred is cancelled that has not fired.
pub(crate) enum Canceller {
    /// User code, which may fire the deferred.
    Call(Box<dyn FnOnce()>),
    /// The coroutine that would have fired it is dropped.
    Coroutine(Task<()>),
    /// Those that the result comes from are cancelled, as often as asked.
    Members(Rc<dyn Members>),
}

/// Those that the result of a list comes from.
pub(crate) trait Members {
    /// The list is cancelled.
    fn cancel(&self);

    /// How many they are, in all.
    #[cfg(feature = "inspect")]
    fn count(&self) -> usize;

    /// Those that the list waits for.
    #[cfg(feature = "inspect")]
    fn awaited(&self) -> Vec<CellRef>;
}

impl Head {
    #[inline]
    pub(crate) fn new(made: &'static Location<'static>) -> Self {
        Self {
            chain: Chain::new(),
            detached: Cell::new(false),
            canceller: Cell::new(None),
            cancel_handles: Cell::new(0),
            cancelling: Cell::new(false),
            resumed: Cell::new(false),
            made,
            notes: debug::Notebook::new(),
        }
    }
}

/// A counted reference to a cell.
#[derive(Clone)]
pub(crate) struct CellRef(Rc<Core>);

/// A reference that keeps the cell's room, and not the cell.
#[cfg(feature = "inspect")]
pub(crate) struct WeakCellRef(std::rc::Weak<Core>);

#[cfg(feature = "inspect")]
impl WeakCellRef {
    pub(crate) fn upgrade(&self) -> Option<CellRef> {
        self.0.upgrade().map(CellRef)
    }
}

thread_local! {
    static GRAVEYARD: Graveyard<CellRef> = const { Graveyard::new() };
}

impl Drop for CellRef {
    #[inline]
    fn drop(&mut self) {
        if Rc::strong_count(&self.0) == 1 && !self.is_bare() {
            self.bury();
        }
    }
}

impl CellRef {
    #[inline]
    pub(crate) fn new(core: Rc<Core>) -> Self {
        Self(core)
    }

    #[inline]
    pub(crate) fn chain(&self) -> &Chain {
        &self.0.head.chain
    }

    #[inline]
    pub(crate) fn body(&self) -> &Body {
        &self.0.body
    }

    #[inline]
    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.0.head.made
    }

    #[inline]
    pub(crate) fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// What `{:p}` shows of it.
    pub(crate) fn address(&self) -> *const () {
        Rc::as_ptr(&self.0).cast()
    }

    pub(crate) fn set_canceller(&self, canceller: Canceller) {
        self.0.head.canceller.set(Some(canceller));
    }

    /// Sets user code as the canceller, save where the cancel has a way to go already.
    pub(crate) fn replace_canceller(&self, canceller: Box<dyn FnOnce()>) {
        match self.0.head.canceller.take() {
            None => self.set_canceller(Canceller::Call(canceller)),
            Some(Canceller::Call(before)) => {
                self.set_canceller(Canceller::Call(canceller));
                report::guard("a canceller, when it was dropped", || drop(before));
            }
            own => self.0.head.canceller.set(own),
        }
    }

    /// Whether anything is noted of it.
    #[cfg(feature = "inspect")]
    #[inline]
    fn is_noted(&self) -> bool {
        !self.0.head.notes.is_empty()
    }

    /// Begins to note what happens to it, here; what was noted before comes back.
    #[cfg(feature = "inspect")]
    #[inline]
    pub(crate) fn begin_notes(&self, notes: Box<debug::Notes>) -> Option<Box<debug::Notes>> {
        self.0.head.notes.replace(notes)
    }

    /// What is noted of it, if anything was when it was made. `look` must run no user code.
    #[inline]
    pub(crate) fn with_notes<R>(&self, look: impl FnOnce(Option<&mut debug::Notes>) -> R) -> R {
        self.0.head.notes.with(look)
    }

    #[cfg(feature = "inspect")]
    pub(crate) fn downgrade(&self) -> WeakCellRef {
        WeakCellRef(Rc::downgrade(&self.0))
    }

    /// Who is going to fire it, in words.
    #[cfg(feature = "inspect")]
    pub(crate) fn who_fires(&self) -> String {
        let canceller = self.0.head.canceller.take();
        let who = match &canceller {
            Some(Canceller::Coroutine(_)) => {
                "its coroutine waits for something that is no deferred".to_owned()
            }
            Some(Canceller::Members(members)) => {
                let (count, awaited) = (members.count(), members.awaited().len());
                format!("it waits for {awaited} of its {count} deferreds")
            }
            Some(Canceller::Call(_)) => {
                "its trigger is still there, and it has a canceller".to_owned()
            }
            None => "its trigger is still there".to_owned(),
        };
        self.0.head.canceller.set(canceller);
        who
    }

    /// What its result will come from: another deferred, or those of a list that it waits for.
    #[cfg(feature = "inspect")]
    pub(crate) fn sources(&self) -> Vec<CellRef> {
        if let Some(source) = self.body().source() {
            return vec![source];
        }
        let canceller = self.0.head.canceller.take();
        let awaited = match &canceller {
            Some(Canceller::Members(members)) => members.awaited(),
            _ => Vec::new(),
        };
        self.0.head.canceller.set(canceller);
        awaited
    }

    /// Whether its canceller is being called. Who gives up the right to fire meanwhile does just
    /// what the cancel asks for.
    pub(crate) fn is_cancelling(&self) -> bool {
        self.0.head.cancelling.get()
    }

    pub(crate) fn note_resumed(&self, resumed: bool) {
        self.0.head.resumed.set(resumed);
    }

    pub(crate) fn was_resumed(&self) -> bool {
        self.0.head.resumed.get()
    }

    /// Whether the `Deferred` was dropped.
    #[cfg(feature = "page")]
    pub(crate) fn is_detached(&self) -> bool {
        self.0.head.detached.get()
    }

    /// Whether anybody would notice that it fires.
    pub(crate) fn is_of_interest(&self) -> bool {
        !self.0.head.detached.get() || self.body().has_links() || !self.body().is_unwaited()
    }

    /// Nobody can add links any more, but the result has somewhere to go.
    pub(crate) fn seal(&self) {
        self.0.head.detached.set(true);
    }

    /// The `Deferred` has gone: a failure that is left over has nobody to handle it.
    pub(crate) fn detach(&self) {
        self.0.head.detached.set(true);
        self.body().forget_waker();
        self.let_coroutine_go();
        let chain = self.chain();
        if chain.is_fired() && !chain.is_running() && chain.paused() == 0 {
            self.report_unhandled();
        }
    }

    pub(crate) fn add_cancel_handle(&self) {
        self.0.head.cancel_handles.update(|count| count.saturating_add(1));
    }

    pub(crate) fn remove_cancel_handle(&self) {
        self.0.head.cancel_handles.update(|count| count.saturating_sub(1));
        self.let_coroutine_go();
    }

    /// Where nobody can cancel any more, a coroutine belongs to what wakes it alone: one that can
    /// never be woken goes.
    fn let_coroutine_go(&self) {
        if !self.0.head.detached.get() || self.0.head.cancel_handles.get() > 0 {
            return;
        }
        match self.0.head.canceller.take() {
            Some(Canceller::Coroutine(task)) => task.detach(),
            other => self.0.head.canceller.set(other),
        }
    }

    fn report_unhandled(&self) {
        if let Some(failure) = self.body().take_unhandled() {
            report::unhandled(failure, Some(self));
        }
    }

    /// Nothing is left in it that would have to be taken apart.
    #[inline]
    fn is_bare(&self) -> bool {
        // A fired cell has no canceller; one that was never fired is rare enough for the long way.
        self.chain().is_fired() && self.body().is_bare()
    }

    /// As [`is_bare`](Self::is_bare), also for a cell that was never fired.
    fn is_empty(&self) -> bool {
        let canceller = self.0.head.canceller.take();
        let none = canceller.is_none();
        self.0.head.canceller.set(canceller);
        none && self.body().is_bare()
    }

    /// Takes the cell apart without recursion; its memory goes with the handle.
    #[cold]
    #[inline(never)]
    fn bury(&self) {
        let dismantle = |cell: CellRef| {
            // What is dropped is out of the cell by then, so this comes to an end even if every
            // drop in it panics.
            while !cell.is_empty() {
                report::guard("what a deferred held, when it was dropped", || {
                    drop(cell.0.head.canceller.take());
                    cell.body().clear();
                });
            }
        };
        // On a thread that ends, its graveyard may have gone: then the drop is an ordinary one.
        let _ = GRAVEYARD.try_with(|graveyard| graveyard.bury(self.clone(), dismantle));
    }

    /// Fires with what `put` puts in place, and runs the links.
    #[inline]
    pub(crate) fn fire(&self, put: impl FnOnce()) -> Claim {
        hereafter_engine::fire::<Native>(self, || {
            // Noted first: a link may ask for it.
            debug::note_firing(self);
            put();
        })
    }

    /// Claims the firing without running the links: whoever asks for it does that next.
    pub(crate) fn claim(&self) -> bool {
        let mine = self.chain().claim() == Claim::Mine;
        if mine {
            debug::note_firing(self);
            Native::observe(self, Event::Fired);
            Native::release_canceller(self);
        }
        mine
    }

    /// Fires with a failure, of which no type need be known.
    pub(crate) fn fire_failure(&self, failure: impl FnOnce() -> Failure) -> Claim {
        self.fire(|| self.body().put_failure(failure()))
    }

    /// Runs what can run.
    #[inline]
    pub(crate) fn run(&self) {
        hereafter_engine::run::<Native>(self);
    }

    /// Whether it would wait on itself if it waited on `inner`.
    pub(crate) fn closes_cycle(&self, inner: &Self) -> bool {
        hereafter_engine::closes_cycle::<Native>(self, inner)
    }

    pub(crate) fn cancel(&self) {
        hereafter_engine::cancel::<Native>(self);
    }

    pub(crate) fn unpause(&self) {
        hereafter_engine::unpause::<Native>(self);
    }
}

/// The engine's world of typed Rust deferreds.
pub(crate) struct Native;

impl World for Native {
    type Handle = CellRef;

    #[inline]
    fn chain(cell: &CellRef) -> &Chain {
        cell.chain()
    }

    #[inline]
    fn same(a: &CellRef, b: &CellRef) -> bool {
        a.same(b)
    }

    #[inline]
    fn has_result(cell: &CellRef) -> bool {
        // One with links is being run further up the stack: its final result is still to come.
        cell.body().is_full() && !cell.body().has_links()
    }

    #[inline]
    fn step(cell: &CellRef) -> Step<CellRef> {
        match cell.body().run_front() {
            Some(Ran::Settled) => Step::Ran,
            Some(Ran::Returned) => Step::Returned,
            None if cell.body().is_unwaited() || !cell.body().is_full() => Step::Empty,
            // A link paused its own deferred. A task would find it paused, and wait again.
            None if cell.chain().paused() != 0 && cell.body().is_polled() => Step::Empty,
            None => hand_on(cell),
        }
    }

    #[inline]
    fn is_drained(cell: &CellRef) -> bool {
        !cell.body().has_links() && cell.body().is_unwaited()
    }

    #[inline]
    fn settled(cell: &CellRef) {
        if cell.0.head.detached.get() {
            cell.report_unhandled();
        }
    }

    #[inline]
    fn waiting_on(cell: &CellRef) -> Option<CellRef> {
        cell.body().waiting_on()
    }

    fn source(cell: &CellRef) -> Option<CellRef> {
        cell.body().source()
    }

    fn waiter(cell: &CellRef) -> Option<CellRef> {
        cell.body().waiting_cell()
    }

    fn take_returned(cell: &CellRef) {
        cell.take_returned();
    }

    fn await_returned(cell: &CellRef) {
        cell.await_returned();
    }

    fn refuse_cycle(cell: &CellRef) -> bool {
        if let Some(returned) = cell.body().waiting_on() {
            // Nobody can add to it any more, so what is left in it in the end is reported.
            returned.seal();
        }
        cell.body().refuse_returned(cycle(cell.made()));
        true
    }

    #[inline]
    fn release_canceller(cell: &CellRef) {
        match cell.0.head.canceller.take() {
            None => {}
            // It is the coroutine itself that fires; it ends by itself.
            Some(Canceller::Coroutine(task)) => task.detach(),
            Some(canceller) => report::guard("a canceller, when it was dropped", || {
                drop(canceller);
            }),
        }
    }

    fn call_canceller(cell: &CellRef) -> Cancelling {
        match cell.0.head.canceller.take() {
            None => return Cancelling::Missing,
            Some(Canceller::Call(canceller)) => {
                cell.0.head.cancelling.set(true);
                let called = catch_unwind(AssertUnwindSafe(canceller));
                cell.0.head.cancelling.set(false);
                if let Err(panic) = called {
                    report::canceller_panicked(Failure::from_panic(panic), cell);
                }
            }
            Some(Canceller::Coroutine(task)) => {
                cell.0.head.cancelling.set(true);
                driver::cancel(task);
                cell.0.head.cancelling.set(false);
            }
            Some(Canceller::Members(members)) => {
                cell.set_canceller(Canceller::Members(members.clone()));
                members.cancel();
                return Cancelling::PassedOn;
            }
        }
        Cancelling::Called
    }

    fn fire_cancelled(cell: &CellRef) {
        cell.fire_failure(|| Failure::made_at(CancelledError, cell.made()));
    }

    #[cfg(feature = "inspect")]
    #[inline]
    fn observe(cell: &CellRef, event: Event<'_, CellRef>) {
        if cell.is_noted() {
            cold_path();
            crate::inspect::observe(cell, event);
        }
    }
}

/// The failure of a deferred, made at `made`, that would wait on itself.
pub(crate) fn cycle(made: &'static Location<'static>) -> Failure {
    Failure::made_at(CycleError { made }, made)
}

/// The queue is empty and there is a result: hands it to whoever waits for it.
fn hand_on(cell: &CellRef) -> Step<CellRef> {
    match cell.hand_on(CellRef::claim) {
        Handed::ToNobody => Step::Empty,
        Handed::Resumed(outer) => Step::Resumed(outer),
        Handed::Fired(target) => Step::Fired(target),
        // A failure that is refused is reported when this chain is left.
        Handed::Refused => Step::Ran,
        Handed::Wake(waker, coroutine) => match driver::wake(waker, coroutine) {
            Some(finished) => {
                // The loop goes on there. The task may have ended without taking our result.
                Native::settled(cell);
                Step::Fired(finished)
            }
            None => Step::Ran,
        },
    }
}
