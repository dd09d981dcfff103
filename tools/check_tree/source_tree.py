"""Files of the repository as the checks read them: texts, parsed Python modules, and the place of a violation."""

from __future__ import annotations

import ast
import io
import subprocess
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE_ROOTS = ("cli/", "loadtest/")
"""Folders from which packages are imported, besides the repository's root."""

TEXT_SUFFIXES = frozenset({".py", ".md", ".js", ".mjs", ".ts", ".html", ".css", ".toml", ".yml", ".yaml", ".sh", ""})
"""Files that are searched for text; those without a suffix are the Makefile and the scripts of ``.ci``."""

_SKIPPED_FOLDERS = frozenset({"build", "dist", "node_modules", "vendor"})


Block = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Violation(NamedTuple):
    """Violation of a rule at a line of a file."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class PythonModule:
    """Parsed Python file; ``name`` is the dotted name under which it is imported."""

    path: str
    name: str
    is_package: bool
    blocks: list[Block]
    """The module itself, its classes and its functions: all that can have a docstring."""
    imports: list[ast.Import | ast.ImportFrom]
    """Imports at every depth."""
    names: list[tuple[str, int]]
    """Identifiers and keywords, each with its line."""
    comments: list[tokenize.TokenInfo]


class SourceTree:
    """Texts by path, relative to the root, and Python modules by dotted name."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        parsed = [_parse(path, text) for path, text in texts.items() if path.endswith(".py")]
        self.modules = {module.name: module for module in parsed}

    @classmethod
    def read(cls, root: Path) -> Self:
        """Read every text file of the repository.

        Raises:
            SyntaxError: a Python file cannot be parsed.
        """
        paths = sorted(path for path in _list_files(root) if Path(path).suffix in TEXT_SUFFIXES)
        return cls({path: (root / path).read_text(encoding="utf-8") for path in paths})


def _list_files(root: Path) -> Iterator[str]:
    """List the files that git tracks or would add; in an unpacked sdist, which has no history, all visible files."""
    if not (root / ".git").exists():
        visible = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        yield from (path.as_posix() for path in visible if not _is_skipped(path))
        return
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    # A deleted file stays in git's list until the deletion is staged.
    yield from (path for path in done.stdout.split("\0") if path and (root / path).is_file())


def _is_skipped(path: Path) -> bool:
    return any(part.startswith(".") or part in _SKIPPED_FOLDERS for part in path.parts)


def _parse(path: str, text: str) -> PythonModule:
    importable = path
    for root in SOURCE_ROOTS:
        importable = importable.removeprefix(root)
    is_package = importable.endswith("/__init__.py")
    name = importable.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    names = [(token.string, token.start[0]) for token in tokens if token.type == tokenize.NAME]
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    blocks: list[Block] = []
    imports: list[ast.Import | ast.ImportFrom] = []
    for node in _statements(ast.parse(text, path)):
        if isinstance(node, Block):
            blocks.append(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
    return PythonModule(path, name, is_package, blocks, imports, names, comments)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree without its expressions, which are most of it and hold neither imports nor definitions."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _statements(child)
