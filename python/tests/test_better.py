"""What Twisted's own Deferreds get wrong and ours get right, beside the depths of `test_depth.py`."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, DeferredList, inlineCallbacks, succeed
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure


@pytest.fixture
def logged() -> Iterator[list[dict[str, object]]]:
    """The events that are logged meanwhile."""
    events: list[dict[str, object]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


@pytest.fixture
def debugging() -> Iterator[None]:
    defer.setDebugging(True)
    yield
    defer.setDebugging(False)


async def awaited(deferred: Deferred[object]) -> object:
    return await deferred


def error_of(deferred: Deferred[object]) -> BaseException:
    seen: list[object] = []
    deferred.addBoth(seen.append)
    assert isinstance(seen[0], Failure), seen
    return seen[0].value


def raising(_: Deferred[object]) -> None:
    raise RuntimeError("the canceller's own")


def test_awaitingAFailureOnceMoreRaisesItAgain() -> None:
    """Twisted's raises an AssertionError that says nothing."""
    deferred: Deferred[object] = Deferred()
    error = ValueError("the same")

    async def twice() -> object:
        with pytest.raises(ValueError):
            await deferred
        return await deferred

    ended = Deferred.fromCoroutine(twice())
    deferred.errback(error)
    assert error_of(ended) is error


def test_awaitingInsideOfItsOwnErrbackRaisesTheFailure() -> None:
    deferred: Deferred[object] = Deferred()
    error = ValueError("inside")
    seen = []
    deferred.addErrback(lambda _: seen.append(error_of(Deferred.fromCoroutine(awaited(deferred)))))
    deferred.errback(error)
    assert seen == [error]


def test_aCancellerThatRaisesIsLoggedAndTheDeferredFires(logged: list[dict[str, object]]) -> None:
    """Out of Twisted's, the error comes from `cancel()`, and the Deferred never fires."""
    deferred: Deferred[object] = Deferred(raising)
    deferred.cancel()
    assert isinstance(error_of(deferred), CancelledError)
    (event,) = logged
    assert isinstance(event["log_failure"], Failure)
    assert event["log_failure"].check(RuntimeError)


def test_aCancellerThatRaisesDoesNotLoseTheTimeout(logged: list[dict[str, object]]) -> None:
    clock = Clock()
    deferred: Deferred[object] = Deferred(raising)
    deferred.addTimeout(1, clock)
    clock.advance(1)
    assert isinstance(error_of(deferred), defer.TimeoutError)
    assert len(logged) == 1


def test_aCancellerThatRaisesDoesNotKeepAGeneratorWaiting(logged: list[dict[str, object]]) -> None:
    @inlineCallbacks
    def generator():  # type: ignore[no-untyped-def]
        yield Deferred(raising)

    ended = generator()
    ended.cancel()
    assert isinstance(error_of(ended), CancelledError)
    assert len(logged) == 1


def test_aCancellerThatRaisesDoesNotKeepAWaiterWaiting(logged: list[dict[str, object]]) -> None:
    inner: Deferred[object] = Deferred(raising)
    outer = succeed(None).addCallback(lambda _: inner)
    outer.cancel()
    assert isinstance(error_of(outer), CancelledError)
    assert len(logged) == 1


def test_aCancellerThatRaisesDoesNotKeepTheOtherMembers(logged: list[dict[str, object]]) -> None:
    members: list[Deferred[object]] = [Deferred(raising), Deferred()]
    both = DeferredList(members, consumeErrors=True)
    both.cancel()
    assert [ok for ok, _ in both.result] == [False, False]
    assert len(logged) == 1


def test_aReportSaysWhereTheDeferredWasMade(logged: list[dict[str, object]], debugging: None) -> None:
    def made_here() -> Deferred[object]:
        return Deferred()

    def fired_here(deferred: Deferred[object]) -> None:
        deferred.errback(ValueError("unhandled"))

    deferred = made_here()
    fired_here(deferred)
    del deferred
    _, event = logged
    told = str(event["debugInfo"])
    made, fired = told.split(" I: First Invoker was:")
    for part, name in ((made, "made_here"), (fired, "fired_here")):
        # The innermost place is the function's own, not one of Twisted's or ours.
        place, line = part.rstrip().splitlines()[-2:]
        assert __file__ in place and place.endswith(f"in {name}"), told
        assert "deferred" in line.lower()


