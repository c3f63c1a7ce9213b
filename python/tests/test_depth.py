"""Very many, and very deep: what ends in a recursion error, or ends the process, where it should do neither.

Each case of the programs in the folder `depth` runs in a process of its own, under the takeover.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sides import OURS, printed

HERE = Path(__file__).parent / "depth"
PROGRAMS = sorted(file for file in HERE.glob("*.py") if file.stem != "cases")


def named(program: Path) -> list[str]:
    return re.findall(r"^def case_(\w+)", program.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("program", "name"),
    [pytest.param(program, name, id=f"{program.stem}-{name}") for program in PROGRAMS for name in named(program)],
)
def test_itComesToItsEnd(program: Path, name: str) -> None:
    # Before it, Python may warn of a coroutine that there was no room left to start.
    assert printed(*OURS, program, name).endswith("came to its end\n")
