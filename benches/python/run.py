"""Measure Hereafter beside stock Twisted, in alternating processes of the same interpreter.

Each figure is the least of several rounds, as whatever else the machine did can only have added to it.
`cargo xtask bench python` makes the environment and runs this.
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

import report

WORKER = str(Path(__file__).with_name("worker.py"))


class Side:
    """An interpreter, and how it is told whose Deferreds to use."""

    def __init__(self, name, command, whose):
        self.name = name
        self.command = command
        self.whose = whose
        self.best = {}
        self.twisted = None

    def ask(self, *arguments):
        """What the worker says to this."""
        result = subprocess.run(
            [*self.command, WORKER, *arguments], stdout=subprocess.PIPE, text=True, check=False
        )
        if result.returncode:
            sys.exit(f"{self.name}: the worker failed ({result.returncode}): {' '.join(arguments)}")
        answer = json.loads(result.stdout)
        if answer["whose"] != self.whose:
            sys.exit(f"{self.name}: these are not its Deferreds, but those of {answer['whose']}")
        self.twisted = answer["twisted"]
        return answer["figures"]

    def measure(self, *arguments):
        """Ask for figures, and keep those that are better than what there was."""
        for name, figure in self.ask(*arguments).items():
            self.best[name] = min(figure, self.best.get(name, float("inf")))


def plan(side, arguments):
    """What to ask of every side in a round: the words for it, and which rounds it is for."""
    names = side.ask("names")
    only = arguments.only
    seconds, rounds, share = ("0.01", "5", "0.2") if arguments.quick else ("0.02", "9", "1")
    asked = []
    if any(only in name for name in names["shapes"]):
        speed = ("--seconds", seconds, "--rounds", rounds)
        asked.append(("shapes", "--only", only, *speed))
    for name in names["program"]:
        if only in name:
            asked.append(("program", "--name", name, "--share", share))
    for name in names["memory"]:
        if only in name and Path("/proc/self/statm").exists():
            asked.append(("memory", "--name", name))
    if not asked:
        every = "\n  ".join(name for names in names.values() for name in names)
        sys.exit(f"no shape has {only!r} in its name; there are\n  {every}")
    return asked


def measure(sides, pypy, arguments):
    """Go round by round, the sides in turn, so that a slow minute of the machine is everybody's."""
    asked = plan(sides[0], arguments)
    rounds = 3 if arguments.quick else 6
    for number in range(rounds):
        for words in asked:
            # Memory is the same every time; the second round is to see that.
            if words[0] == "memory" and number >= 2:
                continue
            # Whoever goes first one time goes last the next.
            for side in sides if number % 2 == 0 else reversed(sides):
                side.measure(*words)
            if pypy is not None and words[0] != "memory":
                pypy.measure(*words)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)


def figures_of(sides, pypy):
    """`{"shape": {"stock": us, "hereafter": us, "ratio": x}}`, and PyPy's where there are any."""
    stock, ours = sides
    figures = {}
    for name, best in stock.best.items():
        figures[name] = {
            "stock": round(best, 4),
            "hereafter": round(ours.best[name], 4),
            "ratio": round(best / ours.best[name], 3),
        }
        if pypy is not None and name in pypy.best:
            figures[name]["pypy"] = round(pypy.best[name], 4)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where chart and table go")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--pypy", help="a PyPy that has Twisted, to measure beside")
    parser.add_argument("--only", default="", help="only shapes with this in their name")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--self-check", action="store_true", help="stock on both sides")
    arguments = parser.parse_args()

    stock = Side("stock", [sys.executable], "stock")
    if arguments.self_check:
        ours = Side("stock again", [sys.executable], "stock")
    else:
        ours = Side("hereafter", [sys.executable, "-m", "hereafter"], "hereafter")
    pypy = Side("PyPy", [arguments.pypy], "stock") if arguments.pypy else None
    measure((stock, ours), pypy, arguments)
    figures = figures_of((stock, ours), pypy)

    title = f"Twisted {stock.twisted} and {ours.name} on {platform.python_implementation()}"
    title += f" {platform.python_version()}"
    if pypy is not None:
        title += f", PyPy with Twisted {pypy.twisted}"
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print(report.text(title, figures))
    (arguments.folder / "table.md").write_text(report.markdown(title, figures))
    report.chart(title, figures, arguments.folder / "ratios.svg")
    text = json.dumps(figures, indent=2) + "\n"
    (arguments.folder / "figures.json").write_text(text)
    if arguments.json is not None:
        arguments.json.write_text(text)
    print("\nThe table and the chart: table.md, ratios.svg, figures.json in the folder of the run.")


if __name__ == "__main__":
    main()
