"""
Locks, semaphores and queues, in every situation that a program can tell.
"""

import gc
import weakref
from typing import Generic, TypeVar

from telling import section, tell
from twisted.internet import defer
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredLock,
    DeferredQueue,
    DeferredSemaphore,
    fail,
    inlineCallbacks,
    succeed,
)
from twisted.python.failure import Failure

BOTH = (DeferredLock, lambda: DeferredSemaphore(1))


def show(deferred, name):
    def told(result):
        if isinstance(result, Failure):
            print(name, "failed:", result.type.__name__, result.getErrorMessage())
        else:
            print(name, "has", type(result).__name__ if hasattr(result, "acquire") else result)

    deferred.addBoth(told)
    return deferred


def look(primitive):
    for name in ("locked", "tokens", "limit", "size", "backlog", "pending"):
        if hasattr(primitive, name):
            print(name, getattr(primitive, name), end=" ")
    print("waiting", len(primitive.waiting))


def raising():
    raise ValueError("no")


@section
def acquire_and_release():
    for make in BOTH:
        lock = make()
        look(lock)
        first, second, third = (show(lock.acquire(), n) for n in "123")
        look(lock)
        print(lock.waiting == [second, third], first.called, second.called)
        lock.release()
        look(lock)
        lock.release()
        lock.release()
        look(lock)


@section
def released_too_often():
    for make in BOTH:
        lock = make()
        try:
            lock.release()
        except AssertionError as error:
            print("assertion", error)
        look(lock)


@section
def tokens():
    semaphore = DeferredSemaphore(3)
    for n in "12345":
        show(semaphore.acquire(), n)
        look(semaphore)
    for _ in range(5):
        semaphore.release()
        look(semaphore)


@section
def bad_tokens():
    for tokens in (0, -1, "x", None):
        try:
            DeferredSemaphore(tokens)
        except (ValueError, TypeError) as error:
            print(type(error).__name__, error)


@section
def tokens_without_end():
    semaphore = DeferredSemaphore(float("inf"))
    show(semaphore.acquire(), "first")
    look(semaphore)


@section
def negative_tokens():
    semaphore = DeferredSemaphore(1)
    semaphore.tokens = -1
    semaphore.acquire()


@section
def arguments():
    for call in (
        lambda: DeferredSemaphore(),
        lambda: DeferredLock().acquire(1),
        lambda: DeferredLock().run(),
        lambda: DeferredQueue().put(),
        lambda: DeferredQueue(1, 2, 3),
    ):
        try:
            call()
        except TypeError:
            print("TypeError")


@section
def written_attributes():
    semaphore = DeferredSemaphore(1)
    semaphore.limit = 5
    semaphore.tokens = 2
    show(semaphore.acquire(), "1")
    show(semaphore.acquire(), "2")
    show(semaphore.acquire(), "3")
    look(semaphore)
    lock = DeferredLock()
    lock.locked = True
    d = show(lock.acquire(), "lock")
    print(lock.waiting == [d])
    lock.waiting = []
    lock.release()
    print(d.called, lock.locked)
    lock.anything = 7
    print(lock.anything)


@section
def cancelled_while_waiting():
    for make in BOTH:
        lock = make()
        lock.acquire()
        second, third = show(lock.acquire(), "2"), show(lock.acquire(), "3")
        second.cancel()
        look(lock)
        lock.release()
        look(lock)
        third.cancel()
        look(lock)


@section
def cancelled_when_it_has_the_lock():
    lock = DeferredLock()
    d = lock.acquire()
    d.cancel()
    look(lock)
    show(d, "d")


@section
def run_returns_a_value():
    for make in BOTH:
        lock = make()
        show(lock.run(lambda a, b=0: print(lock.waiting, getattr(lock, "locked", "")) or a + b, 1, b=2), "run")
        look(lock)


@section
def run_by_keyword():
    lock = DeferredLock()
    show(lock.run(f=lambda **k: sorted(k), a=1), "run")
    lock.acquire()
    show(lock.run(f=lambda **k: sorted(k), a=1), "run")
    lock.release()
    look(lock)


@section
def run_raises():
    for make in BOTH:
        lock = make()
        show(lock.run(raising), "run")
        look(lock)
        lock.acquire()
        show(lock.run(raising), "later")
        lock.release()
        look(lock)


