"""
Says what to do where the native half of the package is missing.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

_NATIVE = "hereafter._hereafter"


def require_native() -> None:
    """
    Make sure that there is a native module that this Python can load.

    :raises ImportError: when there is none: in a checkout of the source, or in a package that was installed
        for another Python.
    """
    if find_spec(_NATIVE) is not None:
        return
    here = Path(__file__).parent
    others = sorted(path.name for path in here.glob("_hereafter.*"))
    running = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if others:
        found = f"it was built for another Python ({', '.join(others)})"
    else:
        found = "this is its source, or what is left of it, without what is built from it"
    raise ImportError(
        f"hereafter has no native module for {running} in {here}: {found}. For this Python, install it with: "
        f"{python} -m pip install hereafter, or from a checkout, which takes Rust: {python} -m pip install ./python. "
        "There are wheels for CPython 3.10 to 3.13.",
        name=_NATIVE,
    )
