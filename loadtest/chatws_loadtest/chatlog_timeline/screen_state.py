"""State of the screen of a timeline: the chosen room and person, the selected row, and the first column."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from chatws_loadtest.chatlog.explanation import explain
from chatws_loadtest.chatlog_timeline.diagram_rows import FAULT_KINDS, DiagramRow, make_rows
from chatws_loadtest.text_summary import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chatws_loadtest.chatlog.analysis import ChatlogAnalysis
    from chatws_loadtest.chatlog_timeline.timeline_model import Absence, TimelineContent, TimelineRoom

MAX_LINES: Final = 200
"""Lines of an explanation that are shown: a room may have hundreds of people."""


class TimelineScreenState:
    """Selection of rows in a recording; moves in rows, in time, and from fault to fault."""

    def __init__(self, found: ChatlogAnalysis, content: TimelineContent) -> None:
        """Begin at the first fault of the room with the most faults, or at its first message."""
        self.content = content
        self.room: TimelineRoom | None = None
        """Chosen room; None: all rooms."""
        self.person = ""
        """Person to whose messages the rows are restricted; empty: to none."""
        self.rows: list[DiagramRow] = []
        self.row = 0
        """Index of the selected row."""
        self.people: list[str] = []
        """People with a column, in the order of the columns."""
        self.column = 0
        """Index of the first visible column."""
        self.visible = 1
        """Number of visible columns, which the screen sets."""
        self._found = found
        # Rows of all rooms, once they were shown: those of 30,000 messages take half a second.
        self._all_rows: list[DiagramRow] | None = None
        self._rooms: Sequence[TimelineRoom] = ()
        self._absences: dict[str, list[list[Absence]]] = {}
        self.choose(next(iter(content.rooms), None))
        message = self._find_row(lambda row: row.message is not None)
        self._select(self._find_row(lambda row: row.kind in FAULT_KINDS) or message or 0)

    @property
    def selected(self) -> DiagramRow | None:
        """Selected row; None if there are no rows."""
        return self.rows[self.row] if self.rows else None

    def choose(self, room: TimelineRoom | None, person: str = "") -> None:
        """Show a room, or all, and only the messages of a person if one is given; the time stays selected."""
        at = self.selected.at if self.selected is not None else None
        self.room, self.person = room, person
        rooms = self.content.rooms if room is None else [room]
        self._rooms = [one for one in rooms if not person or person in one.people]
        self.rows = self._make_rows()
        names = dict.fromkeys(name for one in self._rooms for name in one.people)
        self.people = sorted(names, key=lambda name: (name != person, len(name), name))
        self.column = 0
        self._absences = {}
        self.row = 0
        if at is not None:
            self._go_to_time(at)

    def filter(self, words: str) -> str:
        """Choose the room and the person that are named; return what is unknown, or an empty string."""
        room, person = None, ""
        for word in words.split():
            found = next((one for one in self.content.rooms if one.name == word), None)
            if found is not None:
                room = found
            elif any(word in one.people for one in self.content.rooms):
                person = word
            else:
                return word
        if room is not None and person and person not in room.people:
            return f"{person} in {room.name}"
        self.choose(room, person)
        return ""

    def move(self, rows: int) -> None:
        """Select a row further up or down."""
        self.row = max(0, min(len(self.rows) - 1, self.row + rows))

    def move_time(self, ms: int) -> None:
        """Select the row at a time before or after that of the selected one, at least the next row."""
        if self.selected is None:
            return
        row = self.row
        self._go_to_time(self.selected.at + ms)
        if self.row == row or (self.row > row) != (ms > 0):
            self.row = row
            self.move(1 if ms > 0 else -1)

    def go_to_fault(self, direction: int) -> bool:
        """Select the next fault of another message, from the end on at the begin; return whether there is one."""
        current = None if self.selected is None else self.selected.message
        for distance in range(1, len(self.rows)):
            at = (self.row + direction * distance) % len(self.rows)
            if self.rows[at].kind in FAULT_KINDS and self.rows[at].message is not current:
                self._select(at)
                return True
        return False

    def go_to_message(self, name: str) -> None:
        """Select the first row of a message, in its room."""
        for room in self.content.rooms:
            if any(message.name == name for message in room.messages):
                self.choose(room)
                self._select(self._find_row(lambda row: row.message is not None and row.message.name == name) or 0)
                return

    def scroll_columns(self, columns: int) -> None:
        """Scroll sideways."""
        self.column = max(0, min(len(self.people) - self.visible, self.column + columns))

    def is_absent(self, person: str, at: int) -> bool:
        """Return whether a person is disconnected from all shown rooms at a time."""
        absences = self._absences.get(person)
        if absences is None:
            absences = [room.absences.get(person, []) for room in self._rooms if person in room.people]
            self._absences[person] = absences
        return bool(absences) and all(_covers(rows, at) for rows in absences)

    def describe(self) -> list[str]:
        """Return the explanation of the selected row."""
        row = self.selected
        if row is None:
            return ["There is nothing to show."]
        message = None if row.message is None else self._found.find_message(row.message.name)
        if message is None:
            return [printable(f"{row.kind} at {row.at / 1000:.3f} s {', '.join(row.people)} {row.text}".strip())]
        lines = explain(self._found, message, notable_first=True)
        more = len(lines) - MAX_LINES
        shown = [*lines[:MAX_LINES], *([f"and {more} more people"] if more > 0 else [])]
        return [printable(line) for line in shown]

    def title(self) -> str:
        """Return the line above the diagram."""
        at = self.selected.at if self.selected is not None else 0
        people = len(self.people)
        last = min(people, self.column + self.visible)
        words = [
            "all rooms" if self.room is None else self.room.name or "no room",
            f"messages of {self.person}" if self.person else "",
            f"{at / 1000:.3f} of {self.content.ends / 1000:.3f} s",
            f"row {min(self.row + 1, len(self.rows))}/{len(self.rows)}",
            f"people {self.column + 1}-{last}/{people}" if last - self.column < people else "",
        ]
        return printable("  ".join(word for word in words if word))

    def _make_rows(self) -> list[DiagramRow]:
        if self.room is not None or self.person:
            return make_rows(self.content, self._rooms, self.person)
        if self._all_rows is None:
            self._all_rows = make_rows(self.content, self._rooms)
        return self._all_rows

    def _find_row(self, matches: Callable[[DiagramRow], bool]) -> int | None:
        return next((number for number, row in enumerate(self.rows) if matches(row)), None)

    def _select(self, row: int) -> None:
        """Select a row, and scroll sideways to its first person."""
        self.row = row
        people = self.rows[row].people if self.rows else ()
        if people and people[0] in self.people:
            column = self.people.index(people[0])
            if not self.column <= column < self.column + self.visible:
                # With its neighbour; the number of visible columns is not known before the first drawing.
                self.column = max(0, column - 1)

    def _go_to_time(self, at: int) -> None:
        self.row = min(len(self.rows) - 1, bisect_left(self.rows, at, key=lambda row: row.at)) if self.rows else 0


def _covers(absences: Sequence[Absence], at: int) -> bool:
    number = bisect_right(absences, at, key=lambda absence: absence.since) - 1
    return number >= 0 and at < absences[number].until
