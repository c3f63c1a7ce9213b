"""
``addTimeout`` and ``race`` do what Twisted's do: each case prints the same on stock Twisted and on ours.
"""

import pytest
from both import assert_same, cases

PROGRAM = "timeouts.py"


@pytest.mark.parametrize("case", cases(PROGRAM))
def test_stock_and_ours_print_the_same(case):
    assert_same(PROGRAM, case)
