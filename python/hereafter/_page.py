"""
The page of :mod:`hereafter.inspect`: its server, which runs beside the program, in threads of its own.

What may be asked, and by whom, is decided in native code; here is only how it travels.
"""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import TCPServer
from typing import Any

from hereafter import _hereafter

#: Seconds after which a browser that says nothing is not listened to any more.
_PATIENCE = 60


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    server: _Server

    def _answer(self) -> None:
        status, headers, body = self.server.page.answer(self.command, self.path, self.headers["Host"])
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            # Nothing that is asked here has a body, and what comes after it is not listened to.
            self.close_connection = True
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
    daemon_threads = True
    #: Another program's server must not be taken for this one.
    allow_reuse_port = False

    def __init__(self, host: str, port: int) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        address, port = ip_address(self.server_address[0]), self.server_port
        # What this machine alone can reach, it is to reach by that name.
        self.page = _hereafter.inspect.Page((address, port) if address.is_loopback else None)
        name = f"[{address}]" if address.version == 6 else address
        self.url = f"http://{name}:{port}{self.page.path}"

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
    threading.Thread(target=server.serve_forever, name="hereafter.inspect", daemon=True).start()
    return server.url
