"""
The list of a Deferred's callbacks, looked at and changed by hand.
"""

import warnings

from telling import section, tell
from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList, succeed


def one(result):
    print("one", result)
    return result


def two(result, *args, **kwargs):
    print("two", result, args, kwargs)
    return result


def shown(d):
    def names(triple):
        function, arguments, keywords = triple
        return getattr(function, "__name__", type(function).__name__), arguments, dict(keywords)

    print(len(d._callbacks), [(names(callback), names(errback)) for callback, errback in d._callbacks])


@section
def every_way_to_add():
    d = Deferred()
    d.addCallback(one).addCallback(two, 1, a=2)
    d.addErrback(one).addErrback(two, 1, a=2)
    d.addBoth(one).addBoth(two, 1, a=2)
    d.addCallbacks(one, two).addCallbacks(one, two, (1,), {"a": 2}, (3,), {"b": 4}).addCallbacks(one)
    shown(d)


@section
def chained():
    d, other = Deferred(), Deferred()
    d.chainDeferred(other)
    shown(d)


@section
def waiting():
    inner = Deferred()
    outer = succeed(1).addCallback(lambda _: inner).addCallback(one)
    (callback, errback), = inner._callbacks
    print(callback[0] is defer._CONTINUE, callback[1][0] is outer, callback == errback)
    shown(outer)


@section
def member_of_a_list():
    d = Deferred()
    DeferredList([Deferred(), d])
    shown(d)


@section
def equality():
    d = Deferred()
    print(d._callbacks == [], d._callbacks == [1], bool(d._callbacks), repr(d._callbacks))
    d.addBoth(one)
    print(d._callbacks == [((one, (), {}), (one, (), {}))], bool(d._callbacks))
    d.addErrback(one)
    print(d._callbacks[1] == ((defer.passthru, (), {}), (one, (), {})), d._callbacks[-1][1][0] is one)
    d.addCallback(one)
    print(d._callbacks[2][1] == (defer._failthru, (), {}), len(d._callbacks[:2]))


@section
def append():
    d = Deferred().addCallback(one)
    d._callbacks.append(((two, (1,), {"a": 2}), (two, (3,), {})))
    shown(d)
    d.callback("result")


@section
def insert_and_pop():
    d = Deferred().addCallback(one).addCallback(two)
    d._callbacks.insert(0, ((two, (0,), {}), (defer._failthru, (), {})))
    print(d._callbacks.pop()[0][0].__name__, d._callbacks.pop(0)[0][1])
    shown(d)
    d.callback("result")


@section
def clear_and_delete():
    d = Deferred().addCallback(one).addCallback(two).addBoth(one)
    del d._callbacks[0]
    shown(d)
    d._callbacks[0], d._callbacks[1] = d._callbacks[1], d._callbacks[0]
    shown(d)
    d._callbacks.clear()
    d.callback("result")
    print(d.result)


@section
def a_list_that_is_kept():
    d = Deferred()
    kept = d._callbacks
    d.addCallback(one)
    print(len(kept))
    kept.extend(Deferred().addCallback(two)._callbacks)
    d.callback("result")
    print(len(kept))


@section
def as_any_list():
    d = Deferred().addCallback(one).addCallback(two)
    first, last = d._callbacks
    d._callbacks.extend(d._callbacks)
    d._callbacks += [first]
    shown(d)
    print(d._callbacks.index(last), d._callbacks.index(last, 2), d._callbacks.index(first, 1, 3), d._callbacks.count(first))
    print(first in d._callbacks, 1 in d._callbacks, [pair == first for pair in reversed(d._callbacks)])
    d._callbacks.reverse()
    d._callbacks.remove(last)
    shown(d)
    for missing in (lambda: d._callbacks.index(1), lambda: d._callbacks.remove(1)):
        try:
            missing()
        except ValueError as error:
            print(type(error).__name__)
    d.callback("result")


@section
def very_many():
    d = Deferred()
    for _ in range(20_000):
        d.addCallback(one)
    d._callbacks.extend(list(d._callbacks))
    print(len(d._callbacks), d._callbacks.index(d._callbacks[-1]), sum(1 for _ in d._callbacks))
    d._callbacks.clear()


@section
def another_list():
    d = Deferred().addCallback(one)
    d._callbacks = Deferred().addCallback(two)._callbacks[:]
    shown(d)
    d.callback("result")


@section
def callbacks_that_move_to_another():
    d, other = Deferred().addCallback(one).addErrback(two), Deferred()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for callback in d.callbacks:
            other.callbacks.append(callback)
    d.callback(1)
    other.errback(ValueError("v"))
    print(other.result.type.__name__)
    other.addErrback(lambda _: None)


@section
def a_waiter_is_moved():
    inner, other = Deferred(), Deferred()
    outer = succeed(1).addCallback(lambda _: inner).addCallback(one)
    other._callbacks.append(inner._callbacks.pop())
    inner.callback("nobody waits")
    print(outer.paused)
    other.callback("another")
    print(outer.paused)


@section
def changed_while_it_runs():
    d = Deferred()
    d.addCallback(lambda r: d._callbacks.append(((two, ("added",), {}), (two, (), {}))) or r)
    d.addCallback(one)
    d.callback("result")


@section
def the_deprecated_name():
    d = Deferred().addCallback(one)
    print(len(d.callbacks))
    try:
        d.callbacks = []
    except AttributeError:
        print("AttributeError")


@section
def called_by_hand():
    d = Deferred().addTimeout(1, type("Clock", (), {"callLater": lambda *args: type("Call", (), {"active": bool})}))
    for (callback, args, kwargs), _ in list(d._callbacks):
        print(callback("by hand", *args, **kwargs))


tell()
