"""Status of a conversation as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.protocol.entities import Conversation
    from chatws_cli.presentation.users import Users

_SENTENCES = {
    "bot": "the bot answers here",
    "queued": "waiting for an agent",
    "assigned": "an agent has claimed the conversation",
    "resolved": "the conversation is resolved; a message of the customer reopens it",
}


def describe_status(conversation: Conversation, users: Users) -> str:
    """Return the notice about a conversation's status."""
    if conversation.status != "assigned" or conversation.assignee is None:
        return _SENTENCES[conversation.status]
    if conversation.assignee.user_id == users.own_id:
        return "you have claimed the conversation"
    return f"{users.add(conversation.assignee)} has claimed the conversation"
