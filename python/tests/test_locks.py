"""
Those who wait for a lock, a semaphore or a queue may be any number, and a lock is free after a failure.

That they do what Twisted's do, ``traps/locks.py`` tells.
"""

import pytest
from twisted.internet.defer import Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, succeed

MANY = 100_000


@pytest.mark.parametrize("make", [DeferredLock, lambda: DeferredSemaphore(1)])
@pytest.mark.parametrize("function", [lambda: 1, lambda: succeed(1)])
def test_a_hundred_thousand_follow_one_another(make, function):
    lock = make()
    gate = Deferred()
    lock.run(lambda: gate)
    last = [lock.run(function) for _ in range(MANY)][-1]
    gate.callback(None)
    assert last.result == 1
    assert lock.waiting == []


def test_a_hundred_thousand_functions_fail_one_after_another():
    lock = DeferredLock()
    lock.acquire()
    failed = []
    for _ in range(MANY):
        lock.run(lambda: 1 / 0).addErrback(lambda failure: failed.append(failure.type))
    lock.release()
    assert failed == [ZeroDivisionError] * MANY
    assert not lock.locked


def test_a_hundred_thousand_who_wait_are_freed():
    lock = DeferredLock()
    lock.acquire()
    for _ in range(MANY):
        lock.run(lambda: None)
    queue = DeferredQueue()
    for _ in range(MANY):
        queue.get()
    del lock, queue


def test_the_lock_is_free_after_a_failure():
    lock = DeferredLock()
    lock.run(lambda: 1 / 0).addErrback(lambda failure: None)
    assert not lock.locked
    assert lock.run(lambda: 2).result == 2
