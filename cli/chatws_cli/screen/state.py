"""State of the full screen: the open conversation, unread counts, and the notices that changes add to a thread."""

from __future__ import annotations

from functools import singledispatchmethod
from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.client import ConversationJoined
from chatws.protocol.events import BotNotice, Failed, ServerDraining
from chatws_cli.presentation.changes import (
    ConnectionChanged,
    MessageAdded,
    PresenceChanged,
    StatusChanged,
    ThreadReloaded,
)
from chatws_cli.presentation.conversation_status import describe_status
from chatws_cli.presentation.sanitize import clean_line, excerpt
from chatws_cli.presentation.state import ChatState
from chatws_cli.screen.conversation_list import FilteredConversations

if TYPE_CHECKING:
    from datetime import tzinfo

    from chatws.protocol.entities import Role
    from chatws_cli.presentation.changes import Change
    from chatws_cli.presentation.thread import Thread
    from chatws_cli.screen.search import Search


class ScreenState(ChatState):
    """State of a terminal with one conversation open; changes are rendered as notices in the threads."""

    def __init__(self, role: Role, zone: tzinfo | None = None) -> None:
        super().__init__(role, zone=zone)
        self.listed = FilteredConversations(self.conversations, zone)
        self.current_id: str | None = None
        self.is_newest_visible = True
        """Whether the newest messages are visible: the window has the focus and is scrolled to the end."""
        self.search: Search | None = None
        """Search in the open conversation, until Escape or another conversation."""
        self.message = ""
        """Latest notice that belongs to no conversation."""
        self.bell_count = 0
        """Number of messages of others that arrived while the newest messages were not visible."""
        self.newest_alert = ""
        """Sender and beginning of the last of them."""

    @property
    def current(self) -> Thread | None:
        """Thread of the open conversation."""
        return None if self.current_id is None else self.threads.get(self.current_id)

    @property
    def queued(self) -> int:
        """Own messages that are not stored, in all conversations."""
        return sum(thread.queued for thread in self.threads.values())

    @property
    def unread(self) -> int:
        """Unread messages in conversations that are not open."""
        return sum(thread.unread for key, thread in self.threads.items() if key != self.current_id)

    def open(self, conversation_id: str) -> None:
        """Show a conversation; a marker is placed above its unread messages."""
        if conversation_id == self.current_id:
            return
        if self.current is not None:
            self.current.new_after = None
        self.current_id = conversation_id
        self.search = None
        self.message = ""
        thread = self.threads[conversation_id]
        if thread.unread:
            thread.new_after = thread.own_mark
        thread.clear_unread()

    def set_failed(self, conversation_id: str, client_message_id: str, reason: str) -> None:
        """Mark an own message as refused by the server."""
        thread = self.threads[conversation_id]
        thread.set_state(client_message_id, "failed")
        thread.notice(f"not sent: {clean_line(reason)}", is_problem=True)

    def notify(self, text: str, *, is_problem: bool = False) -> None:
        """Show a notice in the open conversation, or in the status bar if there is none."""
        if self.current is None:
            self.message = text
        else:
            self.current.notice(text, is_problem=is_problem)

    def set_newest_visible(self, *, is_newest_visible: bool) -> None:
        """Store whether the newest messages are visible."""
        if is_newest_visible and self.current is not None:
            self.current.clear_unread()
        if self.is_newest_visible and not is_newest_visible and self.current is not None:
            self.current.new_after = None
        self.is_newest_visible = is_newest_visible

    def apply(self, event: object, now: float) -> list[Change]:
        """Apply an event of the SDK and add the notices it causes."""
        changes = super().apply(event, now)
        for change in changes:
            self._show(change)
        return changes

    @singledispatchmethod
    def _show(self, change: Change) -> None:
        del change

    @_show.register
    def _show_added(self, change: MessageAdded) -> None:
        is_open = change.conversation_id == self.current_id
        if change.item.is_own or (is_open and self.is_newest_visible):
            return
        thread = self.threads[change.conversation_id]
        thread.unread += 1
        if not change.caught_up:
            self.bell_count += 1
            self.newest_alert = f"{change.item.label}: {excerpt(change.item.text)}"
        if thread.new_after is None and is_open:
            thread.new_after = change.previous_seq

    @_show.register
    def _show_presence(self, change: PresenceChanged) -> None:
        if self.current is None:
            return
        conversation = self.current.conversation
        members = {conversation.customer.user_id}
        if conversation.assignee is not None:
            members.add(conversation.assignee.user_id)
        if change.user_id in members or self.role == "customer":
            self.current.notice(f"{self.users.name(change.user_id)} is {change.status}")

    @_show.register
    def _show_status(self, change: StatusChanged) -> None:
        thread = self.threads[change.conversation.conversation_id]
        thread.notice(describe_status(change.conversation, self.users))

    @_show.register
    def _count_unread(self, event: ConversationJoined) -> None:
        conversation = event.ack.conversation
        newest = conversation.last_message
        is_answered = newest is None or newest.sender.user_id == self.own_id
        if not event.again and conversation.conversation_id != self.current_id:
            thread = self.threads[conversation.conversation_id]
            thread.unread = 0 if is_answered else max(0, conversation.head_seq - thread.own_mark)

    @_show.register
    def _show_reload(self, change: ThreadReloaded) -> None:
        self.threads[change.conversation_id].notice("the server has another database; the conversation was reloaded")

    @_show.register
    def _show_draining(self, event: ServerDraining) -> None:
        del event
        self.notify("the server is restarting")

    @_show.register
    def _show_bot(self, event: BotNotice) -> None:
        reason = "" if event.reason is UNSET else f": {clean_line(event.reason)}"
        is_failure = event.kind == "failed"
        summary = "the bot had no answer" if is_failure else "handed off to an agent"
        self.threads[event.conversation_id].notice(f"{summary}{reason}", is_problem=is_failure)

    @_show.register
    def _show_failure(self, event: Failed) -> None:
        self.notify(f"error from the server: {clean_line(event.message)}", is_problem=True)

    @_show.register
    def _show_connection(self, changed: ConnectionChanged) -> None:
        state = changed.change.state
        if state == "connected":
            self.message = ""
            if changed.previous == "reconnecting" and self.current is not None:
                self.current.notice("reconnected; nothing was lost")
        elif state == "reconnecting" and changed.previous == "connected" and self.current is not None:
            reason = self.connection.reason
            self.current.notice(f"connection lost ({reason}); what you write now is kept and sent later")
