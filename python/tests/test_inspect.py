"""Inspection: what is noted of Deferreds, and how it is told."""

from __future__ import annotations

import doctest
import ast
import gc
import json
import pickle
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
import weakref
from pathlib import Path
from typing import Any

import pytest
from sides import environment
from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList, fail, gatherResults, inlineCallbacks, succeed
from twisted.internet.task import Clock, LoopingCall, deferLater
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from hereafter import _page, inspect
from hereafter.inspect import explain

HERE = Path(__file__).name

pytestmark = pytest.mark.usefixtures("inspected")


def drawn(story: object) -> str:
    """The tree, without its addresses, times and lines, and the numbers of its Deferreds by their order in it."""
    text = re.sub(r" at 0x[0-9a-f]+", "", str(story))
    text = re.sub(r"\d+(\.\d)? (ns|us|ms|s)\b", "T", text)
    text = re.sub(rf"\S*{HERE}:\d+", "HERE", text)
    names: dict[str, str] = {}
    return re.sub(r"(Deferred|DeferredList) \d+", lambda m: names.setdefault(m[0], f"{m[1]} {'ABCDEFG'[len(names)]}"), text)


def here(offset: int = 0) -> str:
    """The line of who calls this, as a story names it."""
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno + offset} in {frame.f_code.co_name}"


def test_aWaitIsToldDownToTheInnermost() -> None:
    outer: Deferred[int] = Deferred()
    inner: Deferred[int] = Deferred()
    outer.addCallback(lambda n: n + 1).addErrback(str).addCallback(lambda _: inner).addCallbacks(str, repr)
    inner.addBoth(lambda n: n)
    outer.callback(1)
    assert drawn(explain(outer)) == (
        "Deferred A waits\n"
        "├─ made at HERE in test_aWaitIsToldDownToTheInnermost, T ago\n"
        "├─ fired after T\n"
        "├─ callback added at HERE in test_aWaitIsToldDownToTheInnermost: a value, took T\n"
        "├─ errback added at HERE in test_aWaitIsToldDownToTheInnermost: passed by\n"
        "├─ callback added at HERE in test_aWaitIsToldDownToTheInnermost: gave back Deferred B, took T\n"
        "├─ callback and errback added at HERE in test_aWaitIsToldDownToTheInnermost: still to come\n"
        "└─ on Deferred B has not fired; whoever has it has called neither callback() nor errback()\n"
        "   ├─ made at HERE in test_aWaitIsToldDownToTheInnermost, T ago\n"
        "   ├─ callback and errback added at HERE in test_aWaitIsToldDownToTheInnermost: still to come\n"
        "   └─ link: still to come\n"
    )


def test_placesAreLines() -> None:
    deferred: Deferred[int] = Deferred()
    made = here(-1)
    deferred.addCallback(str)
    added = here(-1)
    story = deferred.explain()  # type: ignore[attr-defined]
    assert (story.made, story.links[0].added) == (made, added)


def test_whatActsForTheProgramIsNoPlaceOfIt() -> None:
    """A Deferred made by a function of Twisted's that is written in Python is made where that was called."""
    lock = defer.DeferredFilesystemLock("nowhere", scheduler=Clock())
    lock.lock = lambda: False  # type: ignore[method-assign]
    assert explain(lock.deferUntilLocked()).made == here()
    assert explain(gatherResults([Deferred()])).made == here()
    assert explain(succeed(1)).made == here()


def test_whatWasWaitedForIsToldWithItsTime() -> None:
    outer: Deferred[object] = succeed(1)
    inner: Deferred[object] = Deferred()
    outer.addCallback(lambda _: inner)
    inner.callback(2)
    (link,) = explain(outer).links
    assert (link.kind, link.end) == ("callback", "a value")
    assert link.took is not None and link.waited is not None
    assert explain(inner).now == "is through"
    assert explain(outer).now == "has a value"


def test_aCoroutineSaysWhereItStands() -> None:
    deferred: Deferred[int] = Deferred()

    async def inner() -> int:
        return await deferred

    async def outer() -> int:
        return await inner()

    @inlineCallbacks
    def generator() -> object:
        yield Deferred.fromCoroutine(outer())

    line = sys._getframe().f_lineno - 9
    at = Path(__file__)
    story = explain(generator())
    assert story.now == f"has not fired; the generator {generator.__qualname__} waits at {at}:{line + 7} in generator"
    assert story.waits_on[0].now == (
        f"has not fired; the coroutine {outer.__qualname__} waits at {at}:{line + 3} in outer, for {at}:{line} in inner"
    )
    assert story.waits_on[1].name == explain(deferred).name
    deferred.callback(1)


