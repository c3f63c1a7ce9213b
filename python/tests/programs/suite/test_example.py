"""A small suite of a program's own, in every style that trial has, and a test that fails on purpose."""

import os

from native import is_native
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, inlineCallbacks, succeed
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase


class Styles(TestCase):
    def setUp(self):
        self.addCleanup(lambda: deferLater(reactor, 0, lambda: None))
        return deferLater(reactor, 0, lambda: None)

    def test_returnsADeferred(self):
        return deferLater(reactor, 0, lambda: 3).addCallback(self.assertEqual, 3)

    @inlineCallbacks
    def test_generator(self):
        got = yield deferToThread(lambda: 4)
        self.assertEqual(got, 4)

    async def test_coroutine(self):
        self.assertEqual(await deferToThread(lambda: 5), 5)

    def test_expectedFailure(self):
        return self.assertFailure(fail(ValueError()), ValueError)

    def test_loggedErrorsAreFlushed(self):
        fail(ValueError())
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_timesOut(self):
        return Deferred()

    test_timesOut.timeout = 0.1
    test_timesOut.todo = "a deferred that nobody fires"

    def test_fails(self):
        return deferLater(reactor, 0, lambda: self.assertEqual(1, 2))

    test_fails.todo = "fails on purpose"


class Synchronous(SynchronousTestCase):
    def test_resultsAreTaken(self):
        self.assertEqual(self.successResultOf(succeed(1)), 1)
        self.failureResultOf(fail(ValueError()), ValueError)
        self.assertNoResult(Deferred())

    def test_clock(self):
        clock = Clock()
        later = deferLater(clock, 5, lambda: "later")
        clock.advance(5)
        self.assertEqual(self.successResultOf(later), "later")

    def test_whoseDeferreds(self):
        self.assertEqual(is_native(Deferred()), os.environ["EXPECTED"] == "native")
