"""
Prints as JSON what there is to know of every name of a module, ``twisted.internet.defer`` or another.
"""

import importlib
import inspect
import json
import sys


def parameters(function):
    """
    The parameters, but the receiver, which has another kind in native methods; none where nothing tells them.
    """
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return None
    told = []
    for parameter in signature.parameters.values():
        if parameter.name == "self" and not told:
            continue
        default = parameter.default
        # An empty mapping is one, whether or not it can be changed.
        default = "{}" if repr(default) == "mappingproxy({})" else repr(default)
        told.append(f"{parameter.name} {parameter.kind.name} {default}")
    return told


def named(value):
    return [getattr(value, name, None) for name in ("__module__", "__qualname__", "__name__")]


def members(kind):
    told = {}
    for name in dir(kind):
        if name.startswith("_"):
            continue
        value = getattr(kind, name)
        told[name] = {"named": None, "parameters": None}
        if callable(value):
            # The class that a classmethod was found in shows in the qualified name of a native one.
            told[name] = {"named": value.__name__, "parameters": parameters(value)}
        static = inspect.getattr_static(kind, name)
        told[name]["documented"] = bool(inspect.getdoc(static)) if callable(value) or not isinstance(value, (bool, int)) else None
    return told


def main(module):
    names = {}
    for name, value in vars(importlib.import_module(module)).items():
        if name.startswith("__"):
            continue
        told = {"class": isinstance(value, type), "callable": callable(value)}
        if getattr(value, "__module__", None) == "twisted.internet.defer" and callable(value):
            told["named"] = named(value)
            told["parameters"] = parameters(value)
            told["documented"] = bool(inspect.getdoc(value))
            if isinstance(value, type):
                told["members"] = members(value)
        names[name] = told
    json.dump(names, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
