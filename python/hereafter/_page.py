"""
The page of :mod:`hereafter.inspect`: its server, which runs beside the program, in threads of its own.

What may be asked, and by whom, is decided in native code; here is only how it travels.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import TCPServer
from threading import Condition, Thread
from time import monotonic, sleep
from typing import Any

from hereafter import _hereafter

#: How many connections are served at once: each takes a descriptor of the program's, and a thread.
_SEATS = 32

#: Seconds that a connection may take for a request and for reading what is answered, or be idle.
_PATIENCE = 30.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: No answer goes without its headers.
    default_request_version = "HTTP/1.0"
    server: _Server

    def _answer(self) -> None:
        hosts = self.headers.get_all("Host", [])
        status, headers, body = self.server.page.answer(self.command, self.path, hosts[0] if len(hosts) == 1 else None)
        self.server.is_heard(self.connection, knows=status == 200)
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            # Nothing that is asked here has a body, and what comes after it is not listened to.
            self.close_connection = True
        self._send(status, headers, body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request is answered in words that repeat nothing of it, and no more is listened to."""
        self.close_connection = True
        self._send(*self.server.page.refuse(code, self.responses[code][0]))

    def _send(self, status: int, headers: Sequence[tuple[str, str]], body: str) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _answer

    def version_string(self) -> str:
        return "hereafter"

    def log_message(self, *_: Any) -> None:
        """The program's own log is not for this."""


class _Server(ThreadingHTTPServer):
    """
    Each connection has a thread. Who comes when there is no room for one more takes the place of who has been silent for
    longest; of those first who have never shown that they know the page's address.
    """

    daemon_threads = True
    #: Another program's server must not be taken for this one.
    allow_reuse_port = False
    #: How many may come while others are let in.
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        #: Of those who are served: whether they know the page's address, and when they were heard last, or came.
        self._seats: dict[socket.socket, tuple[bool, float]] = {}
        self._room = Condition()
        super().__init__((host, port), _Handler)
        address, port = ip_address(self.server_address[0]), self.server_port
        # What this machine alone can reach, it is to reach by that name.
        self.page = _hereafter.inspect.Page((address, port) if address.is_loopback else None)
        name = f"[{address}]" if address.version == 6 else address
        self.url = f"http://{name}:{port}{self.page.path}"

    def get_request(self) -> tuple[Any, Any]:
        try:
            return super().get_request()
        except OSError:
            # Out of descriptors, most likely: some will be given back.
            sleep(0.1)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._room:
            if len(self._seats) == _SEATS:
                self._let_go(min(self._seats, key=self._seats.__getitem__))
                self._room.wait_for(lambda: len(self._seats) < _SEATS)
            self._seats[request] = (False, monotonic())
        super().process_request(request, client_address)

    def is_heard(self, client: socket.socket, knows: bool) -> None:
        """A request has come; ``knows`` says that it shows that the client knows the page's address."""
        with self._room:
            known, _ = self._seats[client]
            self._seats[client] = (known or knows, monotonic())

    def service_actions(self) -> None:
        """Lets those go who have been silent for too long."""
        now = monotonic()
        with self._room:
            for client, (_, heard) in self._seats.items():
                if now - heard > _PATIENCE:
                    self._let_go(client)

    def _let_go(self, client: socket.socket) -> None:
        """Has the thread of a client, whatever that waits for, come to its end."""
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        # As one step: what is closed must not be let go, for its descriptor may be another's by then.
        with self._room:
            super().shutdown_request(request)
            self._seats.pop(request, None)
            self._room.notify()

    def server_bind(self) -> None:
        # Without asking for the name of this machine, which may take long.
        TCPServer.server_bind(self)
        self.server_port = self.server_address[1]

    def handle_error(self, *_: Any) -> None:
        """A browser that has gone is no error of the program's."""


def serve(port: int = 0, host: str = "127.0.0.1") -> str:
    """
    Show what is pending, and what has happened, on a page for browsers; and switch inspection on.

    The page has everything that :func:`explain`, :func:`pending` and :func:`lost` tell, and goes on while the
    reactor is busy. It ends with the process.

    Who knows its address may see it all, and nobody else: a random token is part of that. Without another
    ``host``, only this machine is served.

    :param port: 0 for one that is free.
    :param host: the address to listen at.
    :returns: the address of the page.
    :raises OSError: if that port cannot be had.

    >>> import urllib.request
    >>> from hereafter import inspect
    >>> with urllib.request.urlopen(inspect.serve() + "now") as answer:
    ...     print(answer.status, answer.headers["Content-Type"])
    200 application/json
    >>> inspect.disable()
    """
    server = _Server(host, port)
    Thread(target=server.serve_forever, name="hereafter.inspect", daemon=True).start()
    return server.url
