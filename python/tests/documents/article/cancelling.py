"""Cancelling: what happens without a canceller, and an HTTP client that has one."""

from twisted.internet.defer import AlreadyCalledError, CancelledError, Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport


def told(failure):
    print("cancelled:", failure.trap(CancelledError).__name__)


def operationOf(name):
    operation = Deferred()
    operation.addCallback(lambda result: print("Hooray, a result:", repr(result)))
    operation.addErrback(told)
    print(name)
    return operation


operation = operationOf("done, then cancelled")
operation.callback("completed")
operation.cancel()

operation = operationOf("cancelled, then done")
operation.cancel()
operation.cancel()
operation.callback("completed")
try:
    operation.callback("completed once more")
except AlreadyCalledError:
    print("fired twice")


class HTTPClient(Protocol):
    def request(self, method, path):
        self.resultDeferred = Deferred(lambda ignore: self.transport.abortConnection())
        request = b"%s %s HTTP/1.0\r\n\r\n" % (method, path)
        self.transport.write(request)
        return self.resultDeferred

    def dataReceived(self, data):
        self.resultDeferred.callback(data)


def connected():
    client = HTTPClient()
    client.makeConnection(StringTransport())
    return client


client = connected()
d = client.request(b"GET", b"/")
print(client.transport.value())
d.addErrback(told)
d.cancel()
print("aborted:", client.transport.disconnecting or client.transport.aborting)
try:
    client.dataReceived(b"too late")
except AlreadyCalledError:
    print("too late")

client = connected()
d = client.request(b"GET", b"/")
d.addCallback(print)
client.dataReceived(b"HTTP/1.0 200 OK\r\n\r\n")
d.cancel()

# Cancelling one that waits reaches what it waits for.
inner = Deferred(lambda d: print("the inner one's canceller"))
outer = Deferred()
outer.addCallback(lambda _: inner)
outer.addErrback(told)
outer.callback(None)
outer.cancel()
