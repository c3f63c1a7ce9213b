//! Callbacks, errbacks and cancellers.

use super::value::{Outcome, Value, catches, failure, panic_with, raise};
use super::world::{Firing, World};
use crate::program::{Canceller, Class, End, Id, Link, Op};
use hereafter::{Deferred, Failure};
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;

/// Which sides of a link there are.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    Callback,
    Errback,
    Both,
}

impl World {
    /// Adds one link to a deferred.
    pub(super) fn add(self: &Rc<Self>, id: Id, side: Side, link: &Link) {
        let Some(d) = self.take(id) else { return };
        let (world, link) = (self.clone(), link.clone());
        // What a callback gives back is of one type: a result, a deferred, or a plain value.
        let d = match (side, &link.end) {
            (Side::Callback, End::Give(_)) => {
                d.add_callback(move |value| world.deferred_of(id, &link, Ok(value)))
            }
            (Side::Errback, End::Give(_)) => {
                d.add_errback(move |failure| world.deferred_of(id, &link, Err(failure)))
            }
            (Side::Both, End::Give(_)) => {
                d.add_both(move |result| world.deferred_of(id, &link, result))
            }
            (Side::Callback, End::Return(number)) => {
                let number = *number;
                d.map(move |value| {
                    world.call_on(id, &link, &Ok(value));
                    Value::Int(number)
                })
            }
            (Side::Callback, _) => {
                d.add_callback(move |value| world.result_of(id, &link, Ok(value)))
            }
            (Side::Errback, _) => {
                d.add_errback(move |failure| world.result_of(id, &link, Err(failure)))
            }
            (Side::Both, _) => d.add_both(move |result| world.result_of(id, &link, result)),
        };
        self.put_back(id, d);
    }

    /// Adds a pair of links to a deferred.
    pub(super) fn add_pair(self: &Rc<Self>, id: Id, callback: &Link, errback: &Link) {
        let Some(d) = self.take(id) else { return };
        let (value_world, failure_world) = (self.clone(), self.clone());
        let (callback, errback) = (callback.clone(), errback.clone());
        let d = if matches!((&callback.end, &errback.end), (End::Give(_), _) | (_, End::Give(_))) {
            d.add_callbacks(
                move |value| value_world.deferred_of(id, &callback, Ok(value)),
                move |failure| failure_world.deferred_of(id, &errback, Err(failure)),
            )
        } else {
            d.add_callbacks(
                move |value| value_world.result_of(id, &callback, Ok(value)),
                move |failure| failure_world.result_of(id, &errback, Err(failure)),
            )
        };
        self.put_back(id, d);
    }

    /// A link is called: tells of it, and does what it does.
    pub(super) fn call(self: &Rc<Self>, link: &Link, argument: Option<&Outcome>) {
        let mut told = vec![json!(link.name)];
        told.extend(argument.map(|argument| json!(self.show(argument))));
        // A closure has what it is given beside the result.
        if let Some(more) = link.more {
            told.extend([json!(more.to_string()), json!(format!("key={more}"))]);
        }
        self.tell("call", told);
        self.perform(&link.r#do);
    }

    /// As [`call`](Self::call), for a link on `own`.
    fn call_on(self: &Rc<Self>, own: Id, link: &Link, argument: &Outcome) {
        self.runs(own, true);
        self.call(link, Some(argument));
        self.runs(own, false);
    }

    /// Calls a link that gives back a value or a failure.
    fn result_of(self: &Rc<Self>, own: Id, link: &Link, argument: Outcome) -> Outcome {
        self.call_on(own, link, &argument);
        self.ending(&link.end, argument)
    }

    /// As [`result_of`](Self::result_of), for a function without an argument.
    pub(super) fn result_of_calling(self: &Rc<Self>, link: &Link) -> Outcome {
        self.call(link, None);
        self.ending(&link.end, Ok(link.more.map_or_else(Value::none, Value::Int)))
    }

    /// Calls what a timeout makes of a failure.
    pub(super) fn result_of_timeout(
        self: &Rc<Self>,
        link: &Link,
        failure: Failure,
        after: Duration,
    ) -> Outcome {
        let argument = Err(failure);
        let told =
            [json!(link.name), json!(self.show(&argument)), json!(after.as_secs().to_string())];
        self.tell("call", told);
        self.perform(&link.r#do);
        self.ending(&link.end, argument)
    }

    fn ending(&self, end: &End, argument: Outcome) -> Outcome {
        if self.has_ended() {
            return Ok(Value::none());
        }
        match (end, argument) {
            (End::Return(number), _) => Ok(Value::Int(*number)),
            (End::Raise(error), _) => Err(raise(*error)),
            (End::Fail(error), _) => Err(failure(*error)),
            // Twisted's `trap` never matches what is no `Exception`.
            (End::Trap(class), Err(failure))
                if !matches!(class, Class::B | Class::All) && catches(*class, &failure) =>
            {
                Ok(Value::none())
            }
            (End::Pass | End::Trap(_) | End::Give(_), argument) => argument,
        }
    }

    /// Calls a link that may give back a deferred.
    fn deferred_of(self: &Rc<Self>, own: Id, link: &Link, argument: Outcome) -> Deferred<Value> {
        self.call_on(own, link, &argument);
        match &link.end {
            End::Give(given) => self.given(Some(own), *given),
            end => Deferred::ready(self.ending(end, argument)),
        }
    }

    /// Gives a deferred back from the link on `own`.
    pub(super) fn given(&self, own: Option<Id>, given: Id) -> Deferred<Value> {
        if own == Some(given) && self.has(given) {
            self.end("a deferred is given back to itself");
        }
        if self.has_ended() {
            return Deferred::succeed(Value::none());
        }
        self.give_away(given).unwrap_or_else(|| Deferred::succeed(Value::none()))
    }

    /// Makes a deferred with a canceller.
    pub(super) fn put_cancellable(self: &Rc<Self>, id: Id, canceller: &Canceller) {
        let (world, canceller) = (self.clone(), canceller.clone());
        let (trigger, d) = Deferred::with_canceller(move || {
            world.tell("call", [json!(canceller.name), json!(format!("d{id}"))]);
            // One that fires its deferred at last may as well give back what it fires with.
            let (last, before) = match (canceller.raise, canceller.r#do.split_last()) {
                (None, Some((Op::Callback(own, number), []))) if *own == id && world.has(id) => {
                    (Some(Ok(Value::Int(*number))), &[][..])
                }
                (None, Some((Op::Errback(own, error), []))) if *own == id && world.has(id) => {
                    (Some(Err(failure(*error))), &[][..])
                }
                _ => (None, &canceller.r#do[..]),
            };
            world.perform(before);
            if let Some(error) = canceller.raise
                && !world.has_ended()
            {
                panic_with(error);
            }
            last
        });
        self.put(id, d, Firing::Own(trigger));
    }
}
