"""Grammar of scenario files: one struct for each kind of step and for each kind of person."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

MAX_MEMBERS: Final = 500
MAX_TIMES: Final = 1_000
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "min": 60.0}

Duration = Annotated[
    str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|min)$", description="Time with its unit: 300ms, 2s or 1min.")
]
EVENT_NAME: Final = r"^(?!nothing$)[A-Za-z_][A-Za-z0-9_:.-]*$"
EventName = Annotated[str, Meta(pattern=EVENT_NAME, description="Name of an event.")]
Share = Annotated[str, Meta(pattern=r"^[0-9]{1,3}(\.[0-9]+)?%$", description="Share in percent: 25%.")]
Thinking = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|min)(\.\.[0-9]+(\.[0-9]+)?(ms|s|min))?$",
        description="Time, or its bounds: 2s..8s.",
    ),
]
Percent = Annotated[str, Meta(pattern=r"^(100|[1-9][0-9]?)%$", description="Share in whole percent: 25%.")]
Chars = Annotated[int, Meta(ge=1, le=4000)]
ListedChars = Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,2}|[1-3][0-9]{3}|4000)$", description="Characters: 80.")]
Rate = Annotated[float, Meta(ge=0.01, le=100)]
Times = Annotated[int, Meta(ge=1, le=MAX_TIMES)]
Members = Annotated[int, Meta(ge=1, le=MAX_MEMBERS)]
# Not `EventName`, but its JSON schema only; the reader checks the name. Two structs with a union of a text with a
# pattern and of a dict or list crash msgspec 0.22.0 in the garbage collection at the interpreter's exit (1 of 4 runs).
_ExpectedName = Annotated[str, Meta(description="Name of an event.", extra_json_schema={"pattern": EVENT_NAME})]
Expected = _ExpectedName | dict[_ExpectedName, Any]
"""One event: its name, or its name with a pattern of its payload."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the structs: an unknown key is an error."""


Group = Annotated[dict[Literal["agents", "customers"], Members], Meta(min_length=1, max_length=1)]
"""Group of agents, or of customers with a conversation each; the members are named ``group.1``, ``group.2``, …"""

PersonKind = Literal["agent", "customer"] | Group
PRESENCES: Final = ("online", "away", "busy")


class _Request(_Strict, frozen=True, kw_only=True):
    """Base of the steps that the server may refuse."""

    refused: str | None = None
    """The server must refuse the step, with this error code; ``any``: with any."""


class _RoomRequest(_Request, frozen=True, kw_only=True):
    """Base of the requests that name a conversation."""

    to: str | None = msgspec.field(name="in", default=None)
    """Customer whose conversation it is; default: the last one joined."""


class ConnectStep(_Request, frozen=True, kw_only=True):
    """Connect, without joining."""

    connect: None


class DisconnectStep(_Strict, frozen=True, kw_only=True):
    """Close the connection permanently, until the next ``connect``."""

    disconnect: None


class JoinStep(_Request, frozen=True, kw_only=True):
    """Join the conversation of a customer; without a name, the own or the first one."""

    join: str | None


class LeaveStep(_RoomRequest, frozen=True, kw_only=True):
    """Leave a conversation."""

    leave: None


class TypeStep(_RoomRequest, frozen=True, kw_only=True):
    """Start typing; the server lets it expire."""

    type: None


class StopTypingStep(_RoomRequest, frozen=True, kw_only=True):
    """Stop typing."""

    stop_typing: None


class SendStep(_RoomRequest, frozen=True, kw_only=True):
    """Send messages and wait for their acks."""

    send: str | list[str]
    times: Times | None = None
    """Send it that often; ``{n}`` in the text becomes the number."""
    drop: Duration | None = None
    """Lose the connection for this time before the ack arrives."""


class ReadStep(_RoomRequest, frozen=True, kw_only=True):
    """Mark the newest received message as read."""

    read: None


class PresenceStep(_Request, frozen=True, kw_only=True):
    """Choose a presence."""

    presence: Literal["online", "away", "busy"]


class ClaimStep(_RoomRequest, frozen=True, kw_only=True):
    """Claim the conversation."""

    claim: None


class ReleaseStep(_RoomRequest, frozen=True, kw_only=True):
    """Return the conversation to the queue."""

    release: None


class ResolveStep(_RoomRequest, frozen=True, kw_only=True):
    """Resolve the conversation."""

    resolve: None


class ReopenStep(_RoomRequest, frozen=True, kw_only=True):
    """Return a resolved conversation to the queue."""

    reopen: None


