//! Makes programs at random: the same one for the same seed and number, always.
//!
//! There are two styles. *Free* programs do to deferreds whatever Python lets one do. *Owned* ones
//! keep, as far as that can be told while writing, to what ownership allows: a deferred that was
//! given away is not added to any more, and only one that was made with a trigger is fired. What an
//! owned program does too much is found when it runs; see [`crate::native`].

use crate::program::{
    Awaited, Canceller, Class, End, Error, Id, Link, Name, Op, Program, Statement, Switches, Thing,
    Wait,
};
use fastrand::Rng;

/// How deep operations lie inside others.
const DEPTH: u32 = 3;
/// How many operations a program has at most, all in all.
const BUDGET: u32 = 60;

/// Program `number` of the campaign `seed`.
pub(crate) fn program(seed: u64, number: u64) -> Program {
    // Neighbouring numbers must not give neighbouring generators.
    let mut mixed = Rng::with_seed(seed);
    let mut rng = Rng::with_seed(mixed.u64(..) ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let owned = rng.u32(0..5) < 3;
    let coroutines = rng.bool();
    let steps = rng.u32(2..=4) * rng.u32(1..=6);
    let generator = Generator {
        rng,
        owned,
        coroutines,
        made: Vec::new(),
        things: Vec::new(),
        names: 0,
        budget: BUDGET,
        on: Vec::new(),
    };
    generator.steps(steps)
}

/// What is known of a deferred when it has been written down.
struct Made {
    by: By,
    /// It was given away.
    spent: bool,
    /// It was paused, perhaps.
    paused: bool,
}

/// What a deferred was made by.
#[derive(Clone, Copy, PartialEq)]
enum By {
    /// `Deferred()`: it is there to be fired.
    Itself,
    /// A function that has links of its own on it, which rely on what it fires with.
    Gathering,
    /// Anything else.
    Other,
}

impl Made {
    fn fires(&self) -> bool {
        self.by == By::Itself
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Lock,
    Queue,
}

struct Generator {
    rng: Rng,
    owned: bool,
    /// Whether there are coroutines. They never end where a deferred is paused while it runs: one
    /// that awaits it is woken by it, finds it paused, and awaits it again.
    coroutines: bool,
    made: Vec<Made>,
    things: Vec<Kind>,
    names: Name,
    budget: u32,
    /// Those on which the links are that are being written.
    on: Vec<Id>,
}

/// What kind of operation comes next.
#[derive(Clone, Copy)]
enum Next {
    Make,
    MakeReady,
    Add,
    Fire,
    FireWith,
    Cancel,
    Pause,
    Unpause,
    Chain,
    Several,
    Sequential,
    MakeThing,
    UseThing,
    Timeout,
    Later,
    Advance,
    Drop,
    Collect,
}

/// How often each kind comes.
const OFTEN: &[(Next, u32)] = &[
    (Next::Make, 14),
    (Next::MakeReady, 6),
    (Next::Add, 30),
    (Next::Fire, 18),
    (Next::FireWith, 1),
    (Next::Cancel, 8),
    (Next::Pause, 3),
    (Next::Unpause, 3),
    (Next::Chain, 3),
    (Next::Several, 5),
    (Next::Sequential, 7),
    (Next::MakeThing, 2),
    (Next::UseThing, 5),
    (Next::Timeout, 3),
    (Next::Later, 2),
    (Next::Advance, 3),
    (Next::Drop, 4),
    (Next::Collect, 1),
];

impl Generator {
    fn steps(mut self, count: u32) -> Program {
        let mut steps = vec![self.new_deferred(0)];
        for _ in 0..count {
            steps.push(self.op(0));
        }
        steps
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    fn pick<T: Copy>(&mut self, table: &[(T, u32)]) -> T {
        let mut left = self.rng.u32(0..table.iter().map(|row| row.1).sum());
        for (what, often) in table {
            match left.checked_sub(*often) {
                None => return *what,
                Some(rest) => left = rest,
            }
        }
        unreachable!("the rows were added up")
    }

    fn op(&mut self, depth: u32) -> Op {
        loop {
            let next = self.pick(OFTEN);
            if let Some(op) = self.try_op(next, depth) {
                self.budget = self.budget.saturating_sub(1);
                return op;
            }
        }
    }

    /// An operation of that kind, if there is something to do it to.
    fn try_op(&mut self, next: Next, depth: u32) -> Option<Op> {
        Some(match next {
            Next::Make => self.new_deferred(depth),
            Next::MakeReady => self.ready_deferred(depth),
            Next::Add => self.add(depth)?,
            Next::Fire => self.fire(depth)?,
            Next::FireWith if self.owned => return None,
            Next::FireWith => {
                let id = Self::id(self.one_of(|made| made.by != By::Gathering)?);
                let other = self.any()?;
                (id != other).then_some(Op::CallbackWith(id, other))?
            }
            Next::Cancel => Op::Cancel(self.any()?),
            Next::Pause if depth > 0 && self.coroutines => return None,
            Next::Pause => {
                let id = self.own()?;
                self.made[id as usize].paused = true;
                Op::Pause(id)
            }
            Next::Unpause => {
                let anything = !self.owned && self.chance(30);
                Op::Unpause(Self::id(self.one_of(|made| made.paused || anything)?))
            }
            Next::Chain => self.chain()?,
            Next::Several => self.several(),
            Next::Sequential if depth >= DEPTH || self.budget == 0 => return None,
            Next::Sequential => self.sequential(depth),
            Next::MakeThing => self.new_thing(),
            Next::UseThing => self.use_thing(depth)?,
            Next::Timeout => {
                let id = self.own()?;
                let link = if self.chance(30) { Some(self.on_timeout(depth)) } else { None };
                Op::Timeout(id, self.rng.u32(1..=4), link)
            }
            Next::Later => Op::Later(self.rng.u32(0..=4), self.body(depth + 1, true)),
            Next::Advance => Op::Advance(self.rng.u32(1..=3)),
            Next::Drop => Op::Drop(self.dropped()?),
            Next::Collect if depth > 0 => return None,
            Next::Collect => Op::Collect(),
        })
    }

    // Deferreds

    fn make(&mut self, by: By) -> Id {
        self.made.push(Made { by, spent: false, paused: false });
        Id::try_from(self.made.len() - 1).expect("a program is small")
    }

    /// One of those that `will_do`, the later ones more often.
    fn one_of(&mut self, will_do: impl Fn(&Made) -> bool) -> Option<usize> {
        let fit: Vec<usize> = (0..self.made.len()).filter(|at| will_do(&self.made[*at])).collect();
        let from = if self.chance(50) { fit.len().saturating_sub(3) } else { 0 };
        if fit.is_empty() { None } else { Some(fit[self.rng.usize(from..fit.len())]) }
    }

    fn id(at: usize) -> Id {
        Id::try_from(at).expect("a program is small")
    }

    /// Any deferred.
    fn any(&mut self) -> Option<Id> {
        self.one_of(|_| true).map(Self::id)
    }

    /// One that can still be added to.
    fn own(&mut self) -> Option<Id> {
        let owned = self.owned;
        self.one_of(|made| !owned || !made.spent).map(Self::id)
    }

    /// One that is given away.
    fn give(&mut self) -> Option<Id> {
        let owned = self.owned;
        let at = self.one_of(|made| !owned || !made.spent)?;
        // One that is given back to itself waits for ever.
        if self.on.contains(&Self::id(at)) && (owned || self.chance(90)) {
            return None;
        }
        self.made[at].spent = true;
        Some(Self::id(at))
    }

    fn dropped(&mut self) -> Option<Id> {
        let id = self.any()?;
        self.made[id as usize].spent = true;
        Some(id)
    }

    fn new_deferred(&mut self, depth: u32) -> Op {
        let canceller = if self.chance(30) { Some(self.canceller(depth)) } else { None };
        Op::New(self.make(By::Itself), canceller)
    }

    fn canceller(&mut self, depth: u32) -> Canceller {
        let mut operations = self.body(depth + 1, false);
        if self.chance(40) {
            // The one that it is of comes next.
            let own = Self::id(self.made.len());
            operations.push(if self.chance(50) {
                Op::Callback(own, self.value())
            } else {
                Op::Errback(own, self.error())
            });
        }
        let raise = if self.chance(15) { Some(self.error()) } else { None };
        Canceller { name: self.name(), r#do: operations, raise }
    }

    fn ready_deferred(&mut self, depth: u32) -> Op {
        match self.rng.u32(0..12) {
            0..=3 => Op::Succeed(self.make(By::Other), self.value()),
            4..=7 => Op::Fail(self.make(By::Other), self.error()),
            choice => {
                let link = self.link(depth);
                let own = self.make(By::Other);
                // A deferred or failure that it gives back would be a value like any other.
                let is_result = matches!(link.end, End::Give(_) | End::Fail(_));
                let executed = choice == 8 && !(self.owned && is_result);
                if executed { Op::Execute(own, link) } else { Op::Maybe(own, link) }
            }
        }
    }

    fn fire(&mut self, depth: u32) -> Option<Op> {
        let anything = !self.owned && self.chance(10);
        let id =
            Self::id(self.one_of(|made| made.fires() || (anything && made.by != By::Gathering))?);
        Some(match self.rng.u32(0..20) {
            0..=13 => Op::Callback(id, self.value()),
            14..=17 => Op::Errback(id, self.error()),
            // Inside of something stock may be handling an error of its own.
            18 if !self.owned && depth == 0 => Op::ErrbackRaised(id, None),
            _ => Op::ErrbackRaised(id, Some(self.error())),
        })
    }

    fn chain(&mut self) -> Option<Op> {
        let other = self.one_of(Made::fires)?;
        let this = self.give()?;
        if Self::id(other) == this {
            return None;
        }
        if self.owned {
            self.made[other].by = By::Other;
        }
        Some(Op::Chain(this, Self::id(other)))
    }

    // Links

    fn name(&mut self) -> Name {
        self.names += 1;
        self.names
    }

    fn value(&mut self) -> i64 {
        self.rng.i64(0..100)
    }

    fn error(&mut self) -> Error {
        let class = self.pick(&[(Class::E, 6), (Class::F, 3), (Class::B, 1)]);
        (class, self.value())
    }

    fn trapped(&mut self) -> Class {
        self.pick(&[(Class::E, 4), (Class::F, 2), (Class::Cancelled, 3), (Class::Any, 2)])
    }

    fn caught(&mut self) -> Class {
        self.pick(&[
            (Class::E, 4),
            (Class::F, 2),
            (Class::Cancelled, 3),
            (Class::Any, 2),
            (Class::All, 2),
        ])
    }

    fn add(&mut self, depth: u32) -> Option<Op> {
        let id = self.own()?;
        self.on.push(id);
        let link = self.link(depth);
        let op = match self.rng.u32(0..10) {
            0..=3 => Op::AddCallback(id, link),
            4..=5 => Op::AddErrback(id, link),
            6..=7 => Op::AddBoth(id, link),
            _ => Op::AddCallbacks(id, link, self.link(depth)),
        };
        self.on.pop();
        Some(op)
    }

    fn link(&mut self, depth: u32) -> Link {
        let name = self.name();
        let operations = self.body(depth + 1, false);
        let end = match self.rng.u32(0..12) {
            0..=3 => End::Return(self.value()),
            4..=5 => End::Pass,
            6 => End::Raise(self.error()),
            7 => End::Fail(self.error()),
            8 => End::Trap(self.trapped()),
            _ => self.give().map_or(End::Pass, End::Give),
        };
        let more = if self.chance(10) { Some(self.value()) } else { None };
        Link { name, more, r#do: operations, end }
    }

    /// What is called when the time is up. It is given the time beside the result.
    fn on_timeout(&mut self, depth: u32) -> Link {
        let link = self.link(depth);
        // In Rust it gives back a result.
        let end = if self.owned && matches!(link.end, End::Give(_)) { End::Pass } else { link.end };
        Link { more: None, end, ..link }
    }

    /// Operations inside something: mostly none, unless there `must` be.
    fn body(&mut self, depth: u32, must: bool) -> Vec<Op> {
        if depth > DEPTH || self.budget == 0 {
            return Vec::new();
        }
        let count =
            if must { self.rng.u32(1..=2) } else { self.pick(&[(0, 70), (1, 20), (2, 8), (3, 2)]) };
        (0..count).map(|_| self.op(depth)).collect()
    }

    // Several at once

    fn several(&mut self) -> Op {
        let count = self.pick(&[(0, 1), (1, 3), (2, 6), (3, 4)]);
        let members: Vec<Id> = (0..count).filter_map(|_| self.give()).collect();
        let consume = self.chance(50);
        // A race that nobody takes part in, or a list that waits for its first, never ends.
        let empty = members.is_empty() && self.owned;
        match self.rng.u32(0..8) {
            choice if choice < 4 || empty => {
                let switches = Switches {
                    one_callback: self.chance(35) && !empty,
                    one_errback: self.chance(35),
                    consume,
                };
                Op::List(self.make(By::Other), members, switches)
            }
            4..=5 => Op::Gather(self.make(By::Gathering), members, consume),
            _ => Op::Race(self.make(By::Other), members),
        }
    }

    fn new_thing(&mut self) -> Op {
        let number = Thing::try_from(self.things.len()).expect("a program is small");
        let choice = self.rng.u32(0..3);
        self.things.push(if choice == 2 { Kind::Queue } else { Kind::Lock });
        match choice {
            0 => Op::Lock(number),
            1 => Op::Semaphore(number, self.rng.u32(1..=2)),
            _ => {
                let size = if self.chance(40) { Some(self.rng.u32(0..=2)) } else { None };
                let backlog = if self.chance(40) { Some(self.rng.u32(0..=2)) } else { None };
                Op::Queue(number, size, backlog)
            }
        }
    }

    fn use_thing(&mut self, depth: u32) -> Option<Op> {
        if self.things.is_empty() {
            return None;
        }
        let at = self.rng.usize(0..self.things.len());
        let thing = Thing::try_from(at).expect("a program is small");
        Some(match (self.things[at], self.rng.u32(0..10)) {
            (Kind::Lock, 0..=3) => Op::Acquire(self.make(By::Other), thing),
            (Kind::Lock, 4..=6) => Op::Release(thing),
            (Kind::Lock, _) => {
                let link = self.link(depth);
                Op::Run(self.make(By::Other), thing, link)
            }
            (Kind::Queue, 0..=4) => Op::Enqueue(thing, self.value()),
            (Kind::Queue, _) => Op::Dequeue(self.make(By::Other), thing),
        })
    }

    // Sequential style

    fn sequential(&mut self, depth: u32) -> Op {
        let id = self.make(By::Other);
        self.on.push(id);
        let statements = self.statements(depth);
        self.on.pop();
        if !self.coroutines || self.chance(40) {
            Op::Inline(id, statements)
        } else {
            Op::Coroutine(id, statements)
        }
    }

    fn statements(&mut self, depth: u32) -> Vec<Statement> {
        let mut statements = Vec::new();
        for _ in 0..self.rng.u32(1..=3) {
            statements.push(match self.rng.u32(0..10) {
                0..=1 => Statement::Do(self.body(depth + 1, true)),
                _ => Statement::Await(self.wait(depth)),
            });
        }
        match self.rng.u32(0..12) {
            0..=4 => statements.push(Statement::Return(self.value())),
            5 => statements.push(Statement::ReturnValue(self.value())),
            6..=7 => statements.push(Statement::Raise(self.error())),
            8 if !self.owned => statements.extend(self.give().map(Statement::Give)),
            _ => {}
        }
        statements
    }

    fn wait(&mut self, depth: u32) -> Wait {
        let name = self.name();
        let what = match self.rng.u32(0..24) {
            0..=1 => Awaited::Value(self.value()),
            2..=4 if depth < DEPTH => Awaited::Nested(self.statements(depth + 1)),
            5 if depth < DEPTH => Awaited::Other(self.statements(depth + 1)),
            6..=8 if depth < DEPTH && self.things.contains(&Kind::Lock) => {
                let locks = (0..self.things.len()).filter(|at| self.things[*at] == Kind::Lock);
                let locks: Vec<usize> = locks.collect();
                let thing = Thing::try_from(locks[self.rng.usize(0..locks.len())]);
                let thing = thing.expect("a program is small");
                Awaited::Locked(thing, self.statements(depth + 1))
            }
            _ => match self.give() {
                Some(id) => Awaited::Deferred(id),
                None => Awaited::Value(self.value()),
            },
        };
        let except = if self.chance(60) { Some(self.caught()) } else { None };
        let handler = if except.is_some() { self.body(depth + 1, false) } else { Vec::new() };
        Wait { name, what, except, handler }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// The names in a program: of operations, and of the parts of others.
    fn names(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| names(item, found)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    found.insert(name.clone());
                    names(field, found);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn the_same_seed_and_number_make_the_same_program() {
        assert_eq!(program(1, 2), program(1, 2));
        assert_ne!(program(1, 2), program(1, 3));
        assert_ne!(program(1, 2), program(2, 2));
    }

    #[test]
    fn a_program_survives_json() {
        for number in 0..200 {
            let text = serde_json::to_string(&program(0, number)).unwrap();
            let read: Program = serde_json::from_str(&text).unwrap();
            assert_eq!(read, program(0, number));
        }
    }

    #[test]
    fn whatever_is_made_is_documented() {
        let manual = include_str!("../../docs/oracle.md");
        let mut found = BTreeSet::new();
        for number in 0..2000 {
            names(&serde_json::to_value(program(0, number)).unwrap(), &mut found);
        }
        assert!(found.len() >= 50, "{found:?}");
        for name in found {
            let quoted = [format!("\"{name}\""), format!("`{name}`")];
            assert!(quoted.iter().any(|it| manual.contains(it)), "{name} is not in docs/oracle.md");
        }
    }
}
