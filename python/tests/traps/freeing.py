"""What is freed at once, by reference count alone: the collector is off while a section runs."""

import weakref

from telling import outcome, section, tell
from twisted.internet.defer import (
    Deferred,
    DeferredList,
    DeferredLock,
    DeferredQueue,
    fail,
    gatherResults,
    inlineCallbacks,
    maybeDeferred,
    race,
    succeed,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure


class Thing:
    """Something that says when it goes, or notes it in a list."""

    def __init__(self, name="thing", noted=None):
        self.name, self.noted = name, noted

    def __del__(self):
        if self.noted is None:
            print(self.name, "is gone")
        else:
            self.noted.append(self.name)

    def __call__(self, result=None):
        return result

    def raising(self, result=None):
        raise ValueError(self.name)


@section
def aDeferredThatNobodyHas():
    # In what order they go is not said.
    gone = []

    def thing(name):
        return Thing(name, gone)

    deferred = Deferred(thing("canceller"))
    deferred.addCallback(thing("callback")).addErrback(thing("errback"))
    deferred.addBoth(print, thing("argument"), end=thing("keyword"))
    deferred.addCallbacks(
        thing("c"), thing("e"), (thing("ca"),), {"k": thing("ck")}, (thing("ea"),), {"k": thing("ek")}
    )
    deferred.name = thing("attribute")
    print(gone)
    del deferred
    print(sorted(gone))


@section
def aLinkGoesWhenItHasRun():
    deferred = Deferred()
    deferred.addCallback(Thing("first"))
    deferred.addCallback(lambda result: print("second runs") or result)
    deferred.addCallback(Thing("third"))
    deferred.callback(1)
    print("fired")


@section
def aResultGoesWhenTheNextIsThere():
    deferred = succeed(Thing("first result"))
    deferred.addCallback(lambda result: Thing("second result"))
    deferred.addCallback(lambda result: None)
    print("end")


@section
def theInnersResultIsTaken():
    inner = Deferred()
    outer = succeed(None).addCallback(lambda _: inner)
    inner.callback(Thing())
    print("fired", inner.result)
    outer.addCallback(lambda _: None)
    print("end")


@section
def theInnerItselfGoes():
    inner = Deferred()
    inner.name = Thing("inner")
    outer = succeed(None).addCallback(lambda _: inner)
    del inner
    print("waits")
    outer.result.callback(1)
    print("fired")


@section
def theOuterGoesWhenItHasFired():
    inner, outer = Deferred(), succeed(None)
    outer.name = Thing("outer")
    outer.addCallback(lambda _: inner)
    del outer
    print("waits")
    inner.callback(1)
    print("fired")


@section
def aChainedOneGoes():
    first, second = Deferred(), Deferred()
    second.name = Thing("second")
    first.chainDeferred(second)
    del second
    print("chained")
    first.callback(1)
    print("fired")


@section
def aGeneratorAndItsLocalsGo():
    @inlineCallbacks
    def generator(awaited):
        local = Thing("local")
        yield awaited
        del awaited
        print("goes on", local.name)
        yield later
        return Thing("returned")

    awaited, later = Deferred(), Deferred()
    ended = generator(awaited)
    awaited.callback(Thing("value"))
    later.callback(None)
    print("ended")
    ended.addCallback(lambda _: None)
    del ended
    print("end")


@section
def aGeneratorThatRaises():
    @inlineCallbacks
    def generator(awaited):
        local = Thing("local")
        yield awaited
        raise ValueError(local.name)

    ended = generator(awaited := Deferred())
    awaited.callback(None)
    print("raised")
    outcome(ended)
    del ended
    print("end")


@section
def aCoroutineAndItsLocalsGo():
    async def coroutine(awaited):
        local = Thing("local")
        await awaited
        return local.name

    ended = Deferred.fromCoroutine(coroutine(awaited := Deferred()))
    awaited.callback(None)
    print("ended")
    outcome(ended)


@section
def aCancellerGoesAtFiring():
    deferred = Deferred(Thing("canceller"))
    deferred.callback(None)
    print("fired")
    other = Deferred(Thing("canceller that is called"))
    other.addErrback(lambda _: None)
    other.cancel()
    print("cancelled")


@section
def aFailureGoesWithItsDeferred():
    thing = Thing()
    failed = fail(ValueError(thing))
    del thing
    failed.addErrback(lambda _: None)
    print("handled")
    failed = succeed(1).addCallback(Thing("raises").raising).addErrback(lambda _: None)
    print("end")


@section
def anUnhandledFailureIsReportedWhenItGoes():
    deferred = Deferred()
    deferred.errback(Failure(ValueError("unhandled")))
    print("fired")
    del deferred
    print("end")


@section
def anUnhandledFailureOfAnOuterIsReportedWhenThatGoes():
    inner = Deferred()
    outer = succeed(None).addCallback(lambda _: inner)
    inner.errback(ValueError("unhandled"))
    del inner
    print("inner gone")
    del outer
    print("end")


@section
def membersAndListsGo():
    member = Deferred()
    made = DeferredList([member])
    made.name = Thing("list")
    member.name = Thing("member")
    member.callback(Thing("value"))
    print("fired")
    made.addCallback(lambda _: None)
    print("handled")
    del made
    print("without the list")
    member.addCallback(lambda _: None)
    del member
    print("end")


@section
def gatheredOnesGo():
    members = [Deferred() for _ in range(2)]
    made = gatherResults(members)
    made.name = Thing("list")
    members[0].callback(Thing("value"))
    members[1].callback(1)
    made.addCallback(lambda _: None)
    del made
    print("without the list")
    members.clear()
    print("end")


@section
def raceGoes():
    members = [Deferred() for _ in range(2)]
    won = race(members)
    won.name = Thing("race")
    members[0].callback(Thing("value"))
    print("fired")
    won.addCallback(lambda _: None)
    del won
    members.clear()
    print("end")


@section
def lockAndQueueGo():
    lock = DeferredLock()
    lock.name = Thing("lock")
    lock.run(Thing("run"))
    del lock
    print("without the lock")
    queue = DeferredQueue()
    queue.put(Thing("item"))
    queue.get().addCallback(lambda _: None)
    waiting = queue.get()
    del queue
    print("without the queue", waiting.called)


@section
def timeoutsGo():
    clock = Clock()
    deferred = Deferred()
    deferred.name = Thing("deferred")
    deferred.addTimeout(5, clock)
    deferred.callback(None)
    print("fired")
    del deferred
    print("end")


@section
def maybeGoes():
    deferred = maybeDeferred(Thing("called"), 1)
    print("made")
    deferred = maybeDeferred(Thing("raises").raising, 1).addErrback(lambda _: None)
    print("end", deferred.called)


@section
def nobodySeesItGo():
    class Looking:
        def __call__(self, result):
            return result

        def __del__(self):
            print("seen", reference())

    deferred = Deferred(Looking())
    reference = weakref.ref(deferred)
    deferred.addCallback(Looking()).addBoth(print, Looking())
    deferred.looking = Looking()
    del deferred
    print(reference())


@section
def aCallbackHoldsItsOwnDeferredWhileItRuns():
    deferred = Deferred()
    deferred.name = Thing("deferred")
    box = [deferred]
    deferred.addCallback(lambda _: box.clear() or print("cleared"))
    deferred.addCallback(lambda _: print("next"))
    del deferred
    box[0].callback(None)
    print("end")


tell()
