"""Callbacks and errbacks, and the types that go through them."""

from __future__ import annotations

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


def length(text: str) -> int:
    return len(text)


def later(number: int) -> Deferred[str]:
    return defer.succeed(str(number))


def recovered(failure: Failure) -> int:
    failure.trap(ValueError)  # wrong: mypy
    return 0


def noted(result: object) -> None:
    print(result)


def add(value: int, more: int, *, factor: int = 1) -> int:
    return (value + more) * factor


def right() -> None:
    d: Deferred[str] = Deferred()
    counted: Deferred[int] = d.addCallback(length)
    text: Deferred[str] = counted.addCallback(later)
    back: Deferred[int] = text.addCallback(length).addErrback(recovered)
    summed: Deferred[int] = back.addCallback(add, 1, factor=2)
    nothing: Deferred[None] = summed.addBoth(noted)
    nothing.addCallback(print)
    d.callback("text")


def wrong() -> None:
    d: Deferred[str] = Deferred()
    d.callback(1)  # wrong
    d.addCallback(add, 1)  # wrong
    number: Deferred[int] = d.addCallback(later)  # wrong
    number.addCallback(add, "1")  # wrong
    number.addCallback(add, 1, factr=2)  # wrong
    number.addErrback(length)  # wrong
    number.addCallbakc(add, 1)  # wrong


def pairs(d: Deferred[str]) -> Deferred[int]:
    return d.addCallbacks(length, recovered)


def pairs_with_arguments(d: Deferred[int]) -> Deferred[int]:
    return d.addCallbacks(
        add, recovered, callbackArgs=(1,), callbackKeywords={"factor": 2}, errbackArgs=()
    )


def pairs_wrong(d: Deferred[str]) -> Deferred[str]:
    return d.addCallbacks(length, recovered)  # wrong


def cancellable() -> Deferred[bytes]:
    def stop(d: Deferred[bytes]) -> None:
        d.errback(TimeoutError())

    return Deferred(canceller=stop)


def cancellable_wrong() -> Deferred[bytes]:
    def stop(number: int) -> None: ...

    return Deferred(canceller=stop)  # wrong


def chained(first: Deferred[int], second: Deferred[int]) -> None:
    first.chainDeferred(second)
    first.pause()
    first.unpause()
    first.cancel()
    first.cancel(1)  # wrong


def ready() -> None:
    one: Deferred[int] = defer.succeed(1)
    two: Deferred[int] = defer.succeed("1")  # wrong
    three: Deferred[int] = defer.fail(ValueError())
    four: Deferred[int] = defer.fail("1")  # wrong
    print(one, two, three, four)


def maybe() -> None:
    async def coroutine(number: int) -> bytes:
        return bytes(number)

    a: Deferred[int] = defer.maybeDeferred(length, "text")
    b: Deferred[str] = defer.maybeDeferred(later, 1)
    c: Deferred[bytes] = defer.maybeDeferred(coroutine, 1)
    d: Deferred[str] = defer.maybeDeferred(length, "text")  # wrong
    e: Deferred[str] = defer.maybeDeferred(later, "1")  # wrong
    print(a, b, c, d, e)


def hidden(d: Deferred[int]) -> None:
    print(d.called, d.paused, d.result, d.debug)
    print(d.reslut)  # wrong
    reveal_type(d.addCallback(later))  # told
    reveal_type(d.addBoth(noted))  # told
    reveal_type(defer.execute(add, 1, 2))  # told
