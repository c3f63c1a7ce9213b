"""A small web site of pages that link to one another, one of which is missing; ends when its input does."""

import sys

from twisted.internet import reactor, stdio
from twisted.internet.protocol import Protocol
from twisted.web.resource import Resource
from twisted.web.server import Site


class Page(Resource):
    """Every page there is."""

    isLeaf = True

    def render_GET(self, request):
        name = request.path.strip(b"/").decode() or "0"
        if not name.isdigit() or int(name) > 30:
            request.setResponseCode(404)
            return b"there is no such page"
        number = int(name)
        links = "".join(f'<a href="/{next}">next</a>' for next in (2 * number + 1, 2 * number + 2))
        quotes = "".join(f"<p>quote {number}.{index}</p>" for index in range(3))
        return f"<h1>{number}</h1>{quotes}{links}".encode()


class UntilTheInputEnds(Protocol):
    """Stops the reactor with what started it."""

    def connectionLost(self, reason):
        reactor.callLater(0, reactor.stop)


if __name__ == "__main__":
    listening = reactor.listenTCP(0, Site(Page()), interface="127.0.0.1")
    stdio.StandardIO(UntilTheInputEnds())
    print("port", listening.getHost().port, flush=True)
    reactor.run()
    sys.exit(0)
