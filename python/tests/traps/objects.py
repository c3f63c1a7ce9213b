"""Objects of users that are asked for nothing, and code of theirs that does what it should not."""

import gc
import sys

from telling import attempt, outcome, section, tell
from twisted.internet import defer
from twisted.internet.defer import (
    Deferred,
    DeferredList,
    DeferredLock,
    fail,
    gatherResults,
    inlineCallbacks,
    maybeDeferred,
    succeed,
)
from twisted.python.failure import Failure


class Probed(Exception):
    """Somebody asked."""


def refuse(*_, **__):
    raise Probed


class Untouchable:
    """Raises at whatever it is asked."""

    __getattr__ = __eq__ = __bool__ = __len__ = __iter__ = __lt__ = __index__ = refuse
    __hash__ = None

    def __repr__(self):
        return "untouchable"


class Liar:
    """Says that it is a Deferred."""

    called, paused, result = True, 0, "a lie"

    @property
    def __class__(self):
        return Deferred


def wherever(thing):
    """The thing as a result, everywhere that there are results."""

    @inlineCallbacks
    def generator():
        got = yield thing
        again = yield succeed(thing)
        return got is thing and again is thing

    async def coroutine():
        return (await succeed(thing)) is thing

    yield "fired", succeed(thing).addCallback(lambda got: got is thing)
    yield "returned", succeed(None).addCallback(lambda _: thing).addCallback(lambda got: got is thing)
    yield "both", succeed(thing).addBoth(lambda got: got is thing)
    yield "argument", succeed(1).addCallback(lambda _, other: other is thing, thing)
    yield "generator", generator()
    yield "coroutine", Deferred.fromCoroutine(coroutine())
    yield "maybe", maybeDeferred(lambda: thing).addCallback(lambda got: got is thing)
    yield "list", DeferredList([succeed(thing)]).addCallback(lambda results: results[0][1] is thing)
    yield "gathered", gatherResults([succeed(thing)]).addCallback(lambda results: results[0] is thing)
    yield "lock", DeferredLock().run(lambda: thing).addCallback(lambda got: got is thing)
    outer, inner = succeed(None), Deferred()
    outer.addCallback(lambda _: inner).addCallback(lambda got: got is thing)
    inner.callback(thing)
    yield "waited", outer


@section
def resultsAreNotProbed():
    for where, deferred in wherever(Untouchable()):
        print(where, end=" ")
        outcome(deferred)


@section
def onlyTheTypeCounts():
    liar = Liar()
    taken = []
    deferred = succeed(None).addCallback(lambda _: liar)
    deferred.addCallback(taken.append)
    print(taken[0] is liar)
    ((_, value),) = succeed(liar).addCallback(lambda got: [(True, got)]).result
    print(value is liar)


@section
def aReprThatRaises():
    class Mute:
        def __repr__(self):
            raise Probed

    deferred = succeed(Mute())
    attempt(repr, deferred)
    attempt(str, deferred)


@section
def finalizersThatRaise():
    unraised = []
    sys.unraisablehook, own = lambda told: unraised.append(type(told.exc_value).__name__), sys.unraisablehook

    class Bad:
        def __call__(self, result):
            return result

        def __del__(self):
            raise Probed

    try:
        deferred = Deferred(Bad())
        deferred.addCallback(Bad()).addCallback(lambda _: Bad()).addCallback(lambda _: None)
        deferred.callback(Bad())
        del deferred
        Deferred(Bad()).addErrback(Bad())
        gc.collect()
    finally:
        sys.unraisablehook = own
    print(unraised)


@section
def finalizersThatReenter():
    class Reenters:
        def __init__(self, deferred):
            self.deferred = deferred

        def __del__(self):
            self.deferred.addCallback(lambda result: print("late", result))

    deferred = Deferred()
    deferred.addCallback(lambda _: Reenters(deferred))
    deferred.addCallback(lambda _: "next")
    deferred.addCallback(lambda result: print("first", result))
    deferred.callback(None)
    print("ended")


@section
def whatRaisesInComparisonIsNotCompared():
    result = Untouchable()
    deferred = Deferred()
    deferred.callback(result)
    attempt(deferred.callback, result)
    deferred.cancel()
    print(deferred.result is result)


@section
def callbacksThatCancelTheirOwn():
    deferred = Deferred(lambda _: print("canceller"))
    deferred.addCallback(lambda result: deferred.cancel() or result)
    deferred.callback(1)
    outcome(deferred)


@section
def callbacksThatFireTheirOwn():
    deferred = Deferred()
    deferred.addCallback(lambda _: deferred.callback(2))
    deferred.callback(1)
    outcome(deferred)


@section
def callbacksThatPauseTheirOwn():
    deferred = Deferred()
    deferred.addCallback(lambda result: deferred.pause() or result)
    deferred.addCallback(lambda result: print("second", result) or result + 1)
    deferred.callback(1)
    print(deferred.paused, deferred.result)
    deferred.unpause()
    print(deferred.result)


@section
def callbacksThatPauseAndGoOn():
    deferred = Deferred()

    def both(result):
        deferred.pause()
        deferred.unpause()
        return result

    deferred.addCallback(both).addCallback(lambda result: print("second", result))
    deferred.callback(1)


@section
def callbacksThatAddToTheirOwn():
    deferred, order = Deferred(), []

    def first(result):
        order.append("first")
        deferred.addCallback(lambda _: order.append("third"))
        order.append("still first")
        return result

    deferred.addCallback(first).addCallback(lambda _: order.append("second"))
    deferred.callback(None)
    print(order)


