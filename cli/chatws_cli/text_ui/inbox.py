"""Numbered list of the conversations an agent can join."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_cli.presentation.conversation_index import ConversationIndex
from chatws_cli.presentation.customer import name_with_mail
from chatws_cli.presentation.sanitize import clean_line, excerpt

if TYPE_CHECKING:
    from chatws.protocol.entities import Conversation


class InboxList(ConversationIndex):
    """Known conversations, addressable by the number of the last listing."""

    def __init__(self) -> None:
        super().__init__()
        self._listed: list[str] = []
        """Ids in the order of the last listing."""

    def note_message(self, conversation: Conversation) -> str | None:
        """Store a conversation; return a notice if its customer wrote a message, None otherwise."""
        before = self.update(conversation)
        newest = conversation.last_message
        if newest is None or newest.sender.role != "customer" or (before and before.head_seq >= newest.seq):
            return None
        name = clean_line(newest.sender.user_name)
        return f"{name} wrote in another conversation: {excerpt(newest.content)} (/list, /join N)"

    def listing(self) -> list[str]:
        """Return one line per conversation, numbered for `find`."""
        conversations = [one for one in self.by_change() if not one.is_unwritten]
        self._listed = [one.conversation_id for one in conversations]
        return [_row(number, one) for number, one in enumerate(conversations, 1)] or ["there are no conversations yet"]

    def find(self, wanted: str) -> str | None:
        """Return the conversation id for a number of the last listing, or the id itself."""
        if wanted.isdigit() and 1 <= int(wanted) <= len(self._listed):
            return self._listed[int(wanted) - 1]
        return wanted or None


def _row(number: int, conversation: Conversation) -> str:
    assignee = "" if conversation.assignee is None else f" by {clean_line(conversation.assignee.user_name)}"
    newest = "" if conversation.last_message is None else f": {excerpt(conversation.last_message.content)}"
    name = name_with_mail(conversation)
    return f"{number:>3}  {name}, {conversation.status}{assignee}{newest}  [{conversation.conversation_id}]"
