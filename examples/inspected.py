"""
A Twisted program with mistakes in it, for the inspector to find.

    python -m hereafter --inspect examples/inspected.py

prints where the page is on which they are seen, and tells of them in the terminal when Ctrl-C ends it. How each
is found is in ``docs/why-has-it-not-fired.md``; ``inspected.rs`` is the same in Rust.
"""

from __future__ import annotations

from argparse import ArgumentParser

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall, deferLater


def fetch(name: str) -> Deferred[str]:
    """Stands for a request: the page is there a little later."""
    return deferLater(reactor, 0.01, lambda: f"the page {name}")


class Store:
    """Stands for a database that is slow today."""

    def __init__(self) -> None:
        self._writing: list[Deferred[int]] = []

    def save(self, page: str) -> Deferred[int]:
        saved: Deferred[int] = Deferred()
        self._writing.append(saved)
        return saved.addCallback(lambda rows: rows + len(page))


class Questions:
    """Stands for a protocol that matches answers to questions."""

    def __init__(self) -> None:
        self._asked: dict[str, Deferred[str]] = {}

    def ask(self, question: str) -> Deferred[str]:
        answer = self._asked[question] = Deferred()
        return answer

    def reconnect(self) -> None:
        self._asked = {}


STORE = Store()
QUESTIONS = Questions()
KEPT: list[Deferred[None]] = []


def forgotten_return() -> Deferred[None]:
    """What comes next does not wait until the page is saved, and gets None."""

    def keep(page: str) -> None:
        STORE.save(page)

    return fetch("one").addCallback(keep).addCallback(lambda rows: print("saved:", rows))


def lost_trigger() -> Deferred[None]:
    """Nobody is left who could fire what is waited for."""
    answer = fetch("two").addCallback(lambda _: QUESTIONS.ask("who is there?"))
    reactor.callLater(0.1, QUESTIONS.reconnect)
    return answer.addCallback(lambda who: print("there is", who))


def left_paused() -> Deferred[None]:
    """The pause was meant to be short."""
    page = fetch("three").addCallback(lambda page: print("got", page))
    page.pause()
    return page


def waits_on_itself() -> Deferred[None]:
    """Each of the two waits for the other."""
    first: Deferred[None] = fetch("four").addCallback(lambda _: second)
    second: Deferred[None] = fetch("five").addCallback(lambda _: first)
    return first.addCallback(lambda _: print("both are there"))


def swallowed_error() -> Deferred[None]:
    """The errback says nothing, and hands on None as if all were well."""
    number = fetch("six").addCallback(lambda page: int(page)).addErrback(lambda failure: None)
    return number.addCallback(lambda number: print("the number is", number))


def something_slow() -> None:
    """While it runs, nothing else does."""
    succeed(300_000).addCallback(lambda count: sum(n * n for n in range(count)))


def main() -> None:
    parser = ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pending", type=int, default=0, help="how many Deferreds are pending beside the mistakes")
    arguments = parser.parse_args()
    KEPT.extend(
        [
            forgotten_return(),
            lost_trigger(),
            left_paused(),
            waits_on_itself(),
            swallowed_error(),
            *(Deferred().addCallback(print) for _ in range(arguments.pending)),
        ]
    )
    something_slow()
    # Something that goes on.
    LoopingCall(fetch, "again").start(0.05)
    reactor.run()


if __name__ == "__main__":
    main()
