"""Very many that hold one another are freed, by reference count and by the collector, each kind of link in turn."""

import gc
import weakref

import cases
from twisted.internet.defer import Deferred, DeferredList, DeferredLock, fail, gatherResults, inlineCallbacks, succeed

MANY = 100_000


@inlineCallbacks
def generator(awaited):
    yield awaited


async def coroutine(awaited):
    await awaited


class Sub(Deferred):
    pass


def row(make, first=Deferred):
    """The last of many, each of which the next one holds, and how the first is seen."""
    last = first()
    seen = [weakref.ref(last)]
    for number in range(MANY):
        last = make(last)
        if number == MANY // 2:
            seen.append(weakref.ref(last))
    return last, seen


def by_both(make, first=Deferred):
    """Has it freed at once when nothing holds it, and by the collector when it is part of a cycle."""
    by_the_collector(make, first)
    last, seen = row(make, first)
    assert all(reference() is not None for reference in seen)
    gc.disable()
    del last
    assert all(reference() is None for reference in seen)
    gc.enable()


def by_the_collector(make, first=Deferred):
    last, seen = row(make, first)
    ring = [last]
    ring.append(ring)
    del last
    assert all(reference() is not None for reference in seen)
    del ring
    gc.collect()
    assert all(reference() is None for reference in seen)
    assert gc.garbage == []


def holding(add):
    """A new one that has been made to hold the one before."""

    def make(before):
        new = Deferred()
        add(new, before)
        return new

    return make


def case_arguments():
    by_both(holding(lambda new, before: new.addCallback(print, before)))
    by_both(holding(lambda new, before: new.addErrback(print, before, before)))


def case_keywords():
    by_both(holding(lambda new, before: new.addBoth(print, end=before)))


def case_pairs():
    by_both(holding(lambda new, before: new.addCallbacks(before.callback, before.errback)))


def case_boundMethods():
    by_both(holding(lambda new, before: new.addCallback(before.callback)))


def case_closures():
    by_both(holding(lambda new, before: new.addCallback(lambda _: before)))


def case_waiters():
    # The waiter holds what it waits on, as its result, and is held by it.
    by_the_collector(lambda before: succeed(None).addCallback(lambda _: before))


def case_chainDeferred():
    def target_of(before):
        new = Deferred()
        new.chainDeferred(before)
        return new

    by_the_collector(target_of)


def case_generators():
    by_the_collector(generator)


def case_coroutines():
    by_the_collector(lambda before: Deferred.fromCoroutine(coroutine(before)))


def case_lists():
    by_the_collector(lambda before: DeferredList([before]))
    by_the_collector(lambda before: gatherResults([before]))


def case_cancellers():
    by_both(lambda before: Deferred(before.callback))
    by_both(lambda before: Deferred(lambda _: before))


def case_results():
    by_both(lambda before: succeed((before,)))
    by_both(lambda before: succeed([before]), Sub)


def case_failures():
    class Holding(Exception):
        pass

    def failed(before):
        new = fail(Holding(before))
        new._debugInfo.failResult = None
        return new

    by_both(failed)


def case_attributes():
    def named(before):
        new = Deferred()
        new.before = before
        return new

    by_both(named)


def case_subclasses():
    def sub(before):
        new = Sub()
        new.addCallback(lambda _: before)
        return new

    by_both(sub, Sub)

    def fired(before):
        new = Sub()
        new.callback((before,))
        return new

    by_both(fired, Sub)


def case_locks():
    last = lock = DeferredLock()
    for _ in range(MANY):
        lock.acquire().addCallback(lambda _, last=last: last)
        last = lock
    seen = weakref.ref(lock)
    del lock, last
    gc.collect()
    assert seen() is None


def case_allKindsInOneRow():
    kinds = [
        generator,
        lambda before: Deferred.fromCoroutine(coroutine(before)),
        lambda before: DeferredList([before]),
        lambda before: succeed(None).addCallback(lambda _: before),
        lambda before: Deferred(before.callback),
        holding(lambda new, before: new.addCallback(print, before)),
    ]
    count = iter(range(10 * MANY))
    by_the_collector(lambda before: kinds[next(count) % len(kinds)](before))


if __name__ == "__main__":
    cases.main({name.removeprefix("case_"): case for name, case in list(globals().items())})
