"""Wording rules that a pattern can decide: openings of docstrings, subjects of sentences, ``cannot``."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, NamedTuple

from tools.check_tree.source_tree import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from tokenize import TokenInfo

    from tools.check_tree.source_tree import PythonModule, SourceTree

OPENINGS = (
    *("What", "Who", "Whom", "Whose", "Which", "Where", "When", "Why", "How", "That"),
    *("Whoever", "Whatever", "Whichever", "Wherever", "Whenever", "However"),
    *("Nobody", "Somebody", "Everybody", "Anybody", "No one", "Someone", "Everyone", "Anyone"),
    *("One who", "One that", "Those who", "Those that", "They who", "It is", "It has", "It was"),
)
"""Words that no docstring of a module, class, function or attribute may begin with."""

SUBJECTS = ("Who", "Whoever", "Nobody", "Somebody", "Everybody", "Anybody")
"""Words that no sentence of a docstring or comment may begin with, unless it is a question."""

UNCHECKED = ("tests/tools/test_check_tree.py",)
"""The tests have to spell the violations."""

_OPENING = re.compile(rf"\s*({'|'.join(OPENINGS)})\b(?!')")
_SENTENCE = re.compile(rf"(?:^|[.!?:]\s+)({'|'.join(SUBJECTS)})\b(?![^.!?]*\?)")
_SPLIT_CANNOT = re.compile(r"(?<![a-z])can(?:\s+(?:(?:#|//|\*)\s*)?|_)not(?![a-z]|\s+only)", re.IGNORECASE)


class _Prose(NamedTuple):
    text: str
    line: int


def find_wording(tree: SourceTree) -> Iterator[Violation]:
    """Find docstrings and sentences with an indefinite subject, and the spelling ``cannot`` in two words."""
    for path, text in tree.texts.items():
        if path not in UNCHECKED:
            for found in _SPLIT_CANNOT.finditer(text):
                yield Violation(path, text.count("\n", 0, found.start()) + 1, "'cannot' is written as one word")
    for module in tree.modules.values():
        docstrings = list(_docstrings(module))
        for docstring in docstrings:
            if opening := _OPENING.match(docstring.text):
                yield Violation(module.path, docstring.line, f"docstring begins with {opening[1]!r}")
        for prose in [*docstrings, *_comments(module)]:
            for found in _SENTENCE.finditer(prose.text):
                line = prose.line + prose.text.count("\n", 0, found.start(1))
                yield Violation(module.path, line, f"sentence with the subject {found[1]!r}")


def _docstrings(module: PythonModule) -> Iterator[_Prose]:
    """Yield the docstrings of the module, its classes and functions, and of attributes: strings below an assignment."""
    for block in module.blocks:
        for before, statement in zip([None, *block.body], block.body, strict=False):
            if before is None or isinstance(before, ast.Assign | ast.AnnAssign):
                match statement:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        yield _Prose(text, statement.lineno)


def _comments(module: PythonModule) -> Iterator[_Prose]:
    """Yield comments; consecutive lines of comments are one text, because a sentence may continue in the next."""
    blocks: list[list[TokenInfo]] = []
    for token in module.comments:
        is_own_line = not token.line[: token.start[1]].strip()
        if is_own_line and blocks and token.start == (blocks[-1][-1].start[0] + 1, blocks[-1][-1].start[1]):
            blocks[-1].append(token)
        else:
            blocks.append([token])
    yield from (_Prose("\n".join(line.string.lstrip("# ") for line in block), block[0].start[0]) for block in blocks)
