"""Whole programs: Deferreds as a part, larger or smaller, of something useful.

A program is a function of a number that returns a Deferred and does its work so many times. The time is the
process's own, of client and server together, so that what else the machine does counts as little as it can.
"""

import time

from twisted.internet import reactor
from twisted.internet.defer import (
    Deferred,
    DeferredSemaphore,
    gatherResults,
    inlineCallbacks,
)
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import cooperate
from twisted.protocols import amp
from twisted.web.client import Agent, HTTPConnectionPool, readBody
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.server import NOT_DONE_YET

LOOPBACK = "127.0.0.1"
AT_ONCE = 20


def many_times(number, work):
    """Do the work so many times, a few at once."""
    rounds = (work(index) for index in range(number))
    return gatherResults([cooperate(rounds).whenDone() for _ in range(AT_ONCE)])


# AMP: small calls to a server over TCP.


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]
    errors = {ValueError: b"VALUE"}


class Calculator(amp.AMP):
    @Sum.responder
    def sum(self, a, b):
        if a % 10 == 9:
            raise ValueError("a nine")
        return {"total": a + b}


@inlineCallbacks
def amp_calls(number):
    port = reactor.listenTCP(0, Factory.forProtocol(Calculator), interface=LOOPBACK)
    endpoint = TCP4ClientEndpoint(reactor, LOOPBACK, port.getHost().port)
    client = yield endpoint.connect(Factory.forProtocol(amp.AMP))

    def call(index):
        d = client.callRemote(Sum, a=index, b=1)
        d.addCallback(lambda answer: answer["total"])
        d.addErrback(lambda failure: failure.trap(ValueError))
        return d

    yield many_times(number, call)
    client.transport.loseConnection()
    yield port.stopListening()


# A service that is all its own logic: generators in generators, a limit, several at once, errors.


class NotFound(Exception):
    pass


def soon(value):
    d = Deferred()
    reactor.callLater(0, d.callback, value)
    return d


class Service:
    def __init__(self):
        self.limit = DeferredSemaphore(10)
        self.cache = {}

    @inlineCallbacks
    def read(self, key):
        if key % 7 == 0:
            raise NotFound(key)
        value = yield soon(key)
        return value

    @inlineCallbacks
    def cached(self, key):
        if key in self.cache:
            return self.cache[key]
        value = yield self.limit.run(self.read, key)
        self.cache[key % 50] = value
        return value

    @inlineCallbacks
    def checked(self, key):
        try:
            value = yield self.cached(key)
        except NotFound:
            value = yield 0
        return value

    @inlineCallbacks
    def answer(self, request):
        values = yield gatherResults([self.checked(request + more) for more in range(5)])
        total = 0
        for value in values:
            total += yield self.weighed(value)
        return total

    @inlineCallbacks
    def weighed(self, value):
        weight = yield self.checked(value + 1)
        return value * weight


def service(number):
    return many_times(number, Service().answer)


# Web: requests through twisted.web's client to its server, one of two answers given later.


class Page(Resource):
    isLeaf = True

    def render_GET(self, request):
        if request.path.endswith(b"late"):
            d = soon(request)
            d.addCallback(self.finish)
            return NOT_DONE_YET
        return b"now"

    def finish(self, request):
        request.write(b"later")
        request.finish()


@inlineCallbacks
def web_requests(number):
    site = Site(Page())
    site.noisy = False
    port = reactor.listenTCP(0, site, interface=LOOPBACK)
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = AT_ONCE
    agent = Agent(reactor, pool=pool)
    address = b"http://127.0.0.1:%d/" % (port.getHost().port,)

    def request(index):
        d = agent.request(b"GET", address + (b"late" if index % 2 else b"now"))
        return d.addCallback(readBody)

    yield many_times(number, request)
    yield pool.closeCachedConnections()
    yield port.stopListening()


# How many times each runs in a round, and what one of them is called.
PROGRAMS = {
    "program: an AMP call over TCP": (amp_calls, 3000),
    "program: a request to a service of inlineCallbacks": (service, 1500),
    "program: a web request": (web_requests, 1200),
}


def run(name, share, warm_up):
    """Run a program and return how many microseconds each of its rounds took.

    For a compiler at run time it is run as long again before, to warm up.
    """
    program, number = PROGRAMS[name]
    number = max(int(number * share), AT_ONCE)
    took = []
    failures = []

    @inlineCallbacks
    def twice():
        # What is done only once, such as imports, is done before the clock starts.
        yield program(number if warm_up else AT_ONCE)
        began = time.process_time()
        yield program(number)
        took.append(time.process_time() - began)

    def start():
        twice().addErrback(failures.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run()
    for failure in failures:
        failure.raiseException()
    return took[0] / number * 1e6
