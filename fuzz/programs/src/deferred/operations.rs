//! What the operations do.

use super::world::{AnyTrigger, D, Entry, Guard, Kind, Line, Parcel, World, failure};
use super::{Act, Canceller, Op, Rule};
use crate::program::{Link, Which};
use crate::tokens::{self, OnDrop, Token, wrong};
use hereafter::clock::Clock;
use hereafter::errors::{CancelledError, TimeoutError};
use hereafter::mailbox::Mailbox;
use hereafter::{Deferred, DeferredList, Failure, gather, gather_results, race};
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

impl World {
    #[expect(clippy::too_many_lines, reason = "it is a list of all the operations")]
    pub(super) fn perform(&self, op: Op) -> Option<()> {
        match op {
            Op::New(canceller) => self.make(canceller),
            Op::Ready(value) => {
                let d = Deferred::ready(self.result(value));
                self.push(d, self.new_line(Vec::new()));
            }
            Op::Add(which, link, act) => {
                let (place, Entry { d, line }) = self.take(which)?;
                let d = self.add(d, line, link, act);
                self.put(place, d, line);
            }
            Op::Fire(which, value) => match self.take_trigger(which)? {
                (_, AnyTrigger::Once(trigger), _) => trigger.fire(self.result(value)),
                (place, AnyTrigger::Shared(trigger), line) => {
                    self.put_trigger(place, AnyTrigger::Shared(trigger.clone()), line);
                    let done = trigger.is_done();
                    let fired = trigger.fire(self.result(value));
                    if !done && fired.is_err() {
                        wrong("a trigger that was not done was too late".to_owned());
                    }
                }
            },
            Op::Share(which) => {
                let (place, trigger, line) = self.take_trigger(which)?;
                let shared = match trigger {
                    AnyTrigger::Once(trigger) => trigger.shared(),
                    AnyTrigger::Shared(shared) => shared,
                };
                self.put_trigger(place, AnyTrigger::Shared(shared), line);
            }
            Op::Remote(which, value) => match self.take_trigger(which)? {
                (_, AnyTrigger::Once(trigger), line) => {
                    // Numbers are what can be sent; the value is made on this side.
                    let (remote, d) = Deferred::<usize>::new();
                    let made = d.map(Parcel::new);
                    let own = self.new_line(Vec::new());
                    self.depend(line, own);
                    made.chain_to(trigger);
                    let number = self.number();
                    let result = if value { Ok(number) } else { Err(failure()) };
                    remote.remote().fire(result);
                }
                (place, shared, line) => self.put_trigger(place, shared, line),
            },
            Op::RunMailbox => drop(Mailbox::current().run_pending()),
            Op::Abandon(which) => drop(self.take_trigger(which)),
            Op::Drop(which) => drop(self.take(which)),
            Op::Take(which) => {
                let (place, Entry { d, line }) = self.take(which)?;
                let there = d.has_result();
                match d.take_result() {
                    Ok(_) if !there => wrong("a result that was not there".to_owned()),
                    Ok(result) => drop(result.map(|parcel| parcel.check())),
                    Err(_) if there => wrong("no result where one was".to_owned()),
                    Err(d) => self.put(place, d, line),
                }
            }
            Op::Pause(which) => {
                let (place, Entry { mut d, line }) = self.take(which)?;
                self.note_pause(d.pause());
                self.put(place, d, line);
            }
            Op::Unpause(which) => {
                let place = which.of(self.pauses.borrow().len())?;
                let guard = self.pauses.borrow_mut().swap_remove(place);
                guard.unpause();
            }
            Op::Cancel(which) => {
                let (place, Entry { mut d, line }) = self.take(which)?;
                let handle = d.cancel_handle();
                self.put(place, d, line);
                handle.cancel();
            }
            Op::Handle(which) => {
                let (place, Entry { mut d, line }) = self.take(which)?;
                self.handles.borrow_mut().push(d.cancel_handle());
                self.put(place, d, line);
            }
            Op::CancelByHandle(which, keep) => {
                let place = which.of(self.handles.borrow().len())?;
                let handle = self.handles.borrow_mut().swap_remove(place);
                if keep {
                    self.handles.borrow_mut().push(handle.clone());
                }
                handle.cancel();
            }
            Op::ChainTo(from, to) => match self.take_trigger(to)? {
                (place, AnyTrigger::Once(trigger), line) => match self.take_for(from, line) {
                    Some(d) => d.chain_to(trigger),
                    None => self.put_trigger(place, AnyTrigger::Once(trigger), line),
                },
                (place, shared, line) => self.put_trigger(place, shared, line),
            },
            Op::Shield(which) => {
                let (place, Entry { d, line }) = self.take(which)?;
                self.put(place, d.shield(), self.new_line(vec![line]));
            }
            Op::OnCancel(which, block) => {
                let (place, Entry { d, line }) = self.take(which)?;
                let held = Token::new(OnDrop::Nothing);
                let d = d.on_cancel(move || {
                    held.check();
                    Self::current().block(block);
                });
                self.put(place, d, line);
            }
            Op::Timeout(which, seconds) => {
                let (place, Entry { d, line }) = self.take(which)?;
                let d = self.time(d, Duration::from_secs(u64::from(seconds)));
                self.put(place, d, line);
            }
            Op::Advance(seconds) => self.clock.advance(Duration::from_secs(u64::from(seconds))),
            Op::CallLater(seconds, block) => {
                let held = Token::new(OnDrop::Nothing);
                self.clock.call_later(Duration::from_secs(u64::from(seconds)), move || {
                    held.check();
                    Self::current().block(block);
                });
            }
            Op::ShareResult(which) => {
                let (_, Entry { d, line }) = self.take(which)?;
                self.copied.set(true);
                let shared = d.share();
                self.shared.borrow_mut().push((shared, line));
            }
            Op::WaitForShared(which) => {
                let (shared, line) = self.shared(which)?;
                self.push(shared.wait(), self.new_line(vec![line]));
            }
            Op::CancelShared(which) => self.shared(which)?.0.cancel(),
            Op::List(rule, members, consume, watch) => self.list(rule, members, consume, watch)?,
            Op::Acquire(which) => self.acquire(which)?,
            Op::TryAcquire(which) => {
                let turns = self.turns[which.of(2)?].clone();
                let guard = match &turns.kind {
                    Kind::Lock(lock) => Guard::Lock(lock.try_acquire()?),
                    Kind::Semaphore(semaphore) => Guard::Permit(semaphore.try_acquire()?),
                };
                let hold = turns.enter(guard, None);
                self.holds.borrow_mut().push(hold);
            }
            Op::Release(which) => {
                let place = which.of(self.holds.borrow().len())?;
                let hold = self.holds.borrow_mut().swap_remove(place);
                drop(hold);
            }
            Op::RunLocked(which, act) => self.run_locked(which, act)?,
            Op::Put(which) => self.rows[which.of(2)?].serve(),
            Op::Get(which) => {
                let place = which.of(2)?;
                let row = &self.rows[place];
                let asked = row.asked.get();
                row.asked.set(asked + 1);
                // The queue is not captured: one that waits in it for ever would keep it.
                let d = row.queue.get().map(move |parcel| {
                    parcel.check();
                    Self::current().rows[place].note(parcel.number, asked);
                    parcel
                });
                self.push(d, self.new_line(Vec::new()));
            }
            Op::Coroutine(awaited, wakes, act) => self.coroutine(awaited, wakes, act),
        }
        Some(())
    }

