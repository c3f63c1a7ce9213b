"""
Twisted's Deferreds, run by a native engine.

``python -m hereafter [-m module | script.py] args...`` runs a program with them; so does
``hereafter.install()``, called before anything imports ``twisted.internet.defer``.
"""

from hereafter._presence import require_native

require_native()

from hereafter.takeover import TooLate, install, installed  # noqa: E402

__all__ = ["TooLate", "install", "installed"]
