"""Deferreds that several threads touch: Twisted forbids it, programs do it, and nothing may break or get lost."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sides import printed
from twisted.internet.defer import (
    AlreadyCalledError,
    CancelledError,
    Deferred,
    DeferredList,
    inlineCallbacks,
    succeed,
)

THREADS = 8
EACH = 2000


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(work: Callable[[int], None]) -> None:
    """Do the work in all threads at once; what one raises is raised here."""
    errors: list[BaseException] = []
    together = threading.Barrier(THREADS)

    def run(number: int) -> None:
        together.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_oneOfManyThreadsFires() -> None:
    deferreds = [Deferred() for _ in range(EACH)]
    refused = [0] * THREADS

    def work(number: int) -> None:
        for deferred in deferreds:
            try:
                deferred.callback(number)
            except AlreadyCalledError:
                refused[number] += 1

    in_threads(work)
    assert sum(refused) == (THREADS - 1) * EACH
    assert all(deferred.called and deferred.result in range(THREADS) for deferred in deferreds)


def test_callbacksAddedByManyThreadsAllRun() -> None:
    deferreds = [Deferred() for _ in range(EACH // 10)]

    def work(number: int) -> None:
        for deferred in deferreds:
            for _ in range(10):
                deferred.addCallback(lambda count: count + 1)
            if number == 3:
                deferred.callback(0)

    in_threads(work)
    assert {deferred.result for deferred in deferreds} == {THREADS * 10}


def test_aCallbackIsAddedWhileAnotherThreadIsInOne() -> None:
    deferred: Deferred[int] = Deferred()
    inside, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def first(result: int) -> int:
        inside.set()
        go_on.wait()
        order.append("first")
        return result

    deferred.addCallback(first)
    thread = threading.Thread(target=deferred.callback, args=(1,))
    thread.start()
    inside.wait()
    deferred.addCallback(lambda _: order.append("added"))
    assert order == []
    go_on.set()
    thread.join()
    assert order == ["first", "added"]


def test_generatorsGoOnInTheThreadThatFires() -> None:
    @inlineCallbacks
    def generator(row):  # type: ignore[no-untyped-def]
        threads = []
        for awaited in row:
            yield awaited
            threads.append(threading.get_ident())
        return threads

    rows = [[Deferred() for _ in range(THREADS)] for _ in range(EACH // 10)]
    ended = [generator(row) for row in rows]

    def work(number: int) -> None:
        for row in rows:
            row[number].callback(None)

    in_threads(work)
    for one in ended:
        assert len(one.result) == THREADS


def test_waitersOfAnotherThreadsDeferred() -> None:
    inner = [Deferred() for _ in range(EACH)]
    outer: list[Deferred[object]] = []

    def work(number: int) -> None:
        for at, deferred in enumerate(inner):
            if at % THREADS == number:
                deferred.callback(at)
            elif (at + 1) % THREADS == number:
                outer.append(succeed(None).addCallback(lambda _, deferred=deferred: deferred))

    in_threads(work)
    results = sorted(deferred.result for deferred in outer)
    assert results == list(range(EACH))


def test_listsOfMembersThatManyThreadsFire() -> None:
    lists = [[Deferred() for _ in range(THREADS)] for _ in range(EACH // 10)]
    gathered = [DeferredList(members) for members in lists]

    def work(number: int) -> None:
        for members in lists:
            members[number].callback(number)

    in_threads(work)
    for one in gathered:
        assert one.result == [(True, number) for number in range(THREADS)]


def test_cancelAndFireAtOnce() -> None:
    seen: list[object] = []
    deferreds = [Deferred().addBoth(seen.append) for _ in range(EACH)]

    def work(number: int) -> None:
        for deferred in deferreds:
            if number == 0:
                deferred.cancel()
            elif number == 1:
                # Whoever comes first has it; the other is swallowed, or too late.
                deferred.callback("fired")

    in_threads(work)
    assert len(seen) == EACH


def test_manyAreFreedByManyThreadsAndTheCollector() -> None:
    boxes: list[list[object]] = [[] for _ in range(THREADS)]
    seen = []
    for at in range(EACH):
        deferred: Deferred[object] = Deferred()
        deferred.addCallback(lambda _, deferred=deferred: deferred)
        seen.append(weakref.ref(deferred))
        boxes[at % THREADS].append(deferred)
        boxes[at % THREADS].append(succeed(None).addCallback(lambda _, deferred=deferred: deferred))

    def work(number: int) -> None:
        while boxes[number]:
            boxes[number].pop()
            if len(boxes[number]) % 100 == 0:
                gc.collect()

    in_threads(work)
    gc.collect()
    assert [reference() for reference in seen if reference() is not deferred] == [None] * (EACH - 1)


def test_aRowOfWaitersIsFreedInAThread() -> None:
    last: Deferred[object] = Deferred()
    first = weakref.ref(last)
    for _ in range(100_000):
        last = succeed(None).addCallback(lambda _, last=last: last)
    thread = threading.Thread(target=lambda held: held.clear(), args=([last],))
    del last
    thread.start()
    thread.join()
    gc.collect()
    assert first() is None


def test_allThreadsDoEverythingToOne() -> None:
    for _ in range(EACH // 40):
        deferred: Deferred[object] = Deferred()
        ran = [0] * THREADS
        refused = [0] * THREADS

        def count(result: object, number: int, ran: list[int] = ran) -> object:
            ran[number] += 1
            return result

        def work(number: int, deferred: Deferred[object] = deferred, refused: list[int] = refused) -> None:
            for step in range(10):
                deferred.addBoth(count, number)
                deferred.pause()
                try:
                    deferred.callback(number)
                except AlreadyCalledError:
                    refused[number] += 1
                deferred.cancel()
                repr(deferred)
                list(deferred._callbacks)
                deferred.addCallback(lambda _: succeed(step))
                deferred.unpause()

        in_threads(work)
        assert not deferred.paused
        assert ran == [10] * THREADS
        # The first of all fired it, and nobody could cancel it afterwards.
        assert sum(refused) == THREADS * 10 - 1


def test_allThreadsCancelOneGenerator() -> None:
    handled: list[BaseException] = []

    @inlineCallbacks
    def generator():  # type: ignore[no-untyped-def]
        for _ in range(THREADS * 10):
            try:
                yield Deferred()
            except CancelledError as error:
                handled.append(error)
        return "through"

    ended = generator()
    errors: list[str] = []

    def work(_: int) -> None:
        while not ended.called:
            try:
                ended.cancel()
            except BaseException as error:
                errors.append(repr(error))

    in_threads(work)
    assert errors == []
    assert len(handled) <= THREADS * 10


def test_eachThreadRunsALoopOfItsOwn() -> None:
    def work(number: int) -> None:
        async def coroutine(deferred: Deferred[int]) -> int:
            return await deferred + 1

        async def main() -> list[int]:
            loop = asyncio.get_running_loop()
            got = []
            for _ in range(EACH // 100):
                fired: Deferred[int] = Deferred()
                loop.call_soon(fired.callback, number)
                got.append(await Deferred.fromCoroutine(coroutine(fired)).asFuture(loop))
                future = loop.create_future()
                back = Deferred.fromFuture(future)
                future.set_result(number)
                await asyncio.sleep(0)
                back.addCallback(got.append)
                cancelled = Deferred[int]().asFuture(loop)
                cancelled.cancel()
            return got

        assert asyncio.run(main()) == [number + 1, number] * (EACH // 100)

    in_threads(work)


REACTOR = """
import sys, threading
from twisted.internet import reactor, threads
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks

