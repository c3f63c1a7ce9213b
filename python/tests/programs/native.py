"""Whose Deferreds a program has got."""

from hereafter._hereafter import Deferred


def is_native(deferred):
    """Whether it is one of ours, by its type."""
    return isinstance(deferred, Deferred)
