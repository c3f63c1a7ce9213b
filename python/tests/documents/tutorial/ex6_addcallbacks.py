"""addCallbacks: one side or the other, by what came before."""

from parts import (
    behindTheScenes,
    both,
    failAtHandlingResult,
    handleFailure,
    handleResult,
    noDecision,
    yesDecision,
)

from twisted.internet import defer


def byHand():
    behindTheScenes(
        "success",
        (failAtHandlingResult, None),
        (yesDecision, noDecision),
        (handleResult, None),
        (yesDecision, noDecision),
        (handleResult, None),
        (None, handleFailure),
    )


def byDeferred():
    d = defer.Deferred()
    d.addCallback(failAtHandlingResult)
    d.addCallbacks(yesDecision, noDecision)
    d.addCallback(handleResult)
    d.addCallbacks(yesDecision, noDecision)
    d.addCallback(handleResult)
    d.addErrback(handleFailure)
    d.callback("success")


both(byHand, byDeferred)
