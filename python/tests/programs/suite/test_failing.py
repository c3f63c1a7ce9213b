"""Tests that fail in every place where one can, to see what trial shows of each."""

from twisted.internet.defer import Deferred, fail, gatherResults, inlineCallbacks, succeed
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase


def deeper(*_):
    raise ZeroDivisionError("deeper")


class InTheTest(TestCase):
    def test_itself(self):
        self.assertEqual(1, 2)

    def test_aFunction(self):
        deeper()

    def test_aCallback(self):
        return succeed(1).addCallback(deeper)

    def test_aLateCallback(self):
        from twisted.internet import reactor

        return deferLater(reactor, 0, lambda: 1).addCallback(self.assertEqual, 2)

    def test_aReturnedFailure(self):
        return fail(ValueError("made"))

    @inlineCallbacks
    def test_aGenerator(self):
        yield succeed(1)
        deeper()

    @inlineCallbacks
    def test_aGeneratorThatAwaitsAnother(self):
        @inlineCallbacks
        def inner():
            yield succeed(1)
            deeper()

        yield inner()

    async def test_aCoroutine(self):
        await succeed(1)
        self.assertTrue(False)

    async def test_aCoroutineThatAwaitsAFailure(self):
        await succeed(1).addCallback(deeper)

    def test_aMember(self):
        return gatherResults([succeed(1).addCallback(deeper)], consumeErrors=True)

    def test_whatNobodyHandles(self):
        succeed(1).addCallback(deeper)

    def test_skipped(self):
        raise SkipTest("why not")

    def test_expectedButNot(self):
        return self.assertFailure(succeed(1), ValueError)

    def test_cancelled(self):
        waiting = Deferred()
        waiting.cancel()
        return waiting


class InSetUp(TestCase):
    def setUp(self):
        return succeed(1).addCallback(deeper)

    def test_neverRun(self):
        pass


class InTearDown(TestCase):
    @inlineCallbacks
    def tearDown(self):
        yield succeed(1)
        deeper()

    def test_fine(self):
        pass


class InCleanUp(TestCase):
    def test_fine(self):
        self.addCleanup(deeper)
        self.addCleanup(lambda: fail(ValueError("cleaning up")))


class Synchronous(SynchronousTestCase):
    def test_noResult(self):
        self.successResultOf(Deferred())

    def test_anotherResult(self):
        self.failureResultOf(succeed(1))

    def test_aResultAfterAll(self):
        self.assertNoResult(succeed(1))

    def test_anotherError(self):
        self.failureResultOf(succeed(1).addCallback(deeper), ValueError)
