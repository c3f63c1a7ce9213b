//! One operation at a time.

use super::links::Side;
use super::sequential::{self, Style};
use super::value::{Outcome, Value, failure, joined, show};
use super::world::{Either, Firing, Guarded, World};
use crate::program::{End, Id, Link, Op, Statement, Switches, Thing};
use hereafter::clock::Clock;
use hereafter::errors::{FailureGroup, QueueUnderflow};
use hereafter::{
    Deferred, DeferredList, DeferredLock, DeferredQueue, DeferredSemaphore, gather_results,
    maybe_deferred, race,
};
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;

/// What Twisted leaves in them, and reports in the end, is gone here.
const GIVEN_AWAY: &str = "members are given away";

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

impl World {
    pub(super) fn perform(self: &Rc<Self>, operations: &[Op]) {
        for operation in operations {
            if self.has_ended() {
                return;
            }
            self.operation(operation);
        }
    }

    fn operation(self: &Rc<Self>, operation: &Op) {
        match operation {
            Op::New(id, None) => {
                let (trigger, d) = Deferred::new();
                self.put(*id, d, Firing::Own(trigger));
            }
            Op::New(id, Some(canceller)) => self.put_cancellable(*id, canceller),
            Op::Succeed(id, number) => {
                self.put(*id, Deferred::succeed(Value::Int(*number)), Firing::Nobody);
            }
            Op::Fail(id, error) => {
                self.put(*id, Deferred::fail(failure(*error)), Firing::Nobody);
            }
            Op::Execute(_, Link { end: End::Give(_) | End::Fail(_), .. }) => {
                self.end("a deferred or a failure is a plain value");
            }
            Op::Maybe(id, link) | Op::Execute(id, link) => self.maybe(*id, link),
            Op::AddCallback(id, link) => self.add(*id, Side::Callback, link),
            Op::AddErrback(id, link) => self.add(*id, Side::Errback, link),
            Op::AddBoth(id, link) => self.add(*id, Side::Both, link),
            Op::AddCallbacks(id, callback, errback) => self.add_pair(*id, callback, errback),
            Op::Callback(id, number) => self.fire(*id, Ok(Value::Int(*number))),
            Op::Errback(id, error) | Op::ErrbackRaised(id, Some(error)) => {
                self.fire(*id, Err(failure(*error)));
            }
            Op::ErrbackRaised(id, None) => {
                if self.has(*id) {
                    self.end("a deferred is fired with the error at hand, and there is none");
                }
            }
            Op::CallbackWith(..) => self.end("a deferred or a failure is a plain value"),
            Op::Cancel(id) => self.cancel(*id),
            Op::Pause(id) => self.pause(*id),
            Op::Unpause(id) => match self.with_slot(*id, |slot| slot.pauses.pop()) {
                None => {}
                Some(None) => self.end("a deferred is unpaused that is not paused"),
                Some(guard) => drop(guard),
            },
            Op::Chain(id, other) => self.chain(*id, *other),
            Op::List(id, members, switches) => self.list(*id, members, *switches),
            Op::Gather(id, members, _) => self.gather(*id, members),
            Op::Race(id, members) => self.race(*id, members),
            Op::Lock(thing) => {
                self.put_thing(*thing, Guarded::Lock(DeferredLock::new(), Vec::new()));
            }
            Op::Semaphore(thing, tokens) => {
                let semaphore = DeferredSemaphore::new(*tokens as usize);
                self.put_thing(*thing, Guarded::Semaphore(semaphore, Vec::new()));
            }
            Op::Queue(thing, size, backlog) => {
                let [size, backlog] = [size, backlog].map(|limit| limit.map(|it| it as usize));
                self.put_thing(*thing, Guarded::Queue(DeferredQueue::bounded(size, backlog)));
            }
            Op::Acquire(id, thing) => self.acquire(*id, *thing),
            Op::Release(thing) => self.release(*thing),
            Op::Run(id, thing, link) => self.run(*id, *thing, link),
            Op::Enqueue(thing, number) => self.enqueue(*thing, *number),
            Op::Dequeue(id, thing) => self.dequeue(*id, *thing),
            Op::Inline(id, statements) => self.coroutine(*id, statements, Style::Inline),
            Op::Coroutine(id, statements) => self.coroutine(*id, statements, Style::Plain),
            Op::Timeout(id, after, None) => {
                let Some(d) = self.take(*id) else { return };
                self.put_back(*id, d.add_timeout(seconds(*after), &self.clock));
            }
            Op::Timeout(id, after, Some(link)) => self.timeout(*id, *after, link),
            Op::Later(after, operations) => {
                let (world, operations) = (self.clone(), operations.clone());
                let call = Box::new(move || world.perform(&operations));
                self.clock.schedule(seconds(*after), call);
            }
            Op::Advance(by) => self.clock.advance(seconds(*by)),
            Op::Drop(id) => self.let_go(*id),
            Op::Collect() => {}
        }
    }

