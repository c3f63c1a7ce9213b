"""A small real program of each kind, on Twisted's own Deferreds and on ours, and by every way of taking over.

A plain program, trial, trial's own workers, pytest with greenlets, a Scrapy project, a service of twistd's, a
server of twist's, and klein with treq. Each says whose Deferreds it had; the rest must be the same.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from sides import LIMIT, OURS, STOCK, environment, printed
from sides import run as python

HERE = Path(__file__).parent / "programs"
SCRIPTS = Path(sysconfig.get_path("scripts"))
IMPORTS = os.pathsep.join([str(HERE), str(HERE / "suite")])


@contextmanager
def started(*arguments: str | Path, **changed: str) -> Iterator[subprocess.Popen[str]]:
    """Python on the arguments, as long as the block goes on; it is ended if it has not ended itself."""
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=environment(**changed),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def port_of(process: subprocess.Popen[str], said: str) -> int:
    """The port that the process says that it listens on."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        found = re.search(rf"{said} (\d+)", line)
        if found:
            return int(found[1])
    raise AssertionError("".join(lines))


def asked(port: int, path: str = "") -> str:
    with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=LIMIT) as answer:
        return answer.read().decode()


def ended(process: subprocess.Popen[str]) -> str:
    """What else the process prints after it was told to end, which it does in good order."""
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=LIMIT)
    return rest


@pytest.mark.parametrize("program", ["tcp.py", "web.py"])
def test_aProgram(program: str) -> None:
    stock = printed(*STOCK, HERE / program)
    assert "native False" in stock
    same = stock.replace("False", "True")
    assert printed(*OURS, HERE / program) == same
    assert printed(HERE / program, HEREAFTER="1") == same


def trial(*how: str | Path, **changed: str) -> list[str]:
    """What became of the tests, by trial's last line."""
    text = printed(*how, "test_example", PYTHONPATH=IMPORTS, **changed)
    return re.findall(r"^(?:Ran \d+ tests|PASSED.*)", text, flags=re.MULTILINE)


def test_aSuiteUnderTrial(tmp_path: Path) -> None:
    folder = f"--temp-directory={tmp_path / 'trial'}"
    passed = ["Ran 10 tests", "PASSED (expectedFailures=2, successes=8)"]
    for workers in ((), ("-j2",)):
        run = ("-m", "twisted.trial", *workers, folder)
        assert trial(*run, EXPECTED="stock") == passed
        assert trial(*run, EXPECTED="native", HEREAFTER="1") == passed
        assert trial(SCRIPTS / "trial", *workers, folder, EXPECTED="native", HEREAFTER="1") == passed
    assert trial(*OURS, "-m", "twisted.trial", folder, EXPECTED="native") == passed


@pytest.mark.parametrize("library", ["klein", "tubes"])
def test_aLibrarysOwnSuite(library: str, tmp_path: Path) -> None:
    run = ("-m", "twisted.trial", f"--temp-directory={tmp_path / 'trial'}", library)
    # A suite may be too old for the Python, and fail on either side.
    stock, ours = (python(*side, *run, LC_ALL="C").stdout for side in (STOCK, OURS))
    ended = [re.findall(r"^(?:Ran \d+ tests|PASSED.*|FAILED.*)", text, flags=re.MULTILINE) for text in (stock, ours)]
    assert len(ended[0]) == 2, stock
    assert ended[1] == ended[0]


def frames_shown(text: str) -> dict[str, list[str]]:
    """The functions in the traceback that trial shows of each test."""
    shown = {}
    for block in re.split(r"^=+\n", text, flags=re.MULTILINE)[1:]:
        for test in re.findall(r"^test_failing\.\w+\.(\w+)$", block, flags=re.MULTILINE):
            shown[test] = re.findall(r"^  File .*, in (\S+)$", block, flags=re.MULTILINE)
    return shown


