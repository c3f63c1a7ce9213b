"""A callback returns a deferred, and the chain goes on with that one's result."""

from parts import Counter

from twisted.internet import defer

letters = iter("ab")


def subCallback(words):
    def add(result):
        print("sub-callback %s" % (next(letters),))
        print("\tadding %r to result" % (words,))
        return result + words

    return add


def mainCallback1(result):
    Counter.num += 1
    print("callback %s" % (Counter.num,))
    print("\tgot result: %s" % (result,))
    d = defer.Deferred()
    d.addCallback(subCallback(" are ")).addCallback(subCallback(" beautiful!"))
    d.callback(result + " Deferreds ")
    return d


def mainCallback2(result):
    Counter.num += 1
    print("callback %s" % (Counter.num,))
    print("\tgot result: %s" % (result,))


d = defer.Deferred().addCallback(mainCallback1).addCallback(mainCallback2)
d.callback("I hope you'll agree: ")
try:
    d.callback("again")
except defer.AlreadyCalledError as error:
    print("fired twice: %s" % (type(error).__name__,))
