"""Drawing of one row of the diagram: time, message and kind, the server's column, and those of the people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import set_cell_size

from chatws_loadtest.chatlog_timeline.diagram_rows import RowKind
from chatws_loadtest.text_summary import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chatws_loadtest.chatlog_timeline.diagram_rows import DiagramRow

LEFT: Final = 27
"""Width of time, message and kind."""

SERVER_WIDTH: Final = 7
SERVER_X: Final = LEFT + 3
MIN_COLUMN: Final = 8
MAX_COLUMN: Final = 18

STYLES: Final = {
    RowKind.MARK: "yellow",
    RowKind.RULE: "yellow",
    RowKind.FLAG: "bold yellow",
    RowKind.CONNECTED: "green",
    RowKind.GONE: "red",
    RowKind.SENT: "cyan",
    RowKind.STORED: "cyan",
    RowKind.LIVE: "cyan",
    RowKind.LATE: "yellow",
    RowKind.CAUGHT_UP: "magenta",
    RowKind.NO_ACK: "bold red",
    RowKind.REFUSED: "bold red",
    RowKind.LOST: "bold red",
    RowKind.AGAIN: "bold red",
}

_LIFE_STYLE = "dim"
_AT_SERVER: Final = {
    RowKind.SENT: "◀",
    RowKind.NO_ACK: "◀",
    RowKind.REFUSED: "✕",
    RowKind.STORED: "■",
    RowKind.LIVE: "├",
    RowKind.LATE: "├",
    RowKind.AGAIN: "├",
    RowKind.CAUGHT_UP: "├",
}
_AT_PERSON: Final = {
    RowKind.SENT: "●",
    RowKind.NO_ACK: "●",
    RowKind.REFUSED: "◀",
    RowKind.LOST: "✕",
    RowKind.GONE: "╧",
    RowKind.CONNECTED: "╤",
    RowKind.MARK: "▲",
    RowKind.RULE: "▲",
    RowKind.FLAG: "▲",
}
_RECEIVED: Final = "▶"
_WITHOUT_LINE: Final = frozenset(
    {RowKind.LOST, RowKind.GONE, RowKind.CONNECTED, RowKind.MARK, RowKind.RULE, RowKind.FLAG}
)

Pieces = list[tuple[str, str]]
"""Texts with their styles."""


@dataclass(frozen=True, slots=True)
class PeopleColumns:
    """Columns that are visible at a width."""

    names: tuple[str, ...]
    width: int
    """Of one column."""
    before: frozenset[str]
    """People to the left of the visible columns."""

    @classmethod
    def fit(cls, people: Sequence[str], first: int, width: int) -> PeopleColumns:
        """Return as many columns from ``first`` on as a screen of this width has room for."""
        room = max(MIN_COLUMN, width - LEFT - SERVER_WIDTH)
        column = max(MIN_COLUMN, min(MAX_COLUMN, room // max(1, len(people))))
        names = tuple(people[first : first + max(1, room // column)])
        return cls(names, column, frozenset(people[:first]))

    def x_of(self, index: int) -> int:
        """Return the position of the line of a column."""
        return LEFT + SERVER_WIDTH + index * self.width + self.width // 2


class _Canvas:
    """Characters of a line with their styles."""

    def __init__(self, width: int) -> None:
        self._characters = [" "] * width
        self._styles = [""] * width

    def put(self, x: int, text: str, style: str) -> None:
        for offset, character in enumerate(text):
            if 0 <= x + offset < len(self._characters):
                self._characters[x + offset] = character
                self._styles[x + offset] = style

    def has_line(self, x: int) -> bool:
        return self._characters[x] == "│"

    def pieces(self, first: int) -> Pieces:
        pieces: Pieces = []
        for character, style in zip(self._characters[first:], self._styles[first:], strict=True):
            if pieces and pieces[-1][1] == style:
                pieces[-1] = pieces[-1][0] + character, style
            else:
                pieces.append((character, style))
        return pieces


def draw_heads(columns: PeopleColumns, roles: dict[str, str], width: int) -> Pieces:
    """Return the line above the rows: the server and the people with their roles."""
    text = f"{'s':>8} {'message':<8}{'':<10}server "
    for name in columns.names:
        label = f"{printable(name)} {printable(roles.get(name, ''))}".strip()
        # In the middle, above the line.
        cut = set_cell_size(label, columns.width - 1).rstrip() if len(label) >= columns.width else label
        text += set_cell_size(" " * max(0, (columns.width - len(cut)) // 2) + cut, columns.width)
    return [(set_cell_size(text, width), "bold")]


def draw_row(row: DiagramRow, columns: PeopleColumns, is_absent: Callable[[str, int], bool], width: int) -> Pieces:
    """Return the line of a row; ``is_absent`` says whether a person is disconnected at a time."""
    style = STYLES[row.kind]
    # On a narrow screen, the first column is beyond the edge.
    canvas = _Canvas(max(width, columns.x_of(len(columns.names))))
    canvas.put(SERVER_X, "┃", "")
    xs = {name: columns.x_of(index) for index, name in enumerate(columns.names)}
    for name, x in xs.items():
        canvas.put(x, " " if is_absent(name, row.at) else "│", _LIFE_STYLE)
    marked = [xs[name] for name in row.people if name in xs]
    has_left = any(name in columns.before for name in row.people)
    has_right = len(marked) + sum(name in columns.before for name in row.people) < len(row.people)
    if row.kind not in _WITHOUT_LINE and row.people:
        _draw_line(canvas, row.kind, (width - 2) if has_right else max(marked, default=SERVER_X), style)
    canvas.put(SERVER_X, _AT_SERVER.get(row.kind, "┃"), style)
    for x in marked:
        canvas.put(x, _AT_PERSON.get(row.kind, _RECEIVED), style)
    if has_left:
        canvas.put(SERVER_X + 2, "«", style)
    if has_right:
        canvas.put(width - 1, "»", style)
    _draw_text(canvas, row, marked, style)
    name = "" if row.message is None else printable(row.message.name)
    left = f"{row.at / 1000:8.3f} {set_cell_size(name, 8)}{row.kind:<10}"
    return [(left, style), *canvas.pieces(LEFT)]


def _draw_line(canvas: _Canvas, kind: RowKind, end: int, style: str) -> None:
    dash, crossing = ("╌", "┆") if kind is RowKind.CAUGHT_UP else ("─", "┼")
    for x in range(SERVER_X + 1, end):
        canvas.put(x, crossing if canvas.has_line(x) else dash, style)


def _draw_text(canvas: _Canvas, row: DiagramRow, marked: list[int], style: str) -> None:
    if not row.text:
        return
    text = printable(row.text)
    if row.kind in {RowKind.MARK, RowKind.RULE, RowKind.FLAG} and not row.people:
        canvas.put(SERVER_X, f"▲ {text}", style)
    elif marked:
        canvas.put(max(marked) + 1, f" {text} ", style)
