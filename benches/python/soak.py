"""Millions of deferreds in every shape, to see that nothing of them stays.

    python -m hereafter benches/python/soak.py --deferreds 10000000

First each shape alone: what it leaves behind after many runs is counted in objects and blocks of memory, and has
to be nothing. Then all shapes in turn until so many deferreds have been made, while the memory of the process
is looked at: after the warm-up it may not grow by more than a fixed bound, however long it goes on.
"""

import argparse
import asyncio
import ctypes
import gc
import json
import subprocess
import sys
import weakref

from memory import resident
from shapes import SHAPES, Shape, boom, handled, one_await, one_yield, same
from twisted.internet import defer
from twisted.internet.defer import (
    Deferred,
    DeferredList,
    DeferredLock,
    DeferredQueue,
    DeferredSemaphore,
    fail,
    gatherResults,
    inlineCallbacks,
    race,
    succeed,
)
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogBeginner

#: Bytes by which the process may grow from the end of the warm-up to the last deferred.
BOUND = 4 * 1024 * 1024
#: The part of the deferreds that is warm-up.
WARM = 0.2
#: How often the memory is looked at.
SAMPLES = 50
#: How often a shape runs alone, before and while what it leaves is counted.
RUNS = 1000
#: How often that is done again as long as something seems to stay.
BOUTS = 6
#: Objects or blocks that so many runs may leave: fewer than one a run by far, and room for the interpreter's own.
LEFT = 50
#: The same for bytes that native code has asked of the C library.
LEFT_BYTES = 1600

#: The shapes of the benchmark but the one that has no Deferred in it.
ALL = [shape for shape in SHAPES if not shape.name.startswith("asyncio")]


def soaked(function):
    """Add the decorated function to the shapes."""
    ALL.append(Shape(function.__name__.replace("_", " "), function))
    return function


# Cancelling and timeouts.


@soaked
def a_canceller_fires():
    Deferred(lambda d: d.callback(1)).cancel()


@soaked
def a_canceller_leaves_it():
    d = Deferred(same).addErrback(handled)
    d.cancel()


@soaked
def cancelled_and_fired_late():
    d = Deferred().addErrback(handled)
    d.cancel()
    d.callback(1)


@soaked
def the_innermost_cancelled():
    inner = Deferred()
    outer = succeed(1).addCallback(lambda _: inner).addErrback(handled)
    outer.cancel()


@soaked
def a_generator_cancelled():
    one_yield(one_yield(Deferred())).addErrback(handled).cancel()


@soaked
def a_coroutine_cancelled():
    Deferred.fromCoroutine(one_await(Deferred())).addErrback(handled).cancel()


@soaked
def timed_out():
    clock = Clock()
    Deferred().addTimeout(1, clock).addErrback(handled)
    clock.advance(1)


@soaked
def fired_in_time():
    clock = Clock()
    d = Deferred().addTimeout(1, clock)
    d.callback(1)


# Several at once.


def members():
    return [Deferred(), succeed(1), Deferred().addErrback(handled)]


@soaked
def race_won():
    row = members()
    race(row)
    row[0].addErrback(handled)


@soaked
def race_lost_by_all():
    race([fail(ValueError()), fail(ValueError())]).addErrback(handled)


@soaked
def race_cancelled():
    race([Deferred(), Deferred()]).addErrback(handled).cancel()


def a_list(**switches):
    def run():
        for last in (lambda d: d.callback(1), lambda d: d.errback(ValueError()), Deferred.cancel):
            row = [Deferred(), succeed(1)]
            made = DeferredList(row, **switches).addErrback(handled)
            last(row[0])
            row[0].addErrback(handled)
            made.cancel()

    return run


for switch in ("fireOnOneCallback", "fireOnOneErrback", "consumeErrors"):
    ALL.append(Shape(f"a list with {switch}", a_list(**{switch: True})))
ALL.append(Shape("a list", a_list()))


