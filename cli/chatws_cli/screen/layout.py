"""Layout of timeline blocks as rows of a given width, with style names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from chatws_cli.presentation.sanitize import width
from chatws_cli.presentation.timeline_items import (
    MARKS,
    DateItem,
    DeliveryState,
    MessageItem,
    NoteItem,
    NoticeItem,
    UnreadMarker,
)
from chatws_cli.screen.wrap import wrap

if TYPE_CHECKING:
    from chatws_cli.presentation.timeline_items import Block

StyleName = Literal[
    "time", "mark", "own", "admin", "customer", "bot", "text", "note", "notice", "problem", "rule", "new"
]

GUTTER: Final = len("12:34 ✓✓ ")
_NARROW_COLUMNS: Final = 60
_NARROW_INDENT: Final = 2


class Span(NamedTuple):
    """Text with a style."""

    style: StyleName
    text: str


Rows = tuple[str, ...]
"""Wrapped text of a block; `spans` adds labels, times and rules."""


def lay_out(block: Block, columns: int) -> Rows:
    """Wrap the text of a block."""
    if isinstance(block, MessageItem | NoteItem):
        indent = _indent(columns)
        return tuple(wrap(block.text.expandtabs(4), columns - indent, columns - GUTTER - width(block.label) - 2))
    if isinstance(block, NoticeItem):
        return tuple(wrap(block.text.expandtabs(4), columns - _indent(columns)))
    return ("",)


def spans(block: Block, rows: Rows, index: int, columns: int, state: DeliveryState | None) -> list[Span]:
    """Return the spans of one row of a block; ``state`` is that of an own message."""
    if isinstance(block, DateItem):
        return [Span("rule", rule(block.text, columns))]
    if isinstance(block, UnreadMarker):
        return [Span("new", rule(block.text, columns))]
    indent = " " * _indent(columns)
    if isinstance(block, NoticeItem):
        return [Span("problem" if block.is_problem else "notice", f"{indent}{rows[index]}")]
    if isinstance(block, NoteItem):
        if index:
            return [Span("note", f"{indent}{rows[index]}")]
        return [Span("time", f"{block.moment:%H:%M}    "), Span("note", f"{block.label}: {rows[0]}")]
    if index:
        return [Span("text", f"{indent}{rows[index]}")]
    moment = "--:--" if block.moment is None else f"{block.moment:%H:%M}"
    mark = "  " if state is None else MARKS[state]
    return [
        Span("time", f"{moment} "),
        Span("problem" if state == "failed" else "mark", f"{mark} "),
        Span("own" if block.is_own else block.role, f"{block.label}: "),
        Span("text", rows[0]),
    ]


def rule(text: str, columns: int) -> str:
    """Return a horizontal line with a centred text."""
    words = f" {text} "
    left = max(2, (columns - width(words)) // 2)
    return ("─" * left + words + "─" * max(0, columns - left - width(words)))[:columns]


def plain(block: Block, columns: int, state: DeliveryState | None) -> str:
    """Return a block as text for the transcript."""
    rows = lay_out(block, columns)
    return "\n".join(
        "".join(span.text for span in spans(block, rows, index, columns, state)).rstrip() for index in range(len(rows))
    )


def _indent(columns: int) -> int:
    return GUTTER if columns >= _NARROW_COLUMNS else _NARROW_INDENT
