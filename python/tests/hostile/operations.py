"""Each thing that can be done with Deferreds, alone: for those who look at what one of them leaves behind.

An operation is a function that prepares what it needs and returns what is to be watched, a call without arguments.
What the call returns is dropped by whoever watches.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import (
    Deferred,
    DeferredList,
    DeferredLock,
    DeferredQueue,
    DeferredSemaphore,
    ensureDeferred,
    execute,
    fail,
    gatherResults,
    inlineCallbacks,
    maybeDeferred,
    race,
    succeed,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure

Act = Callable[[], object]
#: The operations by name.
OPERATIONS: dict[str, Callable[[], Act]] = {}

#: What is handed around: nothing may keep it.
VALUE = ["value"]


def same(result: Any, *_: Any, **__: Any) -> Any:
    return result


def handled(failure: Any, *_: Any) -> None:
    pass


def boom(*_: Any) -> Any:
    raise ValueError("boom")


@inlineCallbacks
def generator(awaited: Any) -> Any:
    try:
        return (yield awaited)
    except ValueError:
        return "caught"


@inlineCallbacks
def raising() -> Any:
    yield succeed(None)
    raise ValueError("raised")


async def coroutine(awaited: Any) -> Any:
    try:
        return await awaited
    except ValueError:
        return "caught"


class Own(Deferred[Any]):
    """A class of a program's own."""

    def callback(self, result: Any) -> None:
        super().callback(result)


def operation(prepare: Callable[[], Act]) -> Callable[[], Act]:
    OPERATIONS[prepare.__name__] = prepare
    return prepare


def simple(name: str, act: Act) -> None:
    OPERATIONS[name] = lambda: act


def on_one(name: str, act: Callable[[Any], object], made: Callable[[], Any] = Deferred) -> None:
    """An operation on a Deferred that is there already."""

    def prepare() -> Act:
        one = made()
        return lambda: act(one)

    OPERATIONS[name] = prepare


simple("a deferred", Deferred)
simple("a deferred with a canceller", lambda: Deferred(same))
simple("a deferred with too many arguments", lambda: Deferred(1, 2))
simple("succeed", lambda: succeed(VALUE))
simple("fail", lambda: fail(ValueError("fail")).addErrback(handled))
simple("fail, left alone", lambda: fail(ValueError("nobody")) and None)
simple("fail of nothing", lambda: fail())
simple("maybeDeferred", lambda: maybeDeferred(same, VALUE, more=1))
simple("maybeDeferred that raises", lambda: maybeDeferred(boom).addErrback(handled))
simple("maybeDeferred of a coroutine", lambda: maybeDeferred(coroutine, succeed(VALUE)))
simple("maybeDeferred of nothing", lambda: maybeDeferred())
simple("execute", lambda: execute(same, VALUE))
simple("execute that raises", lambda: execute(boom).addErrback(handled))
simple("ensureDeferred", lambda: ensureDeferred(coroutine(succeed(VALUE))))
simple("ensureDeferred of something else", lambda: ensureDeferred(VALUE))
simple("a class of its own", lambda: Own().callback(VALUE))
simple("a generator", lambda: generator(succeed(VALUE)))
simple("a generator that gets a failure", lambda: generator(fail(ValueError())))
simple("a generator that raises", lambda: raising().addErrback(handled))
simple("a generator that waits, left alone", lambda: generator(Deferred()))
simple("a generator of what is none", lambda: inlineCallbacks(same)(VALUE))
simple("a coroutine", lambda: Deferred.fromCoroutine(coroutine(succeed(VALUE))))
simple("a coroutine that waits, left alone", lambda: Deferred.fromCoroutine(coroutine(Deferred())))
simple("a coroutine of what is none", lambda: Deferred.fromCoroutine(VALUE))
simple("an empty list", lambda: DeferredList([]))
simple("a list of what is none", lambda: DeferredList([VALUE]))
simple("a race of nobody", lambda: race([]).addErrback(handled))