@section
def callbacksThatForgetTheirOwn():
    held = [Deferred()]
    held[0].addCallback(lambda result: held.clear() or gc.collect() and None or result)
    held[0].addCallback(lambda result: print("still", result))
    held[0].callback(1)


@section
def callbacksThatReturnTheirOwn():
    import warnings

    deferred = Deferred()
    deferred.addCallback(lambda _: deferred)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        deferred.callback(1)
    print([str(warning.message) for warning in caught], deferred.called, bool(deferred.paused))


@section
def callbacksThatReturnAFailure():
    outcome(succeed(1).addCallback(lambda _: Failure(ValueError("given"))))
    deferred = Deferred()
    deferred.callback(Failure(KeyError("fired with")))
    outcome(deferred)
    outcome(maybeDeferred(lambda: Failure(ValueError("maybe"))))


@section
def callbacksThatCannotBeCalled():
    outcome(succeed(1).addCallback(None))
    outcome(succeed(1).addCallback(3))
    outcome(fail(ValueError("kept")).addErrback(3))
    outcome(succeed(1).addCallbacks(3, 4))
    outcome(succeed(1).addCallback(lambda: None))
    attempt(Deferred().addCallbacks)


@section
def callbacksThatChangeTheResult():
    deferred = Deferred()

    def change(_):
        deferred.result = "changed"
        return "returned"

    outcome(deferred.addCallback(change)) or deferred.callback(1)
    outcome(deferred)
    deferred.result = "afterwards"
    outcome(deferred)


@section
def firingFromInsideALink():
    one, other = Deferred(), Deferred()
    other.addCallback(lambda result: print("other", result) or result)
    one.addCallback(lambda result: other.callback(result) or print("one goes on"))
    one.callback(1)
    outcome(other)


@section
def waitingOnOneAnother():
    one, other = Deferred(), Deferred()
    one.addCallback(lambda _: other)
    other.addCallback(lambda _: one)
    one.callback(1)
    other.callback(2)
    print(one.called, other.called, bool(one.paused), bool(other.paused))


@section
def chainedTwice():
    one, other = Deferred(), Deferred()
    one.chainDeferred(other)
    one.chainDeferred(other)
    one.callback(1)
    outcome(other)
    outcome(one)


@section
def chainedToWhatIsNoDeferred():
    class Target:
        def callback(self, result):
            print("callback", result)

        def errback(self, failure):
            print("errback", failure.value)

    target = Target()
    succeed(1).chainDeferred(target)
    print(type(target._chainedTo).__name__)
    fail(ValueError("x")).chainDeferred(Target())
    attempt(succeed(1).chainDeferred, object())


@section
def chainedToOneThatFired():
    deferred = succeed(1)
    deferred.chainDeferred(succeed(2))
    outcome(deferred)


@section
def errbackOfAnything():
    class Text(str):
        pass

    attempt(Deferred().errback)
    for given in (ValueError("x"), KeyboardInterrupt("k"), "text", Text("t"), 3, ValueError):
        deferred = Deferred()
        attempt(deferred.errback, given)
        outcome(deferred)
    try:
        raise KeyError("handled")
    except KeyError:
        deferred = Deferred()
        deferred.errback()
        outcome(deferred)
        outcome(fail())


@section
def callbackOfADeferred():
    attempt(Deferred().callback, Deferred())
    attempt(succeed, Deferred())
    attempt(Deferred().callback)
    attempt(Deferred().callback, 1, 2)


@section
def yieldingWhatIsNoDeferred():
    @inlineCallbacks
    def generator():
        got = []
        for thing in (None, 1, "text", [succeed(1)], object):
            got.append((yield thing) is thing)
        return got

    outcome(generator())

    @inlineCallbacks
    def no_generator():
        return 1

    try:
        no_generator()
    except TypeError as error:
        print(str(error).split(" at 0x")[0].split("<")[0], str(error).endswith("got 1"))


@section
def aGeneratorThatFollowsItsOwnCallback():
    @inlineCallbacks
    def generator():
        got = yield deferred.addCallback(lambda result: result)
        return got

    deferred = Deferred()
    running = generator()
    deferred.callback(3)
    outcome(running)


@section
def aDeferredAwaitedByTwo():
    @inlineCallbacks
    def generator():
        got = yield deferred
        return got

    deferred = Deferred()
    one, other = generator(), generator()
    deferred.callback(5)
    outcome(one)
    outcome(other)


@section
def awaitedAgainAfterItsValueWasTaken():
    async def awaiting():
        return await deferred

    deferred = succeed(9)
    for _ in range(2):
        outcome(Deferred.fromCoroutine(awaiting()))


@section
def listsThatLieAboutTheirLength():
    class Lying(list):
        def __init__(self, items, length):
            super().__init__(items)
            self.length = length

        def __len__(self):
            return self.length

        def __length_hint__(self):
            return self.length

    for length in (0, 10**12, sys.maxsize):
        attempt(defer._parseDeferredListResult, Lying([(True, 1), (True, 2)], length))
        outcome(gatherResults(Lying([succeed(1), succeed(2)], length)))


@section
def whatGrowsWhileItIsGoneThrough():
    more = succeed("more")

    class Growing(Deferred):
        def addCallbacks(self, *arguments, **keywords):
            members = both._deferredList
            if len(members) < 3:
                members.append(more)
                both.resultList.append(None)
            return super().addCallbacks(*arguments, **keywords)

    both = DeferredList.__new__(DeferredList)
    first = Growing()
    both.__init__([first])
    first.callback("first")
    outcome(both)


tell()
