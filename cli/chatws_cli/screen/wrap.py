"""Word wrapping for terminal columns."""

from __future__ import annotations

from chatws_cli.presentation.sanitize import head, width


def wrap(text: str, columns: int, first: int | None = None) -> list[str]:
    """Wrap a text into rows; ``first`` is the width of the first row if it differs.

    A word longer than a row is split. Wide characters count as two columns.
    """
    rows: list[str] = []
    room = max(1, columns if first is None else first)
    columns = max(1, columns)
    for line in text.split("\n"):
        rows += _wrap_line(line, room, columns)
        room = columns
    return rows


def _wrap_line(line: str, room: int, columns: int) -> list[str]:
    rows = []
    is_narrow = line.isascii()
    while (len(line) if is_narrow else width(line)) > room:
        fitting = room if is_narrow else max(1, len(head(line, room)))
        cut = line.rfind(" ", 0, fitting + 1)
        if cut <= 0 and room < columns:
            # The label shortens the first row, so a long word starts in the next row.
            rows.append("")
        elif cut <= 0:
            rows.append(line[:fitting])
            line = line[fitting:]
        else:
            rows.append(line[:cut])
            line = line[cut + 1 :]
        room = columns
    rows.append(line)
    return rows