on_one("addCallback", lambda one: one.addCallback(same))
on_one("addCallback with arguments", lambda one: one.addCallback(same, 1, 2, 3, key=VALUE))
on_one("addCallback by name", lambda one: one.addCallback(callback=same, key=VALUE))
on_one("addCallback of nothing", lambda one: one.addCallback())
on_one("addErrback", lambda one: one.addErrback(same))
on_one("addBoth", lambda one: one.addBoth(same, 1))
on_one("addCallbacks", lambda one: one.addCallbacks(same, handled))
on_one("addCallbacks with arguments", lambda one: one.addCallbacks(same, handled, (1, 2), {"key": 3}, [4], {}))
on_one("addCallbacks with what are none", lambda one: one.addCallbacks(same, handled, 5, 6))
on_one("many links", lambda one: [one.addCallback(same, number) for number in range(20)])
on_one("callback", lambda one: one.callback(VALUE))
on_one("callback twice", lambda one: (one.callback(1), one.callback(2)))
on_one("callback of nothing", lambda one: one.callback())
on_one("errback", lambda one: (one.addErrback(handled), one.errback(ValueError("e"))))
on_one("errback of a failure", lambda one: (one.addErrback(handled), one.errback(Failure(ValueError("e")))))
on_one("errback of now", lambda one: one.errback())
on_one("cancel", lambda one: (one.addErrback(handled), one.cancel()))
on_one("cancel and fire", lambda one: (one.addErrback(handled), one.cancel(), one.callback(1)))
on_one("cancel with a canceller", lambda one: one.cancel(), lambda: Deferred(lambda d: d.callback(1)))
on_one("cancel with one that raises", lambda one: (one.addErrback(handled), one.cancel()), lambda: Deferred(boom))
on_one("pause", lambda one: (one.pause(), one.callback(1), one.addCallback(same), one.unpause()))
on_one("repr", lambda one: (repr(one), one.callback(VALUE), repr(one)))
on_one("a result that is not there", lambda one: one.result)
on_one("an attribute that is not there", lambda one: one.nothing)
on_one("attributes", lambda one: (one.called, one.paused, one._chainedTo, one._debugInfo, one._canceller))
on_one("an attribute of its own", lambda one: setattr(one, "own", VALUE))
on_one("the links looked at", lambda one: list(one._callbacks), lambda: Deferred().addCallbacks(same, handled, (1,)))
on_one("the links replaced", lambda one: one._callbacks.pop(), lambda: Deferred().addBoth(same, 1).addBoth(same))
on_one("a copy", lambda one: copy.copy(one), lambda: Deferred().addBoth(same, 1))
on_one("a callback that raises", lambda one: one.callback(1), lambda: Deferred().addCallback(boom).addErrback(handled))
on_one("a callback that raises, left alone", lambda one: one.callback(1), lambda: Deferred().addCallback(boom))
on_one("a long chain of failures", lambda one: one.callback(1), lambda: _failing(Deferred()))
on_one("an error passed along", lambda one: one.errback(ValueError()), lambda: Deferred().addCallback(same).addErrback(handled))
on_one("asked for its items", lambda one: next(iter(one)))


def _failing(deferred: Any) -> Any:
    for _ in range(5):
        deferred.addCallbacks(boom, boom)
    return deferred.addErrback(handled)


@operation
def waiting() -> Act:
    inner, outer = Deferred(), succeed(None)

    def act() -> None:
        outer.addCallback(lambda _: inner)
        outer.addCallback(same)
        inner.callback(VALUE)

    return act


@operation
def taking() -> Act:
    inner, outer = succeed(VALUE), Deferred().addCallback(lambda _: inner)
    return lambda: outer.callback(None)


@operation
def cancelling_the_innermost() -> Act:
    inner, outer = Deferred(), succeed(None)
    outer.addCallback(lambda _: inner).addErrback(handled)
    return outer.cancel


@operation
def chaining() -> Act:
    first, second = Deferred(), Deferred().addCallback(same)

    def act() -> None:
        first.chainDeferred(second)
        first.callback(VALUE)

    return act


@operation
def chaining_to_a_class_of_its_own() -> Act:
    first, second = Deferred(), Own()

    def act() -> None:
        first.chainDeferred(second)
        first.callback(VALUE)

    return act


