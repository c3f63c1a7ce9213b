"""What programs do to the class: subclasses, second bases, replaced methods."""

import gc
import weakref
from abc import ABC
from dataclasses import dataclass
from typing import Generic, TypeVar

from telling import attempt, outcome, section, tell
from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList, fail, gatherResults, inlineCallbacks, succeed
from zope.interface import Interface, implementer

T = TypeVar("T")


@section
def attributesSetBeforeInit():
    class Early(Deferred):
        def __init__(self):
            self.before = 1
            super().__init__()
            self.after = 2

    early = Early()
    print(early.before, early.after)
    early.callback(3)
    outcome(early)


@section
def anySignature():
    class Wide(Deferred):
        def __init__(self, first, *rest, key, **more):
            super().__init__(canceller=more.get("canceller"))
            self.all = (first, rest, key, sorted(more))

    print(Wide(1, 2, 3, key=4, canceller=None, more=5).all)
    attempt(Wide, 1)
    attempt(Deferred, no=1)


@section
def initCanBeCalledAgain():
    deferred = Deferred()
    deferred.addCallback(print)
    deferred.__init__()
    print(len(deferred._callbacks))
    deferred.callback("nothing is called")


@section
def aSecondBase():
    class Named:
        def __init__(self, name):
            self.name = name

    class Both(Deferred, Named):
        def __init__(self, name):
            Deferred.__init__(self)
            Named.__init__(self, name)

    class Reversed(Named, Deferred):
        def __init__(self, name):
            Named.__init__(self, name)
            Deferred.__init__(self)

    for kind in (Both, Reversed):
        made = kind("n")
        made.callback(1)
        print(made.name, isinstance(made, Deferred), type(made) in defer._DEFERRED_SUBCLASSES)
        outcome(made)


@section
def genericAndAbstractAndDataclassBases():
    class Typed(Deferred[T], Generic[T]):
        pass

    class Abstract(Deferred, ABC):
        pass

    @dataclass(eq=False)
    class Data(Deferred):
        size: int = 3

        def __post_init__(self):
            Deferred.__init__(self)

    class IThing(Interface):
        pass

    @implementer(IThing)
    class Thing(Deferred):
        pass

    for made in (Typed(), Typed[int](), Abstract(), Data(), Thing()):
        made.callback(1)
        outcome(succeed(None).addCallback(lambda _, made=made: made))
    print(Data().size, IThing.providedBy(Thing()))
    print(Deferred[int], Deferred[int]() is not None)


@section
def slotsInASubclass():
    class Slotted(Deferred):
        __slots__ = ("place",)

    slotted = Slotted()
    slotted.place, slotted.free = 1, 2
    print(slotted.place, slotted.free)


@section
def aSubclassWithItsOwnMethods():
    class Loud(Deferred):
        def callback(self, result):
            print("callback", result)
            super().callback(result)

        def errback(self, fail=None):
            print("errback", type(fail).__name__)
            super().errback(fail)

        def cancel(self):
            print("cancel")
            super().cancel()

        def addBoth(self, callback, *args, **kwargs):
            print("addBoth")
            return super().addBoth(callback, *args, **kwargs)

        def addCallbacks(self, *args, **kwargs):
            print("addCallbacks")
            return super().addCallbacks(*args, **kwargs)

    succeed(1).chainDeferred(Loud())
    other = Loud()
    fail(ValueError("x")).chainDeferred(other)
    other.addErrback(lambda _: None)
    Loud().chainDeferred(Deferred())
    DeferredList([Loud(), Loud()])
    gatherResults([Loud()]).addErrback(lambda _: None).cancel()

    @inlineCallbacks
    def generator(awaited):
        yield awaited

    outcome(generator(awaited := Loud()))
    awaited.callback(1)
    waiting = generator(Loud())
    waiting.cancel()
    outcome(waiting)
    inner = Loud()
    outer = succeed(None).addCallback(lambda _: inner)
    outer.cancel()
    outcome(outer)


