"""
``python -m hereafter [-m module | script.py] args...``: run a program on native Deferreds.

``python -m hereafter --inspect[=PORT] [-m module | script.py] args...`` has each Deferred keep its history, shows on a
page for browsers what is pending and why, and says it at the program's end. ``--trace FILE`` writes what happens to
Deferreds into a file for https://ui.perfetto.dev.

``python -m hereafter --explain ADDRESS [--svg | --dot]`` prints the story of a Deferred of a program that runs with
``--inspect``, by its address on the page; as a tree, as a picture, or for Graphviz.

``python -m hereafter --check [module]`` says what is installed, and whose Deferred a module holds.
"""

from __future__ import annotations

import io
import os
import runpy
import sys
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from zipfile import is_zipfile

from hereafter.takeover import install

_USAGE = """usage: python -m hereafter [--inspect[=PORT]] [--trace FILE] [-m module | script.py] args...
       python -m hereafter --explain ADDRESS [--svg | --dot]
       python -m hereafter --check [module]"""


def _check(names: list[str]) -> int:
    """
    Print the versions, and whether the Deferred of the module named is ours; 1 if it is not.
    """
    from importlib.metadata import version

    install()
    from twisted.internet import defer

    import hereafter.defer

    print(f"hereafter {version('hereafter')}, Twisted {version('Twisted')}, Python {sys.version.split()[0]}")
    for name in names or [defer.__name__]:
        try:
            module = import_module(name)
        except ImportError as error:
            sys.exit(f"{name} cannot be imported: {error}")
        held = getattr(module, "Deferred", None)
        if held is None:
            print(f"{name}: holds no Deferred of its own, and gets those of twisted.internet.defer")
        elif held is hereafter.defer.Deferred:
            print(f"{name}: native Deferreds")
        else:
            print(f"{name}: its Deferred is {held!r}, which is not ours")
            return 1
    return 0


def _explain(arguments: list[str]) -> int:
    """
    Print the story of a Deferred of another program, by what a browser shows as its address; 1 if that has none.
    """
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    forms = {"": "txt", "--svg": "svg", "--dot": "dot"}
    address, form = (*arguments, "", "")[:2]
    page, _, number = address.rpartition("deferred/")
    if len(arguments) > 2 or form not in forms or not page.startswith("http://") or not number.isdecimal():
        sys.exit(
            "--explain: give the address that a browser shows for a Deferred, as in\n"
            "python -m hereafter --explain http://127.0.0.1:8123/0123456789abcdef/#/deferred/12 [--svg | --dot]"
        )
    try:
        with urlopen(f"{page.removesuffix('#/')}deferred/{number}.{forms[form]}", timeout=60) as answer:
            sys.stdout.write(answer.read().decode())
    except HTTPError as refused:
        print(f"--explain: {refused.read().decode().strip()}", file=sys.stderr)
        return 1
    except URLError as error:
        print(f"--explain: the program does not answer: {error.reason}", file=sys.stderr)
        return 1
    return 0


def _run_script(path: str) -> None:
    """
    Run a script in this very ``__main__``, which outlives it as long as a script's own does.
    """
    whole = os.path.abspath(path)
    if not getattr(sys.flags, "safe_path", False):
        # Where ``-m`` has put the working directory.
        sys.path[0] = whole if os.path.isdir(whole) else os.path.dirname(whole)
    if os.path.isdir(whole) or whole.endswith(".pyc") or is_zipfile(whole):
        runpy.run_path(path, run_name="__main__")
        return
    try:
        with io.open_code(whole) as file:
            source = file.read()
    except OSError as error:
        print(f"python -m hereafter: can't open file {whole!r}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    code = compile(source, whole, "exec", dont_inherit=True)
    names = sys.modules["__main__"].__dict__
    kept = {name: names[name] for name in ("__name__", "__builtins__")}
    names.clear()
    names.update(kept, __file__=whole, __doc__=None, __spec__=None, __loader__=None, __package__=None, __cached__=None)
    exec(code, names)


def _run(arguments: list[str]) -> None:
    """
    Run what the command line names as Python itself would.
    """
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        _run_script(arguments[0])


def _inspected(option: str) -> AbstractContextManager[None]:
    """
    Have the page served, and give back what tells of what is pending at the end of a block.
    """
    from hereafter.inspect import reported, serve

    _, given, port = option.partition("=")
    try:
        address = serve(int(port) if given else 0)
    except (ValueError, OverflowError):
        sys.exit(f"{option}: the port is to be a number from 0 to 65535")
    except OSError as error:
        sys.exit(f"{option}: the page cannot be served there: {error.strerror or error}")
    print(f"hereafter: the inspector is at {address}", file=sys.stderr, flush=True)
    return reported()


def _trace(path: str) -> None:
    """
    Have a trace file written.
    """
    from hereafter.inspect import trace_to

    if not path:
        sys.exit("--trace: the file to write is missing")
    try:
        trace_to(path)
    except OSError as error:
        sys.exit(f"--trace: {error}")


def main() -> None:
    """
    Install, and run what the command line names.
    """
    arguments = sys.argv[1:]
    around: AbstractContextManager[None] = nullcontext()
    while arguments and arguments[0].partition("=")[0] in ("--inspect", "--trace"):
        option = arguments.pop(0)
        if option.startswith("--inspect"):
            around = _inspected(option)
        else:
            _, given, path = option.partition("=")
            _trace(path if given else arguments.pop(0) if arguments else "")
    if not arguments or arguments == ["-m"]:
        sys.exit(_USAGE)
    if arguments[0] in ("-h", "--help"):
        print(_USAGE)
        return
    if arguments[0] == "--explain":
        sys.exit(_explain(arguments[1:]))
    if arguments[0] == "--check":
        sys.exit(_check(arguments[1:]))
    install()
    with around:
        _run(arguments)


if __name__ == "__main__":
    main()
