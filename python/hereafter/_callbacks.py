"""
The list of a Deferred's callbacks, as programs know it from Twisted.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence
from typing import Any


class Callbacks(MutableSequence[Any]):
    """
    What a native Deferred has in the place of a list: what is changed here is changed in the Deferred.
    """

    def __init__(self, deferred: Any) -> None:
        self._deferred = deferred

    def __getitem__(self, index: Any) -> Any:
        return self._deferred._links[index]

    def _change(self, change: Any) -> None:
        links = self._deferred._links
        change(links)
        self._deferred._links = links

    def __setitem__(self, index: Any, value: Any) -> None:
        self._change(lambda links: links.__setitem__(index, value))

    def __delitem__(self, index: Any) -> None:
        self._change(lambda links: links.__delitem__(index))

    def insert(self, index: int, value: Any) -> None:
        self._change(lambda links: links.insert(index, value))

    def __len__(self) -> int:
        return len(self._deferred._links)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Callbacks):
            other = other._deferred._links
        return bool(self._deferred._links == other)

    def __add__(self, other: Any) -> list[Any]:
        return [*self, *other]

    def __repr__(self) -> str:
        return repr(self._deferred._links)


def get(deferred: Any) -> Callbacks:
    """
    The callbacks of a Deferred.
    """
    return Callbacks(deferred)


def replace(deferred: Any, callbacks: Iterable[Any]) -> None:
    """
    Give a Deferred these callbacks, and no others.
    """
    deferred._links = callbacks
