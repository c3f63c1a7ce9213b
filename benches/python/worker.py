"""Measure one side, in a process of its own: the figures go to standard output as JSON.

    python [-m hereafter] worker.py {shapes,program,memory,names} ...
"""

import argparse
import gc
import json
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import twisted
from twisted.internet.defer import Deferred


def whose():
    """Whose Deferreds these are, so that nobody compares a thing with itself unawares."""
    # Stock's is a class written in Python, and so has its methods' code.
    return "stock" if hasattr(Deferred.addCallback, "__code__") else "hereafter"


# Time that a compiler at run time is given before it counts, for each shape.
WARM_UP = 0.4 if platform.python_implementation() == "PyPy" else 0.0


def time_shape(shape, seconds, rounds):
    """The fewest microseconds that the shape took, of so many rounds of about so many seconds."""
    # The process's own time: it does not go on while others have the processor.
    clock = time.process_time
    warm = clock() + WARM_UP
    while clock() < warm:
        shape.run()
    loops = 1
    while True:
        began = clock()
        for _ in range(loops):
            shape.run()
        took = clock() - began
        if took >= seconds / 4:
            break
        loops *= 2
    loops = max(1, int(loops * seconds / took))
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        began = clock()
        for _ in range(loops):
            shape.run()
        best = min(best, clock() - began)
    return best / loops / shape.per * 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("shapes", "program", "memory", "names"))
    parser.add_argument("--name")
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=0.02)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--share", type=float, default=1.0)
    arguments = parser.parse_args()
    figures = {}
    if arguments.what == "shapes":
        from shapes import SHAPES

        # The collector runs as it would in a program, but not over all that was imported.
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()
        for shape in SHAPES:
            if arguments.only in shape.name:
                figures[shape.name] = time_shape(shape, arguments.seconds, arguments.rounds)
    elif arguments.what == "program":
        import programs

        figures[arguments.name] = programs.run(arguments.name, arguments.share, WARM_UP > 0)
    elif arguments.what == "memory":
        import memory

        figures[arguments.name] = memory.measure(arguments.name)
    else:
        import memory
        import programs
        from shapes import SHAPES

        figures = {
            "shapes": [shape.name for shape in SHAPES],
            "program": list(programs.PROGRAMS),
            "memory": list(memory.MEMORY),
        }
    answer = {"whose": whose(), "twisted": twisted.__version__, "figures": figures}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
