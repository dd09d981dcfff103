"""Metrics and fields of messages that cannot be judged, because the mapping of the server does not describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_loadtest.ipc import ComparedFields

if TYPE_CHECKING:
    from chatws.client.mapping import ServerMapping


def unmapped_metrics(mapping: ServerMapping) -> dict[str, str]:
    """Return the metrics that a load test of this server leaves out, with the reasons."""
    reasons: dict[str, str] = {}
    if mapping.send.ack.kind == "none":
        reason = "the mapping says that the server does not ack messages; each counts as acked once it is sent"
        reasons |= dict.fromkeys(("ack", "unanswered"), reason)
    if mapping.typing_indicator is None or mapping.typing_start is None:
        reason = "the mapping has no typing"
        reasons |= dict.fromkeys(("typing", "typing_lost", "typing_stuck", "typing_wrong"), reason)
    if mapping.presence_update is None:
        reason = "the mapping has no presence_update"
        reasons |= dict.fromkeys(("presence", "presence_lost", "presence_stuck", "presence_wrong"), reason)
    if not mapping.message_received.timestamp:
        reasons["misdated"] = "the mapping has no timestamp of messages"
    if not (mapping.join.event or mapping.message_received.conversation_id):
        reasons["leaked"] = "the mapping has no rooms"
    return reasons


def compared_fields(mapping: ServerMapping) -> ComparedFields:
    """Return the fields of received messages that the mapping describes."""
    received = mapping.message_received
    return ComparedFields(
        conversation=bool(received.conversation_id),
        sender=bool(received.sender_id),
        role=bool(received.sender_role),
        timestamp=bool(received.timestamp),
    )