@soaked
def a_list_cancelled():
    DeferredList([Deferred().addErrback(handled) for _ in range(3)]).cancel()


@soaked
def gathered_and_failed():
    row = [Deferred() for _ in range(3)]
    gatherResults(row, consumeErrors=True).addErrback(handled)
    row[1].errback(ValueError())
    row[0].callback(1)
    row[2].callback(1)


@soaked
def a_lock_waited_for():
    lock = DeferredLock()
    inner = Deferred()
    lock.run(lambda: inner)
    lock.run(same, 1)
    lock.acquire().addErrback(handled).cancel()
    inner.callback(1)


@soaked
def a_semaphore_waited_for():
    semaphore = DeferredSemaphore(2)
    held = [Deferred() for _ in range(4)]
    for d in held:
        semaphore.run(lambda d=d: d)
    for d in held:
        d.callback(1)


@soaked
def a_lock_in_a_coroutine():
    lock, inner = DeferredLock(), Deferred()

    async def locked():
        async with lock:
            await inner

    Deferred.fromCoroutine(locked())
    Deferred.fromCoroutine(locked())
    inner.callback(1)


@soaked
def a_queue_waited_for():
    queue = DeferredQueue(1, 2)
    queue.get().addCallback(same)
    queue.get().addErrback(handled).cancel()
    queue.put(1)
    queue.put(2)
    try:
        queue.put(3)
    except defer.QueueOverflow:
        pass
    queue.get()


# What is left alone.


@soaked
def a_failure_nobody_handles():
    fail(ValueError("nobody"))


@soaked
def a_raise_nobody_handles():
    succeed(1).addCallback(boom)


@soaked
def a_generator_raises_and_nobody_handles():
    @inlineCallbacks
    def failing():
        yield succeed(1)
        raise ValueError("nobody")

    failing()


@soaked
def a_generator_dropped_half_way():
    @inlineCallbacks
    def half_way(d):
        try:
            yield d
        finally:
            d.left = True

    half_way(half_way(Deferred()))


@soaked
def a_coroutine_dropped_half_way():
    Deferred.fromCoroutine(one_await(Deferred.fromCoroutine(one_await(Deferred()))))


@soaked
def waiters_abandoned():
    last = Deferred()
    for _ in range(20):
        last = succeed(None).addCallback(lambda _, last=last: last)


@soaked
def chained_and_abandoned():
    first = Deferred()
    last = first
    for _ in range(20):
        target = Deferred()
        last.chainDeferred(target)
        last = target


@soaked
def paused_and_abandoned():
    d = succeed(1)
    d.pause()
    d.addCallback(same)
    succeed(None).addCallback(lambda _: d)


@soaked
def a_canceller_never_called():
    d = Deferred(lambda _: d)


@soaked
def cycles():
    d = Deferred()
    d.addCallback(lambda _: d)
    other = Deferred()
    other.itself = other
    other.callback([d, other])
    failed = fail(ValueError())
    failed.addErrback(lambda failure: [failed, failure])


@soaked
def a_list_of_itself():
    d = Deferred()
    d.addCallback(lambda _, d=DeferredList([d]): d)


@soaked
def looked_at_weakly():
    d = Deferred()
    reference = weakref.ref(d)
    d.addCallback(lambda _: reference())
    d.callback(1)


# The classes of programs, debugging, other worlds.


class Own(Deferred):
    """A subclass with something of its own."""

    def __init__(self, name):
        self.name = name
        super().__init__()


@soaked
def a_subclass():
    own = Own("own")
    succeed(None).addCallback(lambda _: own)
    one_yield(own)
    own.addCallback(same)
    own.callback(1)


@soaked
def a_method_replaced_on_one():
    d = Deferred()
    d.callback = same
    succeed(1).chainDeferred(d)


@soaked
def debugged():
    d = Deferred()
    d.debug = True
    d.callback(1)
    try:
        d.callback(2)
    except defer.AlreadyCalledError:
        pass


_loop = asyncio.new_event_loop()


