"""What the tutorial's examples are made of."""

from twisted.python.failure import Failure


class Counter:
    num = 0


def handleFailure(f):
    print("errback")
    print("we got an exception: %s" % (f.getTraceback(),))
    f.trap(RuntimeError)
    return "okay, continue on"


def handleResult(result):
    Counter.num += 1
    print("callback %s" % (Counter.num,))
    print("\tgot result: %s" % (result,))
    return "yay! handleResult was successful!"


def failAtHandlingResult(result):
    Counter.num += 1
    print("callback %s" % (Counter.num,))
    print("\tgot result: %s" % (result,))
    print("\tabout to raise exception")
    raise RuntimeError("whoops! we encountered an error")


def callbackAfterErrback(result):
    Counter.num += 1
    print("callback %s" % (Counter.num,))
    print("\tgot result: %s" % (result,))


def doThisNoMatterWhat(arg):
    Counter.num += 1
    print("both %s" % (Counter.num,))
    print("\tgot argument %r" % (arg,))
    print("\tdoing something very important")
    return arg


def yesDecision(result):
    Counter.num += 1
    print("yes decision %s" % (Counter.num,))
    print("\twasn't a failure, so we can plow ahead")
    return "go ahead!"


def noDecision(result):
    Counter.num += 1
    result.trap(RuntimeError)
    print("no decision %s" % (Counter.num,))
    print("\t*doh*! a failure! quick! damage control!")
    return "damage control successful!"


def noDecisionPassthru(result):
    Counter.num += 1
    print("no decision %s" % (Counter.num,))
    print("\t*doh*! a failure! don't know what to do, returning failure!")
    return result


def aFailure(message):
    try:
        raise RuntimeError(message)
    except RuntimeError:
        return Failure()


def behindTheScenes(result, *links):
    """What a deferred does with its links: to each, the side that fits the result."""
    for callback, errback in links:
        side = errback if isinstance(result, Failure) else callback
        if side is None:
            continue
        try:
            result = side(result)
        except BaseException:
            result = Failure()


def both(byHand, byDeferred):
    """The example, done by hand and by a deferred: it must print the same."""
    byHand()
    print("\n-------------------------------------------------\n")
    Counter.num = 0
    byDeferred()
