"""Tests in pytest-twisted's way: fixtures that wait in a greenlet, and tests that are generators and coroutines."""

import os

import pytest
import pytest_twisted
from native import is_native
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater


@pytest.fixture
def waited():
    return pytest_twisted.blockon(deferLater(reactor, 0, lambda: 7))


@pytest.fixture
def waited_in_turn(waited):
    got = [pytest_twisted.blockon(deferLater(reactor, 0, lambda number=number: number)) for number in range(20)]
    with pytest.raises(ZeroDivisionError):
        pytest_twisted.blockon(deferLater(reactor, 0, lambda: 1 // 0))
    return got


@pytest.fixture
def fired_inside_of_another():
    """Waits in one greenlet, and is woken from inside of a callback of a third deferred."""
    inner = Deferred()
    outer = deferLater(reactor, 0, lambda: inner.callback("inner")).addCallback(lambda _: "outer")
    return pytest_twisted.blockon(inner), pytest_twisted.blockon(outer)


def test_aFixtureWaits(waited):
    assert waited == 7


def test_aFixtureWaitsOftenAndForAnError(waited_in_turn):
    assert waited_in_turn == list(range(20))


def test_aFixtureIsWokenFromACallback(fired_inside_of_another):
    assert fired_inside_of_another == ("inner", "outer")


@pytest_twisted.inlineCallbacks
def test_generator():
    got = yield deferLater(reactor, 0, lambda: 8)
    assert got == 8


@pytest_twisted.ensureDeferred
async def test_coroutine():
    assert await deferLater(reactor, 0, lambda: 9) == 9


@pytest_twisted.inlineCallbacks
def test_waitsInsideOfACallback():
    @inlineCallbacks
    def inner():
        got = yield deferLater(reactor, 0, lambda: 1)
        return got

    total = 0
    for _ in range(10):
        total += yield inner()
    assert total == 10


def test_whoseDeferreds():
    assert is_native(Deferred()) == (os.environ["EXPECTED"] == "native")
