"""A service of twistd's: a web page that a Deferred writes, and a last word when it is told to stop."""

from native import is_native
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application, Service
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site


class Page(Resource):
    isLeaf = True

    def render_GET(self, request):
        def write(_):
            request.write(b"native %s" % str(is_native(written)).encode())
            request.finish()

        written = deferLater(reactor, 0, lambda: None).addCallback(write)
        return NOT_DONE_YET


class Ending(Service):
    def stopService(self):
        # The reactor waits for it.
        return deferLater(reactor, 0, lambda: print("stopped", flush=True))


class Listening(StreamServerEndpointService):
    def privilegedStartService(self):
        super().privilegedStartService()
        self._waitingForPort.addCallback(self.tell)

    def tell(self, port):
        print("port", port.getHost().port, flush=True)
        return port


application = Application("page")
Ending().setServiceParent(application)
Listening(serverFromString(reactor, "tcp:0:interface=127.0.0.1"), Site(Page())).setServiceParent(application)
