"""Callbacks that switch to another greenlet, and what is done to their deferred meanwhile."""

import gc
import sys

from greenlet import GreenletExit, getcurrent, greenlet
from telling import attempt, outcome, section, tell
from twisted.internet.defer import Deferred, DeferredList, fail, inlineCallbacks, succeed


def away(result):
    """A callback that switches to whoever started the greenlet, and returns what it is sent back."""
    return getcurrent().parent.switch(result)


def wait(deferred):
    """Wait for a deferred as pytest-twisted does: the greenlet goes on when it fires."""
    here = getcurrent()
    if deferred.called and not deferred.paused:
        seen = []
        deferred.addBoth(seen.append)
        return seen[0]
    deferred.addBoth(here.switch)
    return here.parent.switch("waits")


@section
def whatIsAddedMeanwhileRunsAfterwards():
    deferred, order = Deferred(), []
    deferred.addCallback(away).addCallback(lambda result: order.append(("second", result)))
    inside = greenlet(deferred.callback)
    print(inside.switch(1))
    deferred.addCallback(lambda result: order.append(("added", result)))
    print(order, deferred.called, bool(deferred.paused), deferred.result)
    inside.switch(2)
    print(order, inside.dead)


@section
def whatIsDoneMeanwhile():
    deferred = Deferred()
    deferred.addCallback(away).addBoth(lambda result: print("next", result) or result)
    inside = greenlet(deferred.callback)
    inside.switch(1)
    attempt(deferred.callback, 2)
    attempt(deferred.cancel)
    deferred.pause()
    gc.collect()
    inside.switch("back")
    print(inside.dead, deferred.paused)
    deferred.unpause()
    outcome(deferred)


@section
def twoThatAreAwayAtOnce():
    for order in ((0, 1), (1, 0)):
        deferreds = [Deferred().addCallback(away).addCallback(lambda result: (result, "done")) for _ in range(2)]
        inside = [greenlet(deferred.callback) for deferred in deferreds]
        print([one.switch(number) for number, one in enumerate(inside)])
        for number in order:
            inside[number].switch(number + 10)
        for deferred in deferreds:
            outcome(deferred)


@section
def aDeferredOfTheOneThatIsAway():
    inner = Deferred()
    outer = Deferred()
    outer.addCallback(lambda _: inner)
    inner.addCallback(away)
    outer.callback(None)
    inside = greenlet(inner.callback)
    print(inside.switch(1), bool(outer.paused))
    outer.addCallback(lambda result: print("outer", result))
    inside.switch(2)


@section
def generatorsThatAreAway():
    @inlineCallbacks
    def generator(awaited):
        got = away((yield awaited))
        got += yield awaited_later
        return got

    awaited, awaited_later = Deferred(), Deferred()
    ended = generator(awaited)
    inside = greenlet(awaited.callback)
    print(inside.switch(1), ended.called)
    attempt(lambda: awaited_later.callback(5))
    inside.switch(2)
    outcome(ended)


@section
def aGeneratorIsAwayAndCancelled():
    @inlineCallbacks
    def generator(awaited):
        away((yield awaited))
        yield Deferred()

    ended = generator(awaited := Deferred())
    inside = greenlet(awaited.callback)
    inside.switch(1)
    attempt(ended.cancel)
    attempt(inside.switch, 2)
    ended.cancel()
    outcome(ended)


@section
def coroutinesThatAreAway():
    async def coroutine(awaited):
        return away(await awaited)

    ended = Deferred.fromCoroutine(coroutine(awaited := Deferred()))
    inside = greenlet(awaited.callback)
    print(inside.switch(1))
    inside.switch(2)
    outcome(ended)


@section
def membersThatAreAway():
    members = [Deferred().addCallback(away) for _ in range(3)]
    both = DeferredList(members)
    inside = [greenlet(member.callback) for member in members]
    for number, one in enumerate(inside):
        one.switch(number)
    for one in reversed(inside):
        one.switch("back")
    outcome(both)


@section
def cancellersThatAreAway():
    deferred = Deferred(away)
    inside = greenlet(deferred.cancel)
    print(inside.switch() is deferred, deferred.called)
    deferred.callback("meanwhile")
    inside.switch(None)
    outcome(deferred)


@section
def oneThatIsEndedWhileAway():
    deferred = Deferred()
    deferred.addCallback(away)
    inside = greenlet(deferred.callback)
    inside.switch(1)
    print(type(inside.throw()).__name__, inside.dead)
    outcome(deferred)


@section
def oneThatIsForgottenWhileAway():
    deferred = Deferred()
    deferred.addCallback(away).addErrback(lambda failure: failure.trap(GreenletExit) and "ended")
    inside = greenlet(deferred.callback)
    inside.switch(1)
    del inside
    gc.collect()
    outcome(deferred)


@section
def anErrorThatIsSentBack():
    deferred = Deferred()
    deferred.addCallback(away)
    inside = greenlet(deferred.callback)
    inside.switch(1)
    inside.throw(ValueError("thrown in"))
    outcome(deferred)


@section
def waitingAsPytestTwistedDoes():
    later = Deferred()

    def test():
        first = wait(succeed(1))
        second = wait(later)
        third = wait(fail(ValueError("third")))
        return first, second, third.value

    inside = greenlet(test)
    print(inside.switch())
    later.callback(2)
    print(inside.dead)


@section
def manyThatWaitForOne():
    deferred, got = Deferred(), []
    inside = [greenlet(lambda number=number: got.append((number, wait(deferred)))) for number in range(5)]
    for one in inside:
        one.switch()
    deferred.callback("value")
    print(got, [one.dead for one in inside])


@section
def finalizersThatAreAway():
    class Ending:
        def __del__(self):
            away("in the finalizer")

    def forget(_):
        held.clear()
        return "forgotten"

    held = [Deferred().addCallback(print, Ending())]
    deferred = Deferred().addCallback(forget)
    inside = greenlet(deferred.callback)
    print(inside.switch(1))
    for _ in range(10):
        fail(ValueError()).addErrback(lambda _: None)
    inside.switch(None)
    outcome(deferred)


@section
def veryManySwitches():
    def echo(result):
        for number in range(1000):
            result = away(result)
        return result

    deferred = Deferred().addCallback(echo)
    inside = greenlet(deferred.callback)
    got = inside.switch(0)
    while not inside.dead:
        succeed(got).addCallback(lambda result: result + 1)
        got = inside.switch(got + 1) or 0
    outcome(deferred)
    print(sys.getrecursionlimit())


@section
def theDepthOfCallsIsEachGreenletsOwn():
    def deep(left):
        return succeed(left).addCallback(lambda left: deep(left - 1) if left else away("deep"))

    deferred = Deferred().addCallback(lambda _: deep(20))
    inside = [greenlet(Deferred().addCallback(lambda _: deep(20)).callback) for _ in range(50)]
    print([one.switch(None) for one in inside].count("deep"))
    for one in inside[::2] + inside[1::2]:
        one.switch("shallow")
    inside.append(greenlet(deferred.callback))
    inside[-1].switch(None)
    inside[-1].switch("last")
    outcome(deferred)


tell()
