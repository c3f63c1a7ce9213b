"""More than one interpreter in a process: the first that imports the package has it, any other is refused clearly."""

from __future__ import annotations

import sys

import pytest
from sides import run

#: How another interpreter is made and asked, by the names that each version has for it.
OTHERS = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import sys

def make():
    # One that shares the lock, as those of web servers do, where the versions tell them apart.
    if sys.version_info >= (3, 13):
        return interpreters.create("legacy")
    return interpreters.create(isolated=False)

def ask(other, program):
    try:
        raised = interpreters.run_string(other, program)
    except Exception as error:
        raised = error
    if raised is not None:
        print("raised", raised)

REFUSED = '''
try:
    import hereafter.defer
except ImportError as error:
    print("refused:", error)
else:
    print("imported")
'''
USED = '''
from hereafter.defer import Deferred, inlineCallbacks, succeed
@inlineCallbacks
def generator(d):
    return (yield d) + 1
d = Deferred()
ended = generator(d)
d.callback(1)
print(ended.result)
'''
"""

WHY = "refused: hereafter serves one interpreter of a process, and another has imported it already"


def told(program: str) -> list[str]:
    ended = run("-c", OTHERS + program)
    assert ended.returncode == 0, ended.stdout
    return ended.stdout.splitlines()


def test_itIsRefusedWhereTheMainInterpreterHasIt() -> None:
    lines = told("exec(USED)\nother = make()\nask(other, REFUSED)\nask(other, REFUSED)\nexec(USED)\ninterpreters.destroy(other)\n")
    assert [line[: len(WHY)] for line in lines] == ["2", WHY, WHY, "2"]


def test_itWorksInAnotherInterpreterAlone() -> None:
    lines = told("other = make()\nask(other, USED)\nask(other, USED)\nexec(REFUSED)\n")
    assert [line[: len(WHY)] for line in lines] == ["2", "2", WHY]


def test_theNextInterpreterIsRefusedToo() -> None:
    # What is kept is kept for good: the classes of the one that is gone are not handed on.
    # The native module alone: what else Twisted imports does not bear it on every version.
    refused = "REFUSED.replace('hereafter.defer', 'hereafter._hereafter')"
    lines = told(f"one, two = make(), make()\nask(one, USED)\ninterpreters.destroy(one)\nask(two, {refused})\n")
    assert [line[: len(WHY)] for line in lines] == ["2", WHY]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="interpreters with a lock of their own came with CPython 3.12")
def test_oneWithALockOfItsOwnIsRefused() -> None:
    lines = told("other = interpreters.create()\nask(other, REFUSED)\n")
    assert len(lines) == 1
    assert lines[0].startswith("refused: ")
    assert "interpreter" in lines[0]