    fn result(&self, value: bool) -> Result<Parcel, Failure> {
        if value { Ok(Parcel::new(self.number())) } else { Err(failure()) }
    }

    fn make(&self, canceller: Canceller) {
        let held = Token::new(OnDrop::Nothing);
        let (trigger, d) = match canceller {
            Canceller::None => Deferred::new(),
            _ => Deferred::with_canceller(move || {
                held.check();
                match canceller {
                    Canceller::None => {}
                    Canceller::Runs(block) => Self::current().block(block),
                    Canceller::Fires(block) => {
                        Self::current().block(block);
                        return Some(Self::current().result(true));
                    }
                    Canceller::Panics => tokens::panic_on_purpose(),
                }
                None
            }),
        };
        let line = self.new_line(Vec::new());
        self.push(d, line);
        self.triggers.borrow_mut().push(Some((AnyTrigger::Once(trigger), line)));
    }

    fn add(&self, d: D, line: Line, kind: Link, act: Act) -> D {
        let place = self.next_place(line);
        let held = Token::new(OnDrop::Nothing);
        let run = move |result| {
            held.check();
            Self::current().note_run(line, place);
            act.perform(line, result)
        };
        match kind {
            Link::Map => d.map(move |parcel| match run(Ok(parcel)).take_result() {
                Ok(Ok(parcel)) => parcel,
                _ => Parcel::new(0),
            }),
            Link::Callback => d.add_callback(move |parcel| run(Ok(parcel))),
            Link::Errback => d.add_errback(move |failure| run(Err(failure))),
            Link::Callbacks => {
                let run = Rc::new(RefCell::new(Some(run)));
                let other = run.clone();
                let take =
                    |run: &RefCell<Option<_>>| run.borrow_mut().take().expect("it runs once");
                d.add_callbacks(
                    move |parcel| take(&run)(Ok(parcel)),
                    move |failure| take(&other)(Err(failure)),
                )
            }
            Link::Both => d.add_both(run),
        }
    }

