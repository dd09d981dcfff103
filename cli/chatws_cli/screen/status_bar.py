"""Text of the two one-row bars: typing line and status line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_cli.presentation.customer import mail_of
from chatws_cli.presentation.sanitize import head, width

if TYPE_CHECKING:
    from chatws_cli.screen.state import ScreenState

_SEPARATOR = " │ "
_WORDS = {
    "bot": "with the bot",
    "queued": "waiting for an agent",
    "assigned": "claimed by an agent",
    "resolved": "resolved",
}
"""Status of a conversation as shown to its customer."""


def typing_line(screen: ScreenState, below: int, columns: int) -> str:
    """Return the names of typing users, or another notice; ``below`` counts messages below the visible rows."""
    thread = screen.current
    if screen.search is not None:
        return head(screen.search.describe(), columns)
    if below:
        return head(f"▼ {below} new below (Ctrl+End)", columns)
    if thread is None or not thread.typing:
        return head(screen.message, columns)
    names = [name for name in thread.typing.values() if name]
    if len(names) == 1:
        return head(f"{names[0]} is typing…", columns)
    return head(f"{', '.join(names[:3])} are typing…", columns)


def status_line(screen: ScreenState, now: float, columns: int) -> str:
    """Return the parts that fit, by importance."""
    parts = [screen.connection.describe(now)]
    if screen.queued:
        parts.append(f"{screen.queued} queued")
    if screen.unread:
        parts.append(f"{screen.unread} unread (Alt+A)")
    if screen.current is not None:
        parts.append(conversation_words(screen))
        if screen.role != "customer" and (mail := mail_of(screen.current.conversation)):
            parts.append(mail)
    if screen.own_name:
        presence = screen.users.own_presence()
        parts.append(screen.own_name if presence in {"online", "offline"} else f"{screen.own_name} ({presence})")
    line = parts[0]
    for part in parts[1:]:
        if width(line) + width(_SEPARATOR) + width(part) > columns:
            continue
        line += _SEPARATOR + part
    return head(line, columns)


def conversation_words(screen: ScreenState) -> str:
    """Return name and status of the open conversation."""
    thread = screen.current
    assert thread is not None
    conversation = thread.conversation
    if screen.role == "customer":
        words = _WORDS[conversation.status]
        return words if conversation.assignee is None else f"claimed by {screen.users.add(conversation.assignee)}"
    if conversation.assignee is None:
        return f"{screen.users.add(conversation.customer)}, {conversation.status}"
    return f"{screen.users.add(conversation.customer)}, claimed by {screen.users.name(conversation.assignee.user_id)}"
