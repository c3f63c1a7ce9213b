"""
Runs every function of a program whose name begins with ``case_``, and prints as JSON what each printed.
"""

import contextlib
import io
import json
import re
import sys
import warnings


def run(names):
    """
    Run the cases among these names, in their order; an exception is printed as what ends the case.
    """
    printed = {}
    for name, case in list(names.items()):
        if not name.startswith("case_"):
            continue
        text = io.StringIO()
        with contextlib.redirect_stdout(text), warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, kind, file, line, *rest: print("warning:", kind.__name__, message)
            try:
                case()
            except BaseException as error:
                print("raised", type(error).__module__, type(error).__qualname__, error)
        printed[name] = re.sub(r"0x[0-9a-f]+", "0x...", text.getvalue())
    json.dump(printed, sys.stdout)
