"""
Inspection: why has it not fired?

Once :func:`enable` was called, every Deferred that is made keeps its history: where it was made, which callbacks have
run, what came of each and how long it took, what it waits on. :func:`explain` tells it, and so do Twisted's reports of
errors that nobody handled. :func:`pending` lists all that have not come to their end, and :func:`lost` those that went
away before they fired.

The environment variable ``HEREAFTER_INSPECT=1`` switches it on from the start, ``HEREAFTER_INSPECT=repr`` with
``repr=True``; ``python -m hereafter --inspect app.py`` does it for one program, and says at its end what is pending.

``trace_to("out.json")``, or the environment variable ``HEREAFTER_TRACE=out.json``, writes down what happens to all Deferreds
made from then on, for https://ui.perfetto.dev; :func:`trace_end`, or the end of the program, ends it.

    >>> from hereafter import inspect
    >>> from hereafter.defer import Deferred
    >>> inspect.enable()
    >>> outer, inner = Deferred(), Deferred()
    >>> _ = outer.addCallback(lambda _: inner)
    >>> outer.callback(None)
    >>> story = inspect.explain(outer)
    >>> story.now, story.waits_on[0].now
    ('waits', 'has not fired; whoever has it has called neither callback() nor errback()')
    >>> [str(link).split(" added")[0] for link in story.links]
    ['callback']
    >>> len(inspect.pending())
    2
    >>> inspect.disable()
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hereafter import _hereafter
from hereafter._page import serve

_native = _hereafter.inspect

Link = _native.Link
Story = _native.Story
count = _native.count
disable = _native.disable
enable = _native.enable
enabled = _native.enabled
explain = _native.explain
lost = _native.lost
pending = _native.pending
trace_end = _native.trace_end
trace_to = _native.trace_to

__all__ = [
    "Link",
    "Story",
    "count",
    "disable",
    "enable",
    "enabled",
    "explain",
    "lost",
    "pending",
    "report",
    "reported",
    "serve",
    "trace_end",
    "trace_to",
]


def report(most: int = 5) -> str:
    """
    What there is to tell at the end of a program: how many Deferreds are pending, and how many went away before they
    fired, and the stories of a few of either.

    :param most: how many stories are told of either.
    :returns: the text; nothing if all have come to their end.
    """
    gone, parts = lost(), []
    for number, what, stories in (
        (count(), "pending; the oldest", pending(most)),
        (len(gone), "lost: gone before anything fired them; the last", gone[max(len(gone) - most, 0) :]),
    ):
        if number:
            heading = f"{number} {'Deferred is' if number == 1 else 'Deferreds are'} {what}:\n"
            parts.append("\n".join([heading, *map(str, stories)]))
    return "\n".join(parts)


@contextmanager
def reported() -> Iterator[None]:
    """
    Have histories kept for a block, and print at its end, whichever that is, what :func:`report` tells.
    """
    enable()
    try:
        yield
    finally:
        told = report()
        if told:
            print(f"\n{told}", end="", file=sys.stderr)
