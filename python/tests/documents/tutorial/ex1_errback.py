"""What was asked for failed: the chain begins with the errback."""

from parts import (
    aFailure,
    behindTheScenes,
    both,
    failAtHandlingResult,
    handleFailure,
    handleResult,
)

from twisted.internet import defer

result = aFailure("*doh*! failure!")


def byHand():
    links = [(handleResult, None), (failAtHandlingResult, None), (None, handleFailure)]
    behindTheScenes(result, *links)


def byDeferred():
    d = defer.Deferred()
    d.addCallback(handleResult)
    d.addCallback(failAtHandlingResult)
    d.addErrback(handleFailure)
    d.errback(result)


both(byHand, byDeferred)