    // Deferreds

    fn maybe(self: &Rc<Self>, id: Id, link: &Link) {
        let (world, called) = (self.clone(), link.clone());
        if let End::Give(given) = link.end {
            let d = maybe_deferred(move || {
                world.call(&called, None);
                world.given(None, given)
            });
            // In Python it is the very same one, under the number that it has.
            if self.has(given) {
                self.put_back(given, d);
            } else {
                self.put(id, d, Firing::Nobody);
            }
        } else {
            let d = maybe_deferred(move || world.result_of_calling(&called));
            self.put(id, d, Firing::Nobody);
        }
    }

    fn timeout(self: &Rc<Self>, id: Id, after: u32, link: &Link) {
        if matches!(link.end, End::Give(_)) && self.has(id) {
            return self.end("a timeout's function gives back a deferred");
        }
        let Some(d) = self.take(id) else { return };
        let (world, link) = (self.clone(), link.clone());
        let timed_out = move |failure, after| world.result_of_timeout(&link, failure, after);
        self.put_back(id, d.add_timeout_with(seconds(after), &self.clock, timed_out));
    }

    fn fire(&self, id: Id, result: Outcome) {
        let trigger = self.with_slot(id, |slot| {
            slot.trigger = match std::mem::take(&mut slot.trigger) {
                Firing::Own(trigger) => Firing::Shared(trigger.shared()),
                other => other,
            };
            match &slot.trigger {
                Firing::Shared(trigger) => Some(trigger.clone()),
                Firing::Nobody | Firing::Own(_) => None,
            }
        });
        match trigger {
            None => {}
            Some(None) => self.end("a deferred is fired that has no trigger"),
            Some(Some(trigger)) => {
                let fired = trigger.fire(result);
                fired.unwrap_or_else(|_| self.tell("raised", [json!("!AlreadyCalledError")]));
            }
        }
    }

    fn cancel(&self, id: Id) {
        // Whoever is called by it may do anything to the deferred: it must stay where it is.
        let cancel = self.with_slot(id, |slot| {
            if let Some(handle) = &mut slot.handle
                && slot.cancel.is_none()
                && !handle.has_result()
            {
                slot.cancel = Some(handle.cancel_handle());
            }
            slot.cancel.clone()
        });
        if let Some(cancel) = cancel.flatten() {
            cancel.cancel();
        }
    }

    fn pause(&self, id: Id) {
        let paused = self.with_slot(id, |slot| {
            let guard = slot.handle.as_mut().map(Deferred::pause);
            let paused = guard.is_some();
            slot.pauses.extend(guard);
            paused
        });
        if paused == Some(false) {
            self.end("a deferred is used that was given away");
        }
    }

    fn chain(&self, id: Id, other: Id) {
        if !self.has(id) || !self.has(other) {
            return;
        }
        let trigger = self.with_slot(other, |slot| std::mem::take(&mut slot.trigger));
        let Some(Firing::Own(trigger)) = trigger else {
            return self.end("a deferred is chained to one that has no trigger, or was fired");
        };
        // Twisted raises where the other one was cancelled, and has another failure to report.
        self.tell("lenient", [json!("deferreds are chained")]);
        match self.give_away(id) {
            Some(d) => d.chain_to(trigger),
            None => drop(trigger),
        }
    }

