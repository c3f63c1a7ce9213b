"""Cancelling, of and by everything."""

import gc
import weakref

from telling import attempt, outcome, section, tell
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    DeferredLock,
    DeferredQueue,
    DeferredSemaphore,
    fail,
    gatherResults,
    inlineCallbacks,
    race,
    succeed,
)
from twisted.internet.task import Clock, deferLater


@inlineCallbacks
def waiting(deferred):
    got = yield deferred
    return got


@section
def withoutACanceller():
    deferred = Deferred()
    deferred.cancel()
    deferred.callback("swallowed")
    attempt(deferred.callback, "second")
    outcome(deferred)


@section
def withACanceller():
    deferred = Deferred(lambda given: print(given is deferred))
    deferred.cancel()
    attempt(deferred.callback, 1)
    outcome(deferred)


@section
def aCancellerThatFires():
    for fire in (lambda d: d.callback("value"), lambda d: d.errback(ValueError("error"))):
        deferred = Deferred(fire)
        deferred.cancel()
        outcome(deferred)


@section
def aCancellerThatCancels():
    deferred = Deferred(lambda given: given.called or print("again") or None)
    deferred.cancel()
    deferred.cancel()
    outcome(deferred)


@section
def aCancellerThatAddsCallbacks():
    deferred = Deferred(lambda given: given.addErrback(lambda failure: print("seen", failure.type.__name__)))
    deferred.cancel()
    outcome(deferred)


@section
def aFiredOneIsLeft():
    deferred = succeed(1)
    deferred.cancel()
    outcome(deferred)


@section
def theInnermostIsCancelled():
    inner = Deferred(lambda _: print("inner"))
    middle = succeed(None).addCallback(lambda _: inner)
    outer = succeed(None).addCallback(lambda _: middle)
    outer.addErrback(lambda failure: failure.trap(CancelledError) and "recovered")
    outer.cancel()
    outcome(outer)


@section
def aGeneratorMayHandleIt():
    @inlineCallbacks
    def handling():
        try:
            yield Deferred()
        except CancelledError:
            return "handled"

    deferred = handling()
    deferred.cancel()
    outcome(deferred)


@section
def aGeneratorMayGoOn():
    second = Deferred()

    @inlineCallbacks
    def going():
        try:
            yield Deferred()
        except CancelledError:
            pass
        got = yield second
        return got

    deferred = going()
    deferred.cancel()
    print(deferred.called, bool(deferred.paused))
    deferred.cancel()
    outcome(deferred)


@section
def aGeneratorCancelsItself():
    @inlineCallbacks
    def own():
        yield trigger
        itself.cancel()
        yield Deferred()

    trigger = Deferred()
    itself = own()
    trigger.callback(None)
    outcome(itself)


@section
def aCoroutineMayHandleIt():
    async def handling():
        try:
            await Deferred()
        except CancelledError:
            return "handled"

    deferred = Deferred.fromCoroutine(handling())
    deferred.cancel()
    outcome(deferred)


@section
def nestedOnes():
    inner = Deferred(lambda _: print("inner"))
    outer = waiting(waiting(waiting(inner)))
    outer.cancel()
    outcome(outer)


@section
def callbacksOfTheCancelledSeeItOnce():
    told = []
    deferred = waiting(Deferred())
    deferred.addBoth(lambda result: told.append(result.type.__name__) or "kept")
    deferred.cancel()
    print(told)
    outcome(deferred)


@section
def listsCancelTheirMembers():
    for make in (DeferredList, gatherResults, race):
        members = [Deferred(lambda _, number=number: print(number)) for number in range(3)]
        made = make(members)
        made.cancel()
        print(make.__name__, made.called)
        for deferred in (*members, made):
            deferred.addErrback(lambda _: None)


@section
def aFiredListCancelsNothing():
    member = Deferred(lambda _: print("not called"))
    made = DeferredList([succeed(1), member], fireOnOneCallback=True)
    made.cancel()
    outcome(made)
    print(member.called)


@section
def raceCancelsTheRest():
    members = [Deferred(lambda _, number=number: print("cancelled", number)) for number in range(3)]
    won = race(members)
    members[1].callback("first")
    outcome(won)


@section
def waitsForALock():
    for held in (DeferredLock(), DeferredSemaphore(1)):
        held.acquire()
        waiter = held.acquire()
        last = held.acquire()
        waiter.cancel()
        outcome(waiter)
        held.release()
        print(last.called, len(held.waiting))


@section
def waitsForAQueue():
    queue = DeferredQueue()
    first, second = queue.get(), queue.get()
    first.cancel()
    outcome(first)
    queue.put("item")
    outcome(second)


@section
def timeouts():
    clock = Clock()
    for fired in (False, True):
        deferred = Deferred()
        deferred.addTimeout(3, clock)
        if fired:
            deferred.callback("in time")
        clock.advance(3)
        outcome(deferred)
        print(len(clock.getDelayedCalls()))


@section
def timeoutsOfAGenerator():
    clock = Clock()
    deferred = waiting(Deferred()).addTimeout(2, clock)
    clock.advance(2)
    outcome(deferred)
    deferred = Deferred().addTimeout(1, clock, onTimeoutCancel=lambda result, seconds: (result.type.__name__, seconds))
    clock.advance(1)
    outcome(deferred)


@section
def delaysAreCancelled():
    clock = Clock()
    deferred = deferLater(clock, 5, lambda: None)
    deferred.cancel()
    outcome(deferred)
    print(clock.getDelayedCalls())


@section
def nothingIsKeptAlive():
    inner = Deferred()
    outer = waiting(inner)
    references = [weakref.ref(inner), weakref.ref(outer)]
    outer.cancel()
    outer.addErrback(lambda _: None)
    del inner, outer
    gc.collect()
    print([reference() for reference in references])


@section
def ofAFailedOne():
    failed = fail(ValueError("stays"))
    failed.cancel()
    outcome(failed)


@section
def whilePaused():
    deferred = Deferred()
    deferred.pause()
    deferred.cancel()
    print(deferred.called, deferred.result.type.__name__)
    deferred.unpause()
    outcome(deferred)


@section
def fromACallback():
    inner = Deferred()
    outer = Deferred()
    outer.addCallback(lambda _: inner)
    inner.addBoth(lambda result: outer.cancel() or result)
    outer.callback(None)
    inner.callback(1)
    outcome(outer)


@section
def aPausedGenerator():
    inner = Deferred(lambda _: print("inner is cancelled"))

    @inlineCallbacks
    def waiting():
        yield inner

    paused = waiting()
    paused.pause()
    paused.cancel()
    print("cancelled")
    paused.unpause()
    outcome(paused)


tell()
