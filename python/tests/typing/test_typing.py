"""mypy and pyright say the same of code with `hereafter.defer` as of code with Twisted's own module."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
THEIRS, OURS = "twisted.internet.defer", "hereafter.defer"
PACKAGE = HERE.parent.parent / "hereafter"

# What one of the two checkers says: file, line, code, message.
Said = tuple[str, int, str, str]


def mypy(folder: Path) -> set[Said]:
    """Everything that mypy says of the files in a folder."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--output=json", "."]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    said = set()
    for line in result.stdout.splitlines():
        row = json.loads(line)
        said.add((row["file"], row["line"], row["code"] or row["severity"], row["message"]))
    return said


def pyright(folder: Path, mode: str = "standard") -> set[Said]:
    """Everything that pyright says of the files in a folder."""
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": mode}))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    result = subprocess.run([*command, "."], cwd=folder, capture_output=True, text=True)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    said = set()
    for row in json.loads(result.stdout)["generalDiagnostics"]:
        line = row["range"]["start"]["line"] + 1
        code = row.get("rule", row["severity"])
        said.add((Path(row["file"]).name, line, code, row["message"]))
    return said


def pyright_strict(folder: Path) -> set[Said]:
    """The same with everything on, which says of most of Twisted that it is not known well enough."""
    return pyright(folder, "strict")


CHECKERS = {"mypy": mypy, "pyright": pyright}


def copied(to: Path, module: str) -> Path:
    """The corpus with every import of Twisted's module made one of this."""
    folder = to / module
    # A cache that somebody's editor left there is about other files.
    shutil.copytree(CORPUS, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for file in folder.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        package, _, name = module.rpartition(".")
        text = text.replace(f"from {THEIRS} import", f"from {module} import")
        text = text.replace("from twisted.internet import defer\n", f"from {package} import {name}\n")
        file.write_text(text, encoding="utf-8")
    return folder


def marked(checker: str) -> set[tuple[str, int]]:
    """The lines of which this checker must say something."""
    lines = set()
    for file in CORPUS.glob("*.py"):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(rf"# (wrong|told)(: {checker})?$", line):
                lines.add((file.name, number))
    return lines


@pytest.mark.parametrize("check", [mypy, pyright, pyright_strict])
def test_both_modules_are_typed_alike(check: Callable[[Path], set[Said]], tmp_path: Path) -> None:
    theirs = check(copied(tmp_path, THEIRS))
    ours = check(copied(tmp_path, OURS))
    assert ours == theirs
    assert len(theirs) >= 40


@pytest.mark.parametrize("checker", CHECKERS)
def test_what_is_wrong_is_found_and_nothing_else(checker: str, tmp_path: Path) -> None:
    said = CHECKERS[checker](copied(tmp_path, OURS))
    assert {(file, line) for file, line, _, _ in said} == marked(checker)


def exported() -> set[str]:
    """The names that the stub gives out."""
    stub = ast.parse((PACKAGE / "defer.pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname for node in imports for alias in node.names if alias.asname is not None}


def test_the_stub_has_every_public_name_of_both_modules() -> None:
    theirs, ours = importlib.import_module(THEIRS), importlib.import_module(OURS)
    public = set(theirs.__all__)
    # What is defined there without being in `__all__` is used just as much.
    for name, value in vars(theirs).items():
        if not name.startswith("_") and getattr(value, "__module__", None) == THEIRS:
            public.add(name)
    missing = {name for name in public if not hasattr(ours, name)}
    assert missing == set()
    assert public <= exported()
    assert {name for name in exported() if not hasattr(theirs, name)} == set()


def test_the_package_says_that_it_is_typed() -> None:
    installed = Path(importlib.import_module("hereafter").__file__ or "").parent
    assert (installed / "py.typed").is_file()
    assert (installed / "defer.pyi").is_file()


def test_the_stub_of_inspection_says_what_is_there() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "hereafter.inspect"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_the_takeover_is_typed(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text("import hereafter\n\nhereafter.install()\nreveal_type(hereafter.installed())\n")
    environment = {**os.environ, "MYPYPATH": ""}
    command = [sys.executable, "-m", "mypy", "--strict", "use.py"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert 'Revealed type is "bool"' in result.stdout or 'Revealed type is "builtins.bool"' in result.stdout
    assert "error" not in result.stdout
