"""Streams of operations among hostile objects, on stock Deferreds and on ours.

    python python/tests/hostile/streams.py --examples 100000

Hypothesis writes the programs; `side.py` runs each on both `defer` modules in this one process, and on ours once
more with a collection at every allocation. What happens must be the same. Where a program does what the two are
known to differ about, it has to come to an end without a crash; and nothing may stay of it in either case.

The program that is being run lies in a file, so that one that ends the process can be seen.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import faulthandler
import gc
import io
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import objects
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase
from side import Side
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

#: Seconds after which a program hangs.
PATIENCE = 120

#: Seconds after which stock does: a list that one of its members waits for is cancelled there until the stack is used
#: up, and from each of those calls anew.
PATIENCE_WITH_STOCK = 5

numbers = st.integers(0, 5)
few = st.integers(0, 1)
some = st.lists(numbers, max_size=4).map(tuple)
exceptions = st.sampled_from(sorted(objects.EXCEPTIONS))
adders = st.sampled_from(["addCallback", "addErrback", "addBoth"])
attributes = "result called paused _chainedTo _debugInfo _canceller _suppressAlreadyCalled debug own"
classes = ["plain", "plain", "plain", "sub", "slots", "bool", "len", "eq", "traced"]
wild_classes = "attribute|watched|set|del|class|class raises|methods|adders|inner|no init|debug|debug raises|dict|meta"


def operation(name: str, *about: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), *about)


def nothing_or(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


def programs(wild: bool) -> st.SearchStrategy[Any]:
    """Programs; if not `wild`, without what the two sides are known to differ about, as far as can be told beforehand."""
    each: st.SearchStrategy[Any] = st.deferred(lambda: operations)
    #: What a callback does, mostly nothing.
    actions = st.lists(each, max_size=2).map(tuple)
    kinds = sorted(objects.KINDS)
    if wild:
        kinds += [*sorted(objects.WILD_KINDS), "lies", "lies failure", "lies int"]
    hostile = (st.sampled_from(objects.HOWS), actions)
    values = st.one_of(
        operation("plain", nothing_or(st.integers(0, 9))),
        operation("exception", exceptions),
        operation("hostile", st.sampled_from(kinds), *hostile),
        *([operation("deferred", numbers)] if wild else []),
    )
    ends = st.one_of(
        st.just(("pass", None)),
        operation("value", values),
        operation("raise", exceptions),
        operation("raise class", st.sampled_from(sorted(objects.UNMADE))),
        operation("give", numbers),
    )
    functions = st.tuples(actions, ends)
    callables = st.one_of(functions, functions, functions, operation("hostile", *hostile))
    quiet_functions = st.tuples(actions, st.just(("pass", None)))
    waits: st.SearchStrategy[Any] = st.deferred(lambda: awaited)
    steps = st.tuples(waits, st.sampled_from(["nothing", "exceptions", "everything"]), each)
    stubborn = ["no", "no", "returns", *(["goes on"] if wild else [])]
    bodies = st.tuples(st.lists(steps, max_size=3).map(tuple), ends, st.sampled_from(stubborn))
    awaited = st.one_of(
        operation("deferred", numbers),
        st.tuples(st.sampled_from(["inline", "coroutine", "generator"]), bodies),
        operation("value", values),
    )
    plain = st.one_of(
        operation("new", st.just("plain"), st.none(), st.just(())),
        operation("succeed", operation("plain", numbers)),
        operation("fail", exceptions),
        operation("callback", numbers, operation("plain", numbers)),
        operation("errback", numbers, exceptions),
        operation("errback_of_now", numbers, exceptions),
        operation("cancel", numbers),
        operation("pause", numbers),
        operation("unpause", numbers),
        operation("chain", numbers, numbers),
        operation("list", some, st.tuples(st.booleans(), st.booleans(), st.booleans())),
        operation("gather", some, st.booleans()),
        operation("race", some),
        operation("drop", numbers),
        operation("collect"),
        operation("look", numbers),
        operation("repr", numbers),
        operation("advance", numbers),
        operation("release", few),
        operation("get"),
    )
    holding = st.one_of(
        operation("new", st.sampled_from(classes), nothing_or(quiet_functions), actions),
        operation("succeed", values),
        operation("maybe", callables),
        operation("execute", callables),
        operation("add", numbers, adders, callables),
        operation("add", numbers, adders, callables),
        operation("pair", numbers, callables, callables, st.lists(values, max_size=2).map(tuple)),
        operation("callback", numbers, values),
        operation("timeout", numbers, numbers, nothing_or(functions)),
        operation("lock", few, nothing_or(callables)),
        operation("put", values),
        bodies.map(lambda body: ("inline", *body)),
        bodies.map(lambda body: ("coroutine", *body)),
    )
    differing = st.one_of(
        operation("new", st.sampled_from(wild_classes.split("|")), nothing_or(functions), actions),
        operation("list_of", values),
        operation("copy", numbers),
        operation("set", numbers, st.sampled_from(attributes.split()), nothing_or(values)),
        operation("links", numbers, st.sampled_from(["pop", "double", "put", "clear"]), values),
        operation("initialise", numbers),
        operation("deep", st.integers(0, 60), each),
        operation("timeout", numbers, values, st.none()),
        operation("ensure", awaited),
        operation("poke", numbers, st.sampled_from(["close", "send", "throw"])),
    )
    operations = st.one_of(plain, holding, *([differing] if wild else []))
    return st.lists(operations, min_size=5, max_size=40).map(tuple)


def stock_names() -> Any:
    """Twisted's own module, whether or not the process was taken over."""
    import twisted.internet

    found = PathFinder.find_spec("twisted.internet.defer", twisted.internet.__path__)
    assert found is not None and found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    from twisted.internet import defer

    for name, value in vars(defer).items():
        if isinstance(value, type) and issubclass(value, BaseException):
            setattr(module, name, value)
    return module


