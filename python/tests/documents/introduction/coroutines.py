"""async and await, and inlineCallbacks."""

import json
import warnings

from twisted.internet.defer import Deferred, ensureDeferred, inlineCallbacks, returnValue
from twisted.logger import Logger, formatEvent, globalLogPublisher

warnings.simplefilter("ignore", DeprecationWarning)
log = Logger()
globalLogPublisher.addObserver(lambda event: print("logged:", formatEvent(event)))
requests = []


def makeRequest(method, path):
    print(method, path)
    d = Deferred()
    requests.append(d)
    return d


async def getUsers():
    try:
        return json.loads(await makeRequest("GET", "/users"))
    except ConnectionError:
        log.failure("makeRequest failed due to connection error")
        return []


def withCallbacks():
    d = makeRequest("GET", "/users")

    def connectionError(failure):
        failure.trap(ConnectionError)
        log.failure("makeRequest failed due to connection error", failure)
        return []

    d.addCallbacks(json.loads, connectionError)
    return d


@inlineCallbacks
def withYield():
    try:
        responseBody = yield makeRequest("GET", "/users")
    except ConnectionError:
        log.failure("makeRequest failed due to connection error")
        returnValue([])
    returnValue(json.loads(responseBody))


@inlineCallbacks
def withReturn():
    responseBody = yield makeRequest("GET", "/users")
    return json.loads(responseBody)


def do(start):
    d = start()
    d.addCallback(print)
    d.addErrback(lambda failure: print("failed:", failure.type.__name__))
    return d


STARTS = {
    "fromCoroutine": lambda: Deferred.fromCoroutine(getUsers()),
    "ensureDeferred": lambda: ensureDeferred(getUsers()),
    "callbacks": withCallbacks,
    "inlineCallbacks": withYield,
    "inlineCallbacks, return": withReturn,
}
for name, start in STARTS.items():
    print(name)
    do(start)
    requests.pop().callback('["Alice", "Bob"]')
    do(start)
    requests.pop().errback(ConnectionError("no network"))
    do(start)
    requests.pop().callback("no JSON")
    do(start).cancel()
    requests.clear()


async def foo():
    return await makeRequest("GET", "/foo")


async def bar():
    baz = await makeRequest("GET", "/baz")
    fooResult = await foo()
    return baz + fooResult


print("coroutines that await one another")
Deferred.fromCoroutine(bar()).addCallback(print)
requests.pop().callback(20)
requests.pop().callback(22)
