"""Explanation of a message in words: why each client received it when it did, from the records only."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws_loadtest.chatlog.analysis import ChatlogAnalysis, RecordedConnection, RecordedDelivery, RecordedMessage

LATE_S: Final = 0.1
"""Time after which a live delivery is called late, as in the guide."""


def explain(found: ChatlogAnalysis, message: RecordedMessage, *, notable_first: bool = False) -> list[str]:
    """Return the explanation, one line for the message and one for each person of its room.

    With ``notable_first``, those who received it live and in time come last: in a large room they are the majority.
    """
    head = f"{message.name} in {message.room or 'no room'}" + (f", seq {message.seq}" if message.seq else "")
    copies: defaultdict[str, list[RecordedDelivery]] = defaultdict(list)
    for copy in message.deliveries:
        copies[copy.person].append(copy)
    people = found.rooms.get(message.room, set()) | copies.keys()
    order = sorted(people, key=lambda person: (person != message.sender, len(person), person))
    if notable_first:
        order.sort(key=lambda person: _is_usual(message, copies[person]))
    return [
        f"{head}: {_describe_sending(found, message)}",
        *(_describe_person(found, message, person, copies[person]) for person in order),
        *(f"noted by the tool that recorded: {note}" for note in message.notes),
    ]


def _describe_sending(found: ChatlogAnalysis, message: RecordedMessage) -> str:
    if not message.sent_s:
        return "its sender was not recorded"
    text = f"{message.sender} sent it at {_at(message.sent_s[0])}"
    if repeats := message.sent_s[1:]:
        text += f", and again at {', '.join(map(_at, repeats))}"
    if message.acked_s is None:
        return f"{text}; no ack arrived{_explain_missing_ack(found, message)}"
    if message.refused:
        return f"{text}; the server refused it at {_at(message.acked_s)}: {message.refused}"
    after = _after(message.acked_s - message.sent_s[-1])
    return f"{text}; the server acked it at {_at(message.acked_s)}, {after} later"


def _explain_missing_ack(found: ChatlogAnalysis, message: RecordedMessage) -> str:
    last = message.sent_s[-1]
    for row in found.connections_of(message.sender):
        if row.opened_s <= last and row.closed_s is not None and row.closed_s >= last:
            return f" before the connection was closed by the {row.closed_by} at {_at(row.closed_s)}"
    return ""


def _is_usual(message: RecordedMessage, copies: Sequence[RecordedDelivery]) -> bool:
    return len(copies) == 1 and copies[0].kind == "live" and copies[0].at_s - message.begins_s <= LATE_S


def _describe_person(
    found: ChatlogAnalysis, message: RecordedMessage, person: str, copies: Sequence[RecordedDelivery]
) -> str:
    rows = found.connections_of(person)
    absence = describe_absence(rows, message)
    if not copies:
        return f"{person} never received it: {absence or _describe_silence(found, message, person)}"
    first = copies[0]
    reason = f"{person} {absence} and" if absence and first.at_s > message.begins_s else person
    text = f"{reason} {_describe_copy(message, first)}"
    if repeated := copies[1:]:
        times = ", ".join(_at(copy.at_s) for copy in repeated)
        text += f"; it received {'another copy' if len(repeated) == 1 else f'{len(repeated)} more copies'} at {times}"
    return text


def _describe_copy(message: RecordedMessage, copy: RecordedDelivery) -> str:
    after = copy.at_s - message.begins_s
    if copy.kind == "catch-up":
        return f"received it with the catch-up at {_at(copy.at_s)}"
    text = f"received it live at {_at(copy.at_s)}, {_after(after)} after it was sent"
    committed_s = message.committed_s
    if after > LATE_S and committed_s is not None:
        waited = committed_s - message.begins_s
        share = "before" if waited > after / 2 else "after"
        text += f"; late: most of that passed {share} the server had stored it ({_at(committed_s)})"
    return text


def describe_absence(rows: Sequence[RecordedConnection], message: RecordedMessage) -> str:
    """Return why a person could not receive a message when the server stored it; empty if it could."""
    at_s = message.committed_s or message.begins_s
    if not rows:
        return ""
    # A person may have connections to other rooms at the same time.
    rows = [row for row in rows if message.room in row.joined] or list(rows)
    starts = {row.number: row.joined.get(message.room, row.opened_s) for row in rows}
    if any(starts[row.number] <= at_s and (row.closed_s is None or at_s < row.closed_s) for row in rows):
        return ""
    left_s = max((row.closed_s for row in rows if row.closed_s is not None and row.closed_s <= at_s), default=None)
    back = min((row for row in rows if starts[row.number] > at_s), key=lambda row: starts[row.number], default=None)
    if back is None:
        return "" if left_s is None else f"had disconnected at {_at(left_s)}"
    if left_s is not None:
        return f"was disconnected from {_at(left_s)} to {_at(back.opened_s)}"
    if at_s < back.opened_s:
        return f"was not connected before {_at(back.opened_s)}"
    return f"joined {message.room} only at {_at(starts[back.number])}"


def _describe_silence(found: ChatlogAnalysis, message: RecordedMessage, person: str) -> str:
    """Describe what a connected person received instead."""
    at_s = message.committed_s or message.begins_s
    rows = found.connections_of(person)
    if not any(message.room in row.joined for row in rows):
        return f"it had not joined {message.room}"
    later = found.next_arrival(person, message.room, at_s)
    if later is not None:
        return f"it was connected and received {later.name} at {_at(later.at_s)}, so this one was lost on the way"
    if message.committed_s is None:
        return "the server neither acked nor delivered it"
    return f"it was connected, and received no later message of {message.room} either"


def _at(seconds: float) -> str:
    return f"{seconds:.3f} s"


def _after(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if abs(seconds) < 1 else f"{seconds:.2f} s"
