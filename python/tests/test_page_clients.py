"""Clients of the page that are slow, too many, or talk nonsense: it stays where it is for the others, and so does the program."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sides import OURS, printed

from hereafter import _page, inspect

CROWD = Path(__file__).parent / "programs" / "page_crowd.py"

#: More than the server has room for.
MANY = 100


class Page:
    """A page that is served, spoken to by hand."""

    def __init__(self, address: str) -> None:
        _, _, self.host, self.path = address.removesuffix("/").split("/")
        self.path = f"/{self.path}/"

    def connect(self) -> socket.socket:
        host, port = self.host.split(":")
        return socket.create_connection((host, int(port)))

    def request(self, what: str = "", more: str = "Connection: close\r\n") -> bytes:
        return f"GET {self.path}{what} HTTP/1.1\r\nHost: {self.host}\r\n{more}\r\n".encode()

    def send(self, request: bytes) -> bytes:
        """Sends this, and reads until the server closes."""
        with self.connect() as client:
            # A server that has seen enough may close before it has read all.
            with contextlib.suppress(OSError):
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
            return rest(client)

    def is_served(self) -> None:
        for what in "", "now":
            assert status(self.send(self.request(what))) == "200"


def rest(client: socket.socket) -> bytes:
    """All that comes until the server closes, in an orderly way or not."""
    whole = b""
    with contextlib.suppress(OSError):
        while piece := client.recv(1 << 16):
            whole += piece
    return whole


def status(answer: bytes) -> str:
    return answer.split(b" ")[1].decode() if b" " in answer else "nothing"


def serving() -> set[threading.Thread]:
    """The threads that serve connections."""
    return {thread for thread in threading.enumerate() if "process_request" in thread.name}


def end(threads: set[threading.Thread]) -> None:
    """Comes back when these have come to their ends."""
    for thread in threads:
        while thread.ident is None:
            os.sched_yield()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def page() -> Iterator[Page]:
    before = serving()
    yield Page(inspect.serve())
    end(serving() - before)
    inspect.disable()


@pytest.fixture
def many(page: Page) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as clients:
        yield [clients.enter_context(page.connect()) for _ in range(MANY)]


def test_whoSaysNothingKeepsNobodyOut(page: Page, many: list[socket.socket]) -> None:
    page.is_served()
    # Those who came first have been let go.
    for client in many[: MANY - _page._SEATS]:
        assert rest(client) == b""


def test_whoSendsAByteAtATimeIsAnsweredAndKeepsNobodyOut(page: Page, many: list[socket.socket]) -> None:
    request = page.request()
    for byte in request[: len(request) // 2]:
        for client in many:
            # Most have been let go.
            with contextlib.suppress(OSError):
                client.send(bytes([byte]))
    page.is_served()
    with page.connect() as patient:
        for byte in request:
            patient.send(bytes([byte]))
        assert status(rest(patient)) == "200"


def test_whoAsksAndNeverReadsKeepsNobodyOut(page: Page, many: list[socket.socket]) -> None:
    for client in many:
        # The answers are more than the system takes for one who does not read.
        with contextlib.suppress(OSError):
            client.sendall(page.request(more="") * 200)
    page.is_served()


def test_whoKnowsTheAddressStaysWhenStrangersCome(page: Page) -> None:
    with page.connect() as known, contextlib.ExitStack() as clients:
        known.sendall(page.request("lost", ""))
        known.recv(1, socket.MSG_PEEK)
        for _ in range(MANY):
            clients.enter_context(page.connect())
        page.is_served()
        known.sendall(page.request("lost"))
        assert rest(known).count(b"HTTP/1.1 200 OK") == 2


def test_whoTakesTooLongIsLetGo(monkeypatch: pytest.MonkeyPatch, page: Page) -> None:
    monkeypatch.setattr(_page, "_PATIENCE", 0.1)
    with contextlib.ExitStack() as clients:
        for ask in b"", page.request()[:-2], page.request(more=""):
            client = clients.enter_context(page.connect())
            client.sendall(ask)
            rest(client)
        deaf = clients.enter_context(page.connect())
        deaf.sendall(page.request(more="") * 200)
        deaf.recv(1, socket.MSG_PEEK)
        end(serving())


def test_requestsThatAreSentAtOnceAreAnsweredInTurn(page: Page) -> None:
    answers = page.send(page.request("now", "") + page.request("nothing"))
    first, second = answers.split(b"there is no such question")
    assert (status(first), second) == ("200", b"\n")
    assert b"HTTP/1.1 404 Not Found" in first


def test_whatIsNoRequestIsRefusedAndForgotten(page: Page) -> None:
    path, host = page.path, f"Host: {page.host}\r\n"
    heads: list[str] = [
        f"GET {path}\r\n\r\n",
        f"GET {path} HTTP/9.9\r\n{host}\r\n",
        f"GET {path} and more HTTP/1.1\r\n{host}\r\n",
        f"GET {path}\0 HTTP/1.1\r\n{host}\r\n",
        f"GET {path}\N{LATIN SMALL LETTER Y WITH DIAERESIS} HTTP/1.1\r\n{host}\r\n",
        f"GET {path} HTTP/1.1\r\n{host}X: {'x' * (1 << 21)}\r\n\r\n",
        f"GET {path} HTTP/1.1\r\n{host}" + "X: y\r\n" * 10_000 + "\r\n",
        f"GET {path} HTTP/1.1\r\n{host}{host}\r\n",
        f"GET {path} HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n",
        f"GET {path} HTTP/1.1\r\nHost: \0\r\n\r\n",
        f"GET {path} HTTP/1.1\r\nHost: \N{LATIN SMALL LETTER Y WITH DIAERESIS}\r\n\r\n",
        f"BREW {path} HTTP/1.1\r\n{host}\r\n",
        f"GET http://evil.example{path} HTTP/1.1\r\n{host}\r\n",
    ]
    garbage = [
        bytes(10_000),
        bytes(range(256)) * 400,
        b"\n" * 10_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        *(head.encode("latin-1") for head in heads),
    ]
    for nonsense in garbage:
        answer = page.send(nonsense)
        # Who is still sending when the answer is there may not see it.
        if answer:
            told = (nonsense[:100], answer)
            assert status(answer) in {"400", "404", "405", "414", "421", "431", "501", "505"}, told
            assert b"Content-Security-Policy: default-src 'none'" in answer, told
            assert page.path.encode() not in answer, told
    page.is_served()


def test_aThousandAtOnceAreNoTroubleToTheProgram() -> None:
    assert printed(*OURS, CROWD) == "the page: 200; files that stay: 0; the reactor went on: True\n"


def test_whoComesWhenThereAreNoDescriptorsIsServedLater(monkeypatch: pytest.MonkeyPatch, page: Page) -> None:
    refused, get_request = threading.Semaphore(0), _page._Server.get_request

    def count(server: _page._Server) -> tuple[object, object]:
        try:
            return get_request(server)
        except OSError:
            refused.release()
            raise

    monkeypatch.setattr(_page._Server, "get_request", count)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as client:
        host, port = page.host.split(":")
        # None is left that is not in use by now.
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, limits[1]))
        spare = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    spare.append(os.dup(0))
            client.connect((host, int(port)))
            client.sendall(page.request("now"))
            for _ in range(3):
                assert refused.acquire(timeout=60)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for file in spare:
                os.close(file)
        assert status(rest(client)) == "200"
