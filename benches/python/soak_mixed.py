"""A reactor under a mixed load, to see that nothing grows: memory, files, timers, threads, Deferreds.

    python -m hereafter benches/python/soak_mixed.py --minutes 30

A server and its clients speak AMP over TCP; connections are opened, used, lost and aborted; threads are asked and
call back; there are timers, loops, timeouts, locks, queues, lists, generators and coroutines, all cancelled half of the
time; errors that nobody handles; and each shape of `soak.py` by turns. Every minute tells what the process holds.
A line through each of these figures, after the warm-up, must not rise; and at the end all of it must be gone.
"""

import argparse
import gc
import os
import random
import signal
import statistics
import sys
import threading
import time

import soak
from memory import resident
from twisted.internet import protocol, reactor, task, threads
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    DeferredLock,
    DeferredQueue,
    DeferredSemaphore,
    fail,
    gatherResults,
    inlineCallbacks,
    maybeDeferred,
    race,
    succeed,
)
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.error import ConnectingCancelledError, ConnectionDone, ConnectionLost
from twisted.logger import formatEvent, globalLogBeginner
from twisted.protocols import amp

#: Seconds between two looks at the process.
EVERY = 5
#: The part of the time that is warm-up.
WARM = 0.2
#: How much more there may be in the last third of what follows than in the first, by the middle value of each.
BOUNDS = {"memory": 4 * 1024 * 1024, "files": 8, "timers": 20, "threads": 2, "deferreds": 200}
#: How many of each worker there are.
WORKERS = 3

counts = dict.fromkeys(["operations", "unhandled"], 0)
luck = random.Random(1)


class Echo(amp.Command):
    arguments = [(b"text", amp.Unicode()), (b"seconds", amp.Float())]
    response = [(b"text", amp.Unicode())]
    errors = {ValueError: b"VALUE"}


class Server(amp.AMP):
    """Answers at once, later, from a thread, or with an error."""

    @Echo.responder
    def echo(self, text, seconds):
        if text == "error":
            raise ValueError(text)
        if text == "thread":
            return threads.deferToThread(lambda: {"text": text})
        return task.deferLater(reactor, seconds, lambda: {"text": text})

WORK = []


def worker(function):
    """Have `main` run this, over and over."""
    WORK.append(function)
    return function


def pause():
    return task.deferLater(reactor, luck.random() * 0.01)


@worker
@inlineCallbacks
def a_connection(port):
    client = yield connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), amp.AMP())
    for _ in range(luck.randrange(20)):
        text = luck.choice(["text", "error", "thread", "more"])
        asked = client.callRemote(Echo, text=text, seconds=luck.random() * 0.01)
        try:
            yield asked
        except ValueError:
            assert text == "error"
    # What is not answered when the connection goes ends with it.
    left = [client.callRemote(Echo, text="late", seconds=0.05) for _ in range(3)]
    (client.transport.abortConnection if luck.random() < 0.5 else client.transport.loseConnection)()
    for success, result in (yield DeferredList(left, consumeErrors=True)):
        assert success or result.check(ConnectionDone, ConnectionLost), result


@worker
@inlineCallbacks
def a_connection_that_is_cancelled(port):
    connecting = connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), amp.AMP())
    if luck.random() < 0.5:
        yield pause()
    connecting.cancel()
    try:
        client = yield connecting
        client.transport.loseConnection()
    except (CancelledError, ConnectingCancelledError):
        pass


@worker
async def some_threads(_port):
    def slow(seconds):
        time.sleep(seconds)
        fired = Deferred()
        reactor.callFromThread(fired.callback, seconds)
        return [fired]

    asked = [threads.deferToThread(slow, luck.random() * 0.003) for _ in range(4)]
    asked.append(threads.deferToThread(int, "no number"))
    asked[0].cancel()
    for success, got in await DeferredList(asked, consumeErrors=True):
        if success:
            await got[0]


@worker
async def some_timers(_port):
    timed = [Deferred().addTimeout(luck.random() * 0.01, reactor) for _ in range(10)]
    for one in timed[::2]:
        one.callback("in time")
    await DeferredList(timed, consumeErrors=True)
    loop = task.LoopingCall(lambda: None)
    done = loop.start(0.001)
    await pause()
    loop.stop()
    await done
    later = task.deferLater(reactor, 60, lambda: None)
    later.cancel()
    try:
        await later
    except CancelledError:
        pass


@inlineCallbacks
def nested(depth):
    if depth:
        return (yield nested(depth - 1))
    yield pause()
    return depth


@worker
@inlineCallbacks
def some_generators(_port):
    running = [nested(luck.randrange(10)) for _ in range(10)]
    for one in running[::3]:
        one.cancel()
    yield DeferredList(running, consumeErrors=True)
    try:
        yield gatherResults([nested(2), fail(ValueError()), nested(3)], consumeErrors=True)
    except Exception:
        pass
    yield race([nested(3), task.deferLater(reactor, 30, lambda: None)])