class Hangs(BaseException):
    """It was run for too long."""


@contextlib.contextmanager
def not_for_long(side: Side) -> Iterator[None]:
    """Raises `Hangs` in a block that takes too long, again in what goes on all the same, and at its end."""
    hangs = False

    def interrupt(*_: Any) -> None:
        nonlocal hangs
        hangs = True
        # A list goes on with its next member whatever is raised.
        for made in side.made:
            getattr(made(), "_deferredList", []).clear()
        raise Hangs

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_WITH_STOCK, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if hangs:
        raise Hangs


class Runs:
    """Runs programs on both sides, and counts what came of them."""

    def __init__(self, last: Path | None) -> None:
        import hereafter.defer

        self.stock, self.ours = stock_names(), hereafter.defer
        self.file = None if last is None else open(last, "w")
        self.reported: list[str] = []
        self.counts = dict.fromkeys(["programs", "compared", "events", "hostile calls"], 0)

    def observe(self, event: dict[str, Any]) -> None:
        failure = event.get("log_failure")
        if isinstance(failure, Failure):
            self.reported.append(type(failure.value).__name__)

    def once(self, names: Any, program: Any, eager: bool = False) -> tuple[Side, list[Any]]:
        """One run: the side, and all that it comes to."""
        self.reported.clear()
        side = Side(names)
        if eager:
            gc.set_threshold(1, 1, 1)
        try:
            with not_for_long(side) if names is self.stock else contextlib.nullcontext():
                side.run(program)
        finally:
            gc.set_threshold(700, 10, 10)
        outcome = side.outcome()
        side.forget()
        return side, [*side.trace, *outcome]

    def left(self, side: Side) -> int:
        """How many of its Deferreds are still there, once nobody holds them."""
        for _ in range(4):
            left = sum(made() is not None for made in side.made)
            if not left:
                break
            # What a finalizer has brought back goes the next time.
            gc.collect()
        return left

    def check(self, program: Any) -> None:
        if self.file is not None:
            self.file.seek(0)
            self.file.write(f"{program!r}\n")
            self.file.truncate()
            self.file.flush()
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        # Collections are to look at what this program makes, and seldom at all the rest.
        if self.counts["programs"] % 500 == 0:
            gc.unfreeze()
            gc.collect()
        gc.freeze()
        with contextlib.redirect_stderr(io.StringIO()):
            ours, told = self.once(self.ours, program)
            assert self.left(ours) == 0, "some Deferreds are never freed"
            eager, told_eagerly = self.once(self.ours, program, eager=True)
            assert self.left(eager) == 0, "some Deferreds are never freed, with collections"
            compared = not ours.wild and not eager.wild
            if compared:
                try:
                    stock, wanted = self.once(self.stock, program)
                    self.left(stock)
                except Hangs:
                    compared = False
        faulthandler.cancel_dump_traceback_later()
        self.counts["programs"] += 1
        self.counts["events"] += len(told)
        self.counts["hostile calls"] += sum(event[:1] == ("provoked",) for event in told if type(event) is tuple)
        # To who awaits a failure twice, or goes out of its depth, stock says no more than that it is so.
        if not compared or stock.wild or any(name in str(wanted) for name in ("AssertionError", "RecursionError")):
            return
        self.counts["compared"] += 1
        assert told == wanted, difference(program, wanted, told)
        assert told_eagerly == wanted, "with collections: " + difference(program, wanted, told_eagerly)


def difference(program: Any, stock: list[Any], ours: list[Any]) -> str:
    """What is to be seen of two traces that differ."""
    at = next((at for at, pair in enumerate(zip(stock, ours)) if pair[0] != pair[1]), min(len(stock), len(ours)))
    return f"{program!r}\nthe same:  {stock[:at]}\non stock:  {stock[at:]}\nours has:  {ours[at:]}"


def quiet() -> None:
    """What goes wrong where nobody can be told is part of it."""
    globalLogBeginner.beginLoggingTo([lambda event: None], discardBuffer=True, redirectStandardIO=False)
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    faulthandler.enable(file=sys.__stderr__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=int, default=300, metavar="N", help="how many programs to run of either form")
    parser.add_argument("--minutes", type=float, default=0, help="go on, with other programs, for as long as this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--last", type=Path, help="where the program that is being run is written to")
    parser.add_argument("--replay", type=Path, help="run the program in this file instead")
    arguments = parser.parse_args()
    quiet()
    runs = Runs(arguments.last)
    if arguments.replay:
        runs.check(ast.literal_eval(arguments.replay.read_text()))
        return

    def every(strategy: st.SearchStrategy[Any], number: int) -> None:
        @seed(number)
        @settings(
            max_examples=arguments.examples,
            deadline=None,
            database=InMemoryExampleDatabase(),
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            print_blob=False,
        )
        @given(strategy)
        def test(program: Any) -> None:
            runs.check(program)

        test()

    number, started = arguments.seed, time.monotonic()
    try:
        while True:
            every(programs(wild=False), number)
            every(programs(wild=True), number)
            number += 1
            print(f"{time.monotonic() - started:7.0f} s", runs.counts, flush=True)
            if time.monotonic() - started >= arguments.minutes * 60:
                break
    except KeyboardInterrupt:
        print("ended early:", runs.counts)


if __name__ == "__main__":
    main()
