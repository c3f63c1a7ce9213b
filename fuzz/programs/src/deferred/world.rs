//! What a program has made, and what is known of it.

use super::{Act, End, Op};
use crate::program::{BLOCKS, Block, FUEL, Program, Which};
use crate::tokens::{self, OnDrop, Oops, Token, wrong};
use hereafter::clock::ManualClock;
use hereafter::errors::Panicked;
use hereafter::mailbox::Mailbox;
use hereafter::report::Report;
use hereafter::{
    CancelHandle, Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, Failure, LockGuard,
    PauseGuard, Permit, Shared, SharedTrigger, Trigger,
};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

/// The value of every deferred: a number by which it is told from others, and a token.
pub(super) struct Parcel {
    pub(super) number: usize,
    token: Token,
}

impl Parcel {
    pub(super) fn new(number: usize) -> Self {
        Self { number, token: Token::new(OnDrop::Nothing) }
    }

    pub(super) fn check(&self) {
        self.token.check();
    }
}

impl Clone for Parcel {
    fn clone(&self) -> Self {
        self.check();
        Self::new(self.number)
    }
}

pub(super) type D = Deferred<Parcel>;

/// What one waits for depends on others; a program must not make it depend on itself.
pub(super) type Line = usize;

/// A deferred, and by what its links are told from others.
pub(super) struct Entry {
    pub(super) d: D,
    pub(super) line: Line,
}

pub(super) enum AnyTrigger {
    Once(Trigger<Parcel>),
    Shared(SharedTrigger<Parcel>),
}

/// A lock or a semaphore, and what must hold of it.
pub(super) struct Turns {
    pub(super) kind: Kind,
    pub(super) held: Cell<usize>,
    pub(super) asked: Cell<usize>,
    /// Who was let in last, plus one.
    let_in: Cell<usize>,
}

pub(super) enum Kind {
    Lock(DeferredLock),
    Semaphore(DeferredSemaphore),
}

/// A lock or semaphore that is held.
pub(super) struct Hold {
    turns: Rc<Turns>,
    #[expect(dead_code, reason = "it is there to be dropped")]
    guard: Guard,
}

pub(super) enum Guard {
    #[expect(dead_code, reason = "it is there to be dropped")]
    Lock(LockGuard),
    #[expect(dead_code, reason = "it is there to be dropped")]
    Permit(Permit),
}

impl Turns {
    fn limit(&self) -> usize {
        match &self.kind {
            Kind::Lock(_) => 1,
            Kind::Semaphore(semaphore) => semaphore.limit(),
        }
    }

    /// Notes that somebody is in; `asked` is the number of the question, if there was one to wait.
    pub(super) fn enter(self: &Rc<Self>, guard: Guard, asked: Option<usize>) -> Hold {
        self.held.set(self.held.get() + 1);
        if self.held.get() > self.limit() {
            wrong(format!("{} hold what {} may hold", self.held.get(), self.limit()));
        }
        if let Some(asked) = asked {
            self.let_in(asked);
        }
        Hold { turns: self.clone(), guard }
    }

    pub(super) fn let_in(&self, asked: usize) {
        if World::current().in_turn() && asked < self.let_in.get() {
            wrong(format!("number {asked} was let in after number {}", self.let_in.get() - 1));
        }
        self.let_in.set(self.let_in.get().max(asked + 1));
    }

    pub(super) fn ask(&self) -> usize {
        let asked = self.asked.get();
        self.asked.set(asked + 1);
        asked
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.turns.held.set(self.turns.held.get() - 1);
    }
}

/// A queue, and what must hold of it.
pub(super) struct Row {
    pub(super) queue: DeferredQueue<Parcel>,
    put: Cell<usize>,
    pub(super) asked: Cell<usize>,
    given: Cell<(usize, usize)>,
}

