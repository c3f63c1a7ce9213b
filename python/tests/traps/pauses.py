"""
``pause`` and ``unpause`` in every order.
"""

import itertools

from telling import section, tell
from twisted.internet.defer import Deferred, succeed


def say(result, name):
    print(name, result)
    return result


@section
def every_order_of_six():
    steps = {
        "pause": lambda d: d.pause(),
        "unpause": lambda d: d.unpause(),
        "fire": lambda d: d.called or d.callback(1),
        "add": lambda d: d.addCallback(say, "callback"),
    }
    for order in itertools.product(steps, repeat=6):
        d = Deferred()
        for step in order:
            steps[step](d)
            print(step, d.paused, len(d._callbacks), end="; ")
        print()


@section
def unpaused_while_it_waits():
    inner = Deferred()
    outer = succeed(1).addCallback(lambda _: inner).addCallback(say, "outer")
    outer.unpause()
    print(outer.paused, type(outer.result).__name__)
    inner.callback(2)
    print(outer.paused, outer.result)
    outer.pause()
    outer.addCallback(say, "late")


@section
def an_inner_that_is_below_zero():
    inner = succeed(1)
    inner.unpause()
    outer = succeed(1).addCallback(lambda _: inner).addCallback(say, "outer")
    print(outer.paused, inner.paused)
    inner.pause()
    inner.addCallback(say, "inner")
    print(outer.paused)


@section
def an_outer_that_is_below_zero():
    inner = Deferred()
    outer = Deferred().addCallback(lambda _: inner).addCallback(say, "outer")
    outer.unpause()
    outer.callback(1)
    print(outer.paused, outer.called)
    outer.pause()
    print(outer.paused)
    outer.addCallback(say, "added")
    inner.callback(2)


@section
def paused_from_within():
    d = Deferred()
    d.addCallback(lambda r: d.pause() or say(r, "first"))
    d.addCallback(say, "second")
    d.callback(1)
    print(d.paused)
    d.addCallback(say, "third")
    d.unpause()


@section
def written_by_hand():
    d = Deferred().addCallback(say, "callback")
    d.paused = -2
    d.callback(1)
    d.unpause()
    print(d.paused)
    d.paused = 1
    d.unpause()


tell()