def test_aCoroutineThatSomebodyHasClosedSaysSo() -> None:
    async def waits() -> None:
        await Deferred()

    closed = waits()
    outer = Deferred.fromCoroutine(closed)
    closed.close()
    assert explain(outer).now == f"has not fired; the coroutine {waits.__qualname__} is through"


def test_aListSaysHowManyAreMissing() -> None:
    first: Deferred[int] = Deferred()
    story = explain(DeferredList([succeed(1), first, Deferred()]))
    assert story.now == "has not fired; it waits for 2 of its 3 Deferreds"
    assert [waited.name for waited in story.waits_on] == [explain(first).name]


def test_aListWaitsForAMemberThatHasFiredAndWaits() -> None:
    inner: Deferred[int] = Deferred()
    waits, again = succeed(1).addCallback(lambda _: inner), succeed(2)
    waiting = DeferredList([waits, again])
    # What a member does after it has told its result is no concern of the list's.
    again.addCallback(lambda _: Deferred())
    story = explain(waiting)
    assert story.now == "has not fired; it waits for 1 of its 2 Deferreds"
    assert [waited.name for waited in story.waits_on] == [explain(waits).name, explain(inner).name]


def test_aForgottenReturn() -> None:
    kept: list[Deferred[int]] = []
    outer = succeed(1).addCallback(lambda _: kept.append(Deferred()))
    assert drawn(explain(outer)).splitlines()[3] == (
        "└─ callback added at HERE in test_aForgottenReturn: a value, took T; "
        "made Deferred B, which is pending, and did not give it back"
    )
    assert explain(kept[0]).within == explain(outer).name.split(" at ")[0]
    kept[0].callback(1)
    assert explain(outer).links[0].kept is None


def test_aLostTrigger() -> None:
    outer: Deferred[object] = succeed(1)
    outer.addCallback(lambda _: Deferred())
    assert explain(outer).waits_on[0].now == "has not fired; nobody who could fire it has it any more"

    async def waits(deferred: Deferred[int]) -> None:
        own = deferred
        await own

    async def calls() -> None:
        await waits(Deferred())

    held: Deferred[int] = Deferred()
    waiting = [Deferred.fromCoroutine(calls()), Deferred.fromCoroutine(waits(held))]
    assert [explain(outer).waits_on[0].now.partition("; ")[2] for outer in waiting] == [
        "nobody who could fire it has it any more",
        "whoever has it has called neither callback() nor errback()",
    ]
    held.callback(1)


def test_onePausedSaysWhere() -> None:
    deferred: Deferred[int] = Deferred()
    deferred.pause()
    at = here(-1)
    deferred.callback(1)
    assert (explain(deferred).now, explain(deferred).paused) == ("is paused", at)
    deferred.unpause()
    assert (explain(deferred).now, explain(deferred).paused) == ("has a value", None)


def test_oneThatWaitsOnItself() -> None:
    deferred: Deferred[object] = Deferred()
    deferred.addCallback(lambda _: deferred)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        deferred.callback(1)
    assert drawn(explain(deferred)).splitlines()[-1] == (
        "└─ on Deferred A as told above: they wait in a circle, which never ends"
    )


def test_aCircleOfTwo() -> None:
    one: Deferred[object] = Deferred()
    two: Deferred[object] = Deferred()
    one.addCallback(lambda _: two)
    two.addCallback(lambda _: one)
    one.callback(1)
    two.callback(2)
    assert [waited.name for waited in explain(one).waits_on] == [explain(two).name, explain(one).name]


def test_aSwallowedError() -> None:
    swallows = fail(ValueError("gone")).addErrback(lambda _: None)
    assert explain(swallows).links[0].end == "handled ValueError"


def test_aFailureSaysWhatItIs() -> None:
    failed = fail(ValueError("one line\nand another"))
    assert explain(failed).now == "has a failure that nobody has handled yet: ValueError: one line"
    failed.addErrback(lambda _: None)


