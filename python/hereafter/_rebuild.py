"""
Puts the native Deferred and what belongs to it into a namespace that ``twisted.internet.defer`` has filled.

What Twisted's own functions look up by name, they then find here: its queue, its locks and its
file-system lock are thereby made of native Deferreds too.
"""

from __future__ import annotations

import warnings
from functools import wraps
from types import TracebackType
from typing import Any, Callable, Generator

from hereafter import _callbacks, _hereafter

#: Classes and functions that are ours, by the names that Twisted has for them.
_NATIVE = (
    "_ConcurrencyPrimitive",
    "_cancellableInlineCallbacks",
    "_parseDeferredListResult",
    "DeferredList",
    "DeferredLock",
    "DeferredQueue",
    "DeferredSemaphore",
    "ensureDeferred",
    "execute",
    "fail",
    "gatherResults",
    "maybeDeferred",
    "succeed",
)

#: Methods and properties that stay Twisted's own.
_KEPT = ("asFuture", "fromFuture", "callbacks")


def _check_return_value(trace: TracebackType | None) -> None:
    """
    Warn if ``returnValue`` was called by another function than the generator that it ends.

    :param trace: the traceback of the exception that it raises, from the generator's frame on. Below
        that frame there are two when all is well: ``returnValue`` and what deprecates it.
    """
    if trace is None or trace.tb_next is None or trace.tb_next.tb_next is None:
        return
    caller = trace
    while caller.tb_next.tb_next.tb_next is not None:  # type: ignore[union-attr]
        caller = caller.tb_next  # type: ignore[assignment]
    if caller is trace:
        return
    warnings.warn_explicit(
        "returnValue() in {!r} causing {!r} to exit: returnValue should only be invoked by functions "
        "decorated with inlineCallbacks".format(
            caller.tb_frame.f_code.co_name, trace.tb_frame.f_code.co_name
        ),
        DeprecationWarning,
        caller.tb_frame.f_code.co_filename,
        caller.tb_lineno,
    )


def _throw() -> Generator[None, None, None]:
    """
    Stand for a wait into which something is thrown.

    Twisted's own leaves a frame of Python code in the traceback there too, and some count the lines of a
    traceback. A generator's keeps no frames of those who called it, up to CPython 3.11; a function's would.
    """
    yield


def _telling(names: dict[str, Any]) -> Any:
    """
    What reports an unhandled error with the story of its Deferred, in Twisted's two events.
    """

    class DebugInfo(names["DebugInfo"]):  # type: ignore[misc, valid-type]
        story: str

        def __del__(self) -> None:
            if self.failResult is None:
                return
            log, info = names["log"], self._getDebugTracebacks()
            log.critical("Unhandled error in Deferred:\n{story}", isError=True, story=self.story)
            log.failure("(debug: {debugInfo})" if info else "", self.failResult, debugInfo=info)

    return _adopt(DebugInfo, names)


def _called_twice(names: dict[str, Any]) -> Any:
    """
    What a second firing raises, with the story of its Deferred. It has the arguments of Twisted's: none, outside debug mode.
    """
    plain = names["AlreadyCalledError"]

    class AlreadyCalledError(plain):  # type: ignore[misc, valid-type]
        story: str

        def __str__(self) -> str:
            return f"{super().__str__()}\n{self.story}"

        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return plain, (str(self),)

    AlreadyCalledError.__qualname__ = AlreadyCalledError.__name__
    return _adopt(AlreadyCalledError, names)


def _thrower(_: Any) -> Callable[..., None]:
    """
    What throws into a wait.
    """
    wait = _throw()
    # One that has not begun would let a `StopIteration` out.
    next(wait)
    return wait.throw


def _inline_callbacks(names: dict[str, Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    run, shorten = _hereafter._run_function, _hereafter._shorten

    def inlineCallbacks(f: Callable[..., Any]) -> Callable[..., Any]:
        """
        Make a function of a generator that waits for Deferreds.

        What the generator yields is awaited, if it is a Deferred, a coroutine or such a generator, and
        its value is what ``yield`` comes to; a failure is raised there. Anything else comes back as it
        is. Each call gives a Deferred that fires with what the generator returns or raises; cancelling
        it cancels what the generator waits for.
        """

        # A plain function, since programs look at what they decorate.
        @wraps(f)
        def unwindGenerator(*args: Any, **kwargs: Any) -> Any:
            return run(f, args, kwargs)

        shorten(unwindGenerator)
        return unwindGenerator

    inlineCallbacks.__qualname__ = inlineCallbacks.__name__
    return inlineCallbacks


def _adopt(function: Any, names: dict[str, Any]) -> Any:
    """
    Give a function or class of ours the module name of the one that it stands for.
    """
    function.__module__ = names["__name__"]
    return function


def rebuild(names: dict[str, Any]) -> None:
    """
    Put the native names into the namespace of ``twisted.internet.defer``.
    """
    old = names["Deferred"]
    new = _hereafter.Deferred
    for name in _NATIVE:
        names[name] = _adopt(getattr(_hereafter, name), names)
    _hereafter._bind(names, _check_return_value, _telling(names), _called_twice(names))
    for name in _KEPT:
        if name in vars(old) and name not in vars(new):
            setattr(new, name, vars(old)[name])
    type(new().__await__()).throw = property(_thrower)
    new._callbacks = property(_callbacks.get, _callbacks.replace)
    names["Deferred"] = new
    names["_DEFERRED_SUBCLASSES"] = _hereafter._DEFERRED_SUBCLASSES
    names["inlineCallbacks"] = _adopt(_inline_callbacks(names), names)
