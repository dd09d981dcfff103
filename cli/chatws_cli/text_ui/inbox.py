"""The conversations an agent can choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_cli.presentation.sanitize import clean_line, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.protocol.entities import Conversation


class InboxList:
    """Knows every conversation the server has told of; newest change first."""

    def __init__(self) -> None:
        self._by_id: dict[str, Conversation] = {}
        self._listed: list[str] = []
        """Ids as the last listing numbered them."""

    def load(self, conversations: Iterable[Conversation]) -> None:
        """Take a snapshot."""
        self._by_id.update({one.conversation_id: one for one in conversations})

    def update(self, conversation: Conversation) -> str | None:
        """Take a change; say in a sentence if somebody wrote, None otherwise."""
        before = self._by_id.get(conversation.conversation_id)
        self._by_id[conversation.conversation_id] = conversation
        newest = conversation.last_message
        if newest is None or newest.sender.role != "customer" or (before and before.head_seq >= newest.seq):
            return None
        name = clean_line(newest.sender.user_name)
        return f"{name} wrote in another conversation: {excerpt(newest.content)} (/list, /join N)"

    def newest_open(self) -> Conversation | None:
        """Return the conversation that changed last and is not closed."""
        return next((one for one in self._sorted() if one.status != "resolved"), None)

    def get(self, conversation_id: str) -> Conversation | None:
        """Return what is known of one."""
        return self._by_id.get(conversation_id)

    def listing(self) -> list[str]:
        """Number the conversations for people; `find` understands the numbers."""
        conversations = self._sorted()
        self._listed = [one.conversation_id for one in conversations]
        return [_row(number, one) for number, one in enumerate(conversations, 1)] or ["there are no conversations yet"]

    def find(self, wanted: str) -> str | None:
        """Return the id for a number of the last listing or for an id."""
        if wanted.isdigit() and 1 <= int(wanted) <= len(self._listed):
            return self._listed[int(wanted) - 1]
        return wanted or None

    def _sorted(self) -> list[Conversation]:
        return sorted(self._by_id.values(), key=lambda one: (one.updated_at, one.conversation_id), reverse=True)


def _row(number: int, conversation: Conversation) -> str:
    assignee = "" if conversation.assignee is None else f" by {clean_line(conversation.assignee.user_name)}"
    newest = "" if conversation.last_message is None else f": {excerpt(conversation.last_message.content)}"
    name = clean_line(conversation.customer.user_name)
    return f"{number:>3}  {name}, {conversation.status}{assignee}{newest}  [{conversation.conversation_id}]"