class EmitStep(_Strict, frozen=True, kw_only=True):
    """Send any other event with its payload, in which ``$name`` stands for a user id."""

    emit: dict[EventName, Any]
    ack: Any = msgspec.UNSET
    """Pattern of the ack; without it, no ack is requested."""


class DropStep(_Strict, frozen=True, kw_only=True):
    """Lose the connection for a time, then reconnect and rejoin with the position."""

    drop: Duration


class FreezeStep(_Strict, frozen=True, kw_only=True):
    """Neither read nor answer for a time, on an open connection."""

    freeze: Duration


class ExpectStep(_Strict, frozen=True, kw_only=True):
    """Expect an event, several in this order, or ``nothing``."""

    expect: Expected | list[Expected]
    within: Duration | None = None
    """Longest time since the last action, or since the person returned from an outage."""
    times: Times | None = None
    """Expect it that often; ``{n}`` in a pattern becomes the number."""


class ExpectNothingStep(_Strict, frozen=True, kw_only=True):
    """Expect that no event arrives."""

    expect: Literal["nothing"]
    duration: Duration = msgspec.field(name="for")
    of: Expected | list[Expected] | None = None
    """Only these events count; default: all, without own messages, presence and periodic events."""


class KillStep(_Strict, frozen=True, kw_only=True):
    """Kill the bundled server (SIGKILL) and restart it after a time."""

    kill: Duration | None


class LoadStage(_Strict, frozen=True, kw_only=True):
    """Part of a load test with a constant number of users and a constant rate."""

    users: Annotated[int, Meta(ge=2, le=100_000)]
    """Connected users, in whole rooms."""
    rate: Rate | None = None
    """Messages per second of each user; default: that of the profile."""
    duration: Duration = msgspec.field(name="for")


class LoadSection(_Strict, frozen=True, kw_only=True):
    """Habits of the users of a load test; a missing key is derived from the steps."""

    rate: Rate | None = None
    """Messages per second of each user."""
    stages: Annotated[list[LoadStage], Meta(min_length=1, max_length=100)] | None = None
    """Stages that follow one another; without them, the load is constant."""
    room: Annotated[int, Meta(ge=2, le=200)] | None = None
    """Users in each conversation."""
    typing: Share | None = None
    """Share of the messages before which the user types."""
    read: Share | None = None
    """Share of the messages after which the user marks as read."""
    history: Share | None = None
    """Share of the messages after which the user reads the history."""
    length: Chars | Annotated[dict[ListedChars, Percent], Meta(min_length=1)] | None = None
    """Mean characters of a message, or the share of the messages with each length."""
    think: Thinking | None = None
    """Time after which a user answers a message, or its bounds: 2s..8s."""


PersonStep = (
    ConnectStep
    | DisconnectStep
    | JoinStep
    | LeaveStep
    | TypeStep
    | StopTypingStep
    | SendStep
    | ReadStep
    | PresenceStep
    | ClaimStep
    | ReleaseStep
    | ResolveStep
    | ReopenStep
    | EmitStep
    | DropStep
    | FreezeStep
    | ExpectStep
    | ExpectNothingStep
)
"""Step of a person; a step without an argument may be written as one word."""

STEPS: Final[dict[str, type[PersonStep]]] = {
    "connect": ConnectStep,
    "disconnect": DisconnectStep,
    "join": JoinStep,
    "leave": LeaveStep,
    "type": TypeStep,
    "stop_typing": StopTypingStep,
    "send": SendStep,
    "read": ReadStep,
    "presence": PresenceStep,
    "claim": ClaimStep,
    "release": ReleaseStep,
    "resolve": ResolveStep,
    "reopen": ReopenStep,
    "emit": EmitStep,
    "drop": DropStep,
    "freeze": FreezeStep,
    "expect": ExpectStep,
}
"""Keyword of each step of a person, in the order of the documentation."""

NOTHING: Final = "nothing"
EVERYONE: Final = "everyone"
SERVER: Final = "server"
WAIT: Final = "wait"
RESERVED: Final = frozenset({EVERYONE, SERVER, WAIT})
"""Subjects of steps that no person may be named after."""


def seconds(duration: str) -> float:
    """Convert a `Duration` to seconds."""
    number = duration.rstrip("msin")
    return float(number) * _UNITS_S[duration[len(number) :]]


def bounds_s(thinking: str) -> tuple[float, float]:
    """Convert a `Thinking` to its bounds in seconds."""
    low, _, high = thinking.partition("..")
    return seconds(low), seconds(high or low)


def fraction(share: str) -> float:
    """Convert a `Share` to a number of at most 1."""
    return min(1.0, float(share.rstrip("%")) / 100)
