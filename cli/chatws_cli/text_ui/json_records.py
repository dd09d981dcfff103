"""JSON lines of ``--json``: events and acks as output, requests as input.

Output, one object per line; fields are only ever added:
    {"event": NAME, "data": PAYLOAD}       every event of the contract's table, by its name
    {"event": "connection_change", "data": {"state", "reason", "attempt"}}
    {"event": "conversation_joined", "data": REPLY, "again"}       the complete reply to the join
    {"event": "conversation_reloaded", "data": {"conversationId", "messages", "hasMoreBefore"}}
    {"event": "ack", "command": NAME, "clientMessageId"?, "data": REPLY}
    {"event": "refused", "command": NAME, "clientMessageId"?, "error": {"code", "message"}}
Input, one object per line; a line that does not start with a brace is a message:
    {"content": TEXT, "clientMessageId"?}
    {"command": NAME, "data"?: PAYLOAD}      ``conversationId`` defaults to the joined conversation
"""

from __future__ import annotations

from typing import Any

import msgspec

from chatws.client import (
    ClientError,
    ConnectionChange,
    ConversationJoined,
    ConversationReloaded,
    MessageReceived,
    RequestRefused,
)

Record = dict[str, Any]
"""JSON object of the output."""


class JsonRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Parsed line of the input."""

    content: str | None = None
    client_message_id: str | None = None
    command: str | None = None
    data: dict[str, Any] = {}


def parse_request(line: str) -> JsonRequest | None:
    """Parse a line; return None for an empty one.

    Raises:
        ValueError: the line is neither a message nor a request.
    """
    text = line.strip()
    if not text:
        return None
    if not text.startswith("{"):
        return JsonRequest(content=line)
    try:
        request = msgspec.json.decode(text, type=JsonRequest)
    except msgspec.DecodeError as problem:
        raise ValueError(str(problem)) from None
    if (request.content is None) == (request.command is None):
        raise ValueError("a request has either content or a command")
    return request


def record_of(name: str, event: object) -> Record:
    """Return the record of an event."""
    match event:
        case MessageReceived(message=message):
            return {"event": name, "data": message, "own": event.own, "caughtUp": event.caught_up}
        case ConnectionChange():
            change = {"state": event.state, "reason": event.reason, "attempt": event.attempt}
            return {"event": name, "data": change}
        case ConversationJoined():
            return {"event": name, "data": event.ack, "again": event.again}
        case ConversationReloaded():
            reloaded = {
                "conversationId": event.conversation_id,
                "messages": event.messages,
                "hasMoreBefore": event.has_more_before,
            }
            return {"event": name, "data": reloaded}
    return {"event": name, "data": event}


def ack_of(command: str, reply: object, client_message_id: str | None = None) -> Record:
    """Return the record of a successful request."""
    return {"event": "ack", "command": command, **_id(client_message_id), "data": reply}


def refusal_of(command: str, problem: Exception, client_message_id: str | None = None) -> Record:
    """Return the record of a failed request; ``code`` is an error code of the contract, or one of the client."""
    if isinstance(problem, RequestRefused):
        error = {"code": problem.code.value, "message": problem.message}
    else:
        kind = "connection_lost" if isinstance(problem, ClientError) else "bad_request"
        error = {"code": kind, "message": str(problem)}
    return {"event": "refused", "command": command, **_id(client_message_id), "error": error}


def unknown_of(command: str, client_message_id: str) -> Record:
    """Return the record of a message that was sent and not answered; sending it again under its id is harmless."""
    error = {"code": "outcome_unknown", "message": "the message was sent but not acked; it may be stored"}
    return {"event": "refused", "command": command, **_id(client_message_id), "error": error}


def _id(client_message_id: str | None) -> Record:
    return {} if client_message_id is None else {"clientMessageId": client_message_id}
