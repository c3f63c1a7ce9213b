"""
``addTimeout`` and ``race``, in every situation that a program can tell.
"""

import gc
import weakref

from telling import section, tell
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, fail, race, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure


def show(deferred, name="result"):
    def told(result):
        if isinstance(result, Failure):
            print(name, "failed:", result.type.__module__, result.type.__name__, result.getErrorMessage())
        else:
            print(name, result)

    deferred.addBoth(told)
    return deferred


def calls(clock):
    print([(call.getTime(), call.active()) for call in clock.getDelayedCalls()])


@section
def in_time():
    clock, d = Clock(), Deferred()
    print(d.addTimeout(10, clock) is d)
    calls(clock)
    show(d)
    d.callback("in time")
    calls(clock)
    clock.advance(20)


@section
def too_late():
    clock, d = Clock(), Deferred()
    show(d.addTimeout(2.5, clock))
    clock.advance(2)
    print(d.called)
    clock.advance(1)
    print(d.called)
    calls(clock)
    d.callback("swallowed")


@section
def the_error():
    clock, d = Clock(), Deferred()
    d.addTimeout(3, clock)
    d.addErrback(lambda f: print(repr(f.value), f.value.args, f.check(TimeoutError), f.check(CancelledError)))
    clock.advance(3)


@section
def fails_in_time():
    clock, d = Clock(), Deferred()
    show(d.addTimeout(1, clock))
    d.errback(ValueError("its own"))
    calls(clock)


@section
def fired_before():
    clock = Clock()
    show(succeed(1).addTimeout(1, clock))
    show(fail(ValueError("v")).addTimeout(1, clock))
    calls(clock)


@section
def cancelled_by_somebody_else():
    clock, d = Clock(), Deferred()
    show(d.addTimeout(1, clock))
    d.cancel()
    calls(clock)


@section
def a_canceller_that_gives_a_result():
    clock, d = Clock(), Deferred(lambda d: d.callback("cancelled instead"))
    show(d.addTimeout(1, clock))
    clock.advance(1)


@section
def a_canceller_that_fails_otherwise():
    clock, d = Clock(), Deferred(lambda d: d.errback(KeyError("k")))
    show(d.addTimeout(1, clock))
    clock.advance(1)


@section
def on_timeout_cancel():
    clock = Clock()
    for convert in (
        lambda result, seconds: print(result.type.__name__, seconds) or "converted",
        lambda result, seconds: result,
        lambda result, seconds: 1 / 0,
        lambda result, seconds: succeed("another"),
        lambda result, seconds: fail(KeyError("another")),
        0,
    ):
        d = Deferred()
        show(d.addTimeout(1, clock, convert))
        clock.advance(1)
        calls(clock)
        d = Deferred()
        show(d.addTimeout(1, clock, onTimeoutCancel=convert))
        d.callback("in time")


@section
def on_timeout_cancel_waits():
    clock, d, other = Clock(), Deferred(), Deferred()
    show(d.addTimeout(1, clock, lambda result, seconds: other))
    clock.advance(1)
    print(d.called, d.paused)
    other.callback("late")


@section
def what_is_added_later_is_not_timed():
    clock, d, later = Clock(), Deferred(), Deferred()
    d.addTimeout(1, clock)
    d.addCallback(lambda _: later)
    show(d)
    d.callback(None)
    calls(clock)
    clock.advance(5)
    later.callback("late")


@section
def what_was_added_before_is():
    clock, d, later = Clock(), Deferred(), Deferred()
    d.addCallback(lambda _: later)
    show(d.addTimeout(1, clock))
    d.callback(None)
    clock.advance(5)
    print(later.called)


@section
def two_timeouts():
    clock = Clock()
    for first, second in ((1, 2), (2, 1)):
        d = Deferred()
        d.addTimeout(first, clock)
        show(d.addTimeout(second, clock))
        clock.advance(1)
        calls(clock)


@section
def a_paused_one():
    clock, d = Clock(), Deferred()
    d.pause()
    show(d.addTimeout(1, clock))
    d.callback(1)
    calls(clock)
    clock.advance(1)
    d.unpause()
    calls(clock)


@section
def the_clock_raises():
    class Broken:
        def callLater(self, *args):
            raise ValueError("no clock")

    d = Deferred()
    try:
        d.addTimeout(1, Broken())
    except ValueError as error:
        print(error)
    show(d)
    d.callback("not timed")


@section
def the_call_raises():
    class Call:
        def active(self):
            return True

        def cancel(self):
            raise ValueError("cannot cancel")

    class Odd:
        def callLater(self, seconds, function, *args):
            print(seconds, args)
            return Call()

    show(Deferred().addTimeout(1, Odd())).callback(1)


@section
def the_delayed_call_says_what_it_calls():
    clock, d = Clock(), Deferred()
    d.addTimeout(1, clock)
    print(clock.getDelayedCalls()[0])
    print([pair[0][0].__name__ for pair in d._callbacks])


@section
def arguments():
    for arguments in ((), (1,), (1, Clock(), None, None)):
        try:
            Deferred().addTimeout(*arguments)
        except TypeError:
            print("TypeError")
    show(Deferred().addTimeout(timeout=1, clock=Clock())).callback("by name")


@section
def a_class_of_its_own():
    class Mine(Deferred):
        def addBoth(self, callback, *args, **kwargs):
            print("addBoth", callback.__name__)
            return super().addBoth(callback, *args, **kwargs)

        def cancel(self):
            print("cancel")
            super().cancel()

    clock, d = Clock(), Mine()
    show(d.addTimeout(1, clock))
    clock.advance(1)


@section
def debugging():
    defer.setDebugging(True)
    try:
        clock, d = Clock(), Deferred()
        show(d.addTimeout(1, clock))
        clock.advance(1)
    finally:
        defer.setDebugging(False)


@section
def freed_at_once():
    clock, d = Clock(), Deferred()
    show(d.addTimeout(1, clock))
    d.callback(1)
    ref = weakref.ref(d)
    del d
    print(ref() is None)


@section
def freed_as_a_cycle():
    class Clocks:
        def callLater(self, seconds, function):
            self.function = function
            return self

    clock, d = Clocks(), Deferred()
    clock.itself = clock
    d.addTimeout(1, clock)
    ref = weakref.ref(d)
    del d, clock
    gc.collect()
    print(ref() is None)


@section
def race_is_won():
    for winner in (0, 1, 2):
        ds = [Deferred(lambda d, n=n: print("cancelled", n)) for n in range(3)]
        show(race(ds))
        ds[winner].callback("won")
        print([d.called for d in ds])


@section
def race_with_ready_ones():
    show(race([Deferred(), succeed("ready"), succeed("too")]))
    show(race([fail(ValueError("1")), succeed("ready")]))


@section
def race_that_all_lose():
    ds = [Deferred() for _ in range(3)]
    d = race(ds)
    d.addErrback(lambda f: print(f.type.__name__, [(one.type.__name__, one.getErrorMessage()) for one in f.value.failures]))
    for n, one in enumerate(ds):
        one.errback(ValueError(n))


@section
def race_of_none():
    d = show(race([]))
    print(d.called)


@section
def race_cancelled():
    ds = [Deferred() for _ in range(2)]
    d = race(ds)
    d.addErrback(lambda f: print(f.type.__name__, [one.type.__name__ for one in getattr(f.value, "failures", [])]))
    d.cancel()
    print([one.called for one in ds])


@section
def deprecated_timeout():
    d = show(Deferred())
    defer.timeout(d)


tell()
