"""The JSON lines of ``--json``: events as objects, and objects as requests.

Out, one object per line; fields are only ever added:
    {"event": NAME, "data": PAYLOAD}       everything of the contract's event table, under its own name
    {"event": "connection_change", "data": {"state", "reason", "attempt"}}
    {"event": "conversation_joined", "data": REPLY, "again"}       the whole reply to the join
    {"event": "conversation_reloaded", "data": {"conversationId", "messages", "hasMoreBefore"}}
    {"event": "ack", "command": NAME, "clientMessageId"?, "data": REPLY}
    {"event": "refused", "command": NAME, "clientMessageId"?, "error": {"code", "message"}}
In, one object per line; a line that does not begin with a brace is a message:
    {"content": TEXT, "clientMessageId"?}
    {"command": NAME, "data"?: PAYLOAD}      ``conversationId`` is the entered one unless the payload says otherwise
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
"""One JSON object of the output."""


class JsonRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One line of the input."""

    content: str | None = None
    client_message_id: str | None = None
    command: str | None = None
    data: dict[str, Any] = {}


def parse_request(line: str) -> JsonRequest | None:
    """Read a line; None for an empty one.

    Raises:
        ValueError: it is neither a message nor a request.
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
    """Describe what happened."""
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
    """Describe the answer to a request."""
    return {"event": "ack", "command": command, **_id(client_message_id), "data": reply}


def refusal_of(command: str, problem: Exception, client_message_id: str | None = None) -> Record:
    """Describe why a request failed; ``code`` is the contract's, or a word for what failed on this side."""
    if isinstance(problem, RequestRefused):
        error = {"code": problem.code.value, "message": problem.message}
    else:
        kind = "connection_lost" if isinstance(problem, ClientError) else "bad_request"
        error = {"code": kind, "message": str(problem)}
    return {"event": "refused", "command": command, **_id(client_message_id), "error": error}


def _id(client_message_id: str | None) -> Record:
    return {} if client_message_id is None else {"clientMessageId": client_message_id}
