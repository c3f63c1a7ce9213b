"""The oracle's interpreter for Twisted's Deferreds: stock ones, or Hereafter's under `python -m hereafter`.

    python interpreter.py stock
    python -m hereafter interpreter.py hereafter

It reads a program from each line of its input, runs it, and writes its trace as a line. What a program and a trace
are made of is told in `docs/oracle.md`.

Nothing here knows which side it is on, but for the one rule of `Canceller`. The side is given so that a run that
compares stock with stock cannot pass unnoticed.
"""

import gc
import json
import signal
import sys
import types
import warnings
import weakref
from functools import partial

from twisted.internet import defer
from twisted.internet.task import Clock
from twisted.logger import Logger, globalLogBeginner, globalLogPublisher
from twisted.python.failure import Failure

MISSING = object()
# The seconds that a program may compute. It takes a thousandth of one.
PATIENCE = 1.0
log = Logger()


class E(Exception):
    """What programs raise."""


class F(E):
    """A special case of it."""


class B(BaseException):
    """What is no `Exception`."""


CLASSES = {"e": E, "f": F, "b": B, "cancelled": defer.CancelledError, "any": Exception, "all": BaseException}


def make_error(error):
    name, number = error
    return CLASSES[name](number)


def show(value):
    """A value as the trace tells it: never by its address."""
    if value is None or isinstance(value, (int, str)):
        return str(value)
    if isinstance(value, Failure):
        return show_error(value.value)
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(show, value))})"
    return getattr(value, "shown", None) or f"a {type(value).__name__}"


def show_error(error):
    if isinstance(error, defer.FirstError):
        return f"!FirstError #{error.index} {show(error.subFailure)}"
    if isinstance(error, defer.FailureGroup):
        return f"!FailureGroup {show(list(error.failures))}"
    # In debug mode it tells of stacks, which name the machinery's own frames.
    text = "" if isinstance(error, defer.AlreadyCalledError) else str(error)
    return f"!{type(error).__name__} {text}".rstrip()