sys.setswitchinterval(1e-6)
main = threading.get_ident()
seen = []

def elsewhere(number):
    assert threading.get_ident() != main
    # Made here, fired there; made there, fired and cancelled here, which Twisted forbids, and nothing may break.
    fired, late = Deferred(), Deferred()
    reactor.callFromThread(fired.callback, number)
    reactor.callFromThread(late.addBoth, seen.append)
    late.cancel()
    return [fired]

@inlineCallbacks
def work():
    for _ in range(20):
        row = [threads.deferToThread(elsewhere, number) for number in range(10)]
        row[0].cancel()
        results = yield DeferredList(row, consumeErrors=True)
        numbers = []
        for success, got in results[1:]:
            assert success, got
            numbers.append((yield got[0]))
        assert numbers == list(range(1, 10)), numbers
        assert (yield threads.deferToThread(threads.blockingCallFromThread, reactor, lambda: Deferred.fromCoroutine(coroutine()))) == 1

async def coroutine():
    return await threads.deferToThread(lambda: 1)

def over(result):
    # Those that were cancelled may be late.
    print(result, len(seen) >= 180, flush=True)
    reactor.stop()

reactor.callWhenRunning(lambda: work().addBoth(over))
reactor.run()
"""


def test_theReactorsThreads() -> None:
    assert printed("-c", "import hereafter; hereafter.install()" + REACTOR) == "None True\n"
