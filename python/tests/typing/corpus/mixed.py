"""Deferreds that come from other parts of Twisted, which are typed with Twisted's own."""

from __future__ import annotations

from twisted.internet import task, threads
from twisted.internet.defer import Deferred, inlineCallbacks, CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.client import Agent, readBody
from twisted.web.iweb import IResponse

from collections.abc import Generator


def work(number: int) -> str:
    return str(number)


def in_thread() -> Deferred[str]:
    return threads.deferToThread(work, 1)


def in_thread_wrong() -> Deferred[int]:
    return threads.deferToThread(work, 1)  # wrong


def timed(clock: IReactorTime, d: Deferred[int]) -> Deferred[int]:
    def timed_out(result: object, seconds: float) -> int:
        return 0

    d.addTimeout(5, clock)
    d.addTimeout("5", clock)  # wrong
    return d.addTimeout(5, clock, timed_out)


def timed_out(failure: Failure) -> None:
    failure.trap(TimeoutError, CancelledError)  # wrong: mypy


def looping() -> Deferred[None]:
    def beat() -> None: ...

    return task.LoopingCall(beat).start(1.0).addErrback(timed_out)  # wrong


@inlineCallbacks
def fetch(agent: Agent) -> Generator[Deferred[IResponse] | Deferred[bytes], bytes, bytes]:
    body = yield readBody(agent.request(b"GET", b"http://localhost/"))  # wrong
    return body


async def fetched(agent: Agent) -> bytes:
    response: IResponse = await agent.request(b"GET", b"http://localhost/")
    body: bytes = await readBody(response)
    return body


class Counted(Deferred[int]):
    """A subclass of the user's own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def subclass() -> Deferred[int]:
    d = Counted("name")
    d.callback(1)
    d.callback(d.name)  # wrong
    return d
