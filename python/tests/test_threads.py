"""Deferreds that several threads touch: Twisted forbids it, programs do it, and nothing may break or get lost."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from twisted.internet.defer import AlreadyCalledError, Deferred, DeferredList, inlineCallbacks, succeed

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
