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
_FOR_CUSTOMERS = _SENTENCES | {
    "assigned": "an agent has joined the conversation",
    "resolved": "the conversation was resolved; write to reopen it",
}


def describe_status(conversation: Conversation, users: Users) -> str:
    """Return the notice about a conversation's status, for its customer or for agents."""
    is_customer = conversation.customer.user_id == users.own_id
    assignee = conversation.assignee
    if conversation.status != "assigned" or assignee is None:
        return (_FOR_CUSTOMERS if is_customer else _SENTENCES)[conversation.status]
    if assignee.user_id == users.own_id:
        return "you have claimed the conversation"
    return f"{users.add(assignee)} has {'joined' if is_customer else 'claimed'} the conversation"
