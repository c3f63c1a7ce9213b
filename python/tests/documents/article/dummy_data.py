"""A result that comes later, and a callback for it."""

from twisted.internet import defer, reactor


def getDummyData(inputData):
    print("getDummyData called")
    deferred = defer.Deferred()
    reactor.callLater(0.02, deferred.callback, inputData * 3)
    return deferred


def cbPrintData(result):
    print("Result received: {}".format(result))


deferred = getDummyData(3)
deferred.addCallback(cbPrintData)
reactor.callLater(0.04, reactor.stop)
print("Starting the reactor")
reactor.run()
