"""Messages between the command and its load processes: JSON lines over pipes, one object each.

Times are those of ``time.perf_counter``, which all processes of a Linux host share.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chatws.client.gevent.transport_choice import TransportChoice
from chatws.client.mapping import GUIDE_MAPPING, ServerMapping
from chatws_loadtest.deviations import Deviation
from chatws_loadtest.indicators import IndicatorCounts
from chatws_loadtest.ledger import Balance
from chatws_loadtest.replay.room_script import ReplayPlan

CONNECT_TIMEOUT_S: Final = 30.0
"""Time to connect every user, in addition to the time that the rate of new connections takes."""


class RoomAssignment(msgspec.Struct, frozen=True):
    """Conversation, and the credentials of each of its members."""

    conversation_id: str
    members: list[dict[str, str]]


class ComparedFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of received messages that are compared with what was sent; a server may not name all of them."""

    conversation: bool = True
    sender: bool = True
    role: bool = True
    timestamp: bool = True


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """Behaviour of the users; shares are of the messages that a user sends."""

    rate: float = 1.0
    """Messages per second of each user."""
    typing_share: float = 0.25
    read_share: float = 0.1
    history_share: float = 0.02
    content_chars: int = 80
    lengths: tuple[tuple[int, int], ...] = ()
    """Characters of a message, and percent of the messages that have them; empty: around ``content_chars``."""
    think_s: tuple[float, float] | None = None
    """Bounds of the time after which a message is answered by the next member of the room; None: never."""
    visit_s: float | None = None
    """Mean time after which all members of a room leave and join again; None: they stay."""
    senders: int | None = None
    """Members of a room that send messages; None: all."""


class ChatlogPart(msgspec.Struct, frozen=True, kw_only=True):
    """Recording of one load process."""

    file: str
    url: str
    """Address for the header; the plan's own may be that of a proxy."""
    start_s: float
    """Time of ``t`` = 0, on ``time.perf_counter``."""
    index: int
    """Number of the process, from 0: each process numbers its connections, rooms and users differently."""
    with_content: bool = False


class WorkerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """First line of a load process's input: its users and the server."""

    url: str
    ca_file: str | None
    via: tuple[str, int] | None = None
    """Host and port of a proxy to connect through; None: users connect to the server itself."""
    rooms: list[RoomAssignment]
    workload: Workload
    compared: ComparedFields = ComparedFields()
    tag: str
    """Prefix of the content of every message of this process."""
    run_tag: str = ""
    """Prefix that the tags of all processes of the run share; empty: there is only this process."""
    processes: int = 1
    """Load processes of the run."""
    start_users: int | None = None
    """Users that connect at the start, those of the first rooms; None: all. A `StartStage` changes their number."""
    connects_per_s: float
    connect_timeout_s: float = 10.0
    transport: TransportChoice = TransportChoice.WEBSOCKET
    seed: int = 1
    csv_prefix: str | None = None
    mapping: ServerMapping = GUIDE_MAPPING
    chatlog: ChatlogPart | None = None
    """Recording of the users' traffic; None: there is none."""
    replay: ReplayPlan | None = None
    """Recorded traffic that the users repeat; None: they send messages at the rate of the workload."""

    @property
    def users(self) -> int:
        return sum(len(room.members) for room in self.rooms)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a run with a constant load; the time that new users need to connect is a part of it."""

    users: int
    """Connected users of all load processes."""
    rate: float
    """Messages per second of each user."""
    duration_s: float


class StartSending(msgspec.Struct, frozen=True, tag=True):
    """Start sending messages at this time."""

    at_s: float


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Record latencies only of messages scheduled within these bounds."""

    from_s: float
    until_s: float


class SetRate(msgspec.Struct, frozen=True, tag=True):
    """Change the messages per second of each user."""

    rate: float


class StartStage(msgspec.Struct, frozen=True, tag=True):
    """Add users or remove the latest, until this load process has as many as given, and change their rate."""

    users: int
    rate: float


class CutConnections(msgspec.Struct, frozen=True, tag=True):
    """Cut every connection at once."""


class ShortLivedToken(msgspec.Struct, frozen=True):
    """Token that expires during the run, and the token that replaces it."""

    token: str
    expired_at_s: float
    """Unix time from which the token has certainly expired."""
    next_token: str


class UseShortLivedTokens(msgspec.Struct, frozen=True, tag=True):
    """Replace tokens, given as keys, by tokens that expire soon."""

    tokens: dict[str, ShortLivedToken]


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Stop sending, wait until every message is settled or ``drain_s`` has passed, report, and exit."""

    drain_s: float


WorkerCommand = StartSending | Measure | SetRate | StartStage | CutConnections | UseShortLivedTokens | Finish


class Outage(msgspec.Struct, frozen=True):
    """Times of one user's reconnect."""

    ended_s: float
    began_s: float
    """Start of the connection attempt that succeeded."""
    rejoined_s: float
    caught_up_s: float


class WorkerReady(msgspec.Struct, frozen=True, tag=True):
    """Every user has joined its room, or cannot."""

    guide_only: bool
    """The server offers none of the additions to the guide."""
    connected: int
    complete_rooms: int
    """Rooms that every member has joined."""
    refusals: dict[str, int] = {}
    """Number of users that cannot join, by reason."""
    code: str | None = None
    """Error code of a refusal."""
    refuses_kind: bool = False
    """The server refused all agents and no customer, or all customers and no agent."""


class WorkerStats(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Statistics of a load process, sent once per second.

    ``samples`` and ``outages`` are those since the last statistics; ``cpu_s`` and the counts from ``offered`` to
    ``requests`` are totals since the start.
    """

    at_s: float
    samples: dict[str, list[int]]
    """By metric; ``metric@transport`` in addition if the users have different transports."""
    outages: list[Outage]
    connections: int
    cpu_s: float
    rss_bytes: int
    offered: int
    sent: int
    acked: int
    requests: int
    connect_error: str = ""
    """Reason of the last failed connection attempt."""


class WorkerDone(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Final report of a load process."""

    balance: Balance
    stored: dict[str, list[tuple[int, int]]]
    """(seq, number) of every acked message, by conversation."""
    failures: dict[str, int]
    deviations: list[Deviation]
    indicators: dict[str, IndicatorCounts]
    """Indicators by kind."""
    disconnected: int
    """Users that were not connected at the end."""
    upgrade_error: str = ""
    """Reason of the last failed upgrade, after which the user went on polling."""
    unprompted: int = 0
    """Replayed messages that were sent although those that they follow had not arrived."""


class WorkerFailed(msgspec.Struct, frozen=True, tag=True):
    """A user can never connect; ``code`` is the server's error code if it refused."""

    reason: str
    code: str | None = None


WorkerMessage = WorkerReady | WorkerStats | WorkerDone | WorkerFailed

encode = msgspec.json.Encoder().encode
decode_plan = msgspec.json.Decoder(WorkerPlan).decode
decode_command = msgspec.json.Decoder(WorkerCommand).decode
decode_message: msgspec.json.Decoder[WorkerMessage] = msgspec.json.Decoder(WorkerMessage)
