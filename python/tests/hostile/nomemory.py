"""Has each allocation of Python's fail in turn, in each operation: a `MemoryError` or a result, and never the end.

    python -m hereafter python/tests/hostile/nomemory.py [--only NAME] [--all]

Every try is made by a process of its own, which begins where nothing of the operation has been done before: what is
made at the first use, and kept, is made in it. Either that one allocation fails, or (with `--all`) all that follow
too, until the operation is over. After it Deferreds have to work as if nothing had been.
"""

from __future__ import annotations

import argparse
import contextvars
import faulthandler
import os
import sys
import tempfile
from collections.abc import Callable

import _testcapi
import operations
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, succeed
from twisted.logger import globalLogBeginner

#: More allocations than any operation makes.
LIMIT = 1 << 16

#: What became of a try. A process that hangs is ended with 1.
FINE, OUT_OF_MEMORY, RAISED, PANICKED, BROKEN, NOT_REACHED = range(10, 16)
#: Seconds after which a try hangs.
PATIENCE = 20


def works() -> bool:
    """Whether Deferreds work."""

    @inlineCallbacks
    def generator(row):  # type: ignore[no-untyped-def]
        return (yield row)

    row = [Deferred(), succeed(2)]
    ended = generator(DeferredList(row).addCallback(len))
    row[0].callback(1)
    failed: list[object] = []
    Deferred().addErrback(failed.append).errback(ValueError())
    return ended.result == 2 and len(failed) == 1


def attempt(act: Callable[[], object], start: int, stop: int) -> int:
    """Do it while an allocation fails; what came of it."""
    error: BaseException | None = None
    reached = True
    _testcapi.set_nomemory(start, stop)
    try:
        try:
            act()
        except BaseException as raised:
            error = raised
        bytearray(1)
        # Allocations fail for good from `start` on, and this one has not.
        reached = stop != 0
    except MemoryError:
        pass
    finally:
        _testcapi.remove_mem_hooks()
    if not reached:
        return NOT_REACHED
    if error is None:
        return FINE
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    if isinstance(error, SystemError) and str(error).startswith("<function"):
        # The interpreter had no memory to call a function of Python's, and forgot to say so.
        return OUT_OF_MEMORY
    print(type(error).__name__, error)
    return PANICKED if type(error).__name__ == "PanicException" else RAISED


def in_a_child(name: str, start: int, stop: int) -> tuple[int, str]:
    """The exit code of a process that tries, and what it printed; a signal is below zero."""
    with tempfile.TemporaryFile("w+") as told:
        child = os.fork()
        if child == 0:
            os.dup2(told.fileno(), 1)
            os.dup2(told.fileno(), 2)
            came = BROKEN
            try:
                faulthandler.dump_traceback_later(PATIENCE, exit=True)
                came = attempt(operations.OPERATIONS[name](), start, stop)
                if not works():
                    print("Deferreds do not work any more")
                    came = BROKEN
            except BaseException as error:
                print("afterwards", type(error).__name__, error)
            finally:
                sys.stdout.flush()
                os._exit(came)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told.seek(0)
        return ended, told.read()


def allocations(name: str) -> int:
    """How many allocations the operation makes."""
    few, many = 0, 8
    while in_a_child(name, many, 0)[0] != NOT_REACHED:
        few, many = many + 1, many * 2
        assert many < LIMIT, f"{name} never has enough"
    while few < many:
        middle = (few + many) // 2
        if in_a_child(name, middle, 0)[0] == NOT_REACHED:
            many = middle
        else:
            few = middle + 1
    return few


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", metavar="NAME", help="this operation alone")
    parser.add_argument("--all", action="store_true", help="have all allocations fail that follow the first")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try each Nth allocation alone")
    arguments = parser.parse_args()
    faulthandler.enable()
    globalLogBeginner.beginLoggingTo([lambda event: None], discardBuffer=True, redirectStandardIO=False)
    # Where a thread has no context yet, and there is no memory for one, the interpreter itself crashes.
    contextvars.copy_context()
    tries, bad = 0, 0
    # In words that it has no memory for the standard library goes round for ever.
    words = {"debugging"} if arguments.all else set()
    for name in [arguments.only] if arguments.only else [name for name in operations.OPERATIONS if name not in words]:
        expected = in_a_child(name, LIMIT, LIMIT + 1)[0]
        assert expected in (FINE, RAISED), f"{name} does not work with memory enough"
        needs = 100 if name == "debugging" else allocations(name)
        counts: dict[int, int] = {}
        for start in range(0, needs, arguments.every):
            came, told = in_a_child(name, start, 0 if arguments.all else start + 1)
            tries += 1
            counts[came] = counts.get(came, 0) + 1
            if came not in (FINE, OUT_OF_MEMORY, expected):
                bad += 1
                said = "\n    ".join(told.splitlines()[-12:])
                print(f"{name}, allocation {start}: {'signal' if came < 0 else 'outcome'} {came}\n    {said}", flush=True)
        print(f"{name}: {needs} allocations, {counts}", flush=True)
    print(f"{tries} tries, {bad} of them bad")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
