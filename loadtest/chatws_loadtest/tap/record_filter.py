"""Filter of records by event, room and user."""

from __future__ import annotations

from collections.abc import Iterable

from chatws_loadtest.tap.tap_records import TapRecord


class RecordFilter:
    """Filter that keeps a record if each given list contains its field; an empty list keeps every record.

    Rooms and users are named as in the output: by pseudonyms, or with ``--with-content`` by their ids.
    """

    def __init__(self, events: Iterable[str] = (), rooms: Iterable[str] = (), users: Iterable[str] = ()) -> None:
        self._events = frozenset(events)
        self._rooms = frozenset(rooms)
        self._users = frozenset(users)

    def accepts(self, record: TapRecord) -> bool:
        """Return whether a record is kept; the notice of frames that were not analysed always is."""
        if record.flag == "skipped" or record.type == "mark":
            return True
        return (
            (not self._events or record.event in self._events)
            and (not self._rooms or record.room in self._rooms)
            and (not self._users or record.user in self._users)
        )