class Run:
    """One program, while it runs."""

    def __init__(self, stock):
        self.stock = stock
        self.events = []
        self.deferreds = {}
        self.references = []
        self.states = {}
        self.things = {}
        self.clock = Clock()
        self.headline = None
        self.cancelling = set()
        self.bodies = 0
        self.paused = []
        self.once_awaited = []
        self.given = set()
        # Where results come from: of what is chained to, waits, is a list, or is what a body ends in.
        self.sources = {}

    def tell(self, *event):
        self.events.append(event)

    def excuse(self, rule, doors="both"):
        """Tells that a difference which is kept on purpose may be seen from here on: on both doors, or the native."""
        if self.stock:
            self.tell("excuse", rule, doors)

    # Running

    def program(self, steps):
        for number, step in enumerate(steps):
            self.tell("step", number)
            self.do((step,))
            self.tell_states()
        self.tell("end")
        for each in (self.deferreds, self.things, self.states):
            each.clear()
        self.clock = None
        gc.collect()
        for number, reference in self.references:
            if reference() is not None:
                self.tell("leak", number)

    def do(self, operations):
        for operation in operations:
            ((name, arguments),) = operation.items()
            if type(arguments) is not list:
                arguments = (arguments,)
            try:
                OPERATIONS[name](self, *arguments)
            except BaseException as error:
                self.tell("raised", show_error(error))

    def tell_states(self):
        for number, deferred in self.deferreds.items():
            result = getattr(deferred, "result", MISSING)
            # What a deferred was chained to once lingers on, and means nothing, when it waits no more.
            waits = deferred._chainedTo is not None and (not deferred.called or result is deferred._chainedTo)
            state = (
                int(deferred.called),
                deferred.paused,
                show(deferred._chainedTo) if waits else None,
                None if result is MISSING else show(result),
                len(deferred._callbacks),
                int(deferred._suppressAlreadyCalled),
            )
            if self.states.get(number) != state:
                self.states[number] = state
                self.tell("state", number, *state)
                if result is deferred:
                    # A cancel that reaches it goes round until there is no stack left, and who knows where that ends.
                    self.excuse("a deferred waits on itself")
        for awaited in filter(None, (reference() for reference in self.once_awaited)):
            if self.stock and awaited._debugInfo is not None and awaited._debugInfo.failResult is not None:
                # Stock may come back to one that handed its result on, and find there what an await has handled.
                self.excuse("a failure that was awaited is reported")
        for paused in filter(None, (reference() for reference in self.paused)):
            self.look_at_paused(paused)

    def look_at_paused(self, paused):
        if "InlineCallbacksCancelledError" in show(getattr(paused, "result", None)):
            # Twisted tells a generator of a cancel by a link, which a pause holds up.
            self.excuse("a coroutine is cancelled while it is paused", "native")

    def log(self, event):
        # A report is two: a headline, and the failure.
        failure = event.get("log_failure")
        if failure is None:
            self.headline = event["log_format"]
        else:
            self.tell("report", self.headline or event["log_format"], show(failure))
            self.headline = None

    def warn(self, message, category, *_):
        self.tell("warning", category.__name__, str(message))

    # Deferreds

    def put(self, number, deferred):
        deferred.shown = f"d{number}"
        self.deferreds[number] = deferred
        # One for each, also for a number that stands for another now: a canceller may be called twice.
        self.references.append((number, weakref.ref(deferred, partial(self.freed, number))))

    def freed(self, number, _):
        self.tell("free", number)

    @staticmethod
    def more(link):
        """What a callback is given beside the result."""
        more = link.get("more")
        return ((), {}) if more is None else ((more,), {"key": more})

    def members(self, numbers):
        return [self.deferreds[number] for number in numbers if number in self.deferreds]

    def link(self, link, number=None):
        """A callback, for a deferred. It is a function, as what warns of callbacks looks for where it is written."""
        # The callback must not hold the deferred.
        of_list = isinstance(self.deferreds.get(number), defer.DeferredList)
        name, operations, end = link["name"], link["do"], link["end"]

        def callback(*arguments, **keywords):
            shown = [f"{key}={show(value)}" for key, value in keywords.items()]
            self.tell("call", name, *map(show, arguments), *shown)
            self.do(operations)
            if end == "pass":
                return arguments[0] if arguments else None
            ((kind, what),) = end.items()
            if kind == "return":
                return what
            if kind == "raise":
                raise make_error(what)
            if kind == "fail":
                return Failure(make_error(what))
            if kind == "give":
                given = self.deferreds.get(what)
                self.given.add(what)
                if number is not None:
                    if self.comes_from(what, number):
                        self.excuse("deferreds wait on one another")
                    self.sources[number] = [what]
                if given is not None and given._runningCallbacks:
                    self.excuse("given while it runs", "native")
                if of_list:
                    # A list that has fired is never cancelled, also when it waits for another.
                    self.excuse("a list waits for what its callback gave back", "native")
                return given
            assert kind == "trap", kind
            if arguments and isinstance(arguments[0], Failure):
                arguments[0].trap(CLASSES[what])
                return None
            return arguments[0] if arguments else None

        return callback

    def new(self, number, canceller):
        self.put(number, defer.Deferred(canceller and self.canceller(canceller)))

    def canceller(self, canceller):
        name, operations, error = canceller["name"], canceller["do"], canceller["raise"]

        def cancel(deferred):
            self.tell("call", name, show(deferred))
            if name in self.cancelling:
                self.excuse("a canceller is called again while it runs", "native")
            self.cancelling.add(name)
            self.do(operations)
            self.cancelling.discard(name)
            if error is None:
                return
            if not self.stock:
                raise make_error(error)
            # Hereafter's rule, which Twisted has for lists alone: it is logged, and the Deferred is cancelled.
            log.failure("Exception raised from user supplied canceller", Failure(make_error(error)))
            if not deferred.called:
                deferred.errback(defer.CancelledError())
                # It has been told of; that nobody handles what it led to is no news.
                cancelled = isinstance(deferred.result, Failure) and deferred.result.check(defer.CancelledError)
                if cancelled and deferred._debugInfo is not None:
                    deferred._debugInfo.failResult = None

        return cancel

    def succeed(self, number, value):
        self.put(number, defer.succeed(value))

    def fail(self, number, error):
        self.put(number, defer.fail(make_error(error)))

    def maybe(self, number, link):
        arguments, keywords = self.more(link)
        deferred = defer.maybeDeferred(self.link(link), *arguments, **keywords)
        # It may be one that has a number already.
        if getattr(deferred, "shown", None) is None:
            self.put(number, deferred)

    def execute(self, number, link):
        arguments, keywords = self.more(link)
        self.put(number, defer.execute(self.link(link), *arguments, **keywords))

    def add_callback(self, number, link):
        if number in self.deferreds:
            arguments, keywords = self.more(link)
            self.deferreds[number].addCallback(self.link(link, number), *arguments, **keywords)

    def add_errback(self, number, link):
        if number in self.deferreds:
            arguments, keywords = self.more(link)
            self.deferreds[number].addErrback(self.link(link, number), *arguments, **keywords)

    def add_both(self, number, link):
        if number in self.deferreds:
            arguments, keywords = self.more(link)
            self.deferreds[number].addBoth(self.link(link, number), *arguments, **keywords)

    def add_callbacks(self, number, callback, errback):
        if number in self.deferreds:
            both = self.link(callback, number), self.link(errback, number)
            given = callback.get("more"), errback.get("more")
            if given == (None, None):
                self.deferreds[number].addCallbacks(*both)
            else:
                self.deferreds[number].addCallbacks(*both, *self.more(callback), *self.more(errback))

    def callback(self, number, value):
        if number in self.deferreds:
            self.deferreds[number].callback(value)

    def callback_with(self, number, other):
        if number in self.deferreds and other in self.deferreds:
            self.deferreds[number].callback(self.deferreds[other])

    def errback(self, number, error):
        if number in self.deferreds:
            self.deferreds[number].errback(make_error(error))

    def errback_raised(self, number, error):
        if number in self.deferreds:
            if error is None:
                self.deferreds[number].errback()
                return
            try:
                raise make_error(error)
            except BaseException:
                self.deferreds[number].errback()

    def cancel(self, number):
        if number in self.deferreds:
            if self.bodies:
                self.excuse("cancelled while a body runs", "native")
            if number in self.given and self.deferreds[number].called:
                # There it may have become the one that it was given to.
                self.excuse("cancelled after it was given back", "native")
            self.deferreds[number].cancel()

    def pause(self, number):
        if number in self.deferreds:
            if self.deferreds[number].paused:
                # One that had its result when it began to wait is the other one there.
                self.excuse("paused while it waits", "native")
            self.paused.append(weakref.ref(self.deferreds[number]))
            self.deferreds[number].pause()

    def unpause(self, number):
        if number in self.deferreds:
            self.look_at_paused(self.deferreds[number])
            self.deferreds[number].unpause()

    def chain(self, number, other):
        if number in self.deferreds and other in self.deferreds:
            if self.comes_from(number, other):
                self.excuse("deferreds wait on one another")
            self.sources[other] = [number]
            self.deferreds[number].chainDeferred(self.deferreds[other])

    def comes_from(self, number, other):
        """Whether the result of one will come from that of the other, as far as that can be told from outside."""
        seen, ahead = set(), [number]
        while ahead:
            at = ahead.pop()
            if at == other:
                return True
            if at not in seen:
                seen.add(at)
                ahead.extend(self.sources.get(at, ()))
        return False

    # Several at once

    def list(self, number, members, switches):
        self.sources[number] = members
        self.put(
            number,
            defer.DeferredList(
                self.members(members),
                fireOnOneCallback=switches["one_callback"],
                fireOnOneErrback=switches["one_errback"],
                consumeErrors=switches["consume"],
            ),
        )

    def gather(self, number, members, consume):
        self.sources[number] = members
        self.put(number, defer.gatherResults(self.members(members), consumeErrors=consume))

    def race(self, number, members):
        self.sources[number] = members
        self.put(number, defer.race(self.members(members)))

    def lock(self, number):
        self.put_thing(number, defer.DeferredLock())

    def semaphore(self, number, tokens):
        self.put_thing(number, defer.DeferredSemaphore(tokens))

    def queue(self, number, size, backlog):
        self.put_thing(number, defer.DeferredQueue(size, backlog))

    def put_thing(self, number, thing):
        thing.shown = f"t{number}"
        self.things[number] = thing

    def acquire(self, number, thing):
        if thing in self.things:
            self.put(number, self.things[thing].acquire())

    def release(self, thing):
        if thing in self.things:
            self.things[thing].release()

    def run(self, number, thing, link):
        if thing in self.things:
            arguments, keywords = self.more(link)
            self.put(number, self.things[thing].run(self.link(link), *arguments, **keywords))
            self.let_in(self.things[thing])
    
    def locked(self, thing, statements):
        """The body of a generator that has a lock while it runs."""
        if thing not in self.things:
            return None
        self.let_in(self.things[thing])
        return self.things[thing].run(self.turn, self.things[thing], statements)

    def turn(self, lock, statements):
        """The body that has the lock. Others may have come to wait for it by its end."""

        def through(result):
            self.let_in(lock)
            return result

        return inline(self, None, statements).addBoth(through)

    def let_in(self, lock):
        if lock.waiting:
            # Hereafter lets the next one in when the one before is through, and not from inside it.
            self.excuse("let in by turns", "native")

    def enqueue(self, thing, value):
        if thing in self.things:
            self.things[thing].put(value)

    def dequeue(self, number, thing):
        if thing in self.things:
            self.put(number, self.things[thing].get())

    # Sequential style

    def inline(self, number, statements):
        self.put(number, inline(self, number, statements))

    def coroutine(self, number, statements):
        self.put(number, defer.Deferred.fromCoroutine(awaiting(self, number, statements)))

    def statement(self, kind, what):
        """What is the same in either style: whether the body ends here, and with what."""
        if kind == "do":
            self.do_in_body(what)
            return False, None
        if kind == "raise":
            raise make_error(what)
        if kind == "give":
            return True, self.deferreds.get(what)
        assert kind in ("return", "return_value"), kind
        return True, what

    def waited_for(self, own, number):
        """What a body waits for whose deferred is `own`."""
        if own is not None and self.comes_from(number, own):
            self.excuse("deferreds wait on one another")
        self.sources[own] = [number]
        deferred = self.deferreds.get(number)
        if deferred is not None and deferred.paused and deferred._runningCallbacks:
            self.excuse("a deferred is awaited that is paused while it runs", "native")
        return deferred

    def awaited(self, own, number):
        deferred = self.waited_for(own, number)
        self.once_awaited.append(weakref.ref(deferred))
        if deferred.called and deferred._runningCallbacks:
            self.excuse("awaited while it runs", "native")
        return deferred

    def caught(self, statement, error):
        """Whether the body goes on after an error at its `yield` or `await`."""
        self.tell("resumed", statement["name"], show_error(error))
        caught = statement["except"]
        if caught is None or not isinstance(error, CLASSES[caught]):
            return False
        self.do_in_body(statement["handler"])
        return True

    def do_in_body(self, operations):
        self.bodies += 1
        self.do(operations)
        self.bodies -= 1

    # The world around

    def timeout(self, number, seconds, link):
        if number in self.deferreds:
            self.deferreds[number].addTimeout(seconds, self.clock, link and self.on_timeout(link))

    def on_timeout(self, link):
        callback = self.link(link)

        def timed_out(result, seconds):
            if not isinstance(result, Failure):
                self.excuse("a timeout's function is called with a value", "native")
            return callback(result, seconds)

        return timed_out

    def later(self, seconds, operations):
        self.clock.callLater(seconds, self.do, operations)

    def advance(self, seconds):
        if self.bodies:
            self.excuse("cancelled while a body runs", "native")
        self.clock.advance(seconds)

    def drop(self, number):
        dropped = self.deferreds.get(number)
        if any(dropped in getattr(thing, "waiting", ()) for thing in self.things.values()):
            # Nobody could see what it gets: the next one gets it there.
            self.excuse("a wait for a queue is dropped", "native")
        for each in (self.deferreds, self.states):
            each.pop(number, None)

    def collect(self):
        gc.collect()


