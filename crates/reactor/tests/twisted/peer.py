"""
The real Twisted, as the other side of the conversations of main.rs.

"server" prints a line with its ports, and then why each connection ended; "client PORTS" talks to the
ports of main.rs, and fails with the first thing that is not as it should be.
"""

import json
import sys

from twisted.internet import defer, error, protocol, reactor, task
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.protocols import basic
from zope.interface import implementer

GIB = 1024**3
PIECE = b"x" * 65536
LINES = [b"alpha", b"", b"beta gamma", b"x" * 100]
STRINGS = [b"", b"a", b"hello\r\n", b"y" * 100]


def tell(*what):
    print(*what, flush=True)


class Ends:
    def connectionLost(self, reason):
        tell("lost", type(self).__name__, reason.type.__name__)


class Echo(Ends, protocol.Protocol):
    def connectionMade(self):
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data):
        self.transport.write(data)


class Lines(Ends, basic.LineReceiver):
    def lineReceived(self, line):
        self.sendLine(line[::-1])


class Strings(Ends, basic.Int32StringReceiver):
    def stringReceived(self, string):
        self.sendString(string[::-1])


@implementer(IHalfCloseableProtocol)
class Half(Ends, protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data)

    def readConnectionLost(self):
        self.transport.write(b"bye")
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


class Aborts(Ends, protocol.Protocol):
    def dataReceived(self, data):
        self.transport.abortConnection()


class Slow(protocol.Protocol):
    count = 0

    def dataReceived(self, data):
        self.count += len(data)
        self.transport.pauseProducing()
        reactor.callLater(0, self.transport.resumeProducing)

    def connectionLost(self, reason):
        tell("got", self.count)


def server():
    ports = {}
    for kind in [Echo, Lines, Strings, Half, Aborts, Slow]:
        factory = protocol.Factory.forProtocol(kind)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, backlog=1000, interface="127.0.0.1")
        ports[kind.__name__] = port.getHost().port
    tell(json.dumps(ports))
    reactor.run()


@implementer(IHalfCloseableProtocol)
class Asks(protocol.Protocol):
    """Keeps what comes, and lets others wait for it."""

    def __init__(self):
        self.received = b""
        self.reason = None
        self.waiting = []
        self.half_closed = False

    def when(self, condition):
        waiting = defer.Deferred()
        self.waiting.append((condition, waiting))
        self.changed()
        return waiting

    def changed(self):
        for pair in list(self.waiting):
            condition, waiting = pair
            if condition():
                self.waiting.remove(pair)
                waiting.callback(None)

    def dataReceived(self, data):
        self.received += data
        self.changed()

    def readConnectionLost(self):
        self.transport.loseConnection()

    def writeConnectionLost(self):
        self.half_closed = True

    def connectionLost(self, reason):
        self.reason = reason
        self.changed()

    async def receive(self, expected):
        await self.when(lambda: len(self.received) >= len(expected))
        assert self.received == expected, (self.received, expected)
        self.received = b""

    async def lost(self, kind):
        await self.when(lambda: self.reason is not None)
        assert self.reason.check(kind), self.reason


async def ask(port):
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    asks = await connectProtocol(endpoint, Asks())
    asks.transport.setTcpNoDelay(True)
    return asks


async def in_two(port, stream, expected):
    for cut in range(len(stream) + 1):
        asks = await ask(port)
        asks.transport.write(stream[:cut])
        # The second part leaves in another turn of the reactor.
        await task.deferLater(reactor, 0, lambda: None)
        asks.transport.write(stream[cut:])
        await asks.receive(expected)
        asks.transport.loseConnection()
        await asks.lost(error.ConnectionDone)


def prefixed(strings):
    return b"".join(len(string).to_bytes(4, "big") + string for string in strings)


async def one_of_many(port, n):
    asks = await ask(port)
    asks.transport.write(b"hello")
    await asks.receive(b"hello")
    if n % 2:
        asks.transport.loseConnection()
        await asks.lost(error.ConnectionDone)
    else:
        asks.transport.abortConnection()
        await asks.lost(error.ConnectionAborted)


async def several(port, numbers):
    for n in numbers:
        await one_of_many(port, n)


class Flood:
    """Writes a gibibyte, no faster than it may."""

    def __init__(self, transport):
        self.transport, self.left = transport, GIB

    def resumeProducing(self):
        self.left -= len(PIECE)
        self.transport.write(PIECE)
        if not self.left:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def stopProducing(self):
        raise AssertionError("the connection has ended too early")


async def client(ports):
    await in_two(ports["Echo"], b"hello, world", b"hello, world")
    lines = [b"".join(line + b"\r\n" for line in some) for some in (LINES, [l[::-1] for l in LINES])]
    await in_two(ports["Lines"], *lines)
    strings = [prefixed(some) for some in (STRINGS, [s[::-1] for s in STRINGS])]
    await in_two(ports["Strings"], *strings)

    asks = await ask(ports["Half"])
    asks.transport.write(PIECE)
    asks.transport.loseWriteConnection()
    await asks.receive(PIECE + b"bye")
    await asks.lost(error.ConnectionDone)
    assert asks.half_closed

    asks = await ask(ports["Aborts"])
    asks.transport.write(b"hello")
    await asks.lost(error.ConnectionLost)

    await defer.gatherResults(
        [defer.ensureDeferred(several(ports["Echo"], range(n, 10_000, 50))) for n in range(50)]
    )

    asks = await ask(ports["Slow"])
    asks.transport.registerProducer(Flood(asks.transport), False)
    await asks.lost(error.ConnectionDone)


if sys.argv[1] == "server":
    server()
else:
    task.react(lambda _: defer.ensureDeferred(client(json.loads(sys.argv[2]))))