    // Several at once

    fn members(&self, ids: &[Id]) -> Vec<Deferred<Value>> {
        let known: Vec<Id> = ids.iter().copied().filter(|id| self.has(*id)).collect();
        known.into_iter().filter_map(|id| self.give_away(id)).collect()
    }

    fn list(&self, id: Id, ids: &[Id], switches: Switches) {
        // A failure is reported by the member that has it, and not by the list.
        let mut list = DeferredList::new([]).consume_errors();
        let mut count = 0;
        for member in ids.iter().copied().filter(|id| self.has(*id)) {
            count += 1;
            if switches.consume {
                let Some(d) = self.give_away(member) else { return };
                list.push(d);
            } else {
                let Some(d) = self.take(member) else { return };
                self.put_back(member, list.watch(d));
            }
        }
        if count == 0 && switches.one_callback {
            return self.end("a list of nothing waits for its first");
        }
        let d = match (switches.one_callback, switches.one_errback) {
            (false, false) => list.wait().map(|results| shown_results(&results)),
            (true, false) => list.fire_on_one_callback().map(shown_first).add_errback(|failure| {
                // Twisted fires with the failures as a value.
                let Some(group) = failure.check::<FailureGroup>() else { return Err(failure) };
                let failures = group.failures.iter().cloned().map(Err);
                Ok(shown_results(&failures.collect::<Vec<Outcome>>()))
            }),
            (false, true) => list
                .fire_on_one_errback()
                .map(|values| shown_results(&values.into_iter().map(Ok).collect::<Vec<Outcome>>())),
            (true, true) => list.fire_on_first().map(shown_first),
        };
        self.put(id, d, Firing::Nobody);
    }

    fn gather(&self, id: Id, ids: &[Id]) {
        let members = self.members(ids);
        if self.has_ended() {
            return;
        }
        self.tell("lenient", [json!(GIVEN_AWAY)]);
        let d = gather_results(members).map(|values| {
            Value::Shown(format!("[{}]", joined(values.iter().map(Value::to_string))))
        });
        self.put(id, d, Firing::Nobody);
    }

    fn race(&self, id: Id, ids: &[Id]) {
        let members = self.members(ids);
        if members.is_empty() {
            return self.end("a race of nobody has no winner");
        }
        self.tell("lenient", [json!(GIVEN_AWAY)]);
        let d = race(members).map(|(index, value)| Value::Shown(format!("({index}, {value})")));
        self.put(id, d, Firing::Nobody);
    }

    // Locks, semaphores and queues

    fn acquire(self: &Rc<Self>, id: Id, thing: Thing) {
        let world = self.clone();
        let shown = Value::Shown(format!("t{thing}"));
        // The guard is kept here, and what Python hands around is shown in its place.
        let d = match self.lock(thing) {
            None => return,
            Some(Either::Lock(lock)) => self.waiting_for_lock(lock.acquire()).map(move |guard| {
                world.with_thing(thing, |guarded| match guarded {
                    Guarded::Lock(_, held) => held.push(guard),
                    Guarded::Semaphore(..) | Guarded::Queue(_) => {}
                });
                shown
            }),
            Some(Either::Semaphore(semaphore)) => {
                self.waiting_for_lock(semaphore.acquire()).map(move |permit| {
                    world.with_thing(thing, |guarded| match guarded {
                        Guarded::Semaphore(_, held) => held.push(permit),
                        Guarded::Lock(..) | Guarded::Queue(_) => {}
                    });
                    shown
                })
            }
        };
        self.put(id, d, Firing::Nobody);
    }