def test_anErrorThatCannotBeAskedIsToldAllTheSame() -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    class Odd(Failure):
        @property
        def type(self) -> type:
            raise RuntimeError

        type = type.setter(lambda self, _: None)

    for failed in (fail(Hostile()), fail(Odd(Hostile()))):
        assert "Hostile: (it raises when it is asked what it is)" in str(explain(failed))
        failed.addErrback(lambda _: None)
        explain(failed)


def test_allThatIsPendingIsListedAndNothingThatHasGone() -> None:
    before = {story.number for story in inspect.pending()}
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()
    numbers = [explain(deferred).number for deferred in (first, second)]
    assert [story.number for story in inspect.pending() if story.number not in before] == numbers
    assert len(inspect.pending(1)) == 1
    assert inspect.count() == len(inspect.pending())
    first.callback(1)
    del second
    assert {story.number for story in inspect.pending()} <= before


def test_aCancelledOneSaysSo() -> None:
    deferred: Deferred[int] = Deferred()
    deferred.cancel()
    assert explain(deferred).cancelled
    deferred.addErrback(lambda _: None)


def test_oneThatIsLostIsKeptInMind() -> None:
    Deferred().addCallback(str)
    assert drawn(inspect.lost()[-1]) == (
        "Deferred A has not fired; it went away, and nobody ever will\n"
        "├─ made at HERE in test_oneThatIsLostIsKeptInMind, T ago\n"
        "└─ callback added at HERE in test_oneThatIsLostIsKeptInMind: still to come\n"
    )
    for _ in range(200):
        Deferred().addCallback(str)
    assert len(inspect.lost()) == 100


def test_oneThatIsLostInACircleIsKeptInMind() -> None:
    deferred: Deferred[int] = Deferred()
    deferred.addCallback(lambda _: deferred)
    name = explain(deferred).name
    del deferred
    gc.collect()
    assert name in [story.name for story in inspect.lost()]


def test_oneWithNothingToComeIsNotLost() -> None:
    Deferred().addCallback(str)
    last = inspect.lost()[-1].number
    Deferred()
    assert inspect.lost()[-1].number == last


def test_nothingIsKeptAlive() -> None:
    class Thing:
        def __call__(self, result: object) -> object:
            return result

    things = [Thing() for _ in range(4)]
    alive = [weakref.ref(thing) for thing in things]
    deferred: Deferred[object] = Deferred()
    deferred.addCallback(things[0]).addErrback(things[1])
    deferred.callback(things[2])
    lost: Deferred[object] = Deferred()
    lost.addCallback(things[3])
    alive += [weakref.ref(deferred), weakref.ref(lost)]
    stories = [explain(deferred), explain(lost), *inspect.pending()]
    del things, deferred, lost
    assert [ref() for ref in alive] == [None] * 6
    assert stories and inspect.lost()


def test_codeThatIsGoneCanStillBeTold() -> None:
    names: dict[str, object] = {"Deferred": Deferred}
    exec(compile("def made():\n    return Deferred().addCallback(str)", "gone.py", "exec"), names)
    deferred = names["made"]()  # type: ignore[operator]
    names.clear()
    gc.collect()
    assert explain(deferred).made == "gone.py:2 in made"


def test_aHundredThousandPending() -> None:
    before = inspect.count()
    many = [Deferred().addCallback(str) for _ in range(100_000)]
    assert inspect.count() == before + 100_000
    assert len(inspect.pending()) == before + 100_000
    del many
    assert inspect.count() == before


def test_offNothingIsNoted() -> None:
    inspect.disable()
    assert not inspect.enabled()
    deferred: Deferred[int] = Deferred()
    deferred.addCallback(str)
    assert drawn(explain(deferred)) == (
        "Deferred has not fired; whoever has it has called neither callback() nor errback()\n"
        "└─ callback: still to come\n"
    )
    assert explain(deferred).number is None


def test_whatWasBegunGoesOnWhenItIsSwitchedOff() -> None:
    deferred: Deferred[int] = Deferred()
    inspect.disable()
    deferred.addCallback(str)
    deferred.callback(1)
    assert explain(deferred).links[0].end == "a value"


def test_reprTellsOnlyWhenToldTo() -> None:
    deferred: Deferred[int] = Deferred()
    assert repr(deferred) == f"<Deferred at 0x{id(deferred):x}>"
    inspect.enable(repr=True)
    first, *tree = repr(deferred).splitlines()
    assert first == f"<Deferred at 0x{id(deferred):x}>"
    assert tree[1].startswith("└─ made at ")


