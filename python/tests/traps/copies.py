"""
Copies and pickles of Deferreds, lists, locks and queues, made in every way and state.
"""

import copy
import pickle

from telling import section, tell
from twisted.internet.defer import (
    Deferred,
    DeferredList,
    DeferredLock,
    DeferredQueue,
    DeferredSemaphore,
    fail,
    inlineCallbacks,
    succeed,
)
from twisted.python.failure import Failure


def add(result, number, more=0):
    print("add", result, number, more)
    return result + number + more


def swallow(failure):
    print("swallowed", failure.type.__name__)


def cancelled(d):
    print("canceller called")


class Mine(Deferred):
    def __init__(self, name, canceller=None):
        self.name = name
        super().__init__(canceller)


class Stateful(Deferred):
    def __getstate__(self):
        print("getstate")
        return {"told": True}

    def __setstate__(self, state):
        print("setstate", sorted(state))
        Deferred.__init__(self)
        self.__dict__.update(state)


def shallow(value):
    return copy.copy(value)


def deep(value):
    return copy.deepcopy(value)


def pickled(protocol):
    def through(value):
        return pickle.loads(pickle.dumps(value, protocol))

    through.__name__ = f"pickle {protocol}"
    return through


WAYS = (shallow, deep, *(pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)))


def every_way(make, look):
    """
    Look at a copy, and then at the original, for each way to copy it; what cannot be copied says so.

    A shallow copy shares its list of callbacks with the original on Twisted, and does not on ours; so only
    the copy is looked at then.
    """
    for way in WAYS:
        original = make()
        try:
            other = way(original)
        except Exception as error:
            print(way.__name__, "raised", type(error).__name__)
        else:
            print(way.__name__, type(other) is type(original), other is original)
            look(other)
        if way is not shallow:
            print("original")
            look(original)


def look(d):
    print(d.called, d.paused, getattr(d, "result", "no result"), d._chainedTo, d._canceller, len(d._callbacks))


def fire(d):
    look(d)
    d.addErrback(swallow)
    try:
        d.callback(1)
    except Exception as error:
        print(type(error).__name__)
    d.addBoth(print)
    look(d)


@section
def empty():
    every_way(Deferred, fire)


@section
def with_callbacks():
    every_way(lambda: Deferred().addCallback(add, 1).addCallbacks(add, swallow, (2,), {"more": 3}), fire)


@section
def with_every_kind_of_link():
    every_way(
        lambda: Deferred().addCallback(add, 1).addErrback(swallow).addBoth(add, 1, more=2).addBoth(print), fire
    )


@section
def with_a_canceller():
    def end(d):
        d.addErrback(swallow)
        d.cancel()
        look(d)

    every_way(lambda: Deferred(cancelled), end)


@section
def fired():
    every_way(lambda: succeed({"a": 1}), fire)


@section
def fired_with_callbacks_behind():
    every_way(lambda: succeed(1).addCallback(add, 1), fire)


@section
def failed():
    def end(d):
        print(d.called, type(d.result).__name__, d.result.type.__name__)
        d.addErrback(swallow)
        look(d)

    every_way(lambda: fail(ValueError("x")), end)


@section
def failed_with_a_traceback():
    def make():
        return succeed(0).addCallback(lambda n: 1 / n)

    def end(d):
        print(type(d.result).__name__, d.result.type.__name__)
        d.addErrback(swallow)

    every_way(make, end)


@section
def paused():
    def make():
        d = Deferred().addCallback(add, 1)
        d.pause()
        d.callback(1)
        return d

    def end(d):
        look(d)
        d.unpause()
        look(d)

    every_way(make, end)


@section
def cancelled_without_canceller():
    def make():
        d = Deferred()
        d.cancel()
        d.addErrback(swallow)
        return d

    def end(d):
        d.callback("late")
        try:
            d.callback("later")
        except Exception as error:
            print(type(error).__name__)

    every_way(make, end)


@section
def attributes():
    def make():
        d = Deferred()
        d.more = ["more"]
        return d

    every_way(make, lambda d: print(d.more, d.called))


@section
def a_class_of_its_own():
    every_way(lambda: Mine("mine").addCallback(add, 1), lambda d: print(d.name) or fire(d))


@section
def a_class_with_a_state_of_its_own():
    every_way(lambda: Stateful().addCallback(add, 1), lambda d: print(vars(d).get("told"), d.called))


