"""Calls that nest: as deep as plain calls do, then an error that arrives, and never the end of the process."""

import sys

import cases
from twisted.internet.defer import (
    Deferred,
    DeferredList,
    ensureDeferred,
    execute,
    gatherResults,
    inlineCallbacks,
    maybeDeferred,
    succeed,
)
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

LIMIT = 1000
#: What the first calls of a process may take of the limit.
FEW = 40
#: How deep it goes at least where the limit is high; CPython 3.12 has one of its own for calls of native code.
SOME_WAY = 250


class Deepest:
    """How deep the calls got."""

    def __init__(self):
        self.depth = 0

    def note(self, depth):
        self.depth = max(self.depth, depth)
        return depth + 1


def plain_depth():
    deepest = Deepest()

    def plain(depth):
        plain(deepest.note(depth))

    try:
        plain(0)
    except RecursionError:
        pass
    return deepest.depth


def ends_in_recursion_error(deferred):
    (result,) = _taken(deferred)
    assert result.type is RecursionError, result


def _taken(deferred):
    seen = []
    deferred.addBoth(seen.append)
    return seen


def generators(deepest):
    @inlineCallbacks
    def nested(depth):
        yield nested(deepest.note(depth))

    return nested(0)


def generators_after_a_yield(deepest):
    @inlineCallbacks
    def nested(depth):
        yield succeed(None)
        yield nested(deepest.note(depth))

    return nested(0)


def generators_yielding_generators(deepest):
    def nested(depth):
        yield nested(deepest.note(depth))

    return inlineCallbacks(nested)(0)


def coroutines(deepest):
    async def nested(depth):
        await Deferred.fromCoroutine(nested(deepest.note(depth)))

    return Deferred.fromCoroutine(nested(0))


def ensured_coroutines(deepest):
    async def nested(depth):
        await ensureDeferred(nested(deepest.note(depth)))

    return ensureDeferred(nested(0))


def callbacks(deepest):
    def nested(depth):
        return succeed(deepest.note(depth)).addCallback(nested)

    return succeed(0).addCallback(nested)


def maybe(deepest):
    def nested(depth):
        return maybeDeferred(nested, deepest.note(depth))

    return maybeDeferred(nested, 0)


def cancellers(deepest):
    def nested(depth):
        Deferred(lambda _: nested(deepest.note(depth))).addErrback(lambda _: None).cancel()

    nested(0)


def errbacks(deepest):
    def nested(depth):
        deferred = Deferred()
        deferred.addErrback(lambda _: nested(deepest.note(depth)))
        deferred.errback(ValueError())

    nested(0)


def added_late(deepest):
    def nested(depth):
        succeed(deepest.note(depth)).addBoth(nested)

    nested(0)


def gathered(deepest):
    def nested(depth):
        return gatherResults([succeed(deepest.note(depth)).addCallback(nested)], consumeErrors=True)

    return nested(0)


def executed(deepest):
    def nested(depth):
        return execute(nested, deepest.note(depth))

    return nested(0)


def possible_depth(plain):
    """How deep plain calls go, or as deep as the interpreter lets native code be called between them."""
    if (3, 12) <= sys.version_info < (3, 12, 2):
        # These two call native code to a depth of 1500 in all, of which each callback takes two.
        return min(plain, 750)
    # Up to 3.10 a call of native code counts as one of Python code does.
    return plain // 2 if sys.version_info < (3, 11) else plain


def case_generatorsGoAsDeepAsPlainCalls():
    sys.setrecursionlimit(LIMIT)
    plain = plain_depth()
    for shape in (generators, generators_after_a_yield):
        deepest = Deepest()
        ends_in_recursion_error(shape(deepest))
        assert plain - FEW <= deepest.depth <= plain, (shape, deepest.depth, plain)


def case_coroutinesGoAsDeepAsPlainCalls():
    sys.setrecursionlimit(LIMIT)
    plain = plain_depth()
    for shape in (coroutines, ensured_coroutines):
        deepest = Deepest()
        ends_in_recursion_error(shape(deepest))
        assert plain - FEW <= deepest.depth <= plain, (shape, deepest.depth, plain)


