"""An errback that handles the failure: the chain goes on with the next callback."""

from parts import (
    behindTheScenes,
    both,
    callbackAfterErrback,
    failAtHandlingResult,
    handleFailure,
    handleResult,
)

from twisted.internet import defer


def byHand():
    behindTheScenes(
        "success",
        (handleResult, None),
        (failAtHandlingResult, None),
        (None, handleFailure),
        (callbackAfterErrback, None),
    )


def byDeferred():
    d = defer.Deferred()
    d.addCallback(handleResult)
    d.addCallback(failAtHandlingResult)
    d.addErrback(handleFailure)
    d.addCallback(callbackAfterErrback)
    d.callback("success")


both(byHand, byDeferred)
