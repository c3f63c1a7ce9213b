"""Objects that do what no decent object does, memory that runs out, references that must not stay: short forms of
the programs in the folder `hostile`. `cargo xtask hostile` has the long ones."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from sides import OURS, run

HERE = Path(__file__).parent / "hostile"


@pytest.mark.parametrize("inspected", ["0", "1"], ids=["plain", "inspected"])
def test_streamsOfOperationsAmongHostileObjects(tmp_path: Path, inspected: str) -> None:
    last = tmp_path / "program"
    # The same programs every time.
    streams: list[str | Path] = [HERE / "streams.py", "--examples", "250", "--seed", "1", "--last", last]
    ended = run(*streams, HEREAFTER_INSPECT=inspected)
    assert ended.returncode == 0, f"{ended.stdout}\nthe last program was:\n{last.read_text()}"
    assert "'programs': 500" in ended.stdout


def test_aDifferenceIsFound(tmp_path: Path) -> None:
    # In a world where ours does nothing on `pause`, which one program in some dozen must notice.
    broken = "import hereafter.defer as d; d.Deferred.pause = d.Deferred.unpause = lambda self: None; "
    run_it = f"import runpy, sys; sys.path.insert(0, {str(HERE)!r}); sys.argv[1:] = ['--examples', '250']; "
    ended = run("-c", broken + run_it + f"runpy.run_path({str(HERE / 'streams.py')!r}, run_name='__main__')")
    assert ended.returncode != 0
    assert "on stock:" in ended.stdout


@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="this Python has no _testcapi, which lets allocations fail")
@pytest.mark.parametrize("all_that_follow", [False, True], ids=["one", "all that follow"])
def test_withoutMemory(all_that_follow: bool) -> None:
    ended = run(*OURS, HERE / "nomemory.py", "--every", "3", *(["--all"] if all_that_follow else []))
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.endswith(" 0 of them bad\n")


def test_noReferenceStays() -> None:
    ended = run(*OURS, HERE / "references.py")
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.endswith("nothing stays\n")


@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="this Python has no _testcapi, which lets allocations fail")
def test_withoutMemoryWhileInspected() -> None:
    ended = run(*OURS, HERE / "nomemory.py", "--every", "7", HEREAFTER_INSPECT="1")
    assert ended.stdout.endswith(" 0 of them bad\n"), ended.stdout


def test_noReferenceStaysWhileInspected() -> None:
    assert run(*OURS, HERE / "references.py", HEREAFTER_INSPECT="1").stdout.endswith("nothing stays\n")


KEEPS = """
import sys
sys.path.insert(0, {here!r})
import operations, references
kept = []
operations.simple("keeps", lambda: kept.append(operations.VALUE))
print(references.left_by(operations.OPERATIONS["keeps"]))
"""


def test_aReferenceThatStaysIsFound() -> None:
    ended = run("-c", KEEPS.format(here=str(HERE)))
    assert "['value']" in ended.stdout