def test_theReportOfAnUnhandledErrorTellsTheStory() -> None:
    events: list[dict[str, object]] = []
    globalLogPublisher.addObserver(events.append)
    fail(ValueError("not handled")).addCallback(str)
    globalLogPublisher.removeObserver(events.append)
    told, failure = events
    assert drawn(told["log_format"].format(**told)) == (  # type: ignore[attr-defined]
        "Unhandled error in Deferred:\n"
        "Deferred A has a failure that nobody has handled yet: ValueError: not handled\n"
        "├─ made at HERE in test_theReportOfAnUnhandledErrorTellsTheStory, T ago\n"
        "├─ fired after T\n"
        "└─ callback added at HERE in test_theReportOfAnUnhandledErrorTellsTheStory: passed by"
    )
    assert failure["log_failure"].check(ValueError)  # type: ignore[attr-defined]


@pytest.mark.parametrize("debug", [False, True])
def test_theErrorOfFiringTwiceTellsTheStory(debug: bool) -> None:
    deferred: Deferred[int] = Deferred()
    deferred.debug = debug
    deferred.addCallback(lambda n: n + 1)
    line = here(-3)
    deferred.callback(1)
    with pytest.raises(defer.AlreadyCalledError) as raised:
        deferred.errback(ValueError())
    # Without debug mode it has no arguments, as Twisted's.
    assert len(raised.value.args) == debug
    told = str(raised.value)
    assert ("First Invoker was:" in told) == debug
    assert "\n├─ made at " + line in told
    assert re.search(r": a value, took \S+ \S+$", told)
    assert Failure(raised.value).check(defer.AlreadyCalledError)
    copied = pickle.loads(pickle.dumps(raised.value))
    assert (type(copied), str(copied)) == (type(raised.value).__base__, told)


def test_theErrorOfFiringTwiceIsTwistedsWhereThereIsNoStory() -> None:
    inspect.disable()
    deferred = succeed(1)
    inspect.enable()
    with pytest.raises(defer.AlreadyCalledError) as raised:
        deferred.callback(2)
    assert type(raised.value) is defer.AlreadyCalledError
    assert not raised.value.args


def test_aReportThatSomebodyHasLookedAtTellsItToo() -> None:
    events: list[dict[str, object]] = []
    globalLogPublisher.addObserver(events.append)
    failed = fail(ValueError("not handled"))
    assert failed._debugInfo is not None
    del failed
    globalLogPublisher.removeObserver(events.append)
    assert "made at" in str(events[0]["story"])
    assert len(events) == 2


def test_aCallbackMayAskAboutItsOwnDeferred() -> None:
    told: list[str] = []
    deferred: Deferred[object] = Deferred()
    deferred.addCallback(lambda _: told.append(explain(deferred).now))
    deferred.addCallback(lambda _: told.append(explain(deferred).links[1].end))
    deferred.callback(1)
    assert told == ["is running its links", "runs now"]


def test_whatTwistedMakesForAProgramIsMadeWhereThatAsks() -> None:
    waits = deferLater(Clock(), 1, str)
    assert explain(waits).made == here(-1)
    # No code of the program's has called this.
    clock, made = Clock(), []
    clock.callLater(0, lambda: None)
    calls = LoopingCall(lambda: made.append(inspect.pending()[-1].number))
    calls.clock = clock
    started = calls.start(1)
    assert explain(started).made == here(-1)
    calls.stop()


def test_anotherThreadMayAsk() -> None:
    deferred: Deferred[int] = Deferred()
    told: list[str] = []
    thread = threading.Thread(target=lambda: told.extend([str(explain(deferred)), *map(str, inspect.pending())]))
    thread.start()
    thread.join()
    assert explain(deferred).name in told[0]
    assert len(told) > 1


def test_aFinalizerMayAsk() -> None:
    told: list[int] = []

    class Asks:
        def __del__(self) -> None:
            told.append(len(inspect.pending()) + len(inspect.lost()))

        def __call__(self, result: object) -> object:
            return result

    for _ in range(3):
        deferred: Deferred[object] = Deferred()
        deferred.addCallback(lambda result, _: result, Asks()).addCallback(lambda _, own=deferred: own)
        weakref.finalize(deferred, lambda: told.append(len(inspect.pending())))
        del deferred
        gc.collect()
    assert len(told) == 6


