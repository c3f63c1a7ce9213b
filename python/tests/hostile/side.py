"""Runs one program of operations on the names of one `defer` module, and notes what happens.

A program is a tuple of operations, each a tuple of its name and what it is about. Deferreds are named by number,
which is taken modulo how many there are. Callbacks, cancellers, generators and the special methods of hostile
objects hold operations too, and do them when they are called: so every operation is done in the middle of others.
"""

from __future__ import annotations

import copy
import gc
import sys
import weakref
from typing import Any

import objects
from twisted.internet.task import Clock
from twisted.python.failure import Failure

#: How many operations a program may do in all; what calls itself without end comes to one.
BUDGET = 150


class Side:
    """One run of a program; `names` is the `defer` module that it runs on."""

    def __init__(self, names: Any) -> None:
        self.names = names
        self.left = BUDGET
        self.trace: list[Any] = []
        #: Something was done about which the two sides may differ.
        self.wild = False
        self.clock = Clock()
        self.lock = names.DeferredLock()
        self.semaphore = names.DeferredSemaphore(2)
        self.queue = names.DeferredQueue(2, 2)
        self.deferreds: list[Any] = []
        self.pauses: list[int] = []
        self.bodies: list[Any] = []
        self.numbers = 0
        self.made: list[weakref.ref[Any]] = []

    # How a program is run.

    def run(self, program: Any) -> None:
        for operation in program:
            self.do(operation)

    def do(self, operation: Any) -> None:
        if self.left <= 0:
            return
        self.left -= 1
        name, *about = operation
        try:
            told = getattr(self, f"do_{name}")(*about)
        except BaseException as error:
            self.trace.append((name, "raised", type(error).__name__))
        else:
            if told is not None:
                self.trace.append((name, told))

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def token(self, thing: Any) -> Any:
        """What can be said of a result without asking it anything."""
        kind = type(thing)
        if kind in (int, bool, str, type(None)):
            return thing
        if kind in (tuple, list):
            return tuple(map(self.token, thing))
        if issubclass(kind, Failure):
            return "failure", self.token(thing.value)
        if issubclass(kind, self.names.Deferred):
            at = [at for at, deferred in enumerate(self.deferreds) if deferred is thing]
            return "deferred", at[0] if at else None
        return kind.__name__

    def keep(self, deferred: Any) -> Any:
        """Have the program know this Deferred by a number."""
        if issubclass(type(deferred), self.names.Deferred):
            self.deferreds.append(deferred)
            self.pauses.append(0)
            self.made.append(weakref.ref(deferred))
        else:
            self.trace.append(("no deferred", self.token(deferred)))

    def at(self, number: int) -> Any:
        if not self.deferreds:
            self.do_new("plain", None, ())
        found = self.deferreds[number % len(self.deferreds)]
        return self.names.succeed(None) if found is None else found

    # What programs are made of.

    def exception(self, name: str) -> Any:
        self.wild |= name in objects.WILD_EXCEPTIONS
        return objects.EXCEPTIONS[name]()

    def value(self, spec: Any) -> Any:
        what, *about = spec
        if what == "hostile":
            return self.hostile(*about)
        if what == "exception":
            return self.exception(about[0])
        if what == "deferred":
            self.wild = True
            return self.at(about[0])
        return about[0]

    def hostile(self, kind: str, how: str, actions: Any) -> Any:
        self.wild |= kind not in objects.KINDS
        number = self.number()
        lies = {"lies": self.names.Deferred, "lies failure": Failure, "lies int": int}.get(kind)

        def provoke(method: str) -> None:
            if method != "__del__":
                self.trace.append(("provoked", number, method))
            self.run(actions)

        return objects.value(kind, provoke, how, lies)

    def end(self, spec: Any, result: Any = None) -> Any:
        what, about = spec
        if what == "raise":
            raise self.exception(about)
        if what == "raise class":
            raise objects.UNMADE[about]
        if what == "give":
            given = self.at(about)
            # Stock takes the result that it has just then.
            self.wild |= bool(getattr(given, "_runningCallbacks", False))
            return given
        return result if what == "pass" else self.value(about)

    def function(self, actions: Any, end: Any) -> Any:
        number = self.number()

        def function(*arguments: Any) -> Any:
            self.trace.append(("call", number, *map(self.token, arguments[:1])))
            self.run(actions)
            return self.end(end, *arguments[:1])

        return function

    def callable(self, spec: Any) -> Any:
        return self.hostile("call", *spec[1:]) if spec[0] == "hostile" else self.function(*spec)

    def canceller(self, spec: Any) -> Any:
        if spec is None:
            return None
        function = self.function(*spec)

        def canceller(deferred: Any) -> Any:
            try:
                return function(None)
            except BaseException:
                # Stock lets it out of `cancel`, and the Deferred never fires.
                self.wild = True
                raise

        return canceller

    def kind(self, name: str, actions: Any) -> Any:
        """A class of Deferreds."""
        base, side = self.names.Deferred, self
        if name == "plain":
            return base
        if name == "traced":

            class Traced(base):
                def callback(self, result: Any) -> Any:
                    side.trace.append("own callback")
                    side.run(actions)
                    return super().callback(result)

                def errback(self, fail: Any = None) -> Any:
                    side.trace.append("own errback")
                    side.run(actions)
                    return super().errback(fail)

                def cancel(self) -> Any:
                    side.trace.append("own cancel")
                    side.run(actions)
                    return super().cancel()

            return Traced
        methods: dict[str, Any] = {
            "sub": {},
            "slots": {"__slots__": ("own",)},
            "bool": {"__bool__": objects._method("__bool__", bool)},
            "len": {"__len__": lambda self: 0},
            "eq": {"__eq__": objects._method("__eq__", bool), "__hash__": None},
        }.get(name)
        if methods is None:
            self.wild = True
            methods = self.wild_methods(name, actions)
        methods["_provoker"], methods["_how"] = staticmethod(lambda name: self.run(actions)), "raise"
        meta = self.meta(actions) if name == "meta" else type
        return meta(name.title(), (base,), methods)

    def wild_methods(self, name: str, actions: Any) -> dict[str, Any]:
        def raises(*arguments: Any, **keywords: Any) -> Any:
            self.run(actions)
            raise objects.Provoked(name)

        def attribute(deferred: Any, wanted: str) -> Any:
            if wanted in ("callback", "errback", "debug", "addBoth", "called", "result", "__dict__"):
                raises()
            return object.__getattribute__(deferred, wanted)

        def quiet(deferred: Any, wanted: str) -> Any:
            self.run(actions)
            return object.__getattribute__(deferred, wanted)

        return {
            "attribute": {"__getattribute__": attribute},
            "watched": {"__getattribute__": quiet},
            "set": {"__setattr__": raises},
            "del": {"__del__": raises},
            "class": {"__class__": property(lambda self: int)},
            "class raises": {"__class__": property(raises)},
            "methods": {"callback": raises, "errback": raises, "cancel": raises},
            "adders": {"addBoth": raises, "addCallbacks": raises, "addCallback": raises, "addErrback": raises},
            "inner": {"_startRunCallbacks": raises, "_runCallbacks": raises},
            "no init": {"__init__": lambda self, canceller=None: None},
            "debug": {"debug": True},
            "debug raises": {"debug": property(raises)},
            "dict": {"__dict__": property(raises)},
            "meta": {},
        }[name]

    def meta(self, actions: Any) -> Any:
        base, side = type(self.names.Deferred), self

        class Meta(base):
            def __getattribute__(cls, wanted: str) -> Any:
                if wanted in ("callback", "debug", "__name__"):
                    side.run(actions)
                    raise objects.Provoked(wanted)
                return super().__getattribute__(wanted)

        return Meta

    # The operations.

    def do_new(self, kind: str, canceller: Any, actions: Any) -> None:
        self.keep(self.kind(kind, actions)(self.canceller(canceller)))

    def do_succeed(self, value: Any) -> None:
        self.keep(self.names.succeed(self.value(value)))

    def do_fail(self, name: str) -> None:
        self.keep(self.names.fail(self.exception(name)))

    def do_maybe(self, spec: Any) -> None:
        self.keep(self.names.maybeDeferred(self.callable(spec)))

    def do_execute(self, spec: Any) -> None:
        # What it returns is the value, also where that is a Deferred.
        self.wild |= spec[-1][0] == "give"
        self.keep(self.names.execute(self.callable(spec)))

    def do_add(self, at: int, how: str, spec: Any) -> None:
        getattr(self.at(at), how)(self.callable(spec))

    def do_pair(self, at: int, callback: Any, errback: Any, arguments: Any) -> None:
        first, second = self.callable(callback), self.callable(errback)
        given = [self.value(value) for value in arguments]
        self.at(at).addCallbacks(first, second, given, {}, tuple(given), None)

    def do_callback(self, at: int, value: Any) -> None:
        self.at(at).callback(self.value(value))

    def do_errback(self, at: int, name: str) -> None:
        self.at(at).errback(self.exception(name))

    def do_errback_of_now(self, at: int, name: str) -> None:
        try:
            raise self.exception(name)
        except BaseException:
            self.at(at).errback()

    def do_cancel(self, at: int) -> None:
        self.at(at).cancel()

    def do_pause(self, at: int) -> None:
        self.at(at).pause()
        self.pauses[at % len(self.pauses)] += 1

    def do_unpause(self, at: int) -> None:
        # One that is not paused counts below zero, on stock in its own way.
        self.at(at)
        if self.pauses[at % len(self.pauses)] > 0:
            self.pauses[at % len(self.pauses)] -= 1
            self.at(at).unpause()

    def do_chain(self, at: int, other: int) -> None:
        self.at(at).chainDeferred(self.at(other))

    def do_list(self, members: Any, switches: Any) -> None:
        row = [self.at(member) for member in members]
        self.keep(self.names.DeferredList(row, *switches))

    def do_gather(self, members: Any, consume: bool) -> None:
        self.keep(self.names.gatherResults([self.at(member) for member in members], consume))

    def do_race(self, members: Any) -> None:
        self.keep(self.names.race([self.at(member) for member in members]))

    def do_list_of(self, value: Any) -> None:
        self.wild = True
        self.keep(self.names.DeferredList([self.value(value)]))
        if value[0] == "hostile":
            self.keep(self.names.DeferredList(self.value(value)))

    def do_drop(self, at: int) -> None:
        self.at(at)
        self.deferreds[at % len(self.deferreds)] = None

    def do_collect(self) -> None:
        gc.collect()

    def do_look(self, at: int) -> Any:
        """Whatever can be read of a Deferred."""
        deferred = self.at(at)
        # In the middle of a callback the result may be that callback's already.
        self.wild |= bool(getattr(deferred, "_runningCallbacks", False))
        return bool(deferred.called), self.token(getattr(deferred, "result", "absent"))

    def do_repr(self, at: int) -> None:
        repr(self.at(at))

    def do_copy(self, at: int) -> None:
        self.wild = True
        self.keep(copy.copy(self.at(at)))

    def do_set(self, at: int, name: str, value: Any) -> None:
        self.wild = True
        if value is None:
            delattr(self.at(at), name)
        else:
            setattr(self.at(at), name, self.value(value))

    def do_links(self, at: int, how: str, value: Any) -> None:
        self.wild = True
        links = self.at(at)._callbacks
        if how == "pop":
            links.pop(0)
        elif how == "double":
            # Done again and again, it would fill the memory.
            if len(links) < 1000:
                links.extend(list(links))
        elif how == "put":
            links.append(self.value(value))
        else:
            del links[:]

    def do_initialise(self, at: int) -> None:
        self.wild = True
        self.at(at).__init__()

    def do_deep(self, room: int, operation: Any) -> None:
        """Do it where hardly any call is left."""
        self.wild = True
        depth = 0
        frame: Any = sys._getframe()
        while frame is not None:
            depth, frame = depth + 1, frame.f_back

        def down(left: int) -> None:
            if left > 0:
                down(left - 1)
            else:
                self.do(operation)

        down(sys.getrecursionlimit() - depth - 10 - room)

    # What runs beside: clock, locks, queue.

    def do_timeout(self, at: int, seconds: Any, given: Any) -> None:
        on = None if given is None else self.function(*given)
        self.at(at).addTimeout(seconds, self.clock, on)

    def do_advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def do_lock(self, which: int, spec: Any) -> None:
        lock = (self.lock, self.semaphore)[which]
        self.keep(lock.acquire() if spec is None else lock.run(self.callable(spec)))

    def do_release(self, which: int) -> None:
        (self.lock, self.semaphore)[which].release()

    def do_put(self, value: Any) -> None:
        self.queue.put(self.value(value))

    def do_get(self) -> None:
        self.keep(self.queue.get())

    # Generators and coroutines.

    def awaited(self, spec: Any) -> Any:
        what, about = spec
        if what == "deferred":
            found = self.at(about)
            self.wild |= bool(getattr(found, "_runningCallbacks", False))
            return found
        if what == "generator":
            return self.body(*about)
        if what == "inline":
            return self.names.inlineCallbacks(self.body)(*about)
        if what == "coroutine":
            return self.names.Deferred.fromCoroutine(self.coroutine(*about))
        return self.value(about)

    def body(self, steps: Any, end: Any, stubborn: str) -> Any:
        """A generator that waits as the steps say."""
        number = self.number()
        try:
            for awaited, caught, action in steps:
                self.do(action)
                try:
                    got = yield self.awaited(awaited)
                    self.trace.append(("resumed", number, self.token(got)))
                    del got
                except BaseException as error:
                    self.caught(number, error, caught)
        finally:
            if stubborn == "goes on":
                self.wild = True
                yield 1
            if stubborn == "returns":
                return "stubborn"
        # What it gives back is a plain value, and that a Deferred is one is what the sides differ about.
        self.wild |= end[0] == "give"
        return self.end(end)

    async def coroutine(self, steps: Any, end: Any, stubborn: str) -> Any:
        number = self.number()
        try:
            for awaited, caught, action in steps:
                self.do(action)
                try:
                    got = await self.awaited(awaited)
                    self.trace.append(("resumed", number, self.token(got)))
                    del got
                except BaseException as error:
                    self.caught(number, error, caught)
        finally:
            if stubborn == "goes on":
                self.wild = True
                await self.names.Deferred()
            if stubborn == "returns":
                return "stubborn"
        # What it gives back is a plain value, and that a Deferred is one is what the sides differ about.
        self.wild |= end[0] == "give"
        return self.end(end)

    def caught(self, number: int, error: BaseException, caught: str) -> None:
        """What a body makes of an error; it goes on, or raises it again."""
        # When a body that is let go of ends is the interpreter's affair.
        if type(error) is not GeneratorExit or error.args:
            self.trace.append(("caught", number, type(error).__name__))
        if type(error) is GeneratorExit or caught == "nothing":
            raise error
        if caught == "exceptions" and not issubclass(type(error), Exception):
            raise error

    def do_inline(self, *spec: Any) -> None:
        self.keep(self.names.inlineCallbacks(self.remembered)(*spec))

    def remembered(self, *spec: Any) -> Any:
        body = self.body(*spec)
        self.bodies.append(body)
        return body

    def do_coroutine(self, *spec: Any) -> None:
        body = self.coroutine(*spec)
        self.bodies.append(body)
        self.keep(self.names.Deferred.fromCoroutine(body))

    def do_ensure(self, spec: Any) -> None:
        self.wild = True
        self.keep(self.names.ensureDeferred(self.awaited(spec)))

    def do_poke(self, at: int, how: str) -> None:
        """Do to a body what only who drives it should."""
        self.wild = True
        if not self.bodies:
            return
        body = self.bodies[at % len(self.bodies)]
        if how == "close":
            body.close()
        elif how == "send":
            body.send(None)
        else:
            body.throw(objects.Provoked("thrown in"))

    # The end.

    def outcome(self) -> list[Any]:
        """Where every Deferred is."""
        told = []
        for deferred in self.deferreds:
            if deferred is None:
                told.append(None)
                continue
            try:
                told.append((bool(deferred.called), bool(deferred.paused), self.token(getattr(deferred, "result", "absent"))))
            except BaseException as error:
                told.append(type(error).__name__)
        return told

    def forget(self) -> None:
        """Let go of all there is."""
        self.left = 0
        for kept in (self.deferreds, self.bodies, self.pauses):
            kept.clear()
        self.clock.calls.clear()
        self.lock = self.semaphore = self.queue = None
        # Classes of Deferreds are remembered for good.
        del self.names._DEFERRED_SUBCLASSES[2:]