@operation
def a_list() -> Act:
    row = [Deferred() for _ in range(3)]

    def act() -> None:
        DeferredList(row, consumeErrors=True).addCallback(same)
        row[0].callback(1)
        row[1].errback(ValueError())
        row[2].callback(3)

    return act


@operation
def a_list_on_one_errback() -> Act:
    row = [Deferred() for _ in range(2)]

    def act() -> None:
        DeferredList(row, fireOnOneErrback=True, consumeErrors=True).addErrback(handled)
        row[0].errback(ValueError())
        row[1].errback(ValueError())

    return act


@operation
def a_list_on_one_callback() -> Act:
    row = [Deferred() for _ in range(2)]

    def act() -> None:
        DeferredList(row, fireOnOneCallback=True)
        row[0].callback(1)

    return act


@operation
def a_list_cancelled() -> Act:
    row = [Deferred().addErrback(handled) for _ in range(3)]
    both = DeferredList(row)
    return both.cancel


@operation
def gathering() -> Act:
    row = [Deferred() for _ in range(3)]

    def act() -> None:
        gatherResults(row)
        for deferred in row:
            deferred.callback(1)

    return act


@operation
def racing() -> Act:
    row = [Deferred().addErrback(same) for _ in range(2)]

    def act() -> None:
        race(row)
        row[0].callback(1)
        row[1].addErrback(handled)

    return act


@operation
def a_generator_that_waits() -> Act:
    inner = Deferred()

    def act() -> None:
        generator(inner).addCallback(same)
        inner.callback(VALUE)

    return act


@operation
def generators_that_wait_for_one_another() -> Act:
    inner = Deferred()

    def act() -> None:
        generator(generator(generator(inner))).addCallback(same)
        inner.errback(ValueError())

    return act


@operation
def a_generator_cancelled() -> Act:
    ended = generator(generator(Deferred())).addErrback(handled)
    return ended.cancel


@operation
def a_coroutine_that_waits() -> Act:
    inner = Deferred()

    def act() -> None:
        Deferred.fromCoroutine(coroutine(inner)).addCallback(same)
        inner.errback(ValueError())

    return act


@operation
def a_coroutine_cancelled() -> Act:
    ended = Deferred.fromCoroutine(coroutine(Deferred())).addErrback(handled)
    return ended.cancel


@operation
def a_timeout() -> Act:
    clock = Clock()

    def act() -> None:
        Deferred().addTimeout(1, clock).addErrback(handled)
        clock.advance(2)

    return act


@operation
def a_result_in_time() -> Act:
    clock, one = Clock(), Deferred()

    def act() -> None:
        one.addTimeout(1, clock)
        one.callback(1)

    return act


@operation
def a_lock() -> Act:
    lock, inner = DeferredLock(), Deferred()

    def act() -> None:
        lock.run(lambda: inner)
        lock.run(same, 1, key=2)
        lock.run(boom).addErrback(handled)
        lock.acquire().addErrback(handled).cancel()
        inner.callback(1)

    return act


@operation
def a_lock_released_too_often() -> Act:
    return DeferredLock().release


@operation
def a_semaphore() -> Act:
    semaphore = DeferredSemaphore(1)

    def act() -> None:
        semaphore.acquire()
        semaphore.run(same, 1)
        semaphore.release()

    return act


@operation
def a_queue() -> Act:
    queue = DeferredQueue(1, 1)

    def act() -> None:
        queue.get().addCallback(same)
        queue.put(1)
        queue.put(2)
        queue.put(3)

    return act


@operation
def debugging() -> Act:
    def act() -> None:
        one = Deferred()
        one.debug = True
        one.callback(1)
        one.callback(2)

    return act


@operation
def a_cycle_collected() -> Act:
    one = Deferred()
    one.addCallback(lambda _: one)

    def act() -> None:
        nonlocal one
        del one
        gc.collect()

    return act


@operation
def waiters_freed() -> Act:
    last = Deferred()
    for _ in range(5):
        last = succeed(None).addCallback(lambda _, last=last: last)

    def act() -> None:
        nonlocal last
        del last

    return act