def test_linksThatWereNotedAreWhatTheyWereToPrograms() -> None:
    deferred: Deferred[object] = Deferred()
    deferred.addCallback(str).addCallbacks(repr, len).addBoth(divmod, 2)
    inspect.disable()
    plain: Deferred[object] = Deferred()
    plain.addCallback(str).addCallbacks(repr, len).addBoth(divmod, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(deferred.callbacks) == list(plain.callbacks)


def test_onlyADeferredHasAStory() -> None:
    with pytest.raises(TypeError, match="explain\\(\\) is for a Deferred, and got an object of class int"):
        explain(1)  # type: ignore[arg-type]


def test_aStoryCanBeDrawn() -> None:
    story = explain(succeed(1).addCallback(str))
    assert story.to_svg().startswith("<svg ") and story.to_dot().startswith("digraph ")


PROGRAM = """
from twisted.internet import defer, reactor
import sys

waits = defer.Deferred()
waits.addCallback(print)

def forgets():
    defer.Deferred().addCallback(print)

forgets()
reactor.callWhenRunning(reactor.callLater, 0, reactor.stop)
reactor.run()
sys.exit(3)
"""


def run(program: Path, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hereafter", *arguments, str(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(**changed))


def test_aProgramThatIsInspectedSaysAtItsEndWhatIsPending(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(PROGRAM)
    ended = run(program, "--inspect")
    assert (ended.returncode, ended.stdout) == (3, "")
    page, told = ended.stderr.split("\n", 1)
    assert re.fullmatch(r"hereafter: the inspector is at http://127\.0\.0\.1:\d+/[0-9a-f]{32}/", page)
    assert drawn(told.replace(str(tmp_path), "")) == """
1 Deferred is pending; the oldest:

Deferred A has not fired; whoever has it has called neither callback() nor errback()
├─ made at /app.py:5, T ago
└─ callback added at /app.py:6: still to come

1 Deferred is lost: gone before anything fired them; the last:

Deferred B has not fired; it went away, and nobody ever will
├─ made at /app.py:9 in forgets, T ago
└─ callback added at /app.py:9 in forgets: still to come
"""
    assert run(program).stderr == ""


def test_theEnvironmentSwitchesItOn(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text("from hereafter import inspect; print(inspect.enabled())")
    assert run(program, HEREAFTER_INSPECT="1").stdout == "True\n"
    assert run(program).stdout == "False\n"


@pytest.mark.parametrize(
    ("port", "complaint"),
    [
        ("no", "--inspect=no: the port is to be a number from 0 to 65535\n"),
        ("70000", "--inspect=70000: the port is to be a number from 0 to 65535\n"),
    ],
)
def test_aWrongPortIsRefused(tmp_path: Path, port: str, complaint: str) -> None:
    ended = run(tmp_path / "app.py", f"--inspect={port}")
    assert (ended.returncode, ended.stderr) == (1, complaint)


def test_aPortThatIsTakenIsNamed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        option = f"--inspect={taken.getsockname()[1]}"
        ended = run(tmp_path / "app.py", option)
    assert (ended.returncode, ended.stderr) == (1, f"{option}: the page cannot be served there: Address already in use\n")


@pytest.fixture(scope="module")
def page() -> str:
    return inspect.serve()


def asked(page: str, what: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(page + what, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def data(page: str, what: str) -> Any:
    status, text = asked(page, what)
    assert status == 200, text
    return json.loads(text)


def from_outside(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hereafter", "--explain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment())


class TestThePage:
    """What the page is told, as it asks for it."""

    def test_itIsOneFile(self, page: str) -> None:
        status, text = asked(page, "")
        assert status == 200
        assert text.startswith("<!doctype html>")

    def test_whatIsPendingIsListed(self, page: str) -> None:
        outer: Deferred[int] = Deferred()
        inner: Deferred[int] = Deferred().addCallback(str)
        outer.addCallback(lambda _: inner).addCallback(str)
        outer.callback(1)
        numbers = {explain(each).number: each for each in (outer, inner)}
        rows = {row["number"]: row for row in data(page, f"deferreds?text={HERE}&limit=1000")["rows"]}
        told = [rows[number] for number in numbers]
        assert [row["state"] for row in told] == ["waits", "unfired"]
        assert [row["waits_on"] for row in told] == [[explain(inner).number], []]
        # Its own callback, and the one that waits.
        assert [row["ahead"] for row in told] == [1, 2]
        story = data(page, f"deferred/{explain(outer).number}")
        assert story["waits_on"][0]["number"] == explain(inner).number

    def test_whatMayNeverEndSaysWhy(self, page: str) -> None:
        paused: Deferred[int] = succeed(1)
        paused.pause()

        def loses(_: object) -> Deferred[int]:
            return Deferred()

        waits = succeed(1).addCallback(loses)
        circle: Deferred[object] = Deferred()
        circle.addCallback(lambda _: circle)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            circle.callback(1)
        kept: list[Deferred[int]] = []
        forgets = succeed(1).addCallback(lambda _: kept.append(Deferred()))
        rows = data(page, "deferreds?hinted=true&limit=1000")["rows"]
        hints = {row["number"]: row["hint"] for row in rows}
        assert hints[explain(paused).number] == "paused"
        assert hints[explain(waits).waits_on[0].number] == "lost-trigger"
        assert hints[explain(circle).number] == "waits-on-itself"
        assert hints[explain(kept[0]).number] == "not-waited-for"
        assert explain(forgets).number not in hints

    def test_failuresAreRememberedAndWhatBecameOfThem(self, page: str) -> None:
        before = data(page, "now")["counts"]
        handled = fail(ValueError("handled")).addErrback(lambda _: None)
        unhandled = fail(KeyError("unhandled"))
        numbers = [explain(each).number for each in (handled, unhandled)]
        flushed: list[object] = []
        globalLogPublisher.addObserver(flushed.append)
        del unhandled
        gc.collect()
        globalLogPublisher.removeObserver(flushed.append)
        assert flushed
        fates = {each["number"]: each["fate"] for each in data(page, "failures")}
        assert [fates[number] for number in numbers] == ["handled", "unhandled"]
        after = data(page, "now")["counts"]
        assert after["failed"] == before["failed"] + 2
        assert after["unhandled"] == before["unhandled"] + 1

    def test_aSlowCallbackIsRemembered(self, page: str) -> None:
        line = here(1)
        deferred = succeed(1).addCallback(lambda _: sum(range(200_000)))
        slow = [each for each in data(page, "slow") if each["number"] == explain(deferred).number]
        assert [each["added"] for each in slow] == [line]
        assert slow[0]["took"] > 0

    def test_itAnswersFromOtherThreadsWhileOneIsBusy(self, page: str) -> None:
        answered: list[int] = []
        deferred: Deferred[object] = Deferred()
        deferred.addCallback(lambda _: answered.append(data(page, "now")["pending"]))
        deferred.callback(1)
        assert answered[0] > 0

    def test_aHundredThousandAreNoTrouble(self, page: str) -> None:
        many = [Deferred().addCallback(str) for _ in range(100_000)]
        told = data(page, f"deferreds?text={HERE}&limit=10")
        assert told["matched"] >= len(many)
        assert len(told["rows"]) == 10

    @pytest.mark.parametrize("host", ["localhost", "::1", "0.0.0.0"])
    def test_itIsServedWhereItIsToBe(self, host: str) -> None:
        page = inspect.serve(host=host)
        reached = page.replace("0.0.0.0", "127.0.0.1")
        assert data(reached, "now")["pending"] >= 0
        # Who is served to others goes by any name.
        assert asked(reached, "now", Host="a.name")[0] == (200 if host == "0.0.0.0" else 421)

    @pytest.mark.parametrize(
        ("form", "begins"), [((), "Deferred {} at 0x"), (("--svg",), "<svg "), (("--dot",), "digraph ")]
    )
    def test_aDeferredIsExplainedFromOutside(self, page: str, form: tuple[str, ...], begins: str) -> None:
        deferred: Deferred[int] = Deferred()
        number = explain(deferred).number
        ended = from_outside(f"{page}#/deferred/{number}", *form)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith(begins.format(number))
        gone = from_outside(f"{page}#/deferred/0", *form)
        assert (gone.returncode, gone.stdout, gone.stderr) == (1, "", "--explain: #0 is not pending any more\n")

    @pytest.mark.parametrize("wrong", [(), ("12",), ("http://127.0.0.1:1/x/#/pending",), ("#/deferred/1", "--png")])
    def test_whoAsksWronglyIsToldHowToAsk(self, wrong: tuple[str, ...]) -> None:
        ended = from_outside(*wrong)
        assert ended.returncode == 1
        assert ended.stderr.startswith("--explain: give the address that a browser shows")

    def test_aProgramThatHasEndedDoesNotAnswer(self) -> None:
        ended = from_outside("http://127.0.0.1:1/x/#/deferred/1")
        assert ended.stderr.startswith("--explain: the program does not answer: ")

    def test_onlyWhoKnowsTheAddressIsAnswered(self, page: str) -> None:
        host = page.split("/")[2]
        assert asked(f"http://{host}/", "now")[0] == 404
        assert asked(page, "now", Host="rebound.example")[0] == 421
        assert asked(page, "deferreds?limit=a")[0] == 400
        assert asked(page, "x" * 5000)[0] == 414
        request = urllib.request.Request(page + "now", data=b"x")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        assert refused.value.code == 405
        refused.value.close()


TRACED = """
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater

inner = Deferred()
outer = deferLater(reactor, 0, lambda: 1).addCallback(lambda _: inner).addCallback(print)
failed = succeed("x").addCallback(int).addErrback(lambda _: None)
cancelled = Deferred().addErrback(lambda _: None)
cancelled.cancel()
reactor.callLater(0.01, lambda: inner.callback(2))
outer.addCallback(lambda _: reactor.stop())
reactor.run()
"""


@pytest.mark.parametrize("how", ["an option", "the environment"])
def test_whatHappensIsWrittenForPerfetto(tmp_path: Path, how: str) -> None:
    program, out = tmp_path / "app.py", tmp_path / "out.json"
    program.write_text(TRACED)
    if how == "an option":
        ended = run(program, "--trace", str(out))
    else:
        ended = run(program, HEREAFTER_TRACE=str(out))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "2\n", "")
    events = json.loads(out.read_text())
    links = [each for each in events if each["ph"] == "X"]
    assert [each["args"]["end"] for each in links if f"{program}:7" in each["name"]][-1] == "a value"
    assert any(each["name"] == f"callback {program}:8" and each["args"]["end"].startswith("failed") for each in links)
    # It was made, begun to wait, fired and cancelled, and had what it waited for; an arrow leads there.
    assert {each["name"] for each in events if each["ph"] == "n"} == {"fired", "cancelled"}
    waits = [each["ph"] for each in events if each["name"] == "waits"]
    assert waits == ["b", "e"]
    assert [each["ph"] for each in events if each["name"] == "wait"] == ["s", "f"]
    lives = [each for each in events if each["ph"] == "b" and each["name"] != "waits"]
    assert {f"{program}:{line}" for line in (6, 8, 9)} <= {each["name"] for each in lives}


def test_aTraceThatCannotBeWrittenIsNamed(tmp_path: Path) -> None:
    program, out = tmp_path / "app.py", tmp_path / "missing" / "out.json"
    program.write_text("from twisted.internet import defer; print('runs')")
    ended = run(program, "--trace", str(out))
    assert ended.returncode == 1
    assert ended.stderr.startswith("--trace: ") and str(out) in ended.stderr
    ended = run(program, HEREAFTER_TRACE=str(out))
    assert (ended.returncode, ended.stdout) == (0, "runs\n")
    assert ended.stderr.startswith("hereafter: HEREAFTER_TRACE: ") and str(out) in ended.stderr
    ended = run(program, "--trace=")
    assert ended.stderr == "--trace: the file to write is missing\n"


def test_theManualNamesPlacesThatThereAre() -> None:
    root = Path(__file__).parents[2]
    program = root / "examples" / "inspected.py"
    tree = ast.parse(program.read_text())
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]
    named = re.findall(r"examples/inspected\.py:(\d+) in (\w+)", (root / "docs" / "why-has-it-not-fired.md").read_text())
    assert len(named) > 10
    for line, function in named:
        (there,) = (each for each in functions if each.name == function)
        assert there.lineno < int(line) <= (there.end_lineno or 0), f"{function} is not in line {line}"


def test_theExamplesOfTheModuleAreTrue() -> None:
    assert doctest.testmod(inspect).failed == 0
    assert doctest.testmod(_page).failed == 0
