"""Contract of the webhooks: kinds of events, and the body of a request."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from chatws.protocol.entities import ConversationStatus, Message, Timestamp, User, Wire

ChangeKind = Literal["conversation.updated", "conversation.handed_off"]
WebhookKind = Literal["message.created", ChangeKind]

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


class MessageWebhook(Wire, frozen=True, kw_only=True):
    """Body of a request about a new message; ``timestamp`` is the time of the event."""

    type: Literal["message.created"] = MESSAGE_CREATED
    timestamp: Timestamp
    data: Message


class ConversationWebhook(Wire, frozen=True, kw_only=True):
    """Body of a request about a change of a conversation; ``timestamp`` is the time of the event."""

    type: ChangeKind
    timestamp: Timestamp
    data: ConversationChange


WebhookBody = MessageWebhook | ConversationWebhook

EVENTS: Final[dict[WebhookKind, tuple[str, type[WebhookBody]]]] = {
    MESSAGE_CREATED: ("A message was stored.", MessageWebhook),
    CONVERSATION_UPDATED: ("The status or the assignee of a conversation changed.", ConversationWebhook),
    CONVERSATION_HANDED_OFF: ("The bot passed a conversation on to the agents.", ConversationWebhook),
}
"""Kinds of events, each with a sentence and the type of its body."""


def kinds_of_change(previous: ConversationStatus, status: ConversationStatus) -> tuple[ChangeKind, ...]:
    """Return the kinds of event of a change of status or assignee, in the order in which they are sent."""
    if previous == "bot" and status in {"queued", "assigned"}:
        return CONVERSATION_HANDED_OFF, CONVERSATION_UPDATED
    return (CONVERSATION_UPDATED,)
