"""Does each operation very often, and sees that it leaves all counts of references as they were.

    python -m hereafter python/tests/hostile/references.py

On a debug build of CPython that is the number of all references there are; on any other, the counts of what
the operations are given and of what they hand out, beside the number of blocks that are allocated.
"""

from __future__ import annotations

import argparse
import gc
import sys
import warnings
from collections.abc import Callable

import operations
from twisted.internet import defer
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

#: How often each is done before and while it is counted.
TIMES = 100
#: How many references so many times may leave; far fewer than one a time.
LEFT = 20
#: How often it is tried again as long as something seems to stay.
BOUTS = 5

WATCHED = [
    operations.VALUE,
    operations.same,
    operations.handled,
    operations.boom,
    operations.Own,
    operations.coroutine,
    defer.Deferred,
    defer.DeferredList,
    defer.DeferredLock,
    defer.DeferredSemaphore,
    defer.DeferredQueue,
    defer.CancelledError,
    defer.AlreadyCalledError,
    defer.succeed,
    Failure,
    ValueError,
    None,
    True,
    False,
    (),
]


def counted() -> dict[str, int]:
    """The counts, by what they are of."""
    gc.collect()
    whole = getattr(sys, "gettotalrefcount", None)
    counts = {repr(watched)[:40]: sys.getrefcount(watched) for watched in WATCHED}
    if whole is not None:
        counts["all references"] = whole()
    counts["blocks"] = sys.getallocatedblocks()
    return counts


def often(prepare: Callable[[], operations.Act], times: int = TIMES) -> None:
    for _ in range(times):
        act = prepare()
        try:
            act()
        except BaseException:
            pass
        del act


def left_by(prepare: Callable[[], operations.Act]) -> dict[str, int]:
    """What so many times leave behind, or take away: in the best of some bouts, as others keep things too."""
    often(prepare)
    found: dict[str, int] = {}
    for bout in range(BOUTS):
        before = counted()
        often(prepare)
        after = counted()
        changed = {name: after[name] - before[name] for name in before if abs(after[name] - before[name]) > LEFT}
        found = changed if bout == 0 else {name: by for name, by in changed.items() if name in found}
        if not found:
            break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--uncounted", action="store_true", help="only do each operation some times, for tools that watch")
    arguments = parser.parse_args()
    globalLogBeginner.beginLoggingTo([lambda event: None], discardBuffer=True, redirectStandardIO=False)
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    if arguments.uncounted:
        for prepare in operations.OPERATIONS.values():
            often(prepare, 3)
        return
    # Collections are to look at what the operations make, and not at all the rest.
    gc.collect()
    gc.freeze()
    bad = {name: found for name, prepare in operations.OPERATIONS.items() if (found := left_by(prepare))}
    kind = "all references" if hasattr(sys, "gettotalrefcount") else f"references to {len(WATCHED)} objects"
    print(f"{len(operations.OPERATIONS)} operations, {TIMES} times each: {kind} counted; {bad or 'nothing stays'}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