impl Row {
    fn new(size: Option<usize>, backlog: Option<usize>) -> Self {
        Self {
            queue: DeferredQueue::bounded(size, backlog),
            put: Cell::new(0),
            asked: Cell::new(0),
            given: Cell::new((0, 0)),
        }
    }

    /// Puts something in.
    pub(super) fn serve(&self) {
        // Counted first: whoever waits for it looks at it inside the call.
        let number = self.put.get();
        self.put.set(number + 1);
        if self.queue.put(Parcel::new(number)).is_err() && self.queue.waiting() > 0 {
            wrong("a queue for which somebody waits is full".to_owned());
        }
    }

    /// Notes that what was put in as this number came out for that question.
    pub(super) fn note(&self, put: usize, asked: usize) {
        let (next_put, next_asked) = self.given.get();
        if World::current().in_turn() && (put < next_put || asked < next_asked) {
            wrong(format!("object {put} came out for question {asked}: a turn was lost"));
        }
        self.given.set((next_put.max(put + 1), next_asked.max(asked + 1)));
    }
}

/// Everything that a program has made.
pub(super) struct World {
    program: Program<Op>,
    fuel: Cell<u32>,
    pub(super) numbers: Cell<usize>,
    pub(super) deferreds: RefCell<Vec<Option<Entry>>>,
    pub(super) triggers: RefCell<Vec<Option<(AnyTrigger, Line)>>>,
    pub(super) pauses: RefCell<Vec<PauseGuard>>,
    pub(super) handles: RefCell<Vec<CancelHandle>>,
    /// For what may wait for ever where it cannot be reached: a lock asked for by who holds it.
    pub(super) breakers: RefCell<Vec<CancelHandle>>,
    pub(super) shared: RefCell<Vec<(Shared<Parcel>, Line)>>,
    pub(super) holds: RefCell<Vec<Hold>>,
    pub(super) turns: [Rc<Turns>; 2],
    pub(super) rows: [Row; 2],
    pub(super) clock: ManualClock,
    /// For each line, which place its next link has, how many links are known to be over, and on
    /// which lines it depends.
    lines: RefCell<Vec<(usize, usize, Vec<Line>)>>,
    /// Something was paused: then turns can be seen to be taken later than they come.
    paused: Cell<bool>,
    /// A failure may have been copied.
    pub(super) copied: Cell<bool>,
    reported: RefCell<Vec<*const Oops>>,
    reports: RefCell<Vec<Report>>,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// Takes what is there, leaving nothing, with nothing borrowed when it is dropped.
fn emptied<T>(place: &RefCell<Vec<Option<T>>>) -> Vec<T> {
    place.borrow_mut().iter_mut().filter_map(Option::take).collect()
}

impl World {
    pub(super) fn begin(program: Program<Op>) -> Rc<Self> {
        let turns = |kind| {
            let (held, asked, let_in) = (Cell::new(0), Cell::new(0), Cell::new(0));
            Rc::new(Turns { kind, held, asked, let_in })
        };
        let world = Rc::new(Self {
            program,
            fuel: Cell::new(FUEL),
            numbers: Cell::new(0),
            deferreds: RefCell::default(),
            triggers: RefCell::default(),
            pauses: RefCell::default(),
            handles: RefCell::default(),
            breakers: RefCell::default(),
            shared: RefCell::default(),
            holds: RefCell::default(),
            turns: [
                turns(Kind::Lock(DeferredLock::new())),
                turns(Kind::Semaphore(DeferredSemaphore::new(2))),
            ],
            rows: [Row::new(None, None), Row::new(Some(2), Some(2))],
            clock: ManualClock::new(),
            lines: RefCell::default(),
            paused: Cell::new(false),
            copied: Cell::new(false),
            reported: RefCell::default(),
            reports: RefCell::default(),
        });
        WORLD.set(Some(world.clone()));
        world
    }

    pub(super) fn end() {
        WORLD.set(None);
    }

    /// The world of the program that runs.
    pub(super) fn current() -> Rc<Self> {
        WORLD.with_borrow(Clone::clone).expect("a program runs")
    }