def case_callbacksGoAsDeepAsCallsThroughNativeCode():
    sys.setrecursionlimit(LIMIT)
    plain = possible_depth(plain_depth())
    for shape in (callbacks, maybe):
        deepest = Deepest()
        ends_in_recursion_error(shape(deepest))
        assert plain - FEW <= deepest.depth <= plain, (shape, deepest.depth, plain)


def case_theErrorCanBeHandled():
    @inlineCallbacks
    def nested(depth):
        try:
            yield nested(depth + 1)
        except RecursionError:
            if depth > 100:
                raise
            return depth

    assert _taken(nested(0)) == [None]
    # Where it was handled, nothing is left of it: as much is possible as before.
    assert _taken(nested(0)) == [None]


def case_aHundredThousandIsNoCrash():
    sys.setrecursionlimit(100_000)
    for shape in (generators, generators_after_a_yield, coroutines, ensured_coroutines, generators_yielding_generators):
        deepest = Deepest()
        ends_in_recursion_error(shape(deepest))
        assert deepest.depth > SOME_WAY, (shape, deepest.depth)


def case_aHundredThousandOfAnythingIsNoCrash():
    sys.setrecursionlimit(100_000)
    globalLogBeginner.beginLoggingTo([lambda _: None], discardBuffer=True, redirectStandardIO=False)
    for shape in (callbacks, maybe, cancellers, errbacks, added_late, gathered, executed):
        deepest = Deepest()
        # Where nothing waits for the innermost, nobody may be told of its error.
        try:
            ended = shape(deepest)
        except RecursionError:
            ended = None
        if ended is not None:
            ended.addErrback(lambda _: None)
        assert deepest.depth > SOME_WAY, (shape, deepest.depth)


def case_aThreadWithALittleStackIsNoCrash():
    import threading

    sys.setrecursionlimit(100_000)
    depths = []

    def in_thread():
        for shape in (generators, coroutines):
            deepest = Deepest()
            ends_in_recursion_error(shape(deepest))
            depths.append(deepest.depth)

    threading.stack_size(1024 * 1024)
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert len(depths) == 2 and min(depths) > 50, depths


def case_nearTheLimitNothingBreaks():
    """Whatever is left of the limit, each step is done or raises, and everything works afterwards."""
    unraised = []
    sys.unraisablehook = unraised.append
    globalLogBeginner.beginLoggingTo([lambda _: None], discardBuffer=True, redirectStandardIO=False)

    @inlineCallbacks
    def generator(awaited):
        got = yield awaited
        return got

    async def coroutine(awaited):
        return await awaited

    def everything():
        inner, pending = Deferred(), Deferred()
        outer = succeed(1).addCallback(lambda _: inner).addErrback(lambda _: None)
        both = DeferredList([outer, generator(pending), Deferred.fromCoroutine(coroutine(pending))])
        pending.callback(2)
        first, chained = Deferred(), Deferred()
        first.chainDeferred(chained)
        first.callback(4)
        inner.callback(3)
        last = Deferred()
        last.addErrback(lambda failure: 5)
        last.cancel()
        maybeDeferred(lambda: 1 // 0).addErrback(lambda _: None)
        return [result for _, result in both.result], chained.result, last.result

    def at(left):
        return everything() if left == 0 else at(left - 1)

    sys.setrecursionlimit(300)
    done = refused = 0
    for depth in range(1, 300):
        try:
            results, *others = at(depth)
            failures = [result for result in results if isinstance(result, Failure)]
        except (RecursionError, AttributeError):
            # Without the result that it could not come to, a deferred has no such attribute.
            refused += 1
        else:
            assert all(failure.check(RecursionError) for failure in failures), depth
            assert failures or (results, *others) == ([3, 2, None], 4, 5), depth
            done += not failures
    assert done > 200 and refused > 0, (done, refused)
    assert everything() == ([3, 2, None], 4, 5)
    assert all(issubclass(told.exc_type, RecursionError) for told in unraised), unraised


if __name__ == "__main__":
    cases.main({name.removeprefix("case_"): case for name, case in list(globals().items())})
