//! The bodies of coroutines.

use super::value::{Outcome, Value, catches, failure, raise};
use super::world::{Either, World};
use crate::program::{Awaited, Statement, Wait};
use hereafter::Deferred;
use serde_json::json;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// How a coroutine calls another.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Style {
    /// As `inlineCallbacks` do: the inner one gets a deferred of its own.
    Inline,
    /// As coroutines do: the inner one is awaited as it is.
    Plain,
}

/// A coroutine, or one inside another.
pub(super) fn body(
    world: Rc<World>,
    statements: Vec<Statement>,
    style: Style,
    nested: bool,
) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(async move {
        for statement in statements {
            match statement {
                Statement::Do(operations) => world.perform(&operations),
                Statement::Return(number) | Statement::ReturnValue(number) => {
                    return Ok(Value::Int(number));
                }
                // A panic would go through the outer one, where no handler could catch it.
                Statement::Raise(error) if nested => return Err(failure(error)),
                Statement::Raise(error) => return Err(raise(error)),
                Statement::Give(_) => world.end("a coroutine returns a deferred"),
                Statement::Await(wait) => {
                    let result = awaited(&world, wait.what.clone(), style).await;
                    world.resumed(&wait, &result);
                    match result {
                        Err(failure) if !wait.except.is_some_and(|it| catches(it, &failure)) => {
                            return Err(failure);
                        }
                        Err(_) => world.perform(&wait.handler),
                        Ok(_) => {}
                    }
                }
            }
            if world.has_ended() {
                break;
            }
        }
        Ok(Value::none())
    })
}

async fn awaited(world: &Rc<World>, what: Awaited, style: Style) -> Outcome {
    match (what, style) {
        (Awaited::Value(number), _) => Ok(Value::Int(number)),
        (Awaited::Deferred(id), _) => match world.take_to_await(id) {
            Some(d) => d.await,
            None => Ok(Value::none()),
        },
        (Awaited::Nested(statements), Style::Inline) => {
            Deferred::from_coroutine(body(world.clone(), statements, style, true)).await
        }
        (Awaited::Nested(statements), Style::Plain) => {
            body(world.clone(), statements, style, true).await
        }
        (Awaited::Other(statements), _) => {
            let other = if style == Style::Inline { Style::Plain } else { Style::Inline };
            Deferred::from_coroutine(body(world.clone(), statements, other, true)).await
        }
        (Awaited::Locked(thing, statements), Style::Inline) => {
            let inside = body(world.clone(), statements, style, true);
            match world.run_locked(thing, || Deferred::from_coroutine(inside)) {
                Some(d) => d.await,
                None => Ok(Value::none()),
            }
        }
        (Awaited::Locked(thing, statements), Style::Plain) => {
            let inside = body(world.clone(), statements, style, true);
            match world.lock(thing) {
                None => Ok(Value::none()),
                Some(Either::Lock(lock)) => {
                    let _guard = world.waiting_for_lock(lock.acquire()).await?;
                    inside.await
                }
                Some(Either::Semaphore(semaphore)) => {
                    let _permit = world.waiting_for_lock(semaphore.acquire()).await?;
                    inside.await
                }
            }
        }
    }
}

impl World {
    fn resumed(&self, wait: &Wait, result: &Outcome) {
        self.tell("resumed", [json!(wait.name), json!(self.show(result))]);
    }
}
