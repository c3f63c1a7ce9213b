"""An errback that returns the failure hands it on to the next."""

from parts import (
    behindTheScenes,
    both,
    failAtHandlingResult,
    handleFailure,
    handleResult,
    noDecision,
    noDecisionPassthru,
    yesDecision,
)

from twisted.internet import defer


def byHand():
    behindTheScenes(
        "success",
        (failAtHandlingResult, None),
        (yesDecision, noDecisionPassthru),
        (handleResult, None),
        (yesDecision, noDecision),
        (handleResult, None),
        (None, handleFailure),
    )


def byDeferred():
    d = defer.Deferred()
    d.addCallback(failAtHandlingResult)
    d.addCallbacks(yesDecision, noDecisionPassthru)
    d.addCallback(handleResult)
    d.addCallbacks(yesDecision, noDecision)
    d.addCallback(handleResult)
    d.addErrback(handleFailure)
    d.callback("success")


both(byHand, byDeferred)
