"""After a failure the next to be called is the next errback; callbacks in between are not."""

from parts import behindTheScenes, both, failAtHandlingResult, handleFailure, handleResult

from twisted.internet import defer


def byHand():
    links = [(failAtHandlingResult, None), (handleResult, None), (None, handleFailure)]
    behindTheScenes("success", *links)


def byDeferred():
    d = defer.Deferred()
    d.addCallback(failAtHandlingResult)
    d.addCallback(handleResult)
    d.addErrback(handleFailure)
    d.callback("success")


both(byHand, byDeferred)
