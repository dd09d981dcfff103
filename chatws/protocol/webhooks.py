"""Contract of the webhooks: kinds of events, and the body of a request."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from chatws.protocol.entities import ConversationStatus, Message, Timestamp, User, Wire

WebhookKind = Literal["message.created", "conversation.updated", "conversation.handed_off"]

MESSAGE_CREATED: Final = "message.created"
CONVERSATION_UPDATED: Final = "conversation.updated"
CONVERSATION_HANDED_OFF: Final = "conversation.handed_off"

MAX_REASON_CHARS = 500
"""Maximum length of the reason of a hand-off; a longer one, as a bot may give it, is cut."""


class ConversationChange(Wire, frozen=True, kw_only=True):
    """New status or assignee of a conversation; ``reason`` is known for some hand-offs only."""

    conversation_id: str
    version: Annotated[int, Meta(description="rises with every change of the conversation")]
    status: ConversationStatus
    previous_status: ConversationStatus
    customer: User
    assignee: User | None
    reason: str | UnsetType = UNSET


class WebhookBody(Wire, frozen=True, kw_only=True):
    """Body of a request; ``timestamp`` is the time of the event."""

    type: WebhookKind
    timestamp: Timestamp
    data: Message | ConversationChange


def kinds_of_change(previous: ConversationStatus, status: ConversationStatus) -> tuple[WebhookKind, ...]:
    """Return the kinds of event of a change of status or assignee, in the order in which they are sent."""
    if previous == "bot" and status in {"queued", "assigned"}:
        return CONVERSATION_HANDED_OFF, CONVERSATION_UPDATED
    return (CONVERSATION_UPDATED,)
