"""
Locks, semaphores and queues do what Twisted's do, and those who wait may be any number.

Each case of ``programs/locks.py`` prints the same on stock Twisted and on ours.
"""

import pytest
from both import assert_same, cases
from twisted.internet.defer import Deferred, DeferredLock, DeferredQueue, DeferredSemaphore, succeed

PROGRAM = "locks.py"
MANY = 100_000


@pytest.mark.parametrize("case", cases(PROGRAM))
def test_stock_and_ours_print_the_same(case):
    assert_same(PROGRAM, case)


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