    /// Gives it so much time, and looks at when that is over.
    fn time(&self, d: D, after: Duration) -> D {
        let (clock, due) = (self.clock.clone(), self.clock.now() + after);
        d.add_timeout_with(after, &self.clock, move |failure, given| {
            if given != after || clock.now() < due {
                wrong(format!("a timeout of {after:?} came at {:?}, not at {due:?}", clock.now()));
            }
            failure.trap::<CancelledError>()?;
            Err(Failure::new(TimeoutError { after }))
        })
    }

    fn shared(&self, which: Which) -> Option<(hereafter::Shared<Parcel>, Line)> {
        let shared = self.shared.borrow();
        which.of(shared.len()).map(|place| shared[place].clone())
    }

    /// A list, which must have what its members have, as they have it.
    fn list(&self, rule: Rule, members: [Which; 3], consume: bool, watch: bool) -> Option<()> {
        let line = self.new_line(Vec::new());
        let seen = Rc::new(RefCell::new([const { None }; 3]));
        let mut list = DeferredList::new([]);
        let mut owned = Vec::new();
        for which in members {
            let Some(d) = self.take_for(which, line) else { continue };
            let (place, seen) = (owned.len(), seen.clone());
            let d = d.add_both(move |result| {
                let shown = result.as_ref().map(|parcel| parcel.number).map_err(drop);
                if seen.borrow_mut()[place].replace(shown).is_some() {
                    wrong("a member has two results".to_owned());
                }
                result
            });
            if watch && !matches!(rule, Rule::Gather | Rule::GatherTuple | Rule::Race) {
                self.copied.set(true);
                let d = list.watch(d);
                // It depends on what the list depends on by now.
                self.push(d, self.new_line(vec![line]));
                owned.push(None);
            } else {
                owned.push(Some(d));
            }
        }
        let count = owned.len();
        let members: Vec<D> = owned.into_iter().flatten().collect();
        let all = move |results: Vec<Result<Parcel, Failure>>| {
            let shown: Vec<_> = results
                .iter()
                .map(|result| Some(result.as_ref().map(|parcel| parcel.number).map_err(drop)))
                .collect();
            if shown[..] != seen.borrow()[..count] {
                wrong(format!("a list has {shown:?} of {:?}", seen.borrow()));
            }
            Self::current().result(true)
        };
        let one = move |(parcel, place): (Parcel, usize)| {
            if place >= count {
                wrong(format!("member {place} of {count}"));
            }
            Ok(parcel)
        };
        let values = |parcels: Vec<Parcel>| parcels.into_iter().map(Ok).collect();
        let d = match rule {
            Rule::Gather => {
                gather_results(members).add_callback(move |parcels| all(values(parcels)))
            }
            Rule::Race if count == 0 => return None,
            Rule::Race => race(members).map(|(place, parcel)| (parcel, place)).add_callback(one),
            Rule::GatherTuple => {
                let mut members = members.into_iter();
                let (Some(a), Some(b)) = (members.next(), members.next()) else { return None };
                let rest = members.next();
                let d = gather((a, b)).add_callback(move |(a, _)| Ok(a));
                match rest {
                    Some(rest) => gather((d, rest)).add_callback(|(d, _)| Ok(d)),
                    None => d,
                }
            }
            _ => {
                for member in members {
                    list.push(member);
                }
                let list = if consume { list.consume_errors() } else { list };
                match rule {
                    Rule::All => list.wait().add_callback(all),
                    Rule::OneErrback => {
                        list.fire_on_one_errback().add_callback(move |parcels| all(values(parcels)))
                    }
                    Rule::OneCallback => list.fire_on_one_callback().add_callback(one),
                    _ => list.fire_on_first().add_callback(one),
                }
            }
        };
        self.push(d, line);
        Some(())
    }

