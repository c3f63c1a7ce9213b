"""The simplest case: a callback and an errback."""

from parts import behindTheScenes, both, handleFailure, handleResult

from twisted.internet import defer


def byHand():
    behindTheScenes("success", (handleResult, None), (None, handleFailure))


def byDeferred():
    d = defer.Deferred()
    d.addCallback(handleResult)
    d.addErrback(handleFailure)
    d.callback("success")


both(byHand, byDeferred)
