"""Run the whole of Twisted's suite twice, stock and under Hereafter, and compare test by test.

    python compare.py --folder FOLDER --differences docs/differences.md [MODULE...]

The tests whose outcomes differ are run three more times on either side, without all others. One of which
stock itself is of two minds, or on which both sides agree all three times, is named as unsteady and counts no
more. What is left must be a row of the table of differences, and every row of that table must really be a
difference, as far as it is about this version of Twisted.

Without modules it is the whole suite. What came of it is also written to `row.md` in the folder, as a row for a
table of several versions.
"""

import argparse
import json
import os
import platform
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
AGAIN = 3
# Far more than it takes; what hangs is to be told from what is slow.
TIMEOUT = 3600
SIDES: Mapping[str, Sequence[str]] = {"stock": (), "hereafter": ("-m", "hereafter")}

Outcomes = dict[str, str]


class Incomplete(Exception):
    """A run that did not come to its end."""


@dataclass(frozen=True)
class Row:
    """A difference: of a test, or of the table of those that are allowed."""

    test: str
    stock: str
    hereafter: str

    def __str__(self) -> str:
        return f"{self.test}: {self.stock} on stock, {self.hereafter} on hereafter"


def read_outcomes(path: Path) -> Outcomes:
    """What became of every test, by its id."""
    outcomes: Outcomes = {}
    started = None
    for line in path.read_text(encoding="utf-8").splitlines():
        what, test, *_ = json.loads(line)
        if what == "start":
            started = test
        elif what == "end":
            return outcomes
        elif outcomes.get(test) not in ("failure", "error"):
            # A test may be told about twice: it fails, and its clean-up does too. The first is it.
            outcomes[test] = what
    raise Incomplete(f"{path.name} has no end; the last test that began was {started}")


@contextmanager
def device_kept() -> Iterator[None]:
    """
    Give ``/dev/null`` its mode back.

    A test of Twisted's log files opens it with a mode that is not to take effect. For root it does, and
    then nobody else on the machine can write there any more.
    """
    null = Path(os.devnull)
    mode = stat.S_IMODE(null.stat().st_mode)
    try:
        yield
    finally:
        if stat.S_IMODE(null.stat().st_mode) != mode:
            null.chmod(mode)


def run(side: str, folder: Path, name: str, what: Iterable[str]) -> Outcomes:
    """Run trial on one side."""
    path = folder / f"{name}-{side}.jsonl"
    log = folder / f"{name}-{side}.log"
    command = [
        sys.executable,
        *SIDES[side],
        str(HERE / "outcomes.py"),
        str(path),
        "--temp-directory",
        str(folder / f"{name}-{side}.trial"),
        *what,
    ]
    with log.open("w") as output:
        # That some tests fail is no news here, so the exit code is not looked at.
        quiet = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        try:
            with device_kept():
                subprocess.run(command, timeout=TIMEOUT, **quiet)
        except subprocess.TimeoutExpired:
            print(f"{side}: {name} did not end within {TIMEOUT} seconds")
    if not path.exists():
        raise Incomplete(f"{side} did not start: {log.read_text()[-2000:]}")
    return read_outcomes(path)


def differences(stock: Outcomes, hereafter: Outcomes) -> list[Row]:
    """Where the two differ; a test that one of them did not run is `absent` there."""
    rows = []
    for test in sorted({*stock, *hereafter}):
        row = Row(test, stock.get(test, "absent"), hereafter.get(test, "absent"))
        if row.stock != row.hereafter:
            rows.append(row)
    return rows


def without_unsteady(rows: Sequence[Row], folder: Path) -> list[Row]:
    """The differences that are there every time: where stock is of one mind, and the other of another."""
    # A test that one side does not have is not asked for there.
    again = [row.test for row in rows if "absent" not in (row.stock, row.hereafter)]
    steady, agreed = set(again), set(again)
    for _ in range(AGAIN if again else 0):
        stock, hereafter = (run(side, folder, "again", again) for side in SIDES)
        for row in rows:
            if stock.get(row.test) != row.stock:
                steady.discard(row.test)
            if stock.get(row.test) != hereafter.get(row.test):
                agreed.discard(row.test)
    return [row for row in rows if row.test not in again or row.test in steady - agreed]


def allowed(page: Path) -> list[Row]:
    """The table of differences: the rows of Markdown between the two markers that are about this Twisted."""
    text = page.read_text(encoding="utf-8")
    begin, end = "<!-- differing tests: begin -->", "<!-- differing tests: end -->"
    table = text.partition(begin)[2].partition(end)[0]
    rows = []
    for line in table.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if len(cells) >= 5 and cells[0].startswith("twisted.") and cells[3] in ("all", version("Twisted")):
            rows.append(Row(cells[0], cells[1], cells[2]))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare Twisted's tests, stock and ours.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--differences", type=Path, required=True)
    parser.add_argument("modules", nargs="*", default=["twisted"])
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in [*folder.glob("*.jsonl"), *folder.glob("row.md")]:
        leftover.unlink()

    outcomes, passed = {}, {}
    for side in SIDES:
        try:
            outcomes[side] = run(side, folder, "whole", arguments.modules)
        except Incomplete as error:
            print(f"{side}: {error}")
            return 1
        passed[side] = sum(outcome == "success" for outcome in outcomes[side].values())
        print(f"{side}: {len(outcomes[side])} tests, {passed[side]} passed", flush=True)

    different = differences(outcomes["stock"], outcomes["hereafter"])
    try:
        left = without_unsteady(different, folder)
    except Incomplete as error:
        print(error)
        left = different
    unsteady = [row for row in different if row not in left]
    known = allowed(arguments.differences)
    new = [row for row in left if row not in known]
    # A row about a test that was not asked for is neither here nor there.
    gone = [row for row in known if row not in left and row.test in outcomes["stock"]]
    for title, rows in (
        ("unsteady, and left out", unsteady),
        ("different, and said so in the table", [row for row in left if row in known]),
        ("DIFFERENT", new),
        ("in the table, but no longer different", gone),
    ):
        if rows:
            print(f"\n{title}:")
            for row in rows:
                print(f"  {row}")
    cells = [version("Twisted"), platform.python_version(), len(outcomes["stock"]), *passed.values(), len(left)]
    (folder / "row.md").write_text(f"| {' | '.join(map(str, cells))} |\n", encoding="utf-8")
    print(f"\n{len(new)} new differences, {len(gone)} rows of the table to remove")
    return 1 if new or gone else 0


if __name__ == "__main__":
    sys.exit(main())
