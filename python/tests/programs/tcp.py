"""A server of lines and its clients, over endpoints, in one process."""

import sys

from native import is_native
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks, succeed
from twisted.internet.endpoints import clientFromString, connectProtocol, serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater, react
from twisted.protocols.basic import LineReceiver


class Shouting(LineReceiver):
    """Answers each line in capitals, the slow ones later."""

    def lineReceived(self, line):
        from twisted.internet import reactor

        answer = deferLater(reactor, 0, line.upper) if line.startswith(b"slow") else succeed(line.upper())
        answer.addCallback(self.sendLine)


class Asking(LineReceiver):
    """One question at a time."""

    def __init__(self):
        self.waiting = []
        self.lost = Deferred()

    def ask(self, line):
        self.waiting.append(answer := Deferred())
        self.sendLine(line)
        return answer

    def lineReceived(self, line):
        self.waiting.pop(0).callback(line.decode())

    def connectionLost(self, reason):
        self.lost.callback(reason.type.__name__)


@inlineCallbacks
def conversation(reactor, port, number):
    client = yield connectProtocol(clientFromString(reactor, f"tcp:127.0.0.1:{port}"), Asking())
    first = yield client.ask(b"hello %d" % number)
    second = yield client.ask(b"slow %d" % number)
    client.transport.loseConnection()
    reason = yield client.lost
    return first, second, reason


async def main(reactor):
    listening = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(Factory.forProtocol(Shouting))
    port = listening.getHost().port
    talks = [conversation(reactor, port, number) for number in range(20)]
    print("native", all(is_native(talk) for talk in talks))
    for said in await gatherResults(talks):
        print(*said)
    await listening.stopListening()
    refused = connectProtocol(clientFromString(reactor, f"tcp:127.0.0.1:{port}"), Asking())
    print(await refused.addErrback(lambda failure: failure.type.__name__))


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)), sys.argv[1:])
