"""How a program of this folder is run: one of its cases, named on the command line, in a process of its own.

What goes wrong in these may be that the process ends, which must not take the other tests along.
"""

import sys


def main(names):
    """Run the case that the command line names."""
    names[sys.argv[1]]()
    print("came to its end")