def test_trialShowsATestsOwnFrames(tmp_path: Path) -> None:
    run = ("-m", "twisted.trial", f"--temp-directory={tmp_path / 'trial'}", "test_failing")
    ended = subprocess.run(
        [sys.executable, *OURS, *run], env=environment(PYTHONPATH=IMPORTS), capture_output=True, text=True, timeout=LIMIT
    )
    assert "FAILED (skips=1, failures=8, errors=13)" in ended.stdout
    shown = frames_shown(ended.stdout)
    assert shown["test_aFunction"] == ["test_aFunction", "deeper"]
    assert shown["test_aCallback"] == ["deeper"]
    assert shown["test_aGenerator"] == ["test_aGenerator", "deeper"]
    assert shown["test_aGeneratorThatAwaitsAnother"] == ["test_aGeneratorThatAwaitsAnother", "inner", "deeper"]
    assert shown["test_aCoroutineThatAwaitsAFailure"] == ["test_aCoroutineThatAwaitsAFailure", "deeper"]
    assert shown["test_aCoroutine"][0] == "test_aCoroutine"
    assert shown["test_neverRun"] == ["deeper"]
    # It is reported when it goes, and so in the test that let it go.
    assert shown["test_whatNobodyHandles"] == ["deeper"]


def test_aSuiteUnderPytestTwisted() -> None:
    # Without the options that keep the plugin out of these tests.
    run = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=", HERE / "suite/test_blocking.py")
    for side, expected in ((STOCK, "stock"), (OURS, "native")):
        assert "7 passed" in printed(*side, *run, PYTHONPATH=IMPORTS, EXPECTED=expected)


def crawled(site: int, folder: Path, *how: str | Path, **changed: str) -> tuple[str, list[str]]:
    """What a crawl of the site prints, and the items that it found."""
    items = folder / "items.json"
    text = printed(
        *how,
        *("crawl", "quotes", "-a", f"site=http://127.0.0.1:{site}/", "-O", items),
        PYTHONPATH=IMPORTS,
        **changed,
    )
    return text, sorted(map(str, json.loads(items.read_text())))


def test_aScrapyProject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE / "quotes")
    with started(HERE / "pages.py") as site:
        port = port_of(site, "port")
        text, items = crawled(port, tmp_path, "-m", "scrapy")
        # 31 pages of three quotes, and the 32 that the last ones link to are missing.
        assert len(items) == 31 * 3 + 32
        assert text == f"native False False\nAsyncioSelectorReactor finished {len(items)}\n"
        same = (text.replace("False", "True"), items)
        assert crawled(port, tmp_path, *OURS, "-m", "scrapy") == same
        assert crawled(port, tmp_path, *OURS, SCRIPTS / "scrapy") == same
        assert crawled(port, tmp_path, SCRIPTS / "scrapy", HEREAFTER="1") == same


@pytest.mark.parametrize(
    ("side", "changed", "native"),
    [(STOCK, {}, False), (OURS, {}, True), (STOCK, {"HEREAFTER": "1"}, True)],
    ids=["stock", "ours", "environment"],
)
def test_aServiceOfTwistd(side: tuple[str, ...], changed: dict[str, str], native: bool) -> None:
    service = ("--nodaemon", "--pidfile=", "--python", HERE / "service.tac")
    with started(*side, SCRIPTS / "twistd", *service, PYTHONPATH=IMPORTS, **changed) as process:
        assert asked(port_of(process, "port")) == f"native {native}"
        rest = ended(process)
        assert "stopped" in rest
        assert "Server Shut Down" in rest
        assert process.returncode == -signal.SIGTERM


def test_aServerOfTwist(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("a page")
    for side in (STOCK, OURS):
        web = ("-m", "twisted", "web", "--listen=tcp:0:interface=127.0.0.1", "--path", tmp_path)
        with started(*side, *web) as process:
            assert asked(port_of(process, "Site starting on"), "page.txt") == "a page"
            assert "Main loop terminated" in ended(process)
