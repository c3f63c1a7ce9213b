"""What can be read of a deferred, and when; what a program may hang on one."""

import gc
import warnings
import weakref

from telling import attempt, outcome, section, tell
from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList, fail, succeed


def look(deferred):
    print(
        "called", deferred.called, "paused", deferred.paused, "result", hasattr(deferred, "result"),
        "chained", deferred._chainedTo is not None, "debug", deferred.debug,
        "info", deferred._debugInfo is not None,
    )


@section
def resultIsAbsentUntilThereIsOne():
    deferred = Deferred()
    print(hasattr(deferred, "result"), getattr(deferred, "result", "nothing"))
    attempt(lambda: deferred.result)
    deferred.callback(None)
    print(hasattr(deferred, "result"), deferred.result)
    del deferred.result
    print(hasattr(deferred, "result"))


@section
def everyMomentCanBeRead():
    inner, outer = Deferred(), Deferred()
    look(outer)
    outer.addCallback(lambda _: look(outer) or inner)
    outer.callback(1)
    look(outer)
    print(outer.result is inner, outer._chainedTo is inner)
    inner.callback(2)
    look(outer)
    look(inner)
    print(outer.result, inner.result)


@section
def calledAndNotPausedMeansThatTheResultIsThere():
    inner, outer = Deferred(), succeed(None)
    outer.addCallback(lambda _: inner)
    print(outer.called and not outer.paused)
    inner.callback(3)
    print(outer.called and not outer.paused, outer.result)
    outer.pause()
    print(outer.called and not outer.paused)
    outer.unpause()
    print(outer.called and not outer.paused)


@section
def pausedCounts():
    deferred = Deferred()
    for change in (deferred.pause, deferred.pause, deferred.unpause, deferred.unpause):
        change()
        print(deferred.paused)


@section
def debugInfoHoldsTheFailureAsLongAsItIsThere():
    failed = fail(ValueError("held"))
    print(failed._debugInfo.failResult is failed.result)
    failed.addErrback(lambda _: None)
    print(failed._debugInfo.failResult)
    print(succeed(1)._debugInfo)


@section
def callbacksWarnsExactly():
    deferred = Deferred()
    deferred.addCallback(print, 1, end="").addErrback(repr).addBoth(str)
    deferred.addCallbacks(print, repr, (1,), {"sep": ""}, (2,), {})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        listed = deferred.callbacks
    for warning in caught:
        print(warning.category.__name__, warning.message, warning.filename == __file__)
        print(warning.lineno == callbacksWarnsExactly.__code__.co_firstlineno + 6)
    for callback, errback in listed:
        for function, arguments, keywords in (callback, errback):
            print(function.__name__, tuple(arguments), dict(keywords))


@section
def theWaiterIsListed():
    inner = Deferred()
    succeed(None).addCallback(lambda _: inner)
    print(len(inner._callbacks))


@section
def anyAttributeCanBeHungOnIt():
    deferred = Deferred()
    deferred.name, deferred.of = "x", deferred
    print(deferred.name, deferred.of is deferred, vars(deferred)["name"])
    del deferred.name
    attempt(lambda: deferred.name)
    setattr(deferred, "not an identifier", 1)
    print(getattr(deferred, "not an identifier"))


@section
def aFiredOneIsTheSameHoweverItWasFired():
    fired = Deferred()
    fired.callback(7)
    print(vars(succeed(7)) == vars(fired))


@section
def weakReferencesTellOfTheEnd():
    deferred = Deferred()
    reference = weakref.ref(deferred, lambda _: print("gone"))
    kept = weakref.WeakSet([deferred])
    print(reference() is deferred, len(kept))
    del deferred
    print(reference(), len(kept))


@section
def itIsAKeyByIdentity():
    one, other = succeed(1), succeed(1)
    print(one == one, one == other, hash(one) == hash(one), len({one, other}))
    attempt(lambda: one < other)
    print(bool(one), bool(Deferred()))


@section
def itTellsWhereItIs():
    inner, outer = Deferred(), Deferred()
    print(outer, repr(outer), f"{outer}")
    outer.addCallback(lambda _: inner)
    outer.callback(None)
    print(outer)
    inner.callback([1])
    print(outer, inner)
    print(DeferredList([Deferred()]))


@section
def aPausedOneWithAResultIsNotTaken():
    inner, outer = succeed(1), succeed(None)
    inner.pause()
    outer.addCallback(lambda _: inner)
    print(outer.called, bool(outer.paused), inner.result)
    inner.unpause()
    print(outer.result, inner.result)


@section
def theCancellerIsReleasedAtFiring():
    class Canceller:
        def __call__(self, deferred):
            pass

    canceller = Canceller()
    reference = weakref.ref(canceller)
    deferred = Deferred(canceller)
    del canceller
    print(reference() is not None)
    deferred.callback(None)
    print(reference())


@section
def theListCanBeRead():
    members = [Deferred(), succeed(2)]
    both = DeferredList(members, consumeErrors=True)
    print(both.resultList, both.finishedCount, both.fireOnOneCallback, both.consumeErrors)
    members[0].errback(ValueError("x"))
    print(both.finishedCount, both.called, members[0].result)
    outcome(both.addCallback(lambda results: [ok for ok, _ in results]))


@section
def debugOfTheClass():
    Deferred.debug = True
    try:
        deferred = Deferred()
        print(deferred.debug, defer.getDebugging(), deferred._debugInfo.creator is not None)
        deferred.callback(1)
        print(deferred._debugInfo.invoker is not None)
    finally:
        Deferred.debug = False
    print(defer.getDebugging(), Deferred()._debugInfo)


@section
def debugOfOne():
    deferred = Deferred()
    deferred.debug = True
    deferred.callback(1)
    print(deferred._debugInfo.creator, deferred._debugInfo.invoker is not None)
    try:
        deferred.callback(2)
    except defer.AlreadyCalledError as error:
        print(str(error).split("\n")[:2])


@section
def theCollectorFindsCyclesThroughEachPlace():
    def through_callback(deferred):
        deferred.addCallback(lambda _: deferred)

    def through_argument(deferred):
        deferred.addCallback(print, deferred)

    def through_keyword(deferred):
        deferred.addErrback(print, end=deferred)

    def through_both(deferred):
        deferred.addCallbacks(print, deferred.errback)

    def through_result(deferred):
        deferred.callback([deferred])

    def through_canceller(deferred):
        deferred._canceller = lambda _: deferred

    def through_attribute(deferred):
        deferred.itself = deferred

    def through_waiting(deferred):
        inner = Deferred()
        inner.outer = deferred
        deferred.inner = inner
        deferred.addCallback(lambda _: inner)
        deferred.callback(None)

    def through_chain(deferred):
        other = Deferred()
        deferred.chainDeferred(other)
        other.chainDeferred(deferred)

    def through_list(deferred):
        deferred.list = DeferredList([deferred])

    for link in list(locals().values()):
        deferred = Deferred()
        link(deferred)
        reference = weakref.ref(deferred)
        del deferred
        alive = reference() is not None
        gc.collect()
        print(link.__name__, alive, reference())


tell()
