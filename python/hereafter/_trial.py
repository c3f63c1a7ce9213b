"""
What trial has to know of native Deferreds.
"""

from __future__ import annotations

import os
from functools import wraps
from typing import Any

_START = ("_deferSetUpAndRun", "_asynctest")
_THROWN = ("_throw", "_rebuild")
_SUPPRESS = ("runWithWarningsSuppressed", "utils")


def _frame(function: str, module: str) -> tuple[str, str, int, tuple[()], tuple[()]]:
    return (function, f"{module}.py", 0, (), ())


def _with_frames_of_twisted(frames: list[Any]) -> list[Any]:
    """
    Put in the frames that Twisted's own Deferred leaves in a test's traceback, for trial to take out again.

    Native code leaves none, and trial tells by them where its own frames end.
    """
    names = [(frame[0], os.path.splitext(os.path.basename(frame[1]))[0]) for frame in frames[:4]]
    if names[1:2] == [_THROWN]:
        del frames[1], names[1]
    if names[:2] == [_SUPPRESS, _SUPPRESS]:
        # Up to Twisted 24.11 a test is called by Deferreds alone, which are none of these frames.
        return frames[2:]
    if len(names) < 2 or names[0] != _START or names[1] == ("__iter__", "defer"):
        return frames
    if names[1:3] == [_SUPPRESS, _SUPPRESS]:
        left_out = [("__iter__", "defer"), ("raiseException", "failure"), ("maybeDeferred", "defer")]
    else:
        left_out = [("__iter__", "defer"), ("_runCallbacks", "defer")]
    return [frames[0], *(_frame(*name) for name in left_out), *frames[1:]]


def adapt_reporter(names: dict[str, Any]) -> None:
    """
    Have trial's reporter show a failing test's own frames only, as it does with Twisted's Deferred.
    """
    reporter = names["Reporter"]
    trim = reporter._trimFrames

    @wraps(trim)
    def _trimFrames(self: Any, frames: list[Any]) -> list[Any]:
        return trim(self, _with_frames_of_twisted(list(frames)))

    reporter._trimFrames = _trimFrames
