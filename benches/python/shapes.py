"""The small shapes: what a program does with Deferreds all day, one at a time.

A shape is a function that does it once, or a few times where `per` says so; the time is per one. Nothing
here knows whose Deferreds it measures: that is decided before this module is imported.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet import defer
from twisted.internet.defer import Deferred, inlineCallbacks, succeed


@dataclass(frozen=True)
class Shape:
    """Something to measure."""

    name: str
    run: Callable[[], object]
    per: int = 1


SHAPES: list[Shape] = []


def shape(name, per=1):
    """Add the decorated function to the shapes."""

    def add(run):
        SHAPES.append(Shape(name, run, per))
        return run

    return add


def same(value):
    return value


def add(value, number):
    return value + number


def boom(_):
    raise ValueError("boom")


def handled(_):
    return None


def trapped(failure):
    failure.trap(ValueError)


# One deferred and its callbacks.


@shape("Deferred()")
def empty():
    Deferred()


@shape("new + 3 addCallback + callback")
def three_callbacks():
    d = Deferred()
    d.addCallback(same)
    d.addCallback(same)
    d.addCallback(same)
    d.callback(1)


@shape("succeed + 1 callback")
def succeed_one():
    succeed(1).addCallback(same)


@shape("callback with an extra argument")
def extra_argument():
    succeed(1).addCallback(add, 2)


@shape("callback with an extra keyword")
def extra_keyword():
    succeed(1).addCallback(add, number=2)


@shape("addCallbacks + addErrback + addBoth, fired")
def every_kind():
    d = Deferred()
    d.addCallbacks(same, handled)
    d.addErrback(handled)
    d.addBoth(same)
    d.callback(1)


@shape("returns a fired Deferred")
def returns_fired():
    succeed(1).addCallback(succeed)


@shape("returns a pending Deferred")
def returns_pending():
    inner = Deferred()
    outer = succeed(1)
    outer.addCallback(lambda _: inner)
    outer.addCallback(same)
    inner.callback(1)


@shape("raise + errback")
def raise_errback():
    succeed(1).addCallback(boom).addErrback(handled)


@shape("raise + trap")
def raise_trap():
    succeed(1).addCallback(boom).addErrback(trapped)


@shape("1000 Deferreds, each waiting on the next")
def thousand_waiting():
    last = inner = Deferred()
    for _ in range(1000):
        outer = Deferred()
        outer.addCallback(lambda _, inner=inner: inner)
        outer.callback(None)
        inner = outer
    last.callback(1)


@shape("chainDeferred")
def chain_deferred():
    first, second = Deferred(), Deferred()
    first.chainDeferred(second)
    first.callback(1)


@shape("maybeDeferred")
def maybe():
    defer.maybeDeferred(same, 1)


@shape("cancel")
def cancel():
    d = Deferred()
    d.addErrback(handled)
    d.cancel()


@shape("gatherResults of 10")
def gather():
    defer.gatherResults([succeed(number) for number in range(10)])


@shape("gatherResults of 10, fired later")
def gather_later():
    waiting = [Deferred() for _ in range(10)]
    defer.gatherResults(waiting)
    for d in waiting:
        d.callback(1)


@shape("DeferredLock.run")
def lock_run(lock=defer.DeferredLock()):
    lock.run(same, 1)


@shape("DeferredLock.run of a pending Deferred")
def lock_pending(lock=defer.DeferredLock()):
    inner = Deferred()
    lock.run(lambda: inner)
    inner.callback(1)


@shape("DeferredLock.run, 50 that follow one another", per=50)
def lock_followed(lock=defer.DeferredLock()):
    inner = Deferred()
    lock.run(lambda: inner)
    for _ in range(50):
        lock.run(same, 1)
    inner.callback(1)


@shape("DeferredSemaphore.run")
def semaphore(limit=defer.DeferredSemaphore(1)):
    limit.run(same, 1)


@shape("DeferredQueue: get, put")
def queue(line=defer.DeferredQueue()):
    line.get().addCallback(same)
    line.put(1)


@shape("DeferredQueue: put, get")
def queue_filled(line=defer.DeferredQueue()):
    line.put(1)
    line.get()


class IdleClock:
    """A clock whose calls are free, so that the Deferred's own part is measured."""

    def callLater(self, seconds, function):
        return self

    def active(self):
        return True

    def cancel(self):
        pass