@section
def aMethodReplacedOnTheClass():
    def record(name, own):
        def method(self, *args, **kwargs):
            told.append(name)
            return own(self, *args, **kwargs)

        return method

    def chained():
        first, second = Deferred(), Deferred()
        first.chainDeferred(second)
        first.callback(1)

    def waited():
        inner = Deferred()
        outer = Deferred()
        outer.addCallback(lambda _: inner)
        outer.callback(1)
        outer.cancel()
        outer.addErrback(lambda _: None)

    def listed():
        members = [Deferred(), Deferred()]
        both = DeferredList(members)
        members[0].callback(1)
        both.cancel()

    def sequential():
        @inlineCallbacks
        def generator():
            yield inner

        inner = Deferred()
        ended = generator()
        inner.callback(1)
        outcome(ended)

    for name in ("callback", "errback", "addBoth", "addCallbacks", "cancel"):
        own = getattr(Deferred, name)
        setattr(Deferred, name, record(name, own))
        try:
            for scenario in (chained, waited, listed, sequential):
                told = []
                scenario()
                print(name, scenario.__name__, told)
        finally:
            setattr(Deferred, name, own)


@section
def aMethodReplacedOnOne():
    target = Deferred()
    target.callback = lambda result: print("replaced", result)
    succeed(4).chainDeferred(target)
    inner = Deferred()
    inner.cancel = lambda: print("asked to cancel")
    outer = succeed(None).addCallback(lambda _: inner)
    outer.cancel()
    outcome(outer)
    member = Deferred()
    member.addCallbacks = lambda *args, **kwargs: print("member", len(args), sorted(kwargs))
    DeferredList([member])
    waited = Deferred()
    waited.addBoth = lambda *args, **kwargs: print("addBoth", len(args) > 0)

    @inlineCallbacks
    def generator():
        yield waited

    generator()


@section
def theClassesAreListed():
    class Sub(Deferred):
        pass

    print(defer._DEFERRED_SUBCLASSES[:2], Sub in defer._DEFERRED_SUBCLASSES)
    inner = Sub()
    outer = succeed(None).addCallback(lambda _: inner)
    inner.callback(6)
    outcome(outer)


@section
def initSubclassKeywords():
    def define():
        class Key(Deferred, key=1):
            pass

    attempt(define)

    class Asked(Deferred):
        def __init_subclass__(cls, *, key, **rest):
            super().__init_subclass__(**rest)
            print("key", key)

    class Answer(Asked, key=2):
        pass

    print(Answer in defer._DEFERRED_SUBCLASSES)


@section
def classmethodsOfASubclass():
    class Sub(Deferred):
        pass

    async def one():
        return 1

    print(type(Sub.fromCoroutine(one())).__name__)


@section
def aFinalizerOfASubclass():
    class Ending(Deferred):
        def __del__(self):
            print("ended", getattr(self, "result", "without"))

    Ending()
    ended = Ending()
    ended.callback(5)
    ended.itself = ended
    del ended
    gc.collect()


@section
def aFinalizerThatBringsItBack():
    kept = []

    class Risen(Deferred):
        def __del__(self):
            kept.append(self)

    risen = Risen()
    risen.addCallback(lambda result: result + 1)
    del risen
    (risen,) = kept
    risen.callback(1)
    outcome(risen)
    reference = weakref.ref(risen)
    del risen
    kept.clear()
    print(reference())


@section
def reassignedInlineCallbacks():
    own, called = defer.inlineCallbacks, []

    def counting(function):
        called.append(function.__name__)
        return own(function)

    defer.inlineCallbacks = counting
    try:

        @defer.inlineCallbacks
        def generator():
            got = yield succeed(8)
            return got

        outcome(generator())
    finally:
        defer.inlineCallbacks = own
    print(called)


@section
def argumentsThatAreNotThere():
    for arguments, keywords in [
        ((1, 2), {}),
        ((1, 2, 3), {}),
        ((), {"no": 1}),
        ((1,), {"no": 2}),
        ((1,), {"canceller": 2}),
        ((1, 2), {"canceller": 3}),
        ((), {"canceller": 1, "no": 2}),
    ]:
        attempt(Deferred, *arguments, **keywords)


tell()
