"""trap, addCallbacks beside addCallback and addErrback, and errors that nobody handled."""

import gc

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python import log


class SpamException(Exception):
    pass


class EggException(Exception):
    pass


def cookSpamAndEggs(error):
    raise error


def errorHandler(failure):
    print("trapped", failure.trap(SpamException, EggException).__name__, failure.getErrorMessage())


def notMine(failure):
    print("not trapped:", failure.type.__name__)


for error in (SpamException("burnt"), EggException("raw"), KeyError("no pan")):
    d = succeed(error)
    d.addCallback(cookSpamAndEggs)
    d.addErrback(errorHandler)
    d.addErrback(notMine)


def callback1(result):
    print("callback1 got", result)
    raise ValueError("from callback1")


def errback1(failure):
    print("errback1 got", failure.getErrorMessage())
    return "errback1's result"


def callback2(result):
    print("callback2 got", result)


def errback2(failure):
    print("errback2 got", failure.getErrorMessage())


for make in (lambda: succeed("a result"), lambda: fail(ValueError("a failure"))):
    print("case 1")
    d = make()
    d.addCallback(callback1)
    d.addErrback(errback1)
    d.addCallback(callback2)
    d.addErrback(errback2)
    print("case 2")
    d = make()
    d.addCallbacks(callback1, errback1)
    d.addCallbacks(callback2, errback2)


def observer(event):
    if event["isError"]:
        print("logged:", log.textFromEventDict(event))


log.addObserver(observer)
d = Deferred()
d.addCallback(callback1)
d.callback("what nobody handles")
print("kept")
del d
gc.collect()
print("gone")

d = Deferred()
d.addCallback(callback1)
d.addErrback(log.err, "the chain's end")
d.callback("what is logged")
