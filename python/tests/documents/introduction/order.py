"""One thing after the other, and every combination of try, except, else and finally."""

from pprint import pprint

from twisted.internet.defer import Deferred


class PodBayDoors:
    def open(self):
        print("the doors begin to open")
        self.opened = Deferred()
        return self.opened


class Pod:
    def launch(self):
        print("launched")


pod_bay_doors, pod = PodBayDoors(), Pod()
d = pod_bay_doors.open()
d.addCallback(lambda ignored: pod.launch())
print("and meanwhile")
pod_bay_doors.opened.callback(None)


def get_names():
    return Deferred()


d = get_names()
d.addCallback(sorted)
d.addCallback(pprint)
d.callback(["Hal", "Dave", "Frank"])
x = get_names()
x.addCallback(sorted).addCallback(pprint)
x.callback(["b", "a"])


def g(failure):
    print("g got", failure if not hasattr(failure, "value") else repr(failure.value))
    return "g's result"


def h(y):
    print("h got", y)
    if y == "what h fails at":
        raise ValueError("from h")
    return "h's result"


SHAPES = {
    "f().addErrback(g)": lambda d: d.addErrback(g),
    "f().addCallbacks(h, g)": lambda d: d.addCallbacks(h, g),
    "f().addErrback(g).addCallback(h)": lambda d: d.addErrback(g).addCallback(h),
    "f().addCallback(h).addErrback(g)": lambda d: d.addCallback(h).addErrback(g),
    "f().addBoth(g)": lambda d: d.addBoth(g),
    "f().addCallbacks(g, g)": lambda d: d.addCallbacks(g, g),
}
for name, shape in SHAPES.items():
    for result in ("y", "what h fails at", ValueError("from f")):
        print(name, "with", repr(result))
        d = Deferred()
        shape(d)
        d.addBoth(lambda result: print("at the end:", getattr(result, "value", result)))
        (d.errback if isinstance(result, Exception) else d.callback)(result)
