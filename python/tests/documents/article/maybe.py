"""A function that may be synchronous or not."""

from twisted.internet import defer, reactor

USERS = ["Alice", "Angus", "Agnes"]


def synchronousIsValidUser(user):
    return user in USERS


def asynchronousIsValidUser(user):
    d = defer.Deferred()
    reactor.callLater(0.01, d.callback, user in USERS)
    return d


def brokenIsValidUser(user):
    raise LookupError("no users today")


def authenticateUser(isValidUser, user):
    def printResult(result):
        print(user, "is authenticated" if result else "is not authenticated")

    d = defer.maybeDeferred(isValidUser, user)
    d.addCallback(printResult)
    d.addErrback(lambda failure: print(user, "could not be checked:", failure.getErrorMessage()))
    return d


async def inTurn():
    for isValidUser in (synchronousIsValidUser, asynchronousIsValidUser, brokenIsValidUser):
        for user in ("Alice", "Mallory"):
            await authenticateUser(isValidUser, user)
    reactor.stop()


reactor.callWhenRunning(lambda: defer.ensureDeferred(inTurn()))
reactor.run()
