"""What is reported of Deferreds that the cycle collector takes, and that their own kin fire meanwhile."""

import gc

from telling import section, tell
from twisted.internet.defer import Deferred, fail


class Late:
    """Fires the Deferred that it has when it is collected, with an error that it has too."""

    def __init__(self, deferred, error):
        self.deferred, self.error, self.itself = deferred, error, self
        # What is made first is taken apart first.
        error.deferred, error.itself = deferred, error
        deferred.kept = self

    def __del__(self):
        print("finalized")
        self.deferred.errback(self.error)


class Finalized(Deferred):
    """One with a finalizer of its own."""

    def __del__(self):
        print("gone")


def collect():
    for _ in range(4):
        gc.collect()


def collect_as_it_is_fired(made):
    error = ValueError("late")
    Late(made(), error)
    del error
    collect()


@section
def oneThatIsFiredByAFinalizer():
    collect_as_it_is_fired(Deferred)


@section
def oneThatIsFiredByAFinalizerAndHasOneOfItsOwn():
    collect_as_it_is_fired(Finalized)


@section
def oneWithAFinalizerThatHasFailedInACircle():
    error = ValueError("in a circle")
    deferred = Finalized()
    error.deferred, deferred.itself = deferred, deferred
    deferred.errback(error)
    del deferred, error
    collect()


@section
def oneThatHasFailedInACircle():
    error = ValueError("in a circle")
    error.deferred = fail(error)
    del error
    collect()


@section
def oneWhoseFailureIsHandledByAFinalizer():
    class Handles:
        def __del__(self):
            print("handled", self.deferred.addErrback(lambda failure: failure.type).result)

    handles = Handles()
    handles.deferred = fail(ValueError("handled in time"))
    handles.deferred.kept = handles
    del handles
    collect()


@section
def oneThatFailsAgainAfterItWasCollected():
    revived = []

    def make():
        deferred = Deferred()
        deferred.addErrback(lambda _: revived.append(deferred))
        Late(deferred, ValueError("handled"))

    make()
    collect()
    (again,) = revived
    revived.clear()
    again.addCallback(lambda _: 1 / 0)
    again.itself = again
    del again
    collect()


tell()
