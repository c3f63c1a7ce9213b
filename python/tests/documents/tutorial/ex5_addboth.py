"""addBoth: the deferred's `finally`."""

from parts import (
    behindTheScenes,
    both,
    doThisNoMatterWhat,
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
        (doThisNoMatterWhat, doThisNoMatterWhat),
        (None, handleFailure),
    )


def byDeferred():
    d = defer.Deferred()
    d.addCallback(handleResult)
    d.addCallback(failAtHandlingResult)
    d.addBoth(doThisNoMatterWhat)
    d.addErrback(handleFailure)
    d.callback("success")


both(byHand, byDeferred)