    pub(super) fn block(&self, block: Block) {
        for op in &self.program.blocks[block.place() % BLOCKS] {
            self.operate(*op);
        }
    }

    pub(super) fn operate(&self, op: Op) {
        let Some(left) = self.fuel.get().checked_sub(1) else { return };
        self.fuel.set(left);
        if catch_unwind(AssertUnwindSafe(|| self.perform(op))).is_err() {
            wrong(format!("{op:?} has panicked"));
        }
    }

    /// Looks at what was reported.
    pub(super) fn look_at(&self, reports: Vec<Report>) {
        for report in reports {
            if let Some(oops) = report.failure.check::<Oops>() {
                oops.0.check();
                let again = self.reported.borrow().contains(&std::ptr::from_ref(oops));
                if again && !self.copied.get() {
                    wrong(format!("reported twice: {report}"));
                }
                self.reported.borrow_mut().push(oops);
            } else if let Some(panic) = report.failure.check::<Panicked>()
                && panic.message() != "on purpose"
            {
                wrong(report.to_string());
            }
            // Kept, so that no other failure comes to lie in its place.
            self.reports.borrow_mut().push(report);
        }
    }

    pub(super) fn number(&self) -> usize {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    /// Whether turns are seen as they come.
    fn in_turn(&self) -> bool {
        !self.paused.get()
    }

    pub(super) fn new_line(&self, depends: Vec<Line>) -> Line {
        let mut lines = self.lines.borrow_mut();
        lines.push((0, 0, depends));
        lines.len() - 1
    }

    /// The place of the next link of a line.
    pub(super) fn next_place(&self, line: Line) -> usize {
        let mut lines = self.lines.borrow_mut();
        lines[line].0 += 1;
        lines[line].0 - 1
    }

    pub(super) fn note_run(&self, line: Line, place: usize) {
        let over = &mut self.lines.borrow_mut()[line].1;
        if place < *over {
            wrong(format!("link {place} of line {line} ran after those behind it, or again"));
        }
        *over = place + 1;
    }

    /// Has a line depend on another, unless that depends on it; whether it does.
    pub(super) fn depend(&self, line: Line, on: Line) -> bool {
        let mut lines = self.lines.borrow_mut();
        let (mut to_see, mut seen) = (vec![on], vec![false; lines.len()]);
        while let Some(next) = to_see.pop() {
            if next == line {
                return false;
            }
            if !std::mem::replace(&mut seen[next], true) {
                to_see.extend(&lines[next].2);
            }
        }
        lines[line].2.push(on);
        true
    }

    pub(super) fn push(&self, d: D, line: Line) {
        self.deferreds.borrow_mut().push(Some(Entry { d, line }));
    }

    /// Takes a deferred out of its place, for as long as its methods may run the program's code.
    pub(super) fn take(&self, which: Which) -> Option<(usize, Entry)> {
        let mut deferreds = self.deferreds.borrow_mut();
        let place = which.of(deferreds.len())?;
        deferreds[place].take().map(|entry| (place, entry))
    }

    pub(super) fn put(&self, place: usize, d: D, line: Line) {
        self.deferreds.borrow_mut()[place] = Some(Entry { d, line });
    }

    /// Takes a deferred on which `line` is to depend, if it may.
    pub(super) fn take_for(&self, which: Which, line: Line) -> Option<D> {
        let (place, Entry { d, line: on }) = self.take(which)?;
        if self.depend(line, on) {
            return Some(d);
        }
        self.put(place, d, on);
        None
    }

    pub(super) fn take_trigger(&self, which: Which) -> Option<(usize, AnyTrigger, Line)> {
        let mut triggers = self.triggers.borrow_mut();
        let place = which.of(triggers.len())?;
        triggers[place].take().map(|(trigger, line)| (place, trigger, line))
    }

    pub(super) fn put_trigger(&self, place: usize, trigger: AnyTrigger, line: Line) {
        self.triggers.borrow_mut()[place] = Some((trigger, line));
    }

    pub(super) fn note_pause(&self, guard: PauseGuard) {
        self.paused.set(true);
        self.pauses.borrow_mut().push(guard);
    }

    /// Does what is left to be done so that nothing need wait; whether there is more of it.
    pub(super) fn settle(&self) -> bool {
        let fuel = self.fuel.get();
        drop(self.pauses.take());
        drop(emptied(&self.triggers));
        drop(self.holds.take());
        let mut more = Mailbox::current().run_pending() > 0;
        for row in &self.rows {
            while row.queue.waiting() > 0 {
                row.serve();
                more = true;
            }
        }
        // What has no result by now waits for what it will not get.
        for place in 0.. {
            let entry = self.deferreds.borrow_mut().get_mut(place).map(Option::take);
            let Some(entry) = entry else { break };
            let Some(Entry { d, line }) = entry else { continue };
            if !d.has_result() {
                d.cancel();
                more = true;
            }
            self.put(place, d, line);
        }
        for handle in self.breakers.take() {
            handle.cancel();
        }
        self.clock.advance(Duration::from_mins(5));
        // What is done in here may make more, and let in who waits for a lock.
        more || self.fuel.get() != fuel || !self.holds.borrow().is_empty()
    }

    /// Notes it if a deferred has no result, or something is left.
    pub(super) fn assert_that_nothing_hangs(&self) {
        for entry in self.deferreds.borrow().iter().flatten() {
            if !entry.d.has_result() {
                let line = &self.lines.borrow()[entry.line];
                wrong(format!("{} is left hanging: {line:?}", entry.line));
            }
        }
        if !self.clock.delayed_calls().is_empty() {
            wrong("delayed calls are left".to_owned());
        }
        for turns in &self.turns {
            if turns.held.get() > 0 {
                wrong("a lock is still held".to_owned());
            }
        }
        tokens::assert_nothing_is_wrong(&"everything was done");
    }

    /// Lets go of everything; whether there was anything.
    pub(super) fn let_go(&self) -> bool {
        let deferreds = emptied(&self.deferreds);
        let triggers = emptied(&self.triggers);
        let shared = self.shared.take();
        let handles = self.handles.take();
        let any = !deferreds.is_empty()
            || !triggers.is_empty()
            || !shared.is_empty()
            || !handles.is_empty();
        for (shared, _) in &shared {
            shared.cancel();
        }
        drop((deferreds, triggers, handles, shared));
        let settled = self.settle();
        any || settled || !self.reports.take().is_empty()
    }
}

impl Act {
    /// Does what a link of this line does.
    pub(super) fn perform(self, line: Line, result: Result<Parcel, Failure>) -> D {
        let world = World::current();
        match &result {
            Ok(parcel) => parcel.check(),
            Err(failure) => {
                if let Some(oops) = failure.check::<Oops>() {
                    oops.0.check();
                }
            }
        }
        world.block(self.block);
        match self.end {
            End::Pass => Deferred::ready(result),
            End::Value => Deferred::succeed(Parcel::new(world.number())),
            End::Failure => Deferred::fail(failure()),
            End::Panics => {
                tokens::panic_on_purpose();
                Deferred::ready(result)
            }
            End::Give(which) => world.take_for(which, line).unwrap_or_else(|| world.pending(line)),
        }
    }
}

/// A failure like no other.
pub(super) fn failure() -> Failure {
    Failure::new(Oops(Token::new(OnDrop::Nothing)))
}

impl World {
    /// A deferred that is fired later.
    fn pending(&self, line: Line) -> D {
        let (trigger, d) = Deferred::new();
        let own = self.new_line(Vec::new());
        self.depend(line, own);
        self.triggers.borrow_mut().push(Some((AnyTrigger::Once(trigger), own)));
        d
    }
}
