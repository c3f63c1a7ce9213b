"""Deferreds where a process ends or divides: at the interpreter's end, in a child of `fork`, in threads left behind.

Each program has to come to its own end: no crash, no panic, and nothing that hangs.
"""

from __future__ import annotations

import os

import pytest
from sides import run

HEAD = """
import atexit, gc, os, sys, threading, time, warnings
warnings.simplefilter("ignore")
from twisted.internet.defer import *
from twisted.internet.defer import Deferred
"""

#: Programs, each with the lines that it has to print, in any order.
ENDS = {
    "daemon threads that never stop": (
        """
def work():
    while True:
        d, e = Deferred(), Deferred()
        d.addCallback(lambda _: e).addErrback(lambda _: None)
        d.callback(1)
        e.cancel()
        gather = gatherResults([succeed(1), Deferred()])
        gather.addErrback(lambda _: None)
        del gather

sys.setswitchinterval(1e-6)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
print("end")
""",
        ["end"],
    ),
    "a daemon thread inside of a callback": (
        """
d, inside = Deferred(), threading.Event()
def waits(result):
    inside.set()
    time.sleep(1000)
d.addCallback(waits)
threading.Thread(target=d.callback, args=(1,), daemon=True).start()
inside.wait()
d.addCallback(print)
print("end")
""",
        ["end"],
    ),
    "exit functions": (
        """
d = Deferred()
@inlineCallbacks
def generator():
    got = yield d
    print("resumed", got)
ended = generator()
atexit.register(lambda: d.callback("at the exit"))
atexit.register(lambda: succeed(1).addCallback(lambda _: 1 / 0).addErrback(lambda f: print(f.type.__name__)))
""",
        ["resumed at the exit", "ZeroDivisionError"],
    ),
    "finalizers of what a module holds": (
        """
class Last:
    def __init__(self, name):
        self.name, self.make, self.print = name, Deferred, print
    def __del__(self):
        d = self.make()
        d.addCallback(self.print)
        d.callback(self.name)
kept = Last("of a module")
deferred = Deferred()
deferred.addCallback(lambda _, last=Last("of a link"): None)
cycle = Deferred()
cycle.addBoth(lambda _, last=Last("of a cycle"): cycle)
""",
        ["of a module", "of a link", "of a cycle"],
    ),
    "failures that nobody handles": (
        """
kept = [fail(ValueError(n)) for n in range(3)]
cycle = fail(KeyError())
cycle.itself = cycle
class Own(Deferred):
    pass
own = Own()
own.errback(ValueError())
def local():
    held = threading.local()
    held.d = fail(TypeError())
    time.sleep(1000)
threading.Thread(target=local, daemon=True).start()
print("end")
""",
        ["end"],
    ),
    "what waits in a generator": (
        """
def body(name):
    try:
        yield Deferred()
    finally:
        print(name)
kept = inlineCallbacks(body)("generator")
async def coroutine(name):
    try:
        await Deferred()
    finally:
        print(name)
other = Deferred.fromCoroutine(coroutine("coroutine"))
class Resists:
    def __iter__(self):
        return self
print("end")
""",
        ["end", "generator", "coroutine"],
    ),
    "an exit from inside of a callback": (
        """
def leaves(_):
    os.write(1, b"leaves\\n")
    os._exit(0)
inner = Deferred()
outer = Deferred().addCallback(lambda _: inner)
inner.addCallback(leaves)
outer.callback(None)
inner.callback(None)
""",
        ["leaves"],
    ),
    "a thread that outlives the main one": (
        """
d = Deferred()
def late():
    threading.main_thread().join()
    d.addCallback(lambda _: succeed("late")).addCallback(print)
    d.callback(None)
threading.Thread(target=late).start()
print("end")
""",
        ["end", "late"],
    ),
    "very many that wait for one another": (
        """
last = Deferred()
for _ in range(200_000):
    last = succeed(None).addCallback(lambda _, last=last: last)
print("end")
""",
        ["end"],
    ),
    "the collector's last look": (
        """
gc.disable()
for _ in range(1000):
    d = Deferred()
    d.addCallback(lambda _, d=d: d)
    d.me = fail(ValueError())
    d.me.addErrback(lambda f, d=d: d)
print("end")
""",
        ["end"],
    ),
}

#: Programs that fork, likewise; what the child prints counts too.
FORKS = {
    "in the middle of a callback": """
d, inner = Deferred(), Deferred()
def divides(result):
    global who
    who = os.fork()
    return inner
d.addCallback(divides).addCallback(lambda result: os.write(1, b"child\\n" if who == 0 else b"parent\\n"))
d.callback(None)
inner.callback("goes on")
if who:
    os.waitpid(who, 0)
""",
    "in a generator": """
@inlineCallbacks
def generator(d):
    who = os.fork()
    got = yield d
    os.write(1, b"child\\n" if who == 0 else b"parent\\n")
    if who:
        os.waitpid(who, 0)
d = Deferred()
generator(d)
d.callback("goes on")
""",
    "while other threads are in callbacks": """
stop = threading.Event()
def work():
    while not stop.is_set():
        d, e = Deferred(), Deferred()
        d.addCallback(lambda _: e)
        d.callback(1)
        e.callback(2)
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
d = Deferred()
who = os.fork()
d.addCallback(lambda result: os.write(1, b"child\\n" if who == 0 else b"parent\\n"))
d.callback("goes on")
stop.set()
if who:
    os.waitpid(who, 0)
    for thread in threads:
        thread.join()
else:
    gc.collect()
""",
}


def ends_well(program: str) -> list[str]:
    ended = run("-c", "import hereafter; hereafter.install()" + HEAD + program)
    assert ended.returncode == 0, (ended.returncode, ended.stdout)
    for word in ("panicked", "Fatal Python error", "SystemError"):
        assert word not in ended.stdout
    return ended.stdout.splitlines()


@pytest.mark.parametrize("name", ENDS)
def test_theInterpretersEnd(name: str) -> None:
    program, wanted = ENDS[name]
    printed = ends_well(program)
    assert [line for line in wanted if line not in printed] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("name", FORKS)
def test_fork(name: str) -> None:
    printed = ends_well(FORKS[name])
    assert sorted(printed) == ["child", "parent"]
