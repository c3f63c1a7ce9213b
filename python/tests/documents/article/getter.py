"""Callback after callback, and an errback where the number is odd."""

import sys

from twisted.internet import defer, reactor


class Getter:
    d = None

    def gotResults(self, x):
        if self.d is None:
            print("Nowhere to put results")
            return
        # Forgotten before it fires, so that it can fire only once.
        d, self.d = self.d, None
        if x % 2 == 0:
            d.callback(x * 3)
        else:
            d.errback(ValueError("You used an odd number!"))

    def _toHTML(self, r):
        return "Result: %s" % r

    def getDummyData(self, x):
        self.d = defer.Deferred()
        reactor.callLater(0.02 + x / 1000, self.gotResults, x)
        self.d.addCallback(self._toHTML)
        return self.d


def cbPrintData(result):
    print(result)


def ebPrintError(failure):
    sys.stdout.write(str(failure) + "\n")


for number in (3, 4):
    g = Getter()
    d = g.getDummyData(number)
    d.addCallback(cbPrintData)
    d.addErrback(ebPrintError)
g.gotResults(0)
g.gotResults(0)
reactor.callLater(0.1, reactor.stop)
reactor.run()
