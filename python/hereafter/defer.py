"""
Every name of ``twisted.internet.defer``, on native Deferreds, whether or not the program was taken over.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from hereafter.takeover import installed

_STOCK = "twisted.internet.defer"


def _names() -> dict[str, Any]:
    import twisted.internet.defer as stock

    if installed():
        return vars(stock)
    # A copy of the module, whose errors are the program's own.
    from hereafter._rebuild import rebuild

    spec = importlib.util.find_spec(_STOCK)
    assert spec is not None and spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    for name, value in vars(stock).items():
        if isinstance(value, type) and issubclass(value, BaseException):
            setattr(copy, name, value)
    rebuild(vars(copy))
    return vars(copy)


globals().update({name: value for name, value in _names().items() if not (name.startswith("__") and name != "__all__")})
