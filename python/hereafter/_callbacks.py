"""
The list of a Deferred's callbacks, as programs know it from Twisted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
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

    # Each look at the Deferred makes a list anew. What a mixin would do one by one is done by one look.

    def extend(self, values: Iterable[Any]) -> None:
        self._change(lambda links: links.extend(values))

    def clear(self) -> None:
        self._deferred._links = []

    def reverse(self) -> None:
        self._change(lambda links: links.reverse())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._deferred._links)

    def __reversed__(self) -> Iterator[Any]:
        return iter(self._deferred._links[::-1])

    def index(self, value: Any, *between: int) -> int:
        return int(self._deferred._links.index(value, *between))

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