def test_aReportOfAGeneratorSaysWhereItWasCalled(logged: list[dict[str, object]], debugging: None) -> None:
    @inlineCallbacks
    def generator(awaited):  # type: ignore[no-untyped-def]
        yield awaited

    def called_here(awaited: Deferred[object]) -> None:
        generator(awaited)

    called_here(awaited := Deferred())
    awaited.errback(ValueError("unhandled"))
    del awaited
    (told,) = [str(event["debugInfo"]) for event in logged if "debugInfo" in event]
    assert "in called_here" in told


def test_theFirstFrameOfAFailureIsTheApplications() -> None:
    def callback(_: object) -> None:
        raise ValueError

    @inlineCallbacks
    def generator():  # type: ignore[no-untyped-def]
        yield succeed(None)
        raise ValueError

    for deferred, name in ((succeed(None).addCallback(callback), "callback"), (generator(), "generator")):
        seen: list[Failure] = []
        deferred.addErrback(seen.append)
        assert [frame[0] for frame in seen[0].frames] == [name]


@pytest.fixture
def without_the_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_aCancelledGeneratorIsFreedAtOnce(without_the_collector: None) -> None:
    """Twisted's is part of a cycle, and waits for the collector."""

    class Local:
        pass

    seen = []

    @inlineCallbacks
    def generator():  # type: ignore[no-untyped-def]
        local = Local()
        seen.append(weakref.ref(local))
        yield Deferred()

    # A failure that is kept would hold the frame by its traceback.
    ended = generator().addErrback(lambda _: None)
    ended.cancel()
    assert seen[0]() is None
    assert ended.called


def test_theUnhandledErrorOfAGeneratorIsReportedAtOnce(
    without_the_collector: None, logged: list[dict[str, object]]
) -> None:
    @inlineCallbacks
    def generator(awaited):  # type: ignore[no-untyped-def]
        yield awaited

    ended = generator(awaited := Deferred())
    awaited.errback(ValueError("unhandled"))
    assert logged == []
    del ended
    assert [str(event["log_level"]) for event in logged] == ["<LogLevel=critical>"] * 2


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there, frames of coroutines hold those who called them, too")
def test_whatIsThrownIntoAnAwaitHoldsNobodyWhoHasBroughtIt() -> None:
    """The frames of a traceback hold those who called them, and what is in them, unless they are of a generator."""
    deferred: Deferred[object] = Deferred()
    waiting = Deferred.fromCoroutine(awaited(deferred))

    def brings() -> weakref.ref[Deferred[object]]:
        brought: Deferred[object] = Deferred()
        deferred.errback(ValueError("kept"))
        return weakref.ref(brought)

    error: list[BaseException] = []
    waiting.addErrback(lambda failure: error.append(failure.value))
    assert brings()() is None
    assert isinstance(error[0], ValueError)


def test_awaitingWhatItsOwnCallbackHasPausedEnds() -> None:
    """On Twisted's the wait begins anew without end."""
    deferred: Deferred[object] = Deferred()
    ended: list[Deferred[object]] = []

    def pauses(result: object) -> object:
        deferred.pause()
        ended.append(Deferred.fromCoroutine(awaited(deferred)))
        return result

    deferred.addCallback(pauses)
    deferred.callback("result")
    assert ended[0].called
    assert ended[0].result == "result"


def test_awaitingWhatItsOwnCallbackHasPausedWaitsForItsCallbacks() -> None:
    """As on Twisted's, a callback that stands behind those who wait is called first, with the None that they leave."""
    deferred: Deferred[object] = Deferred()
    deferred.pause()
    deferred.callback("result")
    heard: list[object] = []

    def pauses(result: object) -> object:
        deferred.addCallback(lambda result: heard.append(result) or "of the callback")
        deferred.pause()
        return result

    deferred.addCallback(pauses)
    ended = [Deferred.fromCoroutine(awaited(deferred)) for _ in range(2)]
    deferred.unpause()
    assert heard == [None]
    assert [one.result for one in ended] == ["of the callback", None]


def test_aListThatItsOwnMemberWaitsForCanBeCancelled() -> None:
    """On Twisted the cancel goes round until the stack is used up, and from each of those calls anew."""
    member: Deferred[object] = Deferred()
    member.addErrback(lambda _: both)
    both = DeferredList([member, member])
    both.cancel()
    assert not both.called
    assert member.result is both
