"""
Deferreds that are given back to themselves, or that have another as a plain value: nobody should, and the oracle does.
"""

from telling import section, tell
from twisted.internet.defer import (
    Deferred,
    DeferredList,
    DeferredLock,
    execute,
    gatherResults,
    inlineCallbacks,
)
from twisted.internet.task import Clock


def looked_at(**deferreds):
    names = {id(d): name for name, d in deferreds.items()}

    def shown(value):
        if isinstance(value, list):
            return [shown(each) for each in value]
        if isinstance(value, tuple):
            return tuple(shown(each) for each in value)
        return names.get(id(value), value)

    for name, d in deferreds.items():
        result = shown(getattr(d, "result", "none"))
        print(name, d.called, d.paused, result, len(d._callbacks))


@section
def given_to_itself_and_then_unpaused():
    d = Deferred()
    d.addCallback(lambda _: d).callback(1)
    looked_at(d=d)
    d.unpause()
    looked_at(d=d)


@section
def a_list_gives_back_the_member_that_fired_it():
    d = Deferred()
    several = DeferredList([d]).addCallback(lambda _: d)
    d.callback(1)
    looked_at(d=d, several=several)


@section
def a_member_with_a_deferred_as_its_value():
    d = Deferred()
    several = gatherResults([d])
    d.callback(several)
    looked_at(d=d, several=several)


@section
def a_link_with_nothing_for_the_deferred_itself():
    @inlineCallbacks
    def body():
        yield start
        return own

    start = Deferred()
    own = body()
    own.addErrback(print)
    start.callback(1)
    looked_at(own=own)
    own.unpause()


@section
def a_timeout_of_one_with_a_deferred_as_its_value():
    clock = Clock()
    inner = Deferred()
    outer = execute(lambda: inner).addTimeout(5, clock)
    looked_at(inner=inner, outer=outer)
    print(len(clock.getDelayedCalls()))
    inner.callback(1)
    looked_at(inner=inner, outer=outer)
    print(len(clock.getDelayedCalls()))


@section
def a_timeout_gives_back_its_own_deferred():
    clock = Clock()
    d = Deferred()
    d.addTimeout(1, clock, lambda *_: d)
    clock.advance(1)
    looked_at(d=d)
    d.unpause()


@section
def what_a_timeout_leaves_while_its_function_waits():
    clock = Clock()
    d, inner = Deferred(), Deferred()
    d.addTimeout(1, clock, lambda *_: inner)
    looked_at(d=d, inner=inner)
    clock.advance(1)
    looked_at(d=d, inner=inner)
    inner.callback(1)
    looked_at(d=d, inner=inner)


@section
def a_function_with_a_lock_gives_back_the_deferred_of_its_own_run():
    lock = DeferredLock()
    lock.acquire()
    ran = lock.run(lambda: ran)
    lock.release()
    looked_at(ran=ran)
    ran.unpause()


@section
def paused_by_the_generator_that_is_cancelled():
    @inlineCallbacks
    def body():
        try:
            yield Deferred()
        finally:
            d.pause()
        return "through"

    d = body()
    d.addErrback(lambda failure: print(failure.type))
    d.cancel()
    looked_at(d=d)
    d.unpause()
    looked_at(d=d)


@section
def a_list_that_has_fired_is_not_cancelled_through_a_generator():
    @inlineCallbacks
    def body(awaited):
        return (yield awaited)

    inner = body(Deferred(lambda _: print("cancelled")))
    several = DeferredList([]).addCallback(lambda _: inner)
    body(body(several)).cancel()
    looked_at(several=several, inner=inner)


@section
def a_timeout_on_one_that_is_paused_by_its_own_callback():
    d = Deferred()
    d.unpause()
    d.addCallback(lambda _: d.pause())
    d.callback(1)
    d.pause()
    d.addTimeout(1, Clock())
    looked_at(d=d)


tell()
