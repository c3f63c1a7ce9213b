"""What has to come out the same on every CPython and every Twisted that is supported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, fail, inlineCallbacks
from twisted.python.failure import Failure


class TestFailures:
    """Failures that native code makes are those that Twisted's own class makes."""

    def test_theyHaveTheSameAttributes(self):
        def raises(_: object) -> None:
            raise ValueError("text")

        def caught() -> Failure:
            try:
                raises(None)
            except ValueError:
                return Failure()
            raise AssertionError

        made: list[Failure] = []
        deferred: Deferred[None] = Deferred()
        deferred.addCallback(raises).addErrback(made.append)
        deferred.callback(None)
        assert set(vars(made[0])) == set(vars(caught()))

    def test_theyAreNumberedOneByOne(self):
        first, second = Failure(ValueError()), Failure(ValueError())
        third: list[Failure] = []
        fail(ValueError()).addErrback(third.append)
        assert [second.count, third[0].count] == [first.count + 1, first.count + 2]


class TestDepth:
    """Generators nest as deep as plain calls of Python functions do."""

    def test_nestedCallsOfGeneratorsCountOnceEach(self):
        def plain(depth: int) -> int:
            return 0 if depth == 0 else plain(depth - 1)

        @inlineCallbacks
        def generator(depth: int):
            if depth:
                yield generator(depth - 1)
            return 0

        def asGenerator(depth: int) -> object:
            results: list[object] = []
            generator(depth).addBoth(results.append)
            return results[0]

        def deepest(call: Callable[[int], object]) -> int:
            depth = 0
            try:
                while call(depth + 20) == 0:
                    depth += 20
            except RecursionError:
                pass
            return depth

        # The first two releases of 3.12 let native code be called to a depth of 1500 in all, which generators
        # use up two by two.
        limit = 700 if (3, 12) <= sys.version_info < (3, 12, 2) else deepest(plain)
        assert deepest(asGenerator) >= limit - 20


class TestAwait:
    """What ``await`` stands on can be used as a generator of Twisted's can."""

    def test_anExceptionIsThrownInThroughAFrameOfItsOwn(self):
        seen: list[str] = []

        async def waits(deferred: Deferred[None]) -> None:
            await deferred

        def frames(failure: Failure) -> None:
            failure.trap(ValueError)
            seen.extend(name for name, *_ in failure.frames)

        deferred: Deferred[None] = Deferred()
        Deferred.fromCoroutine(waits(deferred)).addErrback(frames)
        deferred.errback(ValueError())
        # Twisted's own has one frame below the coroutine's, too.
        assert seen[seen.index("waits") :] == ["waits", "_throw"]

    @pytest.mark.parametrize(
        "arguments", [(KeyError("text"),), (KeyError,), (KeyError, KeyError("text")), (KeyError, None, None)]
    )
    def test_itTakesWhatGeneratorsTake(self, arguments):
        with pytest.raises(KeyError):
            Deferred().__await__().throw(*arguments)


class TestWithoutTheNativeModule:
    """A package that this Python cannot use says so, and says what to do."""

    @staticmethod
    def error(folder: Path, *others: str) -> str:
        source = Path(__file__).parents[1] / "hereafter"
        shutil.copytree(source, folder / "hereafter", ignore=shutil.ignore_patterns("_hereafter.*"))
        for name in others:
            (folder / "hereafter" / name).touch()
        # Run where the package lies, as nothing of the environment's own is to be found before it.
        command = [sys.executable, "-c", "import sys; sys.path.insert(0, ''); import hereafter"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert result.returncode == 1
        return result.stderr.splitlines()[-1]

    def test_aCheckoutNamesTheCommandThatBuildsIt(self, tmp_path):
        error = self.error(tmp_path)
        assert error.startswith("ImportError: hereafter has no native module for cpython 3.")
        assert "this is its source" in error
        assert f"python3.{sys.version_info[1]} -m pip install ./python" in error

    def test_aPackageForAnotherPythonNamesIt(self, tmp_path):
        error = self.error(tmp_path, "_hereafter.cpython-27-x86_64-linux-gnu.so")
        assert "built for another Python (_hereafter.cpython-27-x86_64-linux-gnu.so)" in error
