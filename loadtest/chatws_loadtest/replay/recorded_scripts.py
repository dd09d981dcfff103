"""Conversion of a recording to the scripts of its rooms."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from chatws_loadtest.chatlog.records import OutRecord
from chatws_loadtest.replay.room_script import ReplayAction, ReplayStep, RoomScript

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatws_loadtest.chatlog.analysis import ChatlogAnalysis, RecordedConnection, RecordedMessage
    from chatws_loadtest.chatlog.event_names import ChatEventNames
    from chatws_loadtest.chatlog.reader import Chatlog

CUSTOMER: Final = "customer"
DEPARTURE_S: Final = 1.0
"""A person who disconnects so long before the last action of its room, and does not return, has left it."""

Steps = list[ReplayStep]


def make_scripts(log: Chatlog, found: ChatlogAnalysis, names: ChatEventNames, speed: float) -> list[RoomScript]:
    """Return the script of each room with an action, with all times divided by ``speed``."""
    by_room: defaultdict[str, list[RecordedMessage]] = defaultdict(list)
    for message in found.messages:
        if message.sender and message.sent_s and not message.refused:
            by_room[message.room].append(message)
    actions = _actions(log, found, names)
    rooms = []
    for room, people in found.rooms.items():
        steps = {person: list(actions.get((room, person), ())) for person in people}
        for person, sends in _sends(by_room[room]).items():
            steps.setdefault(person, []).extend(sends)
        last_s = max((step.at_s for rows in steps.values() for step in rows), default=0.0)
        steps = {
            person: sorted([*rows, *_interruptions(found.connections_to(person, room), last_s)], key=_time)
            for person, rows in steps.items()
        }
        for person, rows in steps.items():
            join = _late_join(found, room, person, by_room[room])
            if join is not None and not any(step.action == "send" and step.at_s < join.at_s for step in rows):
                steps[person] = [join, *(step for step in rows if step.at_s >= join.at_s)]
        if any(steps.values()):
            rooms.append([steps[person] for person in _order(found, steps)])
    start_s = min((step.at_s for members in rooms for rows in members for step in rows), default=0.0)
    return [RoomScript([[_move(step, start_s, speed) for step in rows] for rows in members]) for members in rooms]


def _actions(log: Chatlog, found: ChatlogAnalysis, names: ChatEventNames) -> dict[tuple[str, str], Steps]:
    """Return typing, read marks and history requests by room and person."""
    kinds: dict[str, ReplayAction] = {
        names.typing_start: "type",
        names.typing_stop: "stop typing",
        names.mark_read: "read",
        names.history: "history",
    }
    kinds.pop("", None)
    actions: defaultdict[tuple[str, str], Steps] = defaultdict(list)
    for record in log.records:
        if isinstance(record, OutRecord) and record.event in kinds and record.c in found.connections and record.room:
            person = found.connections[record.c].person
            actions[record.room, person].append(ReplayStep(at_s=record.t, action=kinds[record.event]))
    return actions


def _sends(messages: list[RecordedMessage]) -> dict[str, Steps]:
    """Return the sends of one room by person; each follows what the person had received since the one before."""
    numbers = {message.name: number for number, message in enumerate(messages)}
    received = sorted(
        (copy.at_s, copy.person, numbers[message.name])
        for message in messages
        for copy in message.deliveries
        if copy.person != message.sender
    )
    arrivals: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for at_s, person, number in received:
        arrivals[person].append((at_s, number))
    sends: defaultdict[str, Steps] = defaultdict(list)
    for message in sorted(messages, key=lambda row: row.sent_s[0]):
        at_s, waiting = message.sent_s[0], arrivals[message.sender]
        count = sum(arrived_s < at_s for arrived_s, _ in waiting)
        after = tuple(dict.fromkeys(cause for _, cause in waiting[:count]))
        arrivals[message.sender] = waiting[count:]
        sends[message.sender].append(
            ReplayStep(
                at_s=at_s, action="send", message=numbers[message.name], chars=max(1, message.chars), after=after
            )
        )
    return sends


def _late_join(found: ChatlogAnalysis, room: str, person: str, messages: list[RecordedMessage]) -> ReplayStep | None:
    """Return the first join of a person, if it came after a message of the room."""
    joined_s = min((row.joined[room] for row in found.connections_to(person, room)), default=None)
    if joined_s is None:
        return None
    # The messages are in this order.
    earlier = bisect_left(messages, joined_s, key=lambda message: message.begins_s)
    return ReplayStep(at_s=joined_s, action="join", earlier=earlier) if earlier else None


def _interruptions(rows: list[RecordedConnection], last_s: float) -> Iterator[ReplayStep]:
    """Yield the cuts of a person's connections to a room, and its departure."""
    rows = sorted(rows, key=lambda row: row.opened_s)
    for earlier, later in pairwise(rows):
        if earlier.closed_s is not None and earlier.closed_s <= later.opened_s:
            offline_s = later.opened_s - earlier.closed_s
            yield ReplayStep(at_s=earlier.closed_s, action="cut", offline_s=offline_s)
    if rows and (closed_s := rows[-1].closed_s) is not None and closed_s < last_s - DEPARTURE_S:
        yield ReplayStep(at_s=closed_s, action="leave")


def _order(found: ChatlogAnalysis, steps: dict[str, Steps]) -> list[str]:
    """Return the people of a room, the customer first: the first member of a replayed room is its customer."""
    roles = {person: rows[0].role for person in steps if (rows := found.connections_of(person))}
    return sorted(steps, key=lambda person: (roles.get(person) != CUSTOMER, len(person), person))


def _time(step: ReplayStep) -> float:
    return step.at_s


def _move(step: ReplayStep, start_s: float, speed: float) -> ReplayStep:
    at_s, offline_s = (step.at_s - start_s) / speed, step.offline_s / speed
    return msgspec.structs.replace(step, at_s=round(at_s, 6), offline_s=round(offline_s, 6))
