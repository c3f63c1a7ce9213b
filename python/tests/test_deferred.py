"""
What Twisted's own tests do not ask: depth, freeing, and what programs do to the class.

Run with ``python -m hereafter -m twisted.trial python/tests/test_deferred.py``.
"""

import gc
import weakref

from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, succeed
from twisted.trial.unittest import SynchronousTestCase

MANY = 100_000


@inlineCallbacks
def waiting(deferred):
    result = yield deferred
    return result + 1


class Depth(SynchronousTestCase):
    def test_chainDeferredOfAHundredThousand(self):
        row = [Deferred() for _ in range(MANY)]
        for one, other in zip(row, row[1:]):
            one.chainDeferred(other)
        row[0].callback(7)
        self.assertEqual(self.successResultOf(row[-1]), 7)

    def test_lateFiringThroughAHundredThousandGenerators(self):
        first = last = Deferred()
        for _ in range(MANY):
            last = waiting(last)
        first.callback(0)
        self.assertEqual(self.successResultOf(last), MANY)

    def test_aHundredThousandThatWaitOnOneAnotherAreFreed(self):
        row = [Deferred() for _ in range(MANY)]
        for one, other in zip(row, row[1:]):
            one.addCallback(lambda _, other=other: other)
        for one in row[:-1]:
            one.callback(None)
        last = weakref.ref(row[-1])
        del row, one, other
        gc.collect()
        self.assertIsNone(last())

    def test_generatorsThatNestWithoutEndFail(self):
        @inlineCallbacks
        def deeper():
            yield deeper()

        self.failureResultOf(deeper(), RecursionError)


class Lists(SynchronousTestCase):
    def test_aConsumedFailureIsNotReported(self):
        failed = defer.fail(ValueError())
        self.successResultOf(DeferredList([failed], consumeErrors=True))
        del failed
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_theFailureThatFiresTheListIsReportedByTheMember(self):
        member = Deferred()
        both = DeferredList([member], fireOnOneErrback=True)
        both.addErrback(lambda failure: None)
        member.errback(ValueError())
        del member, both
        gc.collect()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class Unhandled(SynchronousTestCase):
    def test_inACycleItIsReportedWithItsTraceback(self):
        deferred = Deferred()

        def boom(result):
            # The frame that the traceback holds holds the Deferred.
            return deferred.result / 0

        deferred.addCallback(boom)
        deferred.callback(1)
        gone = weakref.ref(deferred)
        del deferred, boom
        gc.collect()
        self.assertIsNone(gone())
        [failure] = self.flushLoggedErrors(ZeroDivisionError)
        self.assertIn("deferred.result / 0", failure.getTraceback())

    def test_itIsReportedWhileAnotherErrorIsOnItsWay(self):
        def leaves():
            defer.fail(ValueError())
            deferred = defer.fail(KeyError())
            raise IndexError(str(deferred.called))

        self.assertRaises(IndexError, leaves)
        gc.collect()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_ofASubclassToo(self):
        class Own(Deferred):
            pass

        defer._DEFERRED_SUBCLASSES.remove(Own)
        own = Own()
        own.errback(ValueError())
        del own
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_debugInfoTells(self):
        deferred = Deferred()
        self.assertIsNone(deferred._debugInfo)
        deferred.errback(ValueError())
        info = deferred._debugInfo
        self.assertIs(info.failResult, deferred.result)
        self.assertIs(info, deferred._debugInfo)
        deferred.addErrback(lambda failure: None)
        self.assertIsNone(info.failResult)
        self.assertIs(info, deferred._debugInfo)
        self.assertIsNone(defer.fail(KeyError()).addErrback(lambda failure: None)._debugInfo.failResult)


class Cancellers(SynchronousTestCase):
    def test_oneThatRaisesIsReportedAndTheDeferredEnds(self):
        def canceller(_):
            raise RuntimeError

        deferred = Deferred(canceller)
        deferred.cancel()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.failureResultOf(deferred, defer.CancelledError)


class Classes(SynchronousTestCase):
    def test_aSubclassOfAnySignature(self):
        class Two(Deferred):
            def __init__(self, first, second):
                self.first = first
                super().__init__()
                self.second = second

        two = Two(1, second=2)
        self.assertEqual((two.first, two.second), (1, 2))
        self.assertIs(defer._DEFERRED_SUBCLASSES.pop(), Two)

    def test_theListIsCancelledByItsOwnMethodWhereAGeneratorAwaitsIt(self):
        @inlineCallbacks
        def awaits(awaited):
            yield awaited

        member = Deferred()
        outer = awaits(DeferredList([member]))
        outer.cancel()
        self.failureResultOf(member, defer.CancelledError)
        self.assertIsNone(self.successResultOf(outer))

    def test_aSubclassThatChangesWhatItsClassWasFoundToBe(self):
        class Own(Deferred):
            pass

        defer._DEFERRED_SUBCLASSES.remove(Own)
        seen = []
        succeed(1).chainDeferred(Own())
        self.patch(Own, "callback", lambda self, result: seen.append(result))
        succeed(2).chainDeferred(Own())
        self.assertEqual(seen, [2])

    def test_aReplacedCallbackIsCalledByChainDeferred(self):
        seen = []

        class Own(Deferred):
            def callback(self, result):
                seen.append(result)
                super().callback(result)

        defer._DEFERRED_SUBCLASSES.remove(Own)
        succeed(5).chainDeferred(Own())
        self.assertEqual(seen, [5])

    def test_aMethodReplacedOnTheClassItself(self):
        asked = []
        inner, own = Deferred(), Deferred.cancel
        outer = succeed(None).addCallback(lambda _: inner)
        self.patch(Deferred, "cancel", lambda self: asked.append(self))
        own(outer)
        self.assertEqual(asked, [inner])

    def test_resultIsAbsentUntilThereIsOne(self):
        deferred = Deferred()
        self.assertFalse(hasattr(deferred, "result"))
        deferred.callback(None)
        self.assertIsNone(deferred.result)


class TestGatherResults(SynchronousTestCase):
    """What a list of values is made of."""

    def test_whatItIsFiredWithIsTakenApartAsPythonDoesIt(self):
        for item, error in [
            ("abc", ValueError),
            ("a", ValueError),
            (None, AssertionError),
            ((False, 1), AssertionError),
            (5, TypeError),
        ]:
            gathered = defer.gatherResults([Deferred()])
            gathered.callback([(True, 1), item])
            self.failureResultOf(gathered, error)
        gathered = defer.gatherResults([Deferred()])
        gathered.callback([[True, 1], "ab"])
        self.assertEqual(self.successResultOf(gathered), [1, "b"])
