"""
Has a program's ``twisted.internet.defer`` give out native Deferreds.

The names are replaced right after the module has run and before anything imports from it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_TARGET = "twisted.internet.defer"
_REPORTER = "twisted.trial.reporter"
_MARK = "__hereafter__"


class TooLate(RuntimeError):
    """
    ``twisted.internet.defer`` has been imported already.

    :ivar holders: the names of the modules that hold Twisted's own ``Deferred``.
    """

    def __init__(self, holders: Sequence[str]) -> None:
        self.holders = tuple(holders)
        super().__init__(
            "hereafter.install() comes too late: twisted.internet.defer has been imported, and these "
            f"modules hold its Deferred: {', '.join(holders) or 'none that can be found'}. Call it before "
            "anything of Twisted is imported, or run the program with: python -m hereafter"
        )


class _Loader(Loader):
    """
    Loads the module as it would be loaded anyway, and then puts in what is ours.
    """

    def __init__(self, inner: Loader) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        if module.__name__ == _TARGET:
            from hereafter._rebuild import rebuild

            rebuild(vars(module))
        else:
            from hereafter._trial import adapt_reporter

            adapt_reporter(vars(module))
        setattr(module, _MARK, True)


class _Finder(MetaPathFinder):
    """
    Finds ``twisted.internet.defer``, and the one module that looks at the frames that it leaves.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in (_TARGET, _REPORTER):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


_finder = _Finder()


def installed() -> bool:
    """
    Whether ``twisted.internet.defer`` gives out native Deferreds, or will when it is imported.
    """
    module = sys.modules.get(_TARGET)
    return _finder in sys.meta_path if module is None else hasattr(module, _MARK)


def install() -> None:
    """
    Have ``twisted.internet.defer`` give out native Deferreds. Again, it does nothing.

    :raises TooLate: when the module has been imported without.
    """
    if installed():
        return
    module = sys.modules.get(_TARGET)
    if module is not None:
        old = module.Deferred
        raise TooLate(
            sorted(
                name
                for name, other in list(sys.modules.items())
                if other is not None and any(value is old for value in list(vars(other).values()))
            )
        )
    sys.meta_path.insert(0, _finder)
