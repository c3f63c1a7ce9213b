"""Bytes per Deferred, all told: how much the process grows when there are very many.

No tool that counts Python's own allocations is asked, as it would not see those of a native module.
"""

import gc
import os

from twisted.internet.defer import Deferred, inlineCallbacks, succeed

NUMBER = 200_000
# So many are made before it is counted, and fill what the imports have left free.
WARM = 50_000


def same(value):
    return value


def with_callbacks(number):
    d = Deferred()
    for _ in range(number):
        d.addCallback(same)
    return d


@inlineCallbacks
def waiting(d):
    yield d


MEMORY = {
    "memory: an empty Deferred (bytes)": Deferred,
    "memory: with 1 callback (bytes)": lambda: with_callbacks(1),
    "memory: with 4 callbacks (bytes)": lambda: with_callbacks(4),
    "memory: fired (bytes)": lambda: succeed(None),
    "memory: an inlineCallbacks call and what it waits on (bytes)": lambda: waiting(Deferred()),
}


def resident():
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(name):
    """How much one of them takes. To be called once in a process: freed memory is used again."""
    make = MEMORY[name]
    kept = [None] * NUMBER
    warm = [make() for _ in range(WARM)]
    gc.collect()
    gc.disable()
    before = resident()
    for index in range(NUMBER):
        kept[index] = make()
    grown = resident() - before
    del warm
    return grown / NUMBER
