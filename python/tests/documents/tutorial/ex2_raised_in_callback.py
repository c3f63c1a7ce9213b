"""The second callback raises, and the errback after it handles that."""

from parts import behindTheScenes, both, failAtHandlingResult, handleFailure, handleResult

from twisted.internet import defer


def byHand():
    links = [(handleResult, None), (failAtHandlingResult, None), (None, handleFailure)]
    behindTheScenes("success", *links)


def byDeferred():
    d = defer.Deferred()
    d.addCallback(handleResult)
    d.addCallback(failAtHandlingResult)
    d.addErrback(handleFailure)
    d.callback("success")


both(byHand, byDeferred)
