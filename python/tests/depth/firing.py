"""A result, an error or a cancellation goes through very many at once."""

import cases
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    ensureDeferred,
    fail,
    gatherResults,
    inlineCallbacks,
    succeed,
)

MANY = 100_000


@inlineCallbacks
def generator(awaited):
    got = yield awaited
    return got + 1


async def coroutine(awaited):
    return await awaited + 1


def one_after_another(make):
    """The first, and the last of many that each wait for the one before."""
    first = last = Deferred()
    for _ in range(MANY):
        last = make(last)
    return first, last


def result_of(deferred):
    assert deferred.called and not deferred.paused, deferred
    return deferred.result


def error_of(deferred):
    """The type of the error that it ended in, which is thereby handled."""
    failure = result_of(deferred)
    deferred.addErrback(lambda _: None)
    return failure.type


def waiter(awaited):
    return succeed(None).addCallback(lambda _: awaited)


def chained(awaited):
    target = Deferred()
    awaited.chainDeferred(target)
    return target


def mixed(awaited, kinds=[generator, lambda d: Deferred.fromCoroutine(coroutine(d)), waiter, chained]):
    kinds.append(kinds.pop(0))
    return kinds[0](awaited)


def case_generators():
    first, last = one_after_another(generator)
    first.callback(0)
    assert result_of(last) == MANY


def case_coroutines():
    for start in (Deferred.fromCoroutine, ensureDeferred):
        first, last = one_after_another(lambda awaited: start(coroutine(awaited)))
        first.callback(0)
        assert result_of(last) == MANY


def case_waiters():
    first, last = one_after_another(waiter)
    first.callback(7)
    assert result_of(last) == 7


def case_chainDeferred():
    first, last = one_after_another(chained)
    first.callback(7)
    assert result_of(last) == 7


def case_mixed():
    first, last = one_after_another(mixed)
    first.callback(0)
    assert result_of(last) == MANY // 2


def case_errors():
    for make in (generator, lambda d: Deferred.fromCoroutine(coroutine(d)), waiter, chained, mixed):
        first, last = one_after_another(make)
        first.errback(ValueError())
        assert error_of(last) is ValueError


def case_recoveredHalfWay():
    first, half = one_after_another(generator)
    last = half.addErrback(lambda failure: failure.trap(ValueError) and 0)
    for _ in range(MANY):
        last = generator(last)
    first.errback(ValueError())
    assert result_of(last) == MANY


def case_manyThatAreReady():
    @inlineCallbacks
    def summing():
        total = 0
        for _ in range(MANY):
            total += yield succeed(1)
        return total

    async def awaiting():
        total = 0
        for _ in range(MANY):
            total += await succeed(1)
        return total

    assert result_of(summing()) == MANY
    assert result_of(Deferred.fromCoroutine(awaiting())) == MANY


def case_manyCallbacksOfOne():
    deferred = Deferred()
    for _ in range(MANY):
        deferred.addCallback(lambda count: succeed(count + 1))
    deferred.callback(0)
    assert result_of(deferred) == MANY


def case_addedOneByOneFromInside():
    deferred = Deferred()

    def again(count):
        if count < MANY:
            deferred.addCallback(again)
        return count + 1

    deferred.addCallback(again)
    deferred.callback(0)
    assert result_of(deferred) == MANY + 1


def case_cancelThroughWaiters():
    asked = []
    innermost = Deferred(asked.append)
    last = innermost
    for _ in range(MANY):
        last = waiter(last)
    last.cancel()
    assert asked == [innermost]
    assert error_of(last) is CancelledError


def case_cancelThroughGenerators():
    for make in (generator, lambda d: Deferred.fromCoroutine(coroutine(d)), lambda d: waiter(generator(d))):
        asked = []
        innermost = last = Deferred(asked.append)
        for _ in range(MANY):
            last = make(last)
        last.cancel()
        assert asked == [innermost]
        assert error_of(last) is CancelledError


def case_cancelHandledHalfWay():
    innermost, half = one_after_another(generator)
    last = half.addErrback(lambda failure: failure.trap(CancelledError) and 0)
    for _ in range(MANY):
        last = generator(last)
    last.cancel()
    assert innermost.called
    assert result_of(last) == MANY


def case_lists():
    for make in (DeferredList, gatherResults):
        first, last = one_after_another(lambda before: make([before]))
        first.callback(0)
        assert last.called


def case_generatorsThatGather():
    @inlineCallbacks
    def gathering(awaited):
        (got,) = yield gatherResults([awaited])
        return got + 1

    first, last = one_after_another(gathering)
    first.callback(0)
    assert result_of(last) == MANY


def case_failuresReadyAtOnce():
    last = fail(ValueError())
    for _ in range(MANY):
        last = generator(last)
    assert error_of(last) is ValueError


if __name__ == "__main__":
    cases.main({name.removeprefix("case_"): case for name, case in list(globals().items())})
