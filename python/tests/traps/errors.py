"""Exceptions of every kind out of callbacks, generators, coroutines and cancellers; what is reported, and when."""

import gc
import traceback
import warnings

from telling import attempt, outcome, section, tell
from twisted.internet import defer
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    fail,
    inlineCallbacks,
    maybeDeferred,
    returnValue,
    succeed,
)
from twisted.python.failure import Failure

KINDS = (
    ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration, StopAsyncIteration,
    RecursionError, MemoryError, CancelledError, BaseException,
)


def raising(kind):
    def function(*_):
        raise kind("raised")

    return function


@section
def outOfACallback():
    for kind in KINDS:
        outcome(succeed(1).addCallback(raising(kind)))


@section
def outOfAnErrback():
    for kind in KINDS:
        outcome(fail(ValueError("first")).addErrback(raising(kind)))


@section
def outOfAGenerator():
    @inlineCallbacks
    def at_once(kind):
        raise kind("at once")
        yield

    @inlineCallbacks
    def later(kind, deferred):
        yield deferred
        raise kind("later")

    for kind in KINDS:
        outcome(at_once(kind))
        waiting = later(kind, deferred := Deferred())
        deferred.callback(None)
        outcome(waiting)


@section
def outOfACoroutine():
    async def at_once(kind):
        raise kind("at once")

    async def later(kind, deferred):
        await deferred
        raise kind("later")

    for kind in KINDS:
        outcome(Deferred.fromCoroutine(at_once(kind)))
        waiting = Deferred.fromCoroutine(later(kind, deferred := Deferred()))
        deferred.callback(None)
        outcome(waiting)


@section
def intoAGenerator():
    @inlineCallbacks
    def catching(deferred):
        try:
            yield deferred
        except BaseException as error:
            return type(error).__name__, str(error)

    for kind in KINDS:
        outcome(catching(fail(kind("thrown"))))
        waiting = catching(deferred := Deferred())
        deferred.errback(kind("thrown later"))
        outcome(waiting)


@section
def throughAGenerator():
    @inlineCallbacks
    def passing(deferred):
        yield deferred

    for kind in KINDS:
        outcome(passing(fail(kind("thrown"))))


@section
def intoACoroutine():
    async def catching(deferred):
        try:
            await deferred
        except BaseException as error:
            return type(error).__name__, str(error)

    for kind in KINDS:
        outcome(Deferred.fromCoroutine(catching(fail(kind("thrown")))))
        waiting = Deferred.fromCoroutine(catching(deferred := Deferred()))
        deferred.errback(kind("thrown later"))
        outcome(waiting)


@section
def outOfMaybeDeferred():
    for kind in KINDS:
        attempt(lambda: outcome(maybeDeferred(raising(kind))))
        attempt(lambda: outcome(defer.execute(raising(kind))))


@section
def outOfAMember():
    for kind in KINDS:
        both = DeferredList([fail(kind("x")), succeed(1)], consumeErrors=True)
        outcome(both.addCallback(lambda results: [ok for ok, _ in results]))


@section
def aGeneratorThatWillNotEnd():
    @inlineCallbacks
    def stubborn(deferred):
        while True:
            try:
                yield deferred
            except GeneratorExit:
                print("told to end")
                raise
            finally:
                print("finally")

    waiting = stubborn(deferred := Deferred())
    del waiting, deferred
    gc.collect()


@section
def theContextOfAnError():
    def first(_):
        raise KeyError("first")

    def second(failure):
        raise ValueError("second") from failure.value

    def third(failure):
        raise TypeError("third")

    deferred = succeed(1).addCallback(first).addErrback(second)
    deferred.addErrback(lambda failure: print(repr(failure.value), repr(failure.value.__cause__)))
    deferred = succeed(1).addCallback(first).addErrback(third)
    deferred.addErrback(lambda failure: print(repr(failure.value), repr(failure.value.__context__)))


@section
def theErrorBeingHandledIsNoneInACallback():
    import sys

    succeed(1).addCallback(raising(ValueError)).addErrback(lambda _: print(sys.exc_info()))
    try:
        raise KeyError("outside")
    except KeyError:
        succeed(1).addCallback(lambda _: print(sys.exc_info()[0]))


@section
def framesOfTheApplicationAreThere():
    def deepest():
        raise ValueError("deep")

    def callback(_):
        deepest()

    @inlineCallbacks
    def generator():
        yield succeed(1).addCallback(callback)

    @inlineCallbacks
    def outer():
        yield generator()

    def ours(failure):
        names = [frame[0] for frame in failure.frames]
        print([name for name in names if name in ("deepest", "callback", "generator", "outer")])
        found = [frame.name for frame in traceback.extract_tb(failure.getTracebackObject())]
        print([name for name in found if name in ("deepest", "callback", "generator", "outer")])

    succeed(1).addCallback(callback).addErrback(ours)
    generator().addErrback(ours)
    outer().addErrback(ours)


