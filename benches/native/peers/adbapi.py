"""
Twisted's adbapi, on the SQLite of Python. Answers "shape part N" with the nanoseconds that N runs took; see child.rs.
"""

import sys
import time

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

TABLE = "CREATE TABLE numbers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"
ONE = "SELECT id, name FROM numbers WHERE id = ?"
HUNDRED = "SELECT id, name FROM numbers WHERE id > ? LIMIT 100"
UPDATE = "UPDATE numbers SET name = name WHERE id = ?"
KEY = (500,)

# One connection: each of a database in memory has a database of its own.
pool = ConnectionPool("sqlite3", ":memory:", check_same_thread=False, cp_min=1, cp_max=1)


def fill(cursor):
    cursor.execute(TABLE)
    cursor.executemany("INSERT INTO numbers VALUES (?, ?)", [(n, f"number {n}") for n in range(1, 1001)])


def read_and_update(cursor):
    cursor.execute(ONE, KEY)
    cursor.fetchall()
    cursor.execute(UPDATE, KEY)


SHAPES = {
    "adbapi_query": lambda: pool.runQuery(ONE, KEY),
    "adbapi_query100": lambda: pool.runQuery(HUNDRED, KEY),
    "adbapi_interaction": lambda: pool.runInteraction(read_and_update),
}


async def timed(run, count):
    started = time.perf_counter_ns()
    for _ in range(count):
        await run()
    return time.perf_counter_ns() - started


def serve():
    """
    Answer what is asked, from a thread: the reactor has the first one.
    """
    blockingCallFromThread(reactor, pool.runInteraction, fill)
    print(*(f"{name}:1:0" for name in SHAPES), flush=True)
    for line in sys.stdin:
        name, _, count = line.split()
        took = blockingCallFromThread(reactor, lambda: Deferred.fromCoroutine(timed(SHAPES[name], int(count))))
        print(took, flush=True)
    reactor.callFromThread(reactor.stop)


reactor.callInThread(serve)
reactor.run()
