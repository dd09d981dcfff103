"""What the command and its load processes tell each other: JSON lines, one object each, over pipes.

Times are of ``time.perf_counter``, which all processes of one host share on Linux.
"""

from __future__ import annotations

import msgspec

from chatws_loadtest.ledger import Balance


class RoomAssignment(msgspec.Struct, frozen=True):
    """One conversation and the credentials of each of its members."""

    conversation_id: str
    members: list[dict[str, str]]


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """What users do besides sending; shares are of their messages."""

    rate: float = 1.0
    """Messages per second of each user."""
    typing_share: float = 0.25
    read_share: float = 0.1
    history_share: float = 0.02
    content_chars: int = 80
    visit_s: float | None = None
    """Everybody in a room leaves after about so long, and comes again; None: they stay."""
    talkers: int | None = None
    """Members of a room who send; None: all."""


class WorkerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one load process needs to know; its first line of input."""

    url: str
    ca_file: str | None
    via: tuple[str, int] | None = None
    """Host and port to connect to, where something stands between the users and the server."""
    rooms: list[RoomAssignment]
    habits: Habits
    tag: str
    """Begins every message, so that nobody else's is taken for one of ours."""
    connects_per_s: float
    connect_timeout_s: float = 10.0
    seed: int = 1
    csv_prefix: str | None = None

    @property
    def users(self) -> int:
        return sum(len(room.members) for room in self.rooms)


class Go(msgspec.Struct, frozen=True, tag=True):
    """Begin to talk."""

    at_s: float


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Time only messages intended within these bounds."""

    from_s: float
    until_s: float


class SetRate(msgspec.Struct, frozen=True, tag=True):
    """Change the messages per second of each user."""

    rate: float


class Cut(msgspec.Struct, frozen=True, tag=True):
    """Cut every connection at once."""


class ShortLived(msgspec.Struct, frozen=True):
    """A token that will expire under its holder's hands, and the one to be had from then on."""

    token: str
    expired_at_s: float
    """Unix time at which it certainly has."""
    next_token: str


class Expire(msgspec.Struct, frozen=True, tag=True):
    """Go on under tokens that live shortly; by the tokens held until now."""

    tokens: dict[str, ShortLived]


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Say nothing more, wait until all is settled or the time is over, report, and end."""

    drain_s: float


Order = Go | Measure | SetRate | Cut | Expire | Finish


class Outage(msgspec.Struct, frozen=True):
    """One user's way through the end of a connection."""

    ended_s: float
    began_s: float
    """The attempt that succeeded began to connect."""
    rejoined_s: float
    caught_up_s: float


class WorkerReady(msgspec.Struct, frozen=True, tag=True):
    """Every user is connected and in its room."""

    guide_only: bool


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What happened since the last one, about a second ago.

    ``cpu_s`` and the five from ``offered`` on are sums since the start; ``trouble`` is why a connection last failed to
    come about.
    """

    at_s: float
    samples: dict[str, list[int]]
    outages: list[Outage]
    connections: int
    cpu_s: float
    rss_bytes: int
    offered: int
    sent: int
    acked: int
    requests: int
    failures: dict[str, int]
    trouble: str = ""


class WorkerDone(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The account at the end; ``stored`` holds (seq, number) of what was acked, by conversation."""

    balance: Balance
    stored: dict[str, list[tuple[int, int]]]
    failures: dict[str, int]
    came_back: int
    away: int
    """Users whose connection was gone at the end."""


class WorkerFailed(msgspec.Struct, frozen=True, tag=True):
    """The load could not be built up; ``code`` is the server's refusal."""

    reason: str
    code: str | None = None


Report = WorkerReady | Tick | WorkerDone | WorkerFailed

encode = msgspec.json.Encoder().encode
decode_plan = msgspec.json.Decoder(WorkerPlan).decode
decode_order = msgspec.json.Decoder(Order).decode
decode_report: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
