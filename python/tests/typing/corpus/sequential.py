"""inlineCallbacks and coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from twisted.internet.defer import (
    Deferred,
    ensureDeferred,
    inlineCallbacks,
    returnValue,
    succeed,
)


def number() -> Deferred[int]:
    return succeed(1)


@inlineCallbacks
def total(start: int) -> Generator[Deferred[int], int, int]:
    first = yield number()
    second = yield number()
    return start + first + second


@inlineCallbacks
def anything(start: int) -> Generator[Deferred[Any], Any, str]:
    first = yield total(start)
    returnValue(str(first))


@inlineCallbacks  # wrong
def no_generator(start: int) -> int:
    return start


def calls() -> None:
    a: Deferred[int] = total(1)
    b: Deferred[str] = anything(1)
    c: Deferred[str] = total(1)  # wrong
    d = total("1")  # wrong
    e = total()  # wrong
    print(a, b, c, d, e)


async def awaiting(d: Deferred[int]) -> str:
    one: int = await d
    two: str = await number()  # wrong
    reveal_type(await total(1))  # told
    return two * one


def from_coroutine() -> None:
    a: Deferred[str] = Deferred.fromCoroutine(awaiting(number()))
    b: Deferred[str] = ensureDeferred(awaiting(number()))
    c: Deferred[int] = Deferred.fromCoroutine(awaiting(number()))  # wrong
    d = Deferred.fromCoroutine(awaiting)  # wrong
    e: Deferred[int] = ensureDeferred(number())
    f = ensureDeferred(1)  # wrong
    print(a, b, c, d, e, f)


async def with_asyncio(loop: asyncio.AbstractEventLoop) -> None:
    future: asyncio.Future[int] = number().asFuture(loop)
    text: asyncio.Future[str] = number().asFuture(loop)  # wrong
    d: Deferred[Any] = Deferred.fromFuture(asyncio.ensure_future(future))
    print(d, text)


class Methods:
    @inlineCallbacks
    def method(self, key: str) -> Generator[Deferred[int], int, float]:
        value = yield number()
        return value / len(key)

    def use(self) -> Deferred[float]:
        return self.method("key")

    def misuse(self) -> Deferred[str]:
        return self.method("key")  # wrong
