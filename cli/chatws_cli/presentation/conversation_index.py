"""Index of the conversations that the server has reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.protocol.entities import Conversation


class ConversationIndex:
    """Latest version of each conversation, by id and by customer."""

    def __init__(self) -> None:
        self._by_id: dict[str, Conversation] = {}
        self._by_customer: dict[str, str] = {}

    def load(self, conversations: Iterable[Conversation]) -> None:
        """Store a snapshot of the inbox."""
        for conversation in conversations:
            self.update(conversation)

    def update(self, conversation: Conversation) -> Conversation | None:
        """Store a conversation; return the version stored before."""
        before = self._by_id.get(conversation.conversation_id)
        self._by_id[conversation.conversation_id] = conversation
        self._by_customer[conversation.customer.user_id] = conversation.conversation_id
        return before

    def get(self, conversation_id: str) -> Conversation | None:
        """Return the latest version of a conversation."""
        return self._by_id.get(conversation_id)

    def id_for_customer(self, user_id: str) -> str | None:
        """Return the conversation of which a user is the customer."""
        return self._by_customer.get(user_id)

    def newest_open(self) -> Conversation | None:
        """Return the conversation that changed last."""
        return next(iter(self.open()), None)

    def open(self) -> list[Conversation]:
        """Return the conversations that are not resolved and in which a message was written or that an agent claimed.

        Latest change first.
        """
        return [one for one in self.by_change() if one.status != "resolved" and not one.is_unwritten]

    def by_change(self) -> list[Conversation]:
        """Return every conversation, latest change first."""
        return sorted(self._by_id.values(), key=lambda one: (one.updated_at, one.conversation_id), reverse=True)
