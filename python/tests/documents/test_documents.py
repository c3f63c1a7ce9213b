"""The examples of three documents that teach Deferreds print the same on stock Twisted and on ours.

`article` is after a Chinese article on callbacks and Deferreds in Twisted, `tutorial` after "Deferreds are
beautiful!", and `introduction` after Twisted's own "Introduction to Deferreds". Waits are shorter here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAMS = sorted(
    file.relative_to(HERE).as_posix() for file in HERE.glob("*/*.py") if file.stem != "parts"
)


def printed(program: str, *how: str) -> str:
    """What the program prints, errors and all."""
    environment = {name: value for name, value in os.environ.items() if name != "HEREAFTER"}
    result = subprocess.run(
        [sys.executable, *how, str(HERE / program)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def without_twisted_frames(text: str) -> str:
    """Tracebacks without the frames of Deferred's own machinery, of which we have fewer.

    The line of source, and what marks a part of it, belong to the frame.
    """
    kept = []
    inside = False
    for line in text.splitlines():
        starts = re.match(r"\s*(File \")?\S*(twisted.internet.defer|twisted/internet/defer)\b", line)
        if starts or re.match(r'\s*File ".*(twisted.internet.defer|hereafter._rebuild)\.py"', line):
            inside = True
        elif inside and line.startswith("    "):
            continue
        else:
            inside = False
            kept.append(line)
    return "\n".join(kept)


def test_there_are_programs() -> None:
    assert len(PROGRAMS) >= 15


@pytest.mark.parametrize("program", PROGRAMS)
def test_stock_and_ours_print_the_same(program: str) -> None:
    stock = without_twisted_frames(printed(program))
    ours = without_twisted_frames(printed(program, "-m", "hereafter"))
    assert stock.strip() != ""
    assert ours == stock


@pytest.mark.parametrize("program", [name for name in PROGRAMS if re.search(r"ex[0-8]", name)])
def test_by_hand_and_by_a_deferred_it_is_the_same(program: str) -> None:
    for how in ((), ("-m", "hereafter")):
        # By hand, the frames are those of the example itself; they differ, and what failed does not.
        lines = printed(program, *how).splitlines()
        lines = [line for line in lines if not re.match(r"  (File|  )|---.*---$|\s*\^*$|Traceback", line)]
        lines = [re.sub(r"we got an exception: .*", "we got an exception", line) for line in lines]
        middle = len(lines) // 2
        assert lines[:middle] == lines[middle:], "\n".join(lines)