@worker
async def some_locks(_port):
    lock, semaphore, queue = DeferredLock(), DeferredSemaphore(2), DeferredQueue()
    runs = [lock.run(pause) for _ in range(5)] + [semaphore.run(nested, 1) for _ in range(5)]
    gets = [queue.get() for _ in range(3)]
    runs[luck.randrange(len(runs))].cancel()
    gets[0].cancel()
    queue.put(1)
    queue.put(2)
    async with lock:
        await pause()
    await DeferredList(runs + gets, consumeErrors=True)


@worker
async def what_nobody_handles(_port):
    await pause()
    fail(ValueError("nobody"))
    succeed(None).addCallback(lambda _: 1 / 0)
    maybeDeferred(nested, 1).cancel()
    Deferred.fromCoroutine(raising(pause()))


async def raising(awaited):
    await awaited
    raise ValueError("nobody")


@worker
async def the_shapes_of_the_soak(_port):
    for shape in luck.sample(soak.ALL, 10):
        # They are the benchmark's, some of which make a thousand at once.
        shape.run()
        await pause()


def observe(event):
    formatEvent(event)
    counts["unhandled"] += "log_failure" in event


def files():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def held():
    """What the process holds."""
    gc.collect()
    return {
        "memory": resident(),
        "files": files(),
        "timers": len(reactor.getDelayedCalls()),
        "threads": threading.active_count(),
        "deferreds": sum(issubclass(type(each), Deferred) for each in gc.get_objects()),
    }


def line(held, minutes):
    memory = held["memory"] / 1024**2
    rest = "  ".join(f"{name} {held[name]:>5}" for name in BOUNDS if name != "memory")
    return f"{minutes:5.1f} min  memory {memory:7.1f} MiB  {rest}  {counts['operations']:>9,} operations  {counts['unhandled']:>9,} unhandled"


def risen(samples):
    """The figures that rise, and by how much."""
    after = samples[int(len(samples) * WARM) :]
    third = max(1, len(after) // 3)
    found = {}
    for name, bound in BOUNDS.items():
        first, last = (statistics.median(each[name] for each in part) for part in (after[:third], after[-third:]))
        if last - first > bound:
            found[name] = last - first
    return found


class Soak:
    """The run: starts the workers, looks at the process, and sees that all comes to its end."""

    def __init__(self, minutes):
        self.minutes, self.samples, self.stopping, self.failures = minutes, [], False, []

    @inlineCallbacks
    def work(self, function, port):
        while not self.stopping:
            result = function(port)
            yield Deferred.fromCoroutine(result) if hasattr(result, "cr_frame") else result
            counts["operations"] += 1

    @inlineCallbacks
    def run(self):
        listening = yield TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            protocol.Factory.forProtocol(Server)
        )
        port = listening.getHost().port
        started, told = time.monotonic(), 0
        working = [self.work(function, port) for function in WORK for _ in range(WORKERS)]
        for one in working:
            one.addErrback(self.failures.append)
        while not self.stopping and not self.failures and time.monotonic() - started < self.minutes * 60:
            yield task.deferLater(reactor, min(EVERY, self.minutes * 60 / 50))
            self.samples.append(held())
            minutes = (time.monotonic() - started) / 60
            if minutes >= told:
                print(line(self.samples[-1], minutes), flush=True)
                told = int(minutes) + 1
        self.stopping = True
        yield DeferredList(working)
        yield listening.stopListening()
        # What was let go of comes to its end.
        yield task.deferLater(reactor, 0.5)

    def end(self):
        """Ctrl-C: what there is until now is summed up."""
        self.stopping = True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30, metavar="N")
    arguments = parser.parse_args()
    globalLogBeginner.beginLoggingTo([observe], discardBuffer=True, redirectStandardIO=False)
    run = Soak(arguments.minutes)
    left = {}

    def over(result):
        left.update(held())
        reactor.stop()
        return result

    def begin():
        signal.signal(signal.SIGINT, lambda *_: reactor.callFromThread(run.end))
        ended = run.run()
        ended.addBoth(over)
        ended.addErrback(run.failures.append)

    reactor.callWhenRunning(begin)
    reactor.run()
    for failure in run.failures:
        failure.printTraceback(sys.stdout)
    if len(run.samples) < 10:
        sys.exit("it ended too early to tell")
    rises = risen(run.samples)
    print(f"{len(run.samples)} looks; what rises: {rises or 'nothing'}")
    print(f"at the end there are {left['timers']} timers and {left['deferreds']} Deferreds")
    if run.failures or rises or left["timers"] > 0 or left["deferreds"] > 20:
        sys.exit("something stays")


if __name__ == "__main__":
    main()