@section
def callbacks_that_cannot_be_pickled():
    every_way(lambda: Deferred().addCallback(lambda r: print("lambda", r)), fire)


@section
def waiting_for_another():
    def make():
        outer = succeed(1).addCallback(lambda _: inner)
        return outer

    inner = Deferred()

    def end(d):
        print(d.called, d.paused, type(d.result).__name__, d._chainedTo is d.result, len(d._callbacks))

    every_way(make, end)


@section
def one_that_another_waits_for():
    def make():
        inner = Deferred()
        inner.outer = succeed(1).addCallback(lambda _: inner).addCallback(add, 1)
        return inner

    def end(d):
        print(d.called, len(d._callbacks), d.outer.paused)
        d.callback(5)
        look(d.outer)

    end(shallow(make()))
    try:
        deep(make())
    except TypeError:
        print("TypeError")


@section
def a_deep_copy_of_a_deferred_that_waits():
    inner = Deferred()
    outer = succeed(1).addCallback(lambda _: inner).addCallback(add, 1)
    other = copy.deepcopy(outer)
    print(other.result is inner, other.result is other._chainedTo)
    other.result.callback(1)
    look(other)
    look(outer)


@section
def chained():
    target = Deferred().addCallback(add, 1)
    source = Deferred()
    source.chainDeferred(target)
    other = copy.copy(source)
    other.callback(1)
    look(target)
    source.addErrback(swallow)


@section
def shared_by_two_copies():
    d = Deferred()
    both = copy.deepcopy([d, d])
    print(both[0] is both[1], both[0] is d)


@section
def a_list():
    def make():
        return DeferredList([succeed(1), Deferred(), fail(ValueError("x"))], consumeErrors=True)

    def end(d):
        print(d.called, d.resultList[0], d.finishedCount, len(d._deferredList))
        print(d.fireOnOneCallback, d.fireOnOneErrback, d.consumeErrors)

    every_way(make, end)


@section
def a_deep_copy_of_a_list_that_waits():
    members = [Deferred(), Deferred()]
    d = DeferredList(members)
    other = copy.deepcopy(d)
    for member in other._deferredList:
        member.callback("copied")
    print(other.called, d.called, [member.called for member in members])
    for member in members:
        member.callback("original")
    print(other.result, d.result)


@section
def a_generator():
    @inlineCallbacks
    def wait(d):
        return (yield d)

    d = wait(Deferred())
    other = shallow(d)
    look_at = other.called, other.paused
    print(look_at)
    try:
        pickle.dumps(d)
    except Exception as error:
        print("cannot be pickled")


@section
def a_lock():
    def end(lock):
        print(lock.locked, len(lock.waiting))
        lock.run(print, "free")

    def taken():
        lock = DeferredLock()
        lock.acquire()
        lock.name = "taken"
        return lock

    every_way(DeferredLock, end)
    every_way(taken, lambda lock: end(lock) or print(lock.name) or lock.release() or end(lock))


@section
def a_lock_that_is_waited_for():
    def make():
        lock = DeferredLock()
        lock.acquire()
        lock.acquire().addCallback(print)
        return lock

    def end(lock):
        print(lock.locked, len(lock.waiting))
        lock.waiting[0].addBoth(lambda r: print(r is lock, isinstance(r, Failure)))

    every_way(make, end)


@section
def a_semaphore():
    def make():
        semaphore = DeferredSemaphore(3)
        semaphore.acquire()
        return semaphore

    every_way(make, lambda s: print(s.tokens, s.limit, s.waiting) or s.release() or print(s.tokens))


@section
def a_queue():
    def make():
        queue = DeferredQueue(5, 6)
        queue.put("a")
        queue.put("b")
        return queue

    def end(queue):
        queue.get().addCallback(print)
        print(queue.size, queue.backlog, queue.pending, queue.waiting)

    every_way(make, end)


@section
def a_shallow_copy_shares_what_is_in_it():
    queue = DeferredQueue()
    copy.copy(queue).put(1)
    print(queue.pending)
    lock = DeferredLock()
    print(copy.copy(lock).waiting is lock.waiting)


@section
def functions_and_classes():
    for thing in (Deferred, DeferredList, DeferredLock, DeferredQueue, succeed, fail, inlineCallbacks):
        print(all(way(thing) is thing for way in WAYS))


tell()
