"""
A reactor whose page a thousand connect to at once, and say nothing, from another process. Prints what the page answers
meanwhile, how many files stay open, and whether the reactor went on.
"""

import os
import resource
import socket
import subprocess
import sys
import threading
from urllib.request import urlopen

#: How many files this needs.
FILES = 2000


def visit(address: str) -> None:
    host, port = address.split("/")[2].split(":")
    crowd = [socket.create_connection((host, int(port))) for _ in range(1000)]
    with urlopen(address + "now", timeout=60) as answer:
        print(answer.status)
    for client in crowd:
        client.close()


def serve() -> None:
    from hereafter import inspect
    from twisted.internet import reactor, threads

    address = inspect.serve()

    def files() -> int:
        return len(os.listdir("/dev/fd"))

    def visited() -> str:
        turned = turns
        before = files()
        status = subprocess.run([sys.executable, __file__, address], check=True, capture_output=True, text=True).stdout.strip()
        for thread in threading.enumerate():
            if "process_request" in thread.name:
                thread.join()
        return f"the page: {status}; files that stay: {files() - before}; the reactor went on: {turns > turned}"

    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        reactor.callLater(0.001, turn)

    def report(told: object) -> None:
        print(told)
        reactor.stop()

    reactor.callWhenRunning(turn)
    reactor.callWhenRunning(lambda: threads.deferToThread(visited).addBoth(report))
    reactor.run()


resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
if sys.argv[1:]:
    visit(sys.argv[1])
else:
    serve()