@section
def run_returns_a_failure():
    lock = DeferredLock()
    show(lock.run(lambda: Failure(KeyError("k"))), "run")
    look(lock)


@section
def run_returns_fired_deferreds():
    lock = DeferredLock()
    for make in (lambda: succeed(1), lambda: fail(ValueError("x"))):
        inner = make()
        show(lock.run(lambda: inner), "run")
        print("inner", inner.result)
        look(lock)
        lock.acquire()
        inner = make()
        show(lock.run(lambda: inner), "later")
        lock.release()
        print("inner", inner.result)
        look(lock)


@section
def run_returns_pending_deferreds():
    for make in BOTH:
        lock = make()
        inner = [Deferred() for _ in range(3)]
        runs = [show(lock.run(lambda d=d: print("called") or d), str(n)) for n, d in enumerate(inner)]
        look(lock)
        for n, d in enumerate(inner):
            print(runs[n].called, runs[n].paused, d.called)
            show(d, f"inner {n}")
            d.callback(n) if n != 1 else d.errback(ValueError("one"))
            look(lock)


@section
def run_waits_on_what_the_function_returned():
    lock = DeferredLock()
    inner = Deferred()
    d = lock.run(lambda: inner)
    print(d._chainedTo is inner, d.result is inner, str(d).startswith("<Deferred at"), "waiting on" in str(d))
    d.cancel()
    print(inner.called)
    show(d, "d")
    look(lock)


@section
def run_of_a_coroutine():
    lock = DeferredLock()
    gates = [Deferred(), Deferred()]

    async def work(value):
        print("begins")
        return value + await gates[value]

    show(lock.run(work, 0), "first")
    show(lock.run(work, 1), "second")
    look(lock)
    gates[0].callback(10)
    look(lock)
    gates[1].callback(10)
    look(lock)


@section
def run_cancelled_before_its_turn():
    lock = DeferredLock()
    lock.acquire()
    d = show(lock.run(print, "never"), "run")
    d.cancel()
    look(lock)
    lock.release()
    look(lock)


@section
def order_of_those_who_follow():
    lock = DeferredLock()
    lock.acquire()
    for n in range(4):
        d = lock.run(lambda n=n: print("function", n) or n)
        d.addCallback(lambda r: print("callback", r))
    lock.release()
    look(lock)


@section
def order_with_a_pending_first():
    lock = DeferredLock()
    gate = Deferred()
    show(lock.run(lambda: gate), "first")
    gate.addBoth(lambda r: print("on the gate", r) or r)
    for n in range(3):
        show(lock.run(lambda n=n: print("function", n) or n), str(n))
    gate.callback("open")
    show(gate, "gate")


@section
def run_within_run():
    lock = DeferredLock()

    def outer():
        print("outer")
        show(lock.run(lambda: print("inner") or "in"), "inner")
        return "out"

    show(lock.run(outer), "outer")
    look(lock)


@section
def released_by_the_function():
    for make in BOTH:
        lock = make()
        show(lock.run(lambda: lock.release()), "run")
        look(lock)
        lock.acquire()
        show(lock.run(lambda: lock.release()), "later")
        lock.release()
        look(lock)


@section
def a_waiter_that_is_paused():
    lock = DeferredLock()
    lock.acquire()
    paused = show(lock.run(lambda: "paused"), "paused")
    after = show(lock.run(lambda: "after"), "after")
    paused.pause()
    lock.release()
    look(lock)
    paused.unpause()
    look(lock)
    print(after.called)


@section
def a_turn_that_meets_a_paused_waiter():
    lock = DeferredLock()
    gate = Deferred()
    d = show(lock.run(lambda: gate), "first")
    paused = show(lock.run(lambda: "paused"), "paused")
    paused.pause()
    gate.callback("open")
    print(d.called)
    look(lock)
    paused.unpause()
    look(lock)


@section
def foreign_waiters():
    class Waiter:
        def callback(self, result):
            print("foreign", type(result).__name__)

    for make in BOTH:
        lock = make()
        lock.acquire()
        lock.waiting.append(Waiter())
        lock.release()
        look(lock)
        lock.waiting.append(Waiter())
        show(lock.run(lambda: 1), "run")
        lock.release()
        look(lock)


