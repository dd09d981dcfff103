"""Records of a ``.chatlog`` file, one JSON object per line; the first is the header.

Ids of rooms, users and messages are pseudonyms (``r1``, ``u1``, ``m1``), equal wherever the id is equal. A recording
made ``--with-content`` has the ids themselves, and ``content`` and ``name``. ``t`` is in seconds since the start of the
recording, on a monotonic clock; the lines are in its order.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

VERSION: Final = 1
"""Version of the format. A field that older readers may ignore does not change it; a new kind of record does."""

Source = Literal["tap", "loadtest", "run", "check", "server", "replay"]
Transport = Literal["websocket", "polling"]
ClosedBy = Literal["client", "server", "tap"]


class ChatlogHeader(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type", tag="header", omit_defaults=True
):
    """First line: the origin of the recording."""

    version: int
    created_at: str
    """Time of ``t`` = 0, ISO 8601 in UTC."""
    source: Source
    url: str
    """Address of the server, without credentials and query."""
    with_content: bool


class ChatRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type", omit_defaults=True):
    """Base of the records after the header; fields with their default are not written."""

    t: float


class OpenRecord(ChatRecord, frozen=True, kw_only=True, tag="open"):
    """A connection was opened; its user is given here if it is known already, else by an ``identity`` record."""

    c: int
    """Number of the connection, unique in the file."""
    transport: Transport = "websocket"
    user: str = ""
    role: str = ""
    """``customer``, ``admin`` or ``bot``, or the server's own word."""


class IdentityRecord(ChatRecord, frozen=True, kw_only=True, tag="identity"):
    """The server confirmed the user of a connection."""

    c: int
    user: str
    role: str = ""
    name: str = ""


class UpgradeRecord(ChatRecord, frozen=True, kw_only=True, tag="upgrade"):
    """A connection continues over another transport."""

    c: int
    transport: Transport = "websocket"


class OutRecord(ChatRecord, frozen=True, kw_only=True, tag="out"):
    """Event from a client to the server."""

    c: int
    event: str
    ack: int | None = None
    """Id of the requested ack, unique on the connection; None: no ack is requested."""
    room: str = ""
    size: int = 0
    """Bytes of the event's JSON array."""
    chars: int = 0
    """Characters of the message's text."""
    key: str = ""
    """Pseudonym of the ``clientMessageId``; a repeated message has the same one."""
    message: str = ""
    """Message that the event names, such as the one that is edited."""
    seq: int = 0
    content: str = ""


class AckRecord(ChatRecord, frozen=True, kw_only=True, tag="ack"):
    """Ack from the server to a client."""

    c: int
    ack: int
    ok: bool | None = None
    """Whether the request succeeded; None if the ack does not say it."""
    error: str = ""
    """Error code of a refusal."""
    message: str = ""
    """Message that was stored."""
    seq: int = 0
    size: int = 0
    messages: tuple[str, ...] = ()
    """Messages in the reply: those that a join catches up with, or a page of the history."""


class InRecord(ChatRecord, frozen=True, kw_only=True, tag="in"):
    """Event from the server to a client."""

    c: int
    event: str
    room: str = ""
    size: int = 0
    message: str = ""
    seq: int = 0
    key: str = ""
    user: str = ""
    """User whom the event is about: the sender of a message, the user who types."""
    content: str = ""


class CloseRecord(ChatRecord, frozen=True, kw_only=True, tag="close"):
    """A connection ended; no later record has its number."""

    c: int
    by: ClosedBy
    code: int | None = None
    """Code of the WebSocket close frame; None: there was none."""
    reason: str = ""


class FlagRecord(ChatRecord, frozen=True, kw_only=True, tag="flag"):
    """Conspicuous traffic, such as a message that was delivered twice."""

    flag: str
    c: int | None = None
    message: str = ""
    detail: str = ""


class RuleRecord(ChatRecord, frozen=True, kw_only=True, tag="rule"):
    """Fault that a tap injected."""

    rule: str
    c: int | None = None
    message: str = ""


class MarkRecord(ChatRecord, frozen=True, kw_only=True, tag="mark"):
    """Note of the tool that recorded, such as "server killed"."""

    text: str


Record = (
    OpenRecord
    | IdentityRecord
    | UpgradeRecord
    | OutRecord
    | AckRecord
    | InRecord
    | CloseRecord
    | FlagRecord
    | RuleRecord
    | MarkRecord
)


def json_schema() -> dict[str, object]:
    """Return the JSON schema of one line."""
    (header, record), definitions = msgspec.json.schema_components(
        [ChatlogHeader, Record], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Line of a chatws recording (.chatlog)",
        "oneOf": [header, record],
        "$defs": definitions,
    }
