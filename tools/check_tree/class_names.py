"""Class names that are defined more than once in the repository, tests included."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tools.check_tree.source_tree import Violation

if TYPE_CHECKING:
    from tools.check_tree.source_tree import SourceTree


def find_repeated_classes(tree: SourceTree) -> list[Violation]:
    """Return a violation for each definition of a name that another class has; its message lists the others.

    Nested and local classes count: a reader who searches for a name finds them as well.
    """
    places: dict[str, list[tuple[str, int]]] = {}
    for module in tree.modules.values():
        for block in module.blocks:
            if isinstance(block, ast.ClassDef):
                places.setdefault(block.name, []).append((module.path, block.lineno))
    found = []
    for name, defined in places.items():
        for place in defined if len(defined) > 1 else []:
            others = ", ".join(f"{path}:{line}" for path, line in defined if (path, line) != place)
            found.append(Violation(*place, f"class {name} is also defined in {others}"))
    return found