@section
def fired_from_outside():
    lock = DeferredLock()
    lock.acquire()
    d = lock.acquire()
    d.callback("too early")
    try:
        lock.release()
    except defer.AlreadyCalledError:
        print("already called")
    look(lock)


@section
def async_with():
    for make in BOTH:
        lock = make()
        gate = Deferred()

        async def work(name):
            async with lock as got:
                print(name, got is lock)
                await gate
            return name

        first, second = (Deferred.fromCoroutine(work(n)) for n in "12")
        look(lock)
        show(first, "first"), show(second, "second")
        gate.callback(None)
        look(lock)


@section
def async_with_raises():
    lock = DeferredLock()

    async def work():
        async with lock:
            raise ValueError("inside")

    show(Deferred.fromCoroutine(work()), "work")
    look(lock)
    exit = lock.acquire() and lock.__aexit__(None, None, None)
    show(exit, "exit")


@section
def overridden_methods():
    for base, arguments in ((DeferredLock, ()), (DeferredSemaphore, (1,))):

        class Mine(base):
            def acquire(self):
                print("acquire")
                return super().acquire()

            def release(self):
                print("release")
                return super().release()

            def _releaseAndReturn(self, r):
                print("return", r)
                return super()._releaseAndReturn(r)

            def _cancelAcquire(self, d):
                print("cancel")
                super()._cancelAcquire(d)

        lock = Mine(*arguments)
        show(lock.run(lambda: 1), "run")
        gate = Deferred()
        show(lock.run(lambda: gate), "pending")
        show(lock.run(lambda: 2), "third")
        show(lock.acquire(), "fourth").cancel()
        gate.callback(3)

        async def work():
            async with lock:
                print("inside")

        Deferred.fromCoroutine(work())
        look(lock)


@section
def replaced_methods():
    lock = DeferredLock()
    gate = Deferred()
    show(lock.run(lambda: gate), "before")
    show(lock.run(lambda: 5), "waits")
    original = DeferredLock.release
    DeferredLock.release = lambda self: print("replaced") or original(self)
    try:
        gate.callback(1)
        show(lock.run(lambda: 2), "after")
    finally:
        DeferredLock.release = original
    lock.release = lambda: print("its own") or DeferredLock.release(lock)
    show(lock.run(lambda: 3), "own")
    look(lock)


@section
def a_subclass_without_init():
    class Mine(DeferredLock):
        def __init__(self):
            pass

    show(Mine().acquire(), "free")
    Mine().waiting


@section
def a_subclass_with_more():
    class Mine(DeferredSemaphore):
        def __init__(self, name, tokens):
            self.name = name
            super().__init__(tokens)

    semaphore = Mine("mine", 2)
    print(semaphore.name, semaphore.limit, isinstance(semaphore, DeferredSemaphore))
    show(semaphore.run(lambda: 1), "run")


@section
def classes():
    print(isinstance(DeferredLock(), defer._ConcurrencyPrimitive), issubclass(DeferredSemaphore, defer._ConcurrencyPrimitive))
    for kind in (DeferredLock, DeferredSemaphore, DeferredQueue):
        print(kind.__name__, kind.__module__, kind.__qualname__, kind.__doc__ is not None)


@section
def a_deferred_of_another_class():
    class Mine(Deferred):
        def addBoth(self, *args, **kwargs):
            print("addBoth")
            return super().addBoth(*args, **kwargs)

    lock = DeferredLock()
    for inner in (Mine(), Mine()):
        show(lock.run(lambda: inner), "run")
        look(lock)
        inner.callback("mine")
        look(lock)


@section
def freed_at_once():
    lock = DeferredLock()
    gate = Deferred()

    class Thing:
        pass

    thing = Thing()
    ref = weakref.ref(thing)
    lock.acquire()
    d = lock.run(lambda thing: gate, thing)
    del thing
    gc.collect()
    print(ref() is None)
    lock.release()
    print(ref() is None)
    gate.callback(None)
    ref = weakref.ref(lock)
    del lock, d
    print(ref() is None)


@section
def freed_as_a_cycle():
    for make in (*BOTH, DeferredQueue):
        one = make()
        one.itself = one
        (one.get if hasattr(one, "get") else one.acquire)()
        one.__dict__["waiter"] = (one.get if hasattr(one, "get") else one.acquire)()
        ref = weakref.ref(one)
        del one
        gc.collect()
        print(ref() is None)


