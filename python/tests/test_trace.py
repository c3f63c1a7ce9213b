"""Trace files: what the Deferreds of a program did, for Perfetto."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from twisted.internet.defer import Deferred
from hereafter import inspect

def live():
    inner, outer = Deferred(), Deferred()
    outer.addCallback(lambda _: inner)
    outer.addCallback(lambda _: 1 / 0)
    outer.addErrback(lambda failure: None)
    outer.callback(None)
    inner.callback(1)
    gone = Deferred()
    gone.addErrback(lambda failure: None)
    gone.cancel()

if len(sys.argv) > 1:
    inspect.trace_to(sys.argv[1])
    live()
    inspect.trace_end()
    assert not inspect.enabled()
live()
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "hereafter", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_program_writes_its_trace(tmp_path: Path, is_asked: bool) -> None:
    """The lives, links, waits, failures and cancels of Deferreds are in the file, whoever has asked for it."""
    program, path = tmp_path / "app.py", tmp_path / "out.json"
    program.write_text(PROGRAM)
    if is_asked:
        done = run(str(program), str(path))
    else:
        done = run(str(program), HEREAFTER_TRACE=str(path))
    assert (done.returncode, done.stderr) == (0, "")
    events = json.loads(path.read_text())
    seen = [(event["ph"], event["name"]) for event in events]
    for line, number in ((7, 2), (13, 1)):
        for phase in "be":
            assert seen.count((phase, f"{program}:{line} in live")) == number
    for what, number in {
        ("n", "fired"): 3,
        ("n", "cancelled"): 1,
        ("b", "waits"): 1,
        ("e", "waits"): 1,
        ("s", "wait"): 1,
        ("f", "wait"): 1,
        ("i", "failed: ZeroDivisionError"): 1,
        ("X", f"callback {program}:8 in live"): 1,
        ("X", f"callback {program}:9 in live"): 1,
        ("X", f"errback {program}:10 in live"): 1,
        ("X", f"errback {program}:14 in live"): 1,
    }.items():
        assert seen.count(what) == number, what


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Nothing begins then."""
    path = tmp_path / "none" / "out.json"
    code = f"from hereafter import inspect; inspect.trace_to({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"FileNotFoundError: the trace file {path} cannot be written" in done.stderr


FORKS = """
import os, sys
from twisted.internet.defer import Deferred
from hereafter import inspect

inspect.trace_to(sys.argv[1])
def first(): return Deferred()
def second(): return Deferred()
kept = first()
child = os.fork()
second() if child == 0 else None
if child == 0:
    inspect.trace_end()
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_fork_leaves_the_file_to_whom_it_belongs(tmp_path: Path) -> None:
    """What the child does is not in it, and what there was is not in it twice."""
    program, path = tmp_path / "app.py", tmp_path / "out.json"
    program.write_text(FORKS)
    done = run(str(program), str(path))
    assert (done.returncode, done.stderr) == (0, "")
    names = [event["name"] for event in json.loads(path.read_text())]
    assert len([name for name in names if name.endswith("in first")]) == 1
    assert not [name for name in names if name.endswith("in second")]
