"""A deferred keeps its result: callbacks may be added before it fires, or after."""

from parts import both, failAtHandlingResult, handleFailure, handleResult

from twisted.internet import defer


def firedLast():
    d = (
        defer.Deferred()
        .addCallback(failAtHandlingResult)
        .addCallback(handleResult)
        .addErrback(handleFailure)
    )
    d.callback("success")


def firedFirst():
    d = defer.Deferred()
    d.callback("success")
    d.addCallback(failAtHandlingResult)
    d.addCallback(handleResult)
    d.addErrback(handleFailure)


both(firedLast, firedFirst)
