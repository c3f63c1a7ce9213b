"""The other extensions of the program `traps/extensions.py` are what that program is about: built with another PyO3."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import bcrypt._bcrypt
import cryptography.hazmat.bindings._rust
import pydantic_core._pydantic_core

from hereafter import _hereafter


def built_with(module: ModuleType) -> set[bytes]:
    """The versions of PyO3 that a library names in the paths of its panics."""
    assert module.__file__ is not None
    return set(re.findall(rb"pyo3-(\d+\.\d+\.\d+)", Path(module.__file__).read_bytes()))


def test_thereIsAnotherPyO3InTheProcess() -> None:
    ours = built_with(_hereafter)
    assert len(ours) == 1
    theirs = [
        built_with(module)
        for module in (bcrypt._bcrypt, cryptography.hazmat.bindings._rust, pydantic_core._pydantic_core)
    ]
    assert all(theirs), theirs
    assert any(versions.isdisjoint(ours) for versions in theirs), (ours, theirs)