    fn release(&self, thing: Thing) {
        enum Released {
            Lock(Option<hereafter::LockGuard>, bool),
            Permit(Option<hereafter::Permit>, bool),
        }
        let released = self.with_thing(thing, |guarded| match guarded {
            Guarded::Lock(lock, held) => Some(Released::Lock(held.pop(), lock.is_locked())),
            Guarded::Semaphore(semaphore, held) => {
                Some(Released::Permit(held.pop(), semaphore.tokens() < semaphore.limit()))
            }
            Guarded::Queue(_) => None,
        });
        let text = match released.flatten() {
            None => return,
            // Dropping it lets the next one in.
            Some(Released::Lock(Some(guard), _)) => return drop(guard),
            Some(Released::Permit(Some(permit), _)) => return drop(permit),
            Some(Released::Lock(None, true) | Released::Permit(None, true)) => {
                return self.end("a lock is released by who does not hold it");
            }
            Some(Released::Lock(None, false)) => "Tried to release an unlocked lock",
            Some(Released::Permit(None, false)) => {
                "Someone released me too many times: too many tokens!"
            }
        };
        self.tell("raised", [json!(format!("!AssertionError {text}"))]);
    }

    fn run(self: &Rc<Self>, id: Id, thing: Thing, link: &Link) {
        let (world, link) = (self.clone(), link.clone());
        let d = if let End::Give(given) = link.end {
            self.run_locked(thing, move || {
                world.call(&link, None);
                world.given(None, given)
            })
        } else {
            self.run_locked(thing, move || world.result_of_calling(&link))
        };
        if let Some(d) = d {
            self.put(id, d, Firing::Nobody);
        }
    }

    /// Runs a function that has a lock or semaphore until its outcome is there.
    pub(super) fn run_locked<R: hereafter::Outcome<Value = Value>>(
        &self,
        thing: Thing,
        function: impl FnOnce() -> R + 'static,
    ) -> Option<Deferred<Value>> {
        Some(self.waiting_for_lock(match self.lock(thing)? {
            Either::Lock(lock) => lock.run(function),
            Either::Semaphore(semaphore) => semaphore.run(function),
        }))
    }

    /// One who waits for what he holds himself is never freed.
    pub(super) fn waiting_for_lock<T>(&self, d: Deferred<T>) -> Deferred<T> {
        if !d.has_result() {
            self.tell("lenient", [json!("a lock may be waited for by who holds it")]);
        }
        d
    }

    fn queue(&self, thing: Thing) -> Option<DeferredQueue<Value>> {
        self.with_thing(thing, |guarded| match guarded {
            Guarded::Queue(queue) => Some(queue.clone()),
            Guarded::Lock(..) | Guarded::Semaphore(..) => None,
        })
        .flatten()
    }

    fn enqueue(&self, thing: Thing, number: i64) {
        if let Some(queue) = self.queue(thing)
            && queue.put(Value::Int(number)).is_err()
        {
            self.tell("raised", [json!("!QueueOverflow")]);
        }
    }

    fn dequeue(&self, id: Id, thing: Thing) {
        let Some(queue) = self.queue(thing) else { return };
        match queue.get().take_result() {
            // Twisted raises it at once.
            Ok(Err(failure)) if failure.is::<QueueUnderflow>() => {
                self.tell("raised", [json!("!QueueUnderflow")]);
            }
            Ok(result) => self.put(id, Deferred::ready(result), Firing::Nobody),
            Err(d) => self.put(id, d, Firing::Nobody),
        }
    }

    // Sequential style

    fn coroutine(self: &Rc<Self>, id: Id, statements: &[Statement], style: Style) {
        let body = sequential::body(self.clone(), statements.to_vec(), style, false);
        self.put(id, Deferred::from_coroutine(body), Firing::Nobody);
    }
}

fn shown_results(results: &[Outcome]) -> Value {
    let parts = results.iter().map(|result| {
        let succeeded = if result.is_ok() { "True" } else { "False" };
        format!("({succeeded}, {})", show(result))
    });
    Value::Shown(format!("[{}]", joined(parts)))
}

fn shown_first((value, index): (Value, usize)) -> Value {
    Value::Shown(format!("({value}, {index})"))
}
