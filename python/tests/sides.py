"""How a program is run on either side, on Twisted's own Deferreds and on ours, to compare what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

STOCK: tuple[str, ...] = ()
OURS = ("-m", "hereafter")

#: Long enough for a machine that is busy; what hangs is ended.
LIMIT = 300


def environment(**changed: str) -> dict[str, str]:
    """The environment of the tests, in which nothing takes over by itself."""
    return {name: value for name, value in os.environ.items() if name != "HEREAFTER"} | changed


def run(*arguments: str | Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the arguments; what goes wrong there is among what is printed."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment(**changed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
    )


def printed(*arguments: str | Path, **changed: str) -> str:
    """What a program prints that has to come to a good end; addresses are left out."""
    ended = run(*arguments, **changed)
    assert ended.returncode == 0, ended.stdout
    return re.sub(r"\b0x[0-9a-f]+", "0x", ended.stdout)


def sections(text: str) -> dict[str, str]:
    """What was printed under each heading, `== name`."""
    _, *parts = re.split(r"^== (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2]))
