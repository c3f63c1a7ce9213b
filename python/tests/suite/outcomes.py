"""Run trial and write down what became of every test.

    python [-m hereafter] outcomes.py FILE TRIAL-ARGUMENT...

Each line of FILE is one JSON array: ``["start", id]`` when a test begins, ``[outcome, id, reason]`` when it
ends, and ``["end", number]`` when trial came to its own end. A test that took the whole process with it is
therefore the one that was started last, in a file without an end.
"""

import json
import sys
from typing import Any

from twisted.python.failure import Failure
from twisted.scripts import trial
from twisted.trial.reporter import MinimalReporter


def last_line(reason: Any) -> str:
    """What went wrong, in one line."""
    if isinstance(reason, tuple):
        return repr(reason[1])
    if isinstance(reason, Failure):
        return repr(reason.value)
    return str(reason)


def outcomes_reporter(path: str) -> type:
    """A reporter class that writes to ``path``."""
    # Line by line, as the process may end at any moment.
    file = open(path, "w", buffering=1, encoding="utf-8")

    def write(*row: object) -> None:
        file.write(json.dumps(row) + "\n")

    class OutcomesReporter(MinimalReporter):
        def startTest(self, test: Any) -> None:
            write("start", test.id())
            super().startTest(test)

        def addSuccess(self, test: Any) -> None:
            write("success", test.id(), "")
            super().addSuccess(test)

        def addFailure(self, test: Any, reason: Any) -> None:
            write("failure", test.id(), last_line(reason))
            super().addFailure(test, reason)

        def addError(self, test: Any, reason: Any) -> None:
            # What fails to be imported is no test case, and comes as its name.
            write("error", test if isinstance(test, str) else test.id(), last_line(reason))
            super().addError(test, reason)

        def addSkip(self, test: Any, reason: Any) -> None:
            write("skip", test.id(), last_line(reason))
            super().addSkip(test, reason)

        def addExpectedFailure(self, test: Any, reason: Any, todo: Any = None) -> None:
            write("expected failure", test.id(), "")
            super().addExpectedFailure(test, reason, todo)

        def addUnexpectedSuccess(self, test: Any, todo: Any = None) -> None:
            write("unexpected success", test.id(), "")
            super().addUnexpectedSuccess(test, todo)

        def done(self) -> None:
            write("end", self.testsRun)
            super().done()

    return OutcomesReporter


def main() -> None:
    path, *arguments = sys.argv[1:]
    options = trial.Options()
    options.parseOptions(arguments)
    options["reporter"] = outcomes_reporter(path)
    # These are what trial's own `run` consists of; it has no way in for a reporter that is no plugin.
    trial._initialDebugSetup(options)
    runner = trial._makeRunner(options)
    suite = trial._getSuite(options)
    result = runner.run(suite)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