@section
def theInnermostFrameIsWhereItWasRaised():
    succeed(1).addCallback(lambda _: 1 // 0).addErrback(lambda failure: print(failure.frames[-1][0]))
    print(fail(ValueError()).addErrback(lambda failure: print(failure.frames)).result)


@section
def misuseOfReturnValueIsWarnedOf():
    def ends():
        returnValue("taken")

    @inlineCallbacks
    def misused():
        yield succeed(1)
        ends()

    @inlineCallbacks
    def used():
        yield succeed(1)
        returnValue("well")

    @inlineCallbacks
    def after_a_failure():
        try:
            yield fail(ValueError())
        except ValueError:
            ends()

    for function in (misused, used, after_a_failure):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outcome(function())
        for warning in caught:
            line = warning.lineno - misuseOfReturnValueIsWarnedOf.__code__.co_firstlineno
            print(warning.category.__name__, warning.message, warning.filename == __file__, line)


@section
def debugStacksAreOfTheApplication():
    def make():
        return Deferred()

    def fire(deferred):
        deferred.callback(1)

    defer.setDebugging(True)
    try:
        deferred = make()
        fire(deferred)
        try:
            fire(deferred)
        except defer.AlreadyCalledError as error:
            lines = str(error).splitlines()
            for index, line in enumerate(lines):
                if not line.startswith((" C:  ", " I:  ")):
                    print(line)
                elif __file__ in line:
                    print(line.split(", ")[-1], lines[index + 1].strip())
    finally:
        defer.setDebugging(False)


@section
def debugStacksOfFunctionsThatMakeOne():
    defer.setDebugging(True)
    try:

        def succeeds():
            return succeed(1)

        def fails():
            return fail(ValueError())

        async def coroutine():
            return 1

        def runs():
            return Deferred.fromCoroutine(coroutine())

        @inlineCallbacks
        def generates():
            yield None

        def lists():
            return DeferredList([])

        for function in (succeeds, fails, runs, generates, lists):
            made = function()
            own = [line for line in made._debugInfo.creator if __file__ in line]
            print(function.__name__, own[-1].split(" in ")[-1].strip().split("\n")[0])
            made.addErrback(lambda _: None)
    finally:
        defer.setDebugging(False)


@section
def unhandledIsReportedAtOnce():
    fail(ValueError("dropped"))
    print("after")


@section
def unhandledInACycleIsReportedByTheCollector():
    failed = fail(ValueError("in a cycle"))
    failed.itself = failed
    del failed
    print("not yet")
    gc.collect()
    print("now")


@section
def handledIsNotReported():
    fail(ValueError("handled")).addErrback(lambda _: None)
    failed = fail(ValueError("passed on"))
    succeed(None).addCallback(lambda _: failed).addErrback(lambda _: None)
    del failed
    gc.collect()
    print("nothing was logged")


@section
def whatIsLeftInTheOuterIsReportedOnce():
    inner = Deferred()
    outer = succeed(None).addCallback(lambda _: inner)
    inner.errback(ValueError("once"))
    del inner
    print("inner gone")
    del outer
    gc.collect()


@section
def theGeneratorsOwnFailureIsReportedOnce():
    @inlineCallbacks
    def failing():
        yield succeed(1)
        raise ValueError("in a generator")

    failing()
    gc.collect()


@section
def aSystemExitThatNobodyHandlesIsReported():
    for kind in (SystemExit, KeyboardInterrupt, GeneratorExit):
        succeed(1).addCallback(raising(kind))
        gc.collect()


@section
def theReportNamesTheCreatorWhenDebugging():
    defer.setDebugging(True)
    try:
        fail(ValueError("debugged"))
        gc.collect()
    finally:
        defer.setDebugging(False)


@section
def logErrorPassesOn():
    outcome(fail(ValueError("logged")).addErrback(defer.logError))


@section
def aFailureIsNotChangedOnItsWay():
    failure = Failure(ValueError("same"))
    deferred = fail(failure)
    deferred.addErrback(lambda got: print(got is failure) or got)
    outer = succeed(None).addCallback(lambda _: deferred)
    outer.addErrback(lambda got: print(got is failure))


@section
def oneErrorThrownIntoMany():
    @inlineCallbacks
    def generator(deferred):
        try:
            yield deferred
        except ValueError as error:
            return error is thrown

    thrown = ValueError("shared")
    for _ in range(3):
        outcome(generator(fail(thrown)))


@section
def anErrorThatTakesNoAttributes():
    class Frozen(Exception):
        def __setattr__(self, name, value):
            raise TypeError(f"{name} cannot be set")

    @defer.inlineCallbacks
    def generator(awaited):
        try:
            yield awaited
        except Frozen as error:
            return type(error).__name__

    async def coroutine(awaited):
        return await generator(awaited)

    outcome(generator(fail(Frozen())))
    late = Deferred()
    ended = Deferred.fromCoroutine(coroutine(late))
    late.errback(Frozen())
    outcome(ended)


tell()
