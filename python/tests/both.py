"""
Programs of cases, run on stock Twisted and on ours, to compare what each case prints.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"


@cache
def printed(program: str, *how: str) -> dict[str, str]:
    """
    What each case of the program prints, when Python is started like this.
    """
    environment = {name: value for name, value in os.environ.items() if name != "HEREAFTER"}
    result = subprocess.run(
        [sys.executable, *how, str(PROGRAMS / program)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def cases(program: str) -> list[str]:
    """
    The names of the program's cases.
    """
    return re.findall(r"^def (case_\w+)", (PROGRAMS / program).read_text(), re.MULTILINE)


def assert_same(program: str, case: str) -> None:
    """
    The case prints something, and the same on both.
    """
    stock = printed(program)[case]
    assert stock.strip() != ""
    assert printed(program, "-m", "hereafter")[case] == stock
