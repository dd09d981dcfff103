"""Absences of a person: the times without a connection to a room."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from chatws_loadtest.chatlog_timeline.timeline_model import Absence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws_loadtest.chatlog.analysis import RecordedConnection

NOT_CONNECTED_YET = "not connected yet"


def find_absences(connections: Iterable[RecordedConnection], begins_s: float, ends_s: float) -> list[Absence]:
    """Return the times between the begin and the end of a recording in which none of the connections was open."""
    absences = []
    # Until the first connection, as if an earlier one had ended at the begin.
    left_s, reason = begins_s, NOT_CONNECTED_YET
    for row in sorted(connections, key=lambda row: row.opened_s):
        if row.opened_s > left_s:
            absences.append(Absence(_ms(left_s), _ms(row.opened_s), reason))
        closed_s = inf if row.closed_s is None else row.closed_s
        if closed_s >= left_s:
            left_s, reason = closed_s, f"{row.closed_by}: {row.reason or row.code or 'closed'}"
    if left_s < ends_s and reason != NOT_CONNECTED_YET:
        absences.append(Absence(_ms(left_s), _ms(ends_s), reason))
    return absences


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
