"""
``pause`` and ``unpause`` count as Twisted's do, below zero too.
"""

import pytest
from both import assert_same, cases

PROGRAM = "pauses.py"


@pytest.mark.parametrize("case", cases(PROGRAM))
def test_stock_and_ours_print_the_same(case):
    assert_same(PROGRAM, case)
