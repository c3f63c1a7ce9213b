"""Objects that do what no decent object does, to see that Deferreds bear them.

A *provoker* is asked each time one of its special methods is called. What it then does, and what it raises or
returns, is the program's: it may do anything to the Deferreds that are in the middle of using the object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Provoked(Exception):
    """What a special method raises."""


class OwnBase(BaseException):
    """An exception that `except Exception` lets through."""


#: What a special method does at its end, beside a plain answer.
HOWS = ("raise", "base", "wrong", "fine")


def _method(name: str, fine: Callable[[Any], Any]) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        provoker, how = object.__getattribute__(self, "_provoker"), object.__getattribute__(self, "_how")
        provoker(name)
        if how == "raise":
            raise Provoked(name)
        if how == "base":
            raise OwnBase(name)
        if how == "wrong":
            return [name]
        return fine(self)

    method.__name__ = name
    return method


def _attribute(self: Any, name: str) -> Any:
    # What everybody looks at, by way of `isinstance`.
    if name in ("__class__", "__dict__"):
        return object.__getattribute__(self, name)
    return _method("__getattribute__", lambda _: None)(self, name)


def _class(answer: Callable[[Any], Any]) -> property:
    return property(_method("__class__", answer))


#: Each kind of hostile value: the special methods of its class.
KINDS: dict[str, dict[str, Any]] = {
    "eq": {"__eq__": _method("__eq__", lambda _: True), "__ne__": _method("__ne__", lambda _: False), "__hash__": None},
    "bool": {"__bool__": _method("__bool__", lambda _: False)},
    "hash": {"__hash__": _method("__hash__", lambda _: 1)},
    "repr": {"__repr__": _method("__repr__", lambda _: "repr"), "__str__": _method("__str__", lambda _: "str")},
    "call": {"__call__": _method("__call__", lambda _: "called")},
    "getattr": {"__getattr__": _method("__getattr__", lambda _: None)},
    "len": {"__len__": _method("__len__", lambda _: 3), "__iter__": _method("__iter__", lambda _: iter(()))},
    "index": {"__index__": _method("__index__", lambda _: 2), "__lt__": _method("__lt__", lambda _: True)},
}

#: The same for those about which stock and ours may differ: stock asks objects what they are, ours asks their types.
WILD_KINDS: dict[str, dict[str, Any]] = {
    "getattribute": {"__getattribute__": _attribute},
    "everything": {"__getattribute__": _method("__getattribute__", lambda _: None)},
    "class raises": {"__class__": _class(lambda _: object)},
    "del": {"__del__": _method("__del__", lambda _: None)},
    "await": {"__await__": _method("__await__", lambda _: iter((1, 2))), "send": _method("send", lambda _: 5)},
    "get": {"__get__": _method("__get__", lambda self: self), "__set_name__": _method("__set_name__", lambda _: None)},
}


def value(kind: str, provoker: Callable[[str], None], how: str, lies: type | None = None) -> Any:
    """A hostile value of this kind; `lies` is what it says that its class is."""
    methods = dict({**KINDS, **WILD_KINDS}.get(kind, {}))
    if lies is not None:
        methods["__class__"] = property(lambda self: lies)
    made = object.__new__(type("Hostile", (), methods))
    object.__setattr__(made, "_provoker", provoker)
    object.__setattr__(made, "_how", how)
    return made


class BadText(Exception):
    """Cannot be put into words."""

    def __str__(self) -> str:
        raise Provoked("__str__")

    __repr__ = __str__


class BadInit(Exception):
    """Cannot be made when it is raised by its class."""

    def __init__(self) -> None:
        raise Provoked("__init__")


class BadNew(Exception):
    """What is made is no exception."""

    def __new__(cls) -> Any:
        return 5


class Frozen(Exception):
    """Nothing can be noted of it."""

    def __setattr__(self, name: str, value: object) -> None:
        raise Provoked("__setattr__")


class BadTraceback(Exception):
    """Hides its traceback."""

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise Provoked("__traceback__")

    def with_traceback(self, traceback: Any) -> Any:
        raise Provoked("with_traceback")


class BadEquals(Exception):
    """Cannot be compared, counted or asked whether it is true."""

    def __eq__(self, other: object) -> bool:
        raise Provoked("__eq__")

    def __bool__(self) -> bool:
        raise Provoked("__bool__")

    def __hash__(self) -> int:
        raise Provoked("__hash__")


#: Exceptions by name. Those that are classes cannot be made, and are raised as they are.
EXCEPTIONS: dict[str, Callable[[], Any]] = {
    "value": lambda: ValueError("v"),
    "key": lambda: KeyError("k"),
    "interrupt": lambda: KeyboardInterrupt("i"),
    "generator exit": lambda: GeneratorExit("g"),
    "system exit": lambda: SystemExit(3),
    "stop": lambda: StopIteration("s"),
    "async stop": lambda: StopAsyncIteration("s"),
    "memory": lambda: MemoryError("m"),
    "own": lambda: OwnBase("o"),
    "text": BadText,
    "frozen": Frozen,
    "traceback": BadTraceback,
    "equals": BadEquals,
}

#: Those about which the two may differ: stock asks them where they were raised, ours asks the interpreter.
WILD_EXCEPTIONS = ("traceback",)
#: Those that are raised by their class, and come out as something else.
UNMADE: dict[str, type[BaseException]] = {"init": BadInit, "new": BadNew}
