"""Several at once: lists, races, locks and queues."""

from __future__ import annotations

from twisted.internet import defer
from twisted.internet.defer import (
    Deferred,
    DeferredFilesystemLock,
    DeferredList,
    DeferredLock,
    DeferredQueue,
    DeferredSemaphore,
    gatherResults,
    race,
    succeed,
)
from twisted.internet.interfaces import IReactorTime


def one() -> Deferred[int]:
    return succeed(1)


def two() -> Deferred[str]:
    return succeed("2")


def lists() -> None:
    def outcomes(results: list[tuple[bool, int]]) -> int:
        return sum(value for success, value in results if success)

    def first(result: tuple[int, int]) -> int:
        return result[0]

    a: Deferred[int] = DeferredList([one(), one()], consumeErrors=True).addCallback(outcomes)
    b: Deferred[list[int]] = gatherResults([one(), one()], consumeErrors=True)
    c: Deferred[list[str]] = gatherResults([one(), one()])  # wrong
    d: Deferred[tuple[int, int]] = race([one(), one()])
    e: Deferred[tuple[int, str]] = race([one(), one()])  # wrong
    f: Deferred[int] = race([one()]).addCallback(first)
    g = DeferredList(one())
    h = DeferredList([one()], fireOnFirst=True)  # wrong
    print(a, b, c, d, e, f, g, h)
    reveal_type(DeferredList([one()]))  # told
    reveal_type(gatherResults([two()]))  # told


def locks() -> None:
    lock = DeferredLock()
    semaphore = DeferredSemaphore(2)
    a: Deferred[int] = lock.run(one)
    b: Deferred[str] = semaphore.run(len, "text")  # wrong
    c: Deferred[DeferredLock] = lock.acquire()
    d: Deferred[DeferredLock] = semaphore.acquire()  # wrong
    print(a, b, c, d, lock.locked, semaphore.tokens, semaphore.limit)
    lock.release(1)  # wrong


async def context(lock: DeferredLock) -> None:
    async with lock:
        print("held")
    with lock:  # wrong
        print("not so")


def queues() -> None:
    queue: DeferredQueue[int] = DeferredQueue(size=10, backlog=10)
    queue.put(1)
    queue.put("1")  # wrong
    a: Deferred[int] = queue.get()
    b: Deferred[str] = queue.get()  # wrong
    print(a, b)


def filesystem(scheduler: IReactorTime) -> None:
    lock = DeferredFilesystemLock("name", scheduler)
    a: Deferred[None] = lock.deferUntilLocked(timeout=1.5)
    b = lock.deferUntilLocked("1")  # wrong
    print(a, b)


def errors(error: defer.FirstError, group: defer.FailureGroup) -> None:
    print(error.index, error.subFailure.getErrorMessage(), group.failures)
    print(error.subfailure)  # wrong