@section
def debugging():
    defer.setDebugging(True)
    try:
        lock = DeferredLock()
        gate = Deferred()
        show(lock.run(lambda: gate), "first")
        show(lock.run(lambda: 2), "second")
        look(lock)
        gate.callback(1)
        look(lock)
    finally:
        defer.setDebugging(False)


@section
def with_generators():
    lock = DeferredLock()
    gates = [Deferred() for _ in range(3)]

    @inlineCallbacks
    def work(n):
        yield lock.acquire()
        try:
            print("has it", n)
            yield gates[n]
        finally:
            lock.release()
        return n

    for n in range(3):
        show(work(n), str(n))
    gates[0].callback(None)
    gates[1].errback(ValueError("bad"))
    gates[2].callback(None)
    look(lock)


@section
def queue():
    queue = DeferredQueue()
    look(queue)
    queue.put("a")
    queue.put("b")
    look(queue)
    for n in "1234":
        show(queue.get(), n)
    look(queue)
    queue.put("c")
    queue.put("d")
    queue.put(None)
    look(queue)


@section
def queue_that_is_full():
    queue = DeferredQueue(size=2, backlog=1)
    queue.put(1)
    queue.put(2)
    try:
        queue.put(3)
    except defer.QueueOverflow as error:
        print("overflow", error.args)
    look(queue)
    for n in "123":
        show(queue.get(), n)
    try:
        queue.get()
    except defer.QueueUnderflow as error:
        print("underflow", error.args)
    look(queue)


@section
def queue_of_nothing():
    queue = DeferredQueue(0, 0)
    for call in (lambda: queue.put(1), queue.get):
        try:
            call()
        except Exception as error:
            print(type(error).__name__)
    queue.size, queue.backlog = 1, 1.5
    queue.put(1)
    show(queue.get(), "1")
    show(queue.get(), "2")
    show(queue.get(), "3")
    queue.get()


@section
def queue_cancelled():
    queue = DeferredQueue()
    first, second = show(queue.get(), "1"), show(queue.get(), "2")
    first.cancel()
    look(queue)
    print(queue.waiting == [second])
    queue.put("x")
    queue.put("y")
    look(queue)


@section
def queue_of_failures_and_deferreds():
    queue = DeferredQueue()
    show(queue.get(), "waiter")
    queue.put(Failure(ValueError("v")))
    queue.put(Failure(ValueError("w")))
    show(queue.get(), "late")
    inner = succeed(3)
    queue.put(inner)
    d = queue.get()
    print(d.result is inner)


@section
def queue_within_a_callback():
    queue = DeferredQueue()

    def again(value):
        print("got", value)
        if value < 3:
            queue.put(value + 1)
            return queue.get().addCallback(again)

    queue.get().addCallback(again)
    queue.put(0)
    look(queue)


@section
def queue_with_another_list():
    class Stack(list):
        def pop(self, index=0):
            return super().pop()

    queue = DeferredQueue()
    queue.pending = Stack([1, 2, 3])
    show(queue.get(), "last")
    queue.pending.append(4)
    show(queue.get(), "last")
    look(queue)


@section
def queue_in_subclasses():
    T = TypeVar("T")

    class Reverse(DeferredQueue[T], Generic[T]):
        def __init__(self):
            super().__init__(size=10)

        def get(self):
            self.pending.reverse()
            return super().get()

    class Plain(DeferredQueue):
        def _cancelGet(self, d):
            print("cancelled")
            super()._cancelGet(d)

    queue = Reverse[int]()
    queue.put(1)
    queue.put(2)
    show(queue.get(), "reversed")
    show(Plain().get(), "plain").cancel()
    print(DeferredQueue[int](3).size)


@section
def queue_without_init():
    class Mine(DeferredQueue):
        def __init__(self):
            pass

    for call in (Mine().get, lambda: Mine().put(1), lambda: Mine().size):
        try:
            call()
        except AttributeError as error:
            print(error)


@section
def cancelled_error_is_trapped():
    lock = DeferredLock()
    lock.acquire()
    d = lock.acquire()
    d.addErrback(lambda f: print(f.trap(CancelledError).__name__))
    d.cancel()


tell()
