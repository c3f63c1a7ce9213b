"""
``python -m hereafter [-m module | script.py] args...``: run a program on native Deferreds.
"""

from __future__ import annotations

import os
import runpy
import sys

from hereafter.takeover import install

_USAGE = "usage: python -m hereafter [-m module | script.py] args..."


def main() -> None:
    """
    Install, and run what the command line names as Python itself would.
    """
    arguments = sys.argv[1:]
    if not arguments or arguments == ["-m"]:
        sys.exit(_USAGE)
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