@shape("addTimeout, in time")
def timed(clock=IdleClock()):
    Deferred().addTimeout(1, clock).callback(1)


@shape("race of 2")
def race_of_two():
    first, second = Deferred(), Deferred()
    defer.race([first, second])
    first.callback(1)


# The sequential style.


@inlineCallbacks
def two_yields():
    yield succeed(1)
    yield succeed(2)


@inlineCallbacks
def one_yield(d):
    yield d


async def two_awaits():
    await succeed(1)
    await succeed(2)


async def one_await(d):
    await d


async def with_lock(lock):
    async with lock:
        pass


shape("inlineCallbacks, 2 ready yields")(two_yields)


@shape("inlineCallbacks, 1 pending")
def inline_pending():
    d = Deferred()
    one_yield(d)
    d.callback(1)


@shape("fromCoroutine, 2 ready awaits")
def coroutine_ready():
    Deferred.fromCoroutine(two_awaits())


@shape("async with DeferredLock")
def coroutine_with_lock(lock=defer.DeferredLock()):
    Deferred.fromCoroutine(with_lock(lock))


@shape("fromCoroutine, 1 pending")
def coroutine_pending():
    d = Deferred()
    Deferred.fromCoroutine(one_await(d))
    d.callback(1)


@inlineCallbacks
def nested(depth, width, make):
    """Generators in generators, each of which waits for `width` Deferreds of its own too."""
    total = 0
    for _ in range(width):
        total += yield make()
    if depth > 1:
        total += yield nested(depth - 1, width, make)
    return total


def nested_ready(depth, width):
    def run():
        nested(depth, width, lambda: succeed(1))

    return run


def nested_late(depth, width):
    def run():
        waiting = []

        def make():
            d = Deferred()
            waiting.append(d)
            return d

        nested(depth, width, make)
        while waiting:
            waiting.pop().callback(1)

    return run


for depth, width in ((1, 100), (10, 10), (50, 2)):
    shape(f"nested inlineCallbacks {depth} x {width}, ready")(nested_ready(depth, width))
    shape(f"nested inlineCallbacks {depth} x {width}, late")(nested_late(depth, width))


# The shapes of the seven benchmarks that Twisted keeps of its Deferreds.


@shape("Twisted's: await 1000 ready")
def await_ready():
    async def run():
        for number in range(1000):
            await succeed(number)

    defer.ensureDeferred(run())


@shape("Twisted's: await 20 fired later")
def await_later():
    waiting = [Deferred() for _ in range(20)]

    async def run():
        for d in waiting:
            await d

    defer.ensureDeferred(run())
    for d in waiting:
        d.callback(1)


@shape("Twisted's: 4 callbacks, fired first")
def fired_first():
    d = Deferred()
    d.callback(2)
    for number in (1, 2, 3, 4):
        d.addCallback(add, number)


@shape("Twisted's: 4 callbacks, fired last")
def fired_last():
    d = Deferred()
    for number in (1, 2, 3, 4):
        d.addCallback(add, number)
    d.callback(2)


def raise_another(failure):
    failure.trap(Exception)
    raise KeyError("another")


@shape("Twisted's: errback chain")
def errback_chain():
    succeed("result").addCallback(boom).addErrback(raise_another).addBoth(handled)


@shape("Twisted's: chained, already fired")
def chained_fired():
    outer, first, second = Deferred(), Deferred(), Deferred()
    first.callback(1)
    second.callback(2)
    outer.addCallback(lambda _: first)
    outer.addCallback(lambda _: second)
    outer.callback(3)


@shape("Twisted's: chained, not fired")
def chained_not_fired():
    outer, first, second, innermost = Deferred(), Deferred(), Deferred(), Deferred()
    # The second is itself waiting by the time that the outer one comes to it.
    second.addCallback(lambda _: innermost)
    second.callback(1)
    outer.addCallback(lambda _: first)
    outer.addCallback(lambda _: second)
    first.callback(2)
    innermost.callback(3)
    outer.callback(4)


# A peer that has nothing to do with Twisted, to compare with; the same on both sides.


async def task():
    return 1


def await_tasks():
    async def run():
        for _ in range(100):
            await asyncio.create_task(task())

    asyncio.run(run())


shape("asyncio: await a Task", per=100)(await_tasks)