@soaked
def futures_both_ways():
    future = _loop.create_future()
    d = Deferred.fromFuture(future)
    future.set_result(1)
    Deferred().addErrback(handled).asFuture(_loop).cancel()
    _loop.run_until_complete(succeed(1).asFuture(_loop))
    assert d.called


class _Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]  # fmt: skip


try:
    _mallinfo = ctypes.CDLL(None).mallinfo2
    _mallinfo.restype = _Memory
except AttributeError:
    # Only the GNU C library tells, and not every version of it.
    _mallinfo = None


def _held():
    """Objects that the collector knows, blocks of Python's allocator, and bytes that came from the C library."""
    # What a finalizer of a generator has seen once more is found the next time.
    while gc.collect():
        pass
    native = 0 if _mallinfo is None else _mallinfo().uordblks
    return len(gc.get_objects()), sys.getallocatedblocks(), native


def left_behind(run, runs=RUNS):
    """What so many runs leave behind: objects, blocks, and bytes of native code. Each may be a little below zero."""

    def once():
        before = _held()
        for _ in range(runs):
            run()
        return [now - then for now, then in zip(_held(), before)]

    # What is made once and kept, such as a cache, is no leak: a leak is there every time.
    least = once()
    for _ in range(BOUTS):
        least = [min(times) for times in zip(least, once())]
        if not is_leak(least):
            break
    return least


def is_leak(left):
    """Whether it is more than chance leaves."""
    objects, blocks, native = left
    return objects > LEFT or blocks > LEFT or native > LEFT_BYTES


def count_deferreds():
    """How many Deferreds a run of each shape makes: asked of Twisted's own, where it can be seen."""
    own = Deferred.__init__
    counted = {}

    def counting(self, *args, **kwargs):
        counted[shape.name] += 1
        own(self, *args, **kwargs)

    Deferred.__init__ = counting
    for shape in ALL:
        counted[shape.name] = 0
        shape.run()
    return counted


def soak(wanted, counted, show):
    """Make so many deferreds, and give back by how many bytes the process has grown after the warm-up."""
    # Each shape in turn, those that make many less often, so that each makes about as many.
    rounds = [(shape.run, max(1, 200 // max(1, counted[shape.name]))) for shape in ALL]
    in_a_round = sum(times * counted[shape.name] for (_, times), shape in zip(rounds, ALL))
    made, samples, warm = 0, [], None
    while made < wanted:
        for run, times in rounds:
            for _ in range(times):
                run()
        made += in_a_round
        if made * SAMPLES < wanted * len(samples):
            continue
        gc.collect()
        if gc.garbage:
            raise SystemExit(f"what the collector could not free: {gc.garbage[:5]}")
        samples.append(resident())
        show(f"{made:>12,} deferreds  {samples[-1] / 1024**2:8.1f} MiB")
        if warm is None and made >= wanted * WARM:
            warm = samples[-1]
    return samples[-1] - warm


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--deferreds", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    # A failure that nobody handles is looked at, as it would be by a real observer, and dropped.
    globalLogBeginner.beginLoggingTo([formatEvent], discardBuffer=True, redirectStandardIO=False)
    if arguments.count:
        print(json.dumps(count_deferreds()))
        return
    asked = subprocess.run([sys.executable, __file__, "--count"], check=True, stdout=subprocess.PIPE)
    counted = json.loads(asked.stdout)
    leaks = {}
    for shape in ALL:
        left = left_behind(shape.run, max(10, RUNS // max(1, counted[shape.name])))
        if is_leak(left):
            leaks[shape.name] = left
    print(f"{len(ALL)} shapes, each alone: {leaks or 'nothing is left behind'}")
    grown = soak(arguments.deferreds, counted, lambda line: print(line, flush=True))
    print(f"after the warm-up it has grown by {grown / 1024**2:.1f} MiB, and may by {BOUND / 1024**2:.0f}")
    if leaks or grown > BOUND:
        sys.exit("something stays")


if __name__ == "__main__":
    main()
