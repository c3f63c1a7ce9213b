"""DeferredList and gatherResults."""

from twisted.internet import defer


def printResult(result):
    for success, value in result:
        if success:
            print("Success:", value)
        else:
            print("Failure:", value.getErrorMessage())


deferred1 = defer.Deferred()
deferred2 = defer.Deferred()
deferred3 = defer.Deferred()
dl = defer.DeferredList([deferred1, deferred2, deferred3], consumeErrors=True)
dl.addCallback(printResult)
deferred1.callback("one")
deferred2.errback(Exception("bang!"))
deferred3.callback("three")


def addTen(result):
    return result + " ten"


for title, before in (("added before", True), ("added after", False)):
    print(title)
    deferred1 = defer.Deferred()
    deferred2 = defer.Deferred()
    if before:
        deferred1.addCallback(addTen)
    dl = defer.DeferredList([deferred1, deferred2])
    if not before:
        deferred1.addCallback(addTen)
    dl.addCallback(print)
    deferred1.callback("one")
    deferred2.callback("two")
    print(deferred1.result, deferred2.result)

for keywords in ({"fireOnOneCallback": True}, {"fireOnOneErrback": True}):
    print(keywords)
    deferred1 = defer.Deferred()
    deferred2 = defer.Deferred()
    dl = defer.DeferredList([deferred1, deferred2], consumeErrors=True, **keywords)
    dl.addCallback(lambda result: print("result", result))
    dl.addErrback(lambda failure: print("failure", failure.value.index, failure.value.subFailure.value))
    deferred2.errback(ValueError("second"))
    deferred1.callback("first")

d1 = defer.Deferred()
d2 = defer.Deferred()
d = defer.gatherResults([d1, d2], consumeErrors=True)
d.addCallback(print)
d1.callback("one")
print("nothing is printed yet")
d2.callback("two")

print("chained")
a, b = defer.Deferred(), defer.Deferred()
a.addCallback(lambda result: print("a got", result) or b)
a.addCallback(lambda result: print("a goes on with", result))
b.addCallback(lambda result: result + " and more")
a.callback("its own")
print(repr(a).split(" at ")[0])
b.callback("b's result")
first, second = defer.Deferred(), defer.Deferred()
first.chainDeferred(second)
second.addCallback(print)
first.callback("by chainDeferred")
print(first.result)
