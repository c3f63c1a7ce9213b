"""
A program with mistakes in it, each of which leaves somebody waiting or wondering: what is seen of them on the page.
"""

import sys
import time

from twisted.internet import defer, reactor, task

kept = []


def forgotten_return() -> None:
    """The user is looked up; that the greeting takes time, too, was forgotten."""

    def greet(user: str) -> None:
        pending = defer.Deferred()
        kept.append(pending)  # by whoever will fire it
        pending.addCallback(lambda _: print("Hello", user))

    found = defer.Deferred()
    found.addCallback(greet)
    found.addCallback(lambda _: print("greeted"))
    found.callback("Ada")


def lost_trigger() -> None:
    """Whoever could have fired it has let go of it."""
    defer.Deferred().addCallback(lambda n: print("the answer is", n))


def left_paused() -> None:
    """The pause was meant to be short."""
    upload = defer.Deferred()
    upload.addCallback(lambda n: print(n, "bytes were sent"))
    upload.pause()
    upload.callback(4096)
    kept.append(upload)


def waits_on_itself() -> None:
    """Each of two waits for the other."""
    one, other = defer.Deferred(), defer.Deferred()
    one.addCallback(lambda _: other)
    other.addCallback(lambda _: one)
    one.callback(None)
    other.callback(None)
    kept.extend([one, other])


def swallowed_error() -> None:
    """That something was wrong is all that anybody will know of it."""
    settings = defer.Deferred()
    settings.addCallback(int)
    settings.addErrback(lambda _: 0)
    settings.callback("80 80")
    kept.append(settings)


def wait_in_line() -> None:
    """A page waits for a query, and that for a connection: no mistake, but worth a picture."""
    connection = defer.Deferred()

    @defer.inlineCallbacks
    def query():
        rows = yield connection
        return rows

    kept.extend([connection, query().addCallback(print)])


def something_slow() -> None:
    """While it runs, nothing else does."""
    slow = defer.Deferred()
    slow.addCallback(lambda _: time.sleep(0.05))
    slow.callback(None)


for mistake in (forgotten_return, lost_trigger, left_paused, waits_on_itself, swallowed_error, wait_in_line, something_slow):
    mistake()
for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
    kept.append(defer.Deferred().addCallback(print))
# Meanwhile, there is something to see of rates.
task.LoopingCall(lambda: task.deferLater(reactor, 0, lambda: None)).start(0.05)
reactor.run()
