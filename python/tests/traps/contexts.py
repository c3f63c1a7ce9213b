"""Context variables: each generator and each coroutine has a copy of its own, and callbacks have none."""

from contextvars import ContextVar, copy_context

from telling import outcome, section, tell
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, maybeDeferred, succeed

where = ContextVar("where", default="nowhere")


@inlineCallbacks
def generator(name, awaited):
    seen = [where.get()]
    where.set(name)
    yield awaited
    seen.append(where.get())
    yield succeed(None)
    seen.append(where.get())
    return seen


async def coroutine(name, awaited):
    seen = [where.get()]
    where.set(name)
    await awaited
    seen.append(where.get())
    await succeed(None)
    seen.append(where.get())
    return seen


@section
def eachStepHasItsOwn():
    where.set("outside")
    one, other = Deferred(), Deferred()
    ended = [generator("one", one), Deferred.fromCoroutine(coroutine("other", other))]
    print(where.get())
    where.set("changed")
    other.callback(None)
    one.callback(None)
    for each in ended:
        outcome(each)
    print(where.get())


@section
def theContextIsCopiedWhenItIsCalled():
    where.set("first")
    awaited = Deferred()
    ended = generator("inside", awaited)
    where.set("second")
    awaited.callback(None)
    outcome(ended)


@section
def nestedOnesCopyTheirCallers():
    @inlineCallbacks
    def outer(awaited):
        where.set("outer")
        inner = yield generator("inner", awaited)
        return inner, where.get()

    awaited = Deferred()
    ended = outer(awaited)
    awaited.callback(None)
    outcome(ended)


@section
def yieldedCoroutinesCopyToo():
    @inlineCallbacks
    def outer():
        where.set("outer")
        inner = yield coroutine("inner", succeed(None))
        return inner, where.get()

    async def awaiting():
        where.set("awaiting")
        # Awaited directly, it is one with its caller.
        inner = await coroutine("inner", succeed(None))
        return inner, where.get()

    outcome(outer())
    outcome(Deferred.fromCoroutine(awaiting()))


@section
def callbacksRunInWhatFires():
    where.set("added")
    deferred = Deferred()
    deferred.addCallback(lambda _: where.get())
    copy_context().run(lambda: (where.set("fired"), deferred.callback(None)))
    outcome(deferred)


@section
def callbacksOfAGeneratorRunInWhatFires():
    where.set("called")
    awaited = Deferred()
    ended = generator("inside", awaited).addCallback(lambda _: where.get())
    copy_context().run(lambda: (where.set("fired"), awaited.callback(None)))
    outcome(ended)


@section
def errorsAreThrownInTheContext():
    @inlineCallbacks
    def catching(awaited):
        where.set("inside")
        try:
            yield awaited
        except ValueError:
            return where.get()

    where.set("outside")
    ended = catching(awaited := Deferred())
    awaited.errback(ValueError())
    outcome(ended)
    cancelled = catching(Deferred())
    cancelled.addErrback(lambda failure: (failure.type.__name__, where.get()))
    cancelled.cancel()
    outcome(cancelled)


@section
def tokensCanBeReset():
    @inlineCallbacks
    def resetting(awaited):
        token = where.set("set")
        yield awaited
        where.reset(token)
        return where.get()

    where.set("outside")
    ended = resetting(awaited := Deferred())
    awaited.callback(None)
    outcome(ended)


@section
def aGeneratorInsideOfACallbackOfAnother():
    @inlineCallbacks
    def outer():
        where.set("outer")
        got = yield succeed(None).addCallback(lambda _: generator("inner", succeed(None)))
        return got, where.get()

    outcome(outer())


@section
def listsAndMaybe():
    where.set("outside")
    outcome(maybeDeferred(coroutine, "maybe", succeed(None)))
    members = [Deferred(), Deferred()]
    both = DeferredList(members).addCallback(lambda _: where.get())
    copy_context().run(lambda: (where.set("first"), members[0].callback(None)))
    copy_context().run(lambda: (where.set("last"), members[1].callback(None)))
    outcome(both)


tell()
