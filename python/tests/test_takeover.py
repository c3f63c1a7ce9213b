"""
How a program is taken over: by the command line, by a call, by the environment; and when it is not.
"""

from __future__ import annotations

import os
import subprocess
import sys


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """
    Run Python, in the environment of the tests with what is given changed.
    """
    whole = {name: value for name, value in os.environ.items() if name != "HEREAFTER"} | environment
    return subprocess.run(
        [sys.executable, *arguments], env=whole, capture_output=True, text=True, timeout=60
    )


TELL = "from twisted.internet import defer; print(hasattr(defer, '__hereafter__'))"


def test_aPlainPythonIsLeftAlone() -> None:
    assert run("-c", TELL).stdout == "False\n"
    assert run("-c", TELL, HEREAFTER="0").stdout == "False\n"


def test_theEnvironmentTakesOver() -> None:
    assert run("-c", TELL, HEREAFTER="1").stdout == "True\n"


def test_theEnvironmentTakesOverWhatIsStartedInTurn() -> None:
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TELL!r}])"
    assert run("-c", outer, HEREAFTER="1").stdout == "True\n"


def test_aCallTakesOverAndAgainDoesNothing() -> None:
    assert run("-c", f"import hereafter; hereafter.install(); hereafter.install(); {TELL}").stdout == "True\n"


def test_aLateCallIsRefusedAndNamesTheHolders() -> None:
    late = "import twisted.internet.task; import hereafter; hereafter.install()"
    ended = run("-c", late)
    assert ended.returncode == 1
    assert "TooLate" in ended.stderr
    assert "twisted.internet.defer" in ended.stderr


def test_aScriptGetsItsOwnArguments(tmp_path) -> None:  # type: ignore[no-untyped-def]
    script = tmp_path / "app.py"
    script.write_text("import sys; print(sys.argv[1:], __name__); " + TELL)
    assert run("-m", "hereafter", str(script), "-m", "x").stdout == "['-m', 'x'] __main__\nTrue\n"


def test_checkSaysWhatIsInstalled() -> None:
    ended = run("-m", "hereafter", "--check", "twisted.web.client")
    assert ended.returncode == 0, ended.stderr
    assert "Twisted" in ended.stdout
    assert "twisted.web.client: native Deferreds" in ended.stdout


def test_checkOfAModuleThatIsNotThere() -> None:
    ended = run("-m", "hereafter", "--check", "no.such.module")
    assert ended.returncode == 1
    assert "no.such.module cannot be imported" in ended.stderr


def test_noArgumentsIsAnErrorThatSaysHow() -> None:
    ended = run("-m", "hereafter")
    assert ended.returncode == 1
    assert ended.stderr.startswith("usage: python -m hereafter")
