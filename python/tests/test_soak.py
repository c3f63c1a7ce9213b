"""A small run of the soak, and that it would find what stays."""

from __future__ import annotations

import sys
from pathlib import Path

from sides import OURS, printed

BENCHES = Path(__file__).parents[2] / "benches" / "python"
sys.path.append(str(BENCHES))

import soak  # noqa: E402


def test_threeHundredThousandLeaveNothing() -> None:
    told = printed(*OURS, BENCHES / "soak.py", "--deferreds", "300000")
    assert "each alone: nothing is left behind" in told
    assert "after the warm-up it has grown by" in told


def test_whatStaysIsFound() -> None:
    kept: list[object] = []
    assert soak.is_leak(soak.left_behind(lambda: kept.append(soak.Deferred())))
    assert soak.is_leak(soak.left_behind(lambda: kept.append(bytes(3000))))
    assert not soak.is_leak(soak.left_behind(soak.Deferred))


GROWING = """
import soak
kept = []
soak.ALL = [soak.Shape("keeps", lambda: kept.append(bytearray(1000)))]
print(soak.soak(20_000, {"keeps": 1}, lambda line: None) > soak.BOUND)
"""


def test_growthIsFound() -> None:
    # Apart, where no memory lies about that other tests have left free.
    assert printed("-c", GROWING, PYTHONPATH=str(BENCHES)) == "True\n"
