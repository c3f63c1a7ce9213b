"""What is easy to get wrong: programs that must print the same on Twisted's own Deferreds and on ours.

Each program of the folder `traps` is run once on either side; each of its sections is a test.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from sides import OURS, STOCK, printed, sections

HERE = Path(__file__).parent / "traps"
PROGRAMS = sorted(file for file in HERE.glob("*.py") if file.stem != "telling")


def named(program: Path) -> list[str]:
    return re.findall(r"^@section\ndef (\w+)", program.read_text(), flags=re.MULTILINE)


@cache
def told(program: Path, side: tuple[str, ...]) -> dict[str, str]:
    return sections(printed(*side, program))


@pytest.mark.parametrize(
    ("program", "name"),
    [pytest.param(program, name, id=f"{program.stem}-{name}") for program in PROGRAMS for name in named(program)],
)
def test_stock_and_ours_print_the_same(program: Path, name: str) -> None:
    stock = told(program, STOCK)[name]
    assert stock.strip() != ""
    assert told(program, OURS)[name] == stock


#: What the error of firing twice says beside, inspected.
STORY = re.compile(r"\n+\w+ \d+ at 0x .*(\n *[│├└].*)+")


@pytest.mark.parametrize("program", [pytest.param(program, id=program.stem) for program in PROGRAMS])
def test_they_print_the_same_inspected(program: Path) -> None:
    inspected = sections(STORY.sub("", printed(*OURS, program, HEREAFTER_INSPECT="1")))
    assert inspected == {name: STORY.sub("", text) for name, text in told(program, OURS).items()}
