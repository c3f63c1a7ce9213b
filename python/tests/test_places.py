"""Where things were done: the places that stories name, however often and from wherever they are asked for."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CodeType

import pytest
from sides import OURS, printed
from twisted.internet import defer
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.task import Clock, deferLater

from hereafter import inspect
from hereafter.inspect import explain

pytestmark = pytest.mark.usefixtures("inspected")


def made(deferred: object) -> str:
    """The line of this file where a Deferred was made, and the function."""
    told = explain(deferred).made  # type: ignore[arg-type]
    assert told is not None
    return told.removeprefix(f"{__file__}:")


def line(offset: int = 0) -> int:
    return sys._getframe(1).f_lineno + offset


def maker(name: str, lines: str = "return succeed(1).addCallback(str)") -> Callable[[], Deferred[object]]:
    """A function of newly made code, which nobody else has. What it makes has fired: only so many are told of as lost."""
    names: dict[str, object] = {"succeed": succeed}
    exec(compile(f"def {name}():\n    {lines}", "made.py", "exec"), names)
    return names[name]  # type: ignore[return-value]


def own() -> Deferred[object]:
    return Deferred()


OWN = own.__code__.co_firstlineno + 1


@inlineCallbacks
def generator() -> object:
    yield succeed(1)
    return 2


def test_aPlaceIsTheSameHoweverOftenItIsAskedFor() -> None:
    clock = Clock()
    for _ in range(4):
        there = f"{OWN} in own"
        assert made(own()) == there
        assert [made(deferred) for deferred in map(lambda make: make(), [own, own])] == [there] * 2
        assert made(partial(own)()) == there
        assert made(generator()) == f"{line()} in {sys._getframe().f_code.co_name}"
        assert made(deferLater(clock, 1, str)) == f"{line()} in {sys._getframe().f_code.co_name}"
        assert made(deferLater(clock, 1, str)) == f"{line()} in {sys._getframe().f_code.co_name}"
        assert made(maybeDeferred(str)) == f"{line()} in {sys._getframe().f_code.co_name}"
        assert made(gatherResults([own()])) == f"{line()} in {sys._getframe().f_code.co_name}"


def test_whoCallsOneFunctionOfTwistedsIsToldApart() -> None:
    """Its own instruction is the same each time."""

    def lock() -> defer.DeferredFilesystemLock:
        new = defer.DeferredFilesystemLock("nowhere", scheduler=Clock())
        new.lock = lambda: False  # type: ignore[method-assign]
        return new

    def first() -> Deferred[None]:
        return lock().deferUntilLocked()

    def second() -> Deferred[None]:
        return lock().deferUntilLocked()

    lines = [make.__code__.co_firstlineno + 1 for make in (first, second)]
    for _ in range(3):
        assert made(first()) == f"{lines[0]} in first"
        assert made(second()) == f"{lines[1]} in second"


def test_aLinkIsAddedWhereTheProgramIs() -> None:
    def add(deferred: Deferred[object]) -> Deferred[object]:
        return deferred.addCallback(lambda result: result).addErrback(str).addBoth(lambda result: result)

    def more(deferred: Deferred[object]) -> Deferred[object]:
        deferred.addCallbacks(str, repr)
        deferred.addCallback(divmod, 2)
        deferred.chainDeferred(Deferred())
        return deferred.addTimeout(1, Clock())

    first = more.__code__.co_firstlineno
    for fired in (False, True, False, True):
        deferred: Deferred[object] = succeed(4) if fired else Deferred()
        added = [link.added for link in explain(more(add(deferred))).links]
        inside = [f"{__file__}:{add.__code__.co_firstlineno + 1} in add"] * 3
        assert added[:6] == inside + [f"{__file__}:{first + offset} in more" for offset in (1, 2, 3)]
        # Where it has fired, the timeout is two links of Twisted's kind.
        assert set(added[6:]) == {f"{__file__}:{first + 4} in more"}
        deferred.addErrback(lambda _: None)


def test_asManyPlacesAsALongProgramHas() -> None:
    count = 3_000
    body = "\n    ".join(["made = []", *["made.append(succeed(1).addCallback(str))"] * count, "return made"])
    function = maker("long", body)
    for _ in range(2):
        many = function()
        assert [explain(one).made for one in many] == [f"made.py:{at + 3} in long" for at in range(count)]
        assert [explain(one).links[0].added for one in many] == [explain(one).made for one in many]


def test_codeThatNobodyHasAnyMoreIsLetGoOf() -> None:
    codes: list[weakref.ref[CodeType]] = []
    kept = []
    for number in range(8_000):
        function = maker(f"f{number}")
        codes.append(weakref.ref(function.__code__))
        kept.append((number, function()))
    del function
    gc.collect()
    assert sum(code() is not None for code in codes) < len(codes) / 2
    for number, deferred in kept:
        story = explain(deferred)
        assert story.made == story.links[0].added == f"made.py:2 in f{number}"


def test_codeThatIsStillThereIsKnownAfterOthersWent() -> None:
    functions = [maker(f"stays{number}") for number in range(50)]
    for _ in range(2):
        for number in range(5_000):
            maker(f"goes{number}")()
        assert [explain(make()).made for make in functions] == [f"made.py:2 in stays{at}" for at in range(50)]


def test_whoWaitsForCodeToGoMayDoAnything() -> None:
    told: list[str | None] = []

    def gone(_: object) -> None:
        told.append(explain(own()).made)
        maker(f"while{len(told)}")()

    references = []
    deferred: Deferred[object] = Deferred()
    for number in range(6_000):
        function = maker(f"watched{number}")
        references.append(weakref.ref(function.__code__, gone))
        function()
        del function
        deferred.addCallback(lambda result: result)
    assert len(told) > 1_000
    assert set(told) == {f"{__file__}:{OWN} in own"}
    assert len(explain(deferred).links) == 6_000
    deferred.callback(1)


def test_threadsAreNotMixedUp() -> None:
    wrong: list[str | None] = []

    def work(name: str) -> None:
        make = maker(name)
        for number in range(3_000):
            story = explain(make())
            # Code of its own goes all the time.
            passing = maker(f"{name}{number}") if number % 3 == 0 else make
            told = {story.made, story.links[0].added, explain(passing()).made}
            expected = {f"made.py:2 in {name}", f"made.py:2 in {passing.__name__}"}
            wrong.extend(told - expected)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(f"thread{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_moreLinesThanAreToldApartAreElsewhere(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(
        "from twisted.internet.defer import Deferred\n"
        "from hereafter.inspect import explain\n"
        "made = []\n"
        "for number in range(350):\n"
        "    exec(compile('made.append(Deferred())\\n' * 200, f'{number}.py', 'exec'))\n"
        "print(explain(made[0]).made, explain(made[60_000]).made, explain(made[-1]).made)\n"
    )
    assert printed(*OURS, program, HEREAFTER_INSPECT="1") == "0.py:1 300.py:1 elsewhere\n"