def yielding(run, own, statements):
    """The body of a generator."""
    for statement in statements:
        ((kind, what),) = statement.items()
        if kind == "await":
            ((awaited, which),) = what["what"].items()
            try:
                if awaited == "deferred":
                    value = yield run.waited_for(own, which)
                elif awaited == "nested":
                    value = yield yielding(run, own, which)
                elif awaited == "other":
                    value = yield awaiting(run, own, which)
                elif awaited == "locked":
                    value = yield run.locked(*which)
                else:
                    value = yield which
            except GeneratorExit:
                raise
            except BaseException as error:
                if not run.caught(what, error):
                    raise
            else:
                run.tell("resumed", what["name"], show(value))
                del value
        elif kind == "return_value":
            defer.returnValue(what)
        else:
            ends, value = run.statement(kind, what)
            if ends:
                return value


async def awaiting(run, own, statements):
    """The body of a coroutine."""
    for statement in statements:
        ((kind, what),) = statement.items()
        if kind == "await":
            ((awaited, which),) = what["what"].items()
            try:
                if awaited == "deferred":
                    value = await run.awaited(own, which) if which in run.deferreds else None
                elif awaited == "nested":
                    value = await awaiting(run, own, which)
                elif awaited == "other":
                    value = await inline(run, own, which)
                elif awaited == "locked" and which[0] in run.things:
                    value = await locked(run, own, run.things[which[0]], which[1])
                elif awaited == "locked":
                    value = None
                else:
                    value = which
            except GeneratorExit:
                raise
            except BaseException as error:
                if not run.caught(what, error):
                    raise
            else:
                run.tell("resumed", what["name"], show(value))
                del value
        else:
            ends, value = run.statement(kind, what)
            if ends:
                return value


