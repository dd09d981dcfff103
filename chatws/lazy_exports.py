"""Names of a package that are imported on first use, so that a program imports only what it uses of the package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def lazy_exports(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a package (PEP 562); ``names`` lists the exported names of each of its modules.

    The package also imports the names under ``TYPE_CHECKING``, for type checkers and import-linter.
    """
    modules = {name: module for module, exported in names.items() for name in exported}

    def find(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        value: object = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
