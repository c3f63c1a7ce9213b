"""
Every name of ``twisted.internet.defer`` is there, and says of itself what Twisted's does.

In a program that was taken over, the module itself is looked at; in one that was not, ``hereafter.defer``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PROGRAM = str(Path(__file__).parent / "programs" / "names.py")
STOCK = "twisted.internet.defer"
#: Where our names are to be found, and how Python is started for it.
DOORS = {
    "taken over": ("-m", "hereafter", PROGRAM, STOCK),
    "taken over, hereafter.defer": ("-m", "hereafter", PROGRAM, "hereafter.defer"),
    "hereafter.defer": (PROGRAM, "hereafter.defer"),
}

TAKE_OVER = "import hereafter; hereafter.install()\n"


def python(*arguments: str) -> str:
    """
    What Python prints, started without Hereafter.
    """
    environment = {name: value for name, value in os.environ.items() if name != "HEREAFTER"}
    result = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@cache
def names(*how: str) -> dict[str, dict]:
    return json.loads(python(*how))


def stock() -> dict[str, dict]:
    return names(PROGRAM, STOCK)


@pytest.fixture(params=DOORS)
def ours(request: pytest.FixtureRequest) -> dict[str, dict]:
    return names(*DOORS[request.param])


def test_stock_has_names() -> None:
    assert {"Deferred", "DeferredQueue", "race", "_inlineCallbacks", "log"} <= set(stock())
    assert stock()["Deferred"]["members"]["addTimeout"]["parameters"] == [
        "timeout POSITIONAL_OR_KEYWORD <class 'inspect._empty'>",
        "clock POSITIONAL_OR_KEYWORD <class 'inspect._empty'>",
        "onTimeoutCancel POSITIONAL_OR_KEYWORD None",
    ]


def test_every_name_is_there(ours: dict[str, dict]) -> None:
    assert set(stock()) - set(ours) == set()


def test_a_name_stands_for_the_same_kind_of_thing(ours: dict[str, dict]) -> None:
    for name, its in stock().items():
        assert (ours[name]["class"], ours[name]["callable"]) == (its["class"], its["callable"]), name


@pytest.mark.parametrize("aspect", ["named", "parameters"])
def test_functions_and_classes_say_the_same_of_themselves(ours: dict[str, dict], aspect: str) -> None:
    for name, its in stock().items():
        assert ours[name].get(aspect) == its.get(aspect), name


@pytest.mark.parametrize("aspect", ["named", "parameters"])
def test_methods_say_the_same_of_themselves(ours: dict[str, dict], aspect: str) -> None:
    for name, its in stock().items():
        for member, described in its.get("members", {}).items():
            assert ours[name]["members"][member][aspect] == described[aspect], f"{name}.{member}"


def test_what_is_public_is_documented(ours: dict[str, dict]) -> None:
    for name, its in stock().items():
        if its.get("documented") and not name.startswith("_"):
            assert ours[name]["documented"], name
        for member, described in its.get("members", {}).items():
            if described["documented"]:
                assert ours[name]["members"][member]["documented"], f"{name}.{member}"


def test_our_own_names_are_none_of_the_modules() -> None:
    taken_over = names(*DOORS["taken over"])
    assert set(taken_over) == set(stock())


@pytest.mark.parametrize("name", ["Deferred", "DeferredList", "DeferredLock", "DeferredSemaphore", "DeferredQueue", "maybeDeferred"])
def test_help_tells(name: str) -> None:
    program = f"from twisted.internet import defer; help(defer.{name})"
    text = python("-c", TAKE_OVER + program)
    signature = "(canceller=None)" if name == "Deferred" else "("
    assert f"{name}{signature}" in text
    assert "twisted.internet.defer" in text


def test_pydoc_tells_of_the_module() -> None:
    program = "import pydoc, twisted.internet.defer; print(pydoc.render_doc(twisted.internet.defer, renderer=pydoc.plaintext))"
    text = python("-c", TAKE_OVER + program)
    assert "class Deferred(" in text
    assert "addTimeout(self, /, timeout, clock, onTimeoutCancel=None)" in text


@pytest.mark.parametrize("before", ["", TAKE_OVER])
def test_callbacks_is_deprecated_as_twisted_has_it(before: str) -> None:
    program = (
        "import warnings; from twisted.internet.defer import Deferred\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    print(Deferred().callbacks)\n"
        "print([(w.category.__name__, str(w.message), w.filename) for w in caught])"
    )
    assert python("-c", before + program) == (
        "[]\n[('DeprecationWarning', 'twisted.internet.defer.Deferred.callbacks was deprecated in Twisted 25.5.0', "
        "'<string>')]\n"
    )


def test_functions_do_not_become_methods() -> None:
    program = "from twisted.internet.defer import succeed; X = type('X', (), {'make': succeed}); print(X().make(1).result)"
    assert python("-c", TAKE_OVER + program) == "1\n"