    fn acquire(&self, which: Which) -> Option<()> {
        let turns = self.turns[which.of(2)?].clone();
        let asked = turns.ask();
        let entering = turns.clone();
        let enter = move |guard| {
            let hold = entering.enter(guard, Some(asked));
            let world = Self::current();
            world.holds.borrow_mut().push(hold);
            Parcel::new(world.number())
        };
        let mut d = match &turns.kind {
            Kind::Lock(lock) => lock.acquire().map(Guard::Lock).map(enter),
            Kind::Semaphore(semaphore) => semaphore.acquire().map(Guard::Permit).map(enter),
        };
        self.breakers.borrow_mut().push(d.cancel_handle());
        self.push(d, self.new_line(Vec::new()));
        Some(())
    }

    fn run_locked(&self, which: Which, act: Act) -> Option<()> {
        let turns = self.turns[which.of(2)?].clone();
        let asked = turns.ask();
        let line = self.new_line(Vec::new());
        let inside = turns.clone();
        let function = move || {
            inside.let_in(asked);
            act.perform(line, Self::current().result(true))
        };
        let mut d = match &turns.kind {
            Kind::Lock(lock) => lock.run(function),
            Kind::Semaphore(semaphore) => semaphore.run(function),
        };
        self.breakers.borrow_mut().push(d.cancel_handle());
        self.push(d, line);
        Some(())
    }

    fn coroutine(&self, awaited: [Which; 2], wakes: bool, act: Act) {
        let line = self.new_line(Vec::new());
        let held = Token::new(OnDrop::Nothing);
        #[expect(clippy::async_yields_async, reason = "a coroutine may give back a deferred")]
        let d = Deferred::from_coroutine(async move {
            let mut last = Self::current().result(true);
            for which in awaited {
                let Some(d) = Self::current().take_for(which, line) else { continue };
                last = d.await;
                held.check();
                if wakes {
                    wake_once().await;
                }
            }
            act.perform(line, last)
        });
        self.push(d, line);
    }
}

/// Wakes the task that awaits it, once.
async fn wake_once() {
    let mut woken = false;
    poll_fn(|context| {
        if std::mem::replace(&mut woken, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
