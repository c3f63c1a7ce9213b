"""
Where a Deferred's copies, its dictionary and its list of callbacks are not what Twisted's are.

Where they are, ``traps/copies.py`` and ``traps/callbacks.py`` tell.
"""

import copy
from collections.abc import MutableSequence

import pytest
from twisted.internet.defer import Deferred, inlineCallbacks, succeed


def test_a_shallow_copy_has_callbacks_of_its_own():
    d = Deferred()
    copy.copy(d).addCallback(print)
    assert len(d._callbacks) == 0


def test_the_deferred_of_a_generator_cannot_be_deep_copied():
    @inlineCallbacks
    def wait(d):
        yield d

    with pytest.raises(TypeError):
        copy.deepcopy(wait(Deferred()))


def test_the_dictionary_has_what_the_program_set_and_no_more():
    fired = Deferred()
    fired.callback(1)
    assert vars(succeed(1)) == vars(fired) == {}
    fired.mine = 1
    assert vars(fired) == {"mine": 1}


def test_the_callbacks_are_a_sequence_and_not_a_list():
    assert isinstance(Deferred()._callbacks, MutableSequence)
    assert not isinstance(Deferred()._callbacks, list)
