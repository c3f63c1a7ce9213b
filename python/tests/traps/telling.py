"""How the programs of this folder are told: section by section, the log beside what they print.

A program is a module of functions that `section` decorates, and ends with `tell()`.
"""

import gc
import warnings
from collections.abc import Callable

from twisted.logger import formatEvent, globalLogBeginner

_sections: list[Callable[[], object]] = []


def section(function):
    """Have `tell` run the function, under its own name."""
    _sections.append(function)
    return function


def attempt(function, *arguments, **keywords):
    """Print what a call returns, or what it raises."""
    try:
        returned = function(*arguments, **keywords)
        if returned is not None:
            print("returned", repr(returned))
    except BaseException as error:
        print("raised", type(error).__name__, error)


def outcome(deferred):
    """Print where a deferred is, and handle what is in it."""
    kind = type(deferred).__name__
    if not deferred.called:
        print(kind, "has not fired")
        return
    seen = []
    deferred.addBoth(seen.append)
    if not seen:
        print(kind, "waits")
        return
    (result,) = seen
    value = getattr(result, "value", None)
    print(kind, f"failed: {type(value).__name__}: {value}" if value is not None else f"has {result!r}")


def _log(event):
    failure = event.get("log_failure")
    told = formatEvent(event).split("\n")[0]
    print("logged", event["log_level"].name, told, "" if failure is None else repr(failure.value))


def _warning(message, category, *_place):
    print("warned", category.__name__, message)


def tell():
    """Run every section, and collect what it left behind before the next."""
    globalLogBeginner.beginLoggingTo([_log], discardBuffer=True, redirectStandardIO=False)
    warnings.simplefilter("always", DeprecationWarning)
    warnings.showwarning = _warning
    for function in _sections:
        print("==", function.__name__, flush=True)
        gc.collect()
        gc.disable()
        attempt(function)
        gc.enable()
        gc.collect()