async def locked(run, own, lock, statements):
    """`async with lock`, but for a body that the collector ends: it lets nobody else in."""
    await lock.__aenter__()
    try:
        value = await awaiting(run, own, statements)
    except GeneratorExit:
        raise
    except BaseException:
        run.let_in(lock)
        await lock.__aexit__(*sys.exc_info())
        raise
    run.let_in(lock)
    await lock.__aexit__(None, None, None)
    return value


inline = defer.inlineCallbacks(yielding)

OPERATIONS = {
    name: getattr(Run, name)
    for name in (
        "new succeed fail maybe execute add_callback add_errback add_both add_callbacks callback callback_with errback "
        "errback_raised cancel pause unpause chain list gather race lock semaphore queue acquire release run "
        "enqueue dequeue "
        "inline coroutine timeout later advance drop collect"
    ).split()
}


def trace(stock, program):
    """Runs a program, and gives back what happened."""
    run = Run(stock)
    warnings.showwarning = run.warn
    globalLogPublisher.addObserver(run.log)
    try:
        run.program(program)
    finally:
        globalLogPublisher.removeObserver(run.log)
    return run.events


def main():
    (side,) = sys.argv[1:]
    stock = isinstance(defer.Deferred.addCallback, types.FunctionType)
    if side != ("stock" if stock else "hereafter"):
        sys.exit(f"This is to run {side} Deferreds, but twisted.internet.defer has others.")
    warnings.simplefilter("always")
    # Else everything logged is kept for whoever begins to log later.
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    sys.setrecursionlimit(1000)
    # A program that does not end is killed; whatever was raised in it, a Deferred might catch.
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    # What is freed when must not hang on when the collector runs by itself; and what is here already is not for it.
    gc.disable()
    gc.collect()
    gc.freeze()
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
        told = encode(trace(stock, json.loads(line)))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        sys.stdout.write(told + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
