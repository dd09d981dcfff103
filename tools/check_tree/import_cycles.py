"""Cycles between the repository's modules, over every form of import.

Imports inside functions and under ``TYPE_CHECKING`` count like those at the top of a file: the files still cannot be
understood, moved or tested one by one.

``from package import name`` is an import of the submodule ``package.name`` if that exists, and of the package's
``__init__`` otherwise. Python runs the ``__init__`` of every parent package as well. That counts for an importer
outside the package only: a submodule that imports a sibling does not depend on the ``__init__`` that re-exports it.
"""

from __future__ import annotations

import ast
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

from tools.check_tree.source_tree import Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tools.check_tree.source_tree import PythonModule, SourceTree

Graph = dict[str, dict[str, int]]
"""For each module the modules that it imports, with the line of the first import."""


def find_cycles(tree: SourceTree) -> list[Violation]:
    """Return a violation for each strongly connected component, at the first import of its shortest cycle."""
    graph = import_graph(tree.modules)
    found = []
    for component in _components(graph):
        cycle = min((_shortest_cycle(graph, start, component) for start in sorted(component)), key=len)
        places = [f"{tree.modules[one].path}:{graph[one][two]}" for one, two in pairwise(cycle)]
        path = " -> ".join(f"{name} ({place})" for name, place in zip(cycle, places, strict=False))
        text = f"import cycle: {path} -> {cycle[0]}"
        if len(component) >= len(cycle):  # the cycle lists its first module twice
            text += f"; {len(component)} modules import each other: {', '.join(sorted(component))}"
        found.append(Violation(tree.modules[cycle[0]].path, graph[cycle[0]][cycle[1]], text))
    return found


def import_graph(modules: Mapping[str, PythonModule]) -> Graph:
    """Return the imports between these modules; imports of other modules are omitted."""
    graph: Graph = {name: {} for name in modules}
    for module in modules.values():
        for target, line in _imports(module, modules):
            graph[module.name].setdefault(target, line)
            for package in _parents(target):
                if package in modules and not f"{module.name}.".startswith(f"{package}."):
                    graph[module.name].setdefault(package, line)
    return graph


def _imports(module: PythonModule, known: Collection[str]) -> Iterator[tuple[str, int]]:
    for node in module.imports:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            package = _source_of(node, module)
            submodules = [f"{package}.{alias.name}" for alias in node.names]
            names = [name if name in known else package for name in submodules]
        yield from ((name, node.lineno) for name in names if name in known)


def _source_of(node: ast.ImportFrom, module: PythonModule) -> str:
    """Return the absolute name of the module after ``from``."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = len(parts) - node.level + (1 if module.is_package else 0)
    return ".".join([*parts[:kept], *([node.module] if node.module else [])])


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _components(graph: Graph) -> list[set[str]]:
    """Return the strongly connected components that contain a cycle."""
    remaining = _without_ends(graph)
    found = []
    while remaining:
        start = next(iter(remaining))
        component = _reachable(remaining, start) & _reachable(_reversed(remaining), start)
        if component:
            found.append(component)
        removed = component | {start}
        remaining = {
            name: {to: at for to, at in targets.items() if to not in removed} for name, targets in remaining.items()
        }
        remaining = _without_ends({name: targets for name, targets in remaining.items() if name not in removed})
    return found


def _without_ends(graph: Graph) -> Graph:
    """Remove modules that import nothing of the graph until each one left does; a cycle is never removed."""
    while ends := {name for name, targets in graph.items() if not targets}:
        graph = {
            name: {to: line for to, line in targets.items() if to not in ends}
            for name, targets in graph.items()
            if name not in ends
        }
    return graph


def _reversed(graph: Graph) -> Graph:
    reversed_graph: Graph = {name: {} for name in graph}
    for name, targets in graph.items():
        for target, line in targets.items():
            reversed_graph[target][name] = line
    return reversed_graph


def _reachable(graph: Graph, start: str) -> set[str]:
    """Return the modules reached by at least one import; contains ``start`` if that is in a cycle."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()].keys() - seen
        seen |= new
        waiting.extend(new)
    return seen


def _shortest_cycle(graph: Graph, start: str, component: Collection[str]) -> list[str]:
    """Return the shortest path from a module back to itself, both ends included."""
    previous: dict[str, str] = {}
    waiting = deque([start])
    while start not in previous:
        name = waiting.popleft()
        for target in graph[name]:
            if target in component and target not in previous:
                previous[target] = name
                waiting.append(target)
    path = [start]
    while len(path) == 1 or path[-1] != start:
        path.append(previous[path[-1]])
    return path[::-1]
