"""The conversations that have a member here, and the delivery of their messages strictly by ``seq``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chatws.protocol.entities import Conversation, Message
from chatws.protocol.events import ConversationUpdated
from chatws.protocol.limits import GAP_WAIT_MS, PAGE_MESSAGES
from chatws.server.conversations.typing import ConversationTyping
from chatws.store.interface import NotFound, Store, Unavailable

if TYPE_CHECKING:
    from chatws.engine import Namespace
    from chatws.server.cluster.publisher import ClusterPublisher
    from chatws.server.connections.registry import Connection
    from chatws.server.metrics import Metrics

BoardMaker = Callable[[str], ConversationTyping]
"""Makes the typing board of a conversation's room, given the room's name."""


def room_name(conversation_id: str) -> str:
    """Name a conversation's room (guide, Conversation Rooms)."""
    return f"conversation:{conversation_id}"


class HostedConversation:
    """One conversation that has a member on this server."""

    __slots__ = ("board", "conversation", "delivered", "heard", "held", "is_late", "last_message", "repair", "room")

    def __init__(self, conversation: Conversation, board: ConversationTyping, heard: asyncio.Future[None]) -> None:
        self.conversation = conversation
        """As the last change of status left it; head and last message are kept apart below."""
        self.room = room_name(conversation.conversation_id)
        self.delivered = conversation.head_seq
        """The last ``seq`` handed to the room."""
        self.last_message = conversation.last_message
        self.held: dict[int, Message] = {}
        """Messages that came before one that is still missing."""
        self.repair: asyncio.Task[None] | None = None
        """Set while a hole is waited for and read from the database."""
        self.board = board
        self.heard = heard
        """Done when what other servers say of the conversation arrives here."""
        self.is_late = False
        """Set when rows were read before that: something in between may have been missed."""

    def current(self) -> Conversation:
        """Return the conversation as it is now."""
        last = self.last_message
        if last is None or last.seq <= self.conversation.head_seq:
            return self.conversation
        return msgspec.structs.replace(
            self.conversation, head_seq=last.seq, last_message=last, updated_at=last.timestamp
        )


class Hub:
    """All hosted conversations of this server."""

    def __init__(
        self, namespace: Namespace, store: Store, metrics: Metrics, cluster: ClusterPublisher, make_board: BoardMaker
    ) -> None:
        self._namespace = namespace
        self._store = store
        self._metrics = metrics
        self._cluster = cluster
        self._make_board = make_board
        self._compare: Callable[[str], None] | None = None
        """Compares a conversation with the database in the background; set once, when the server starts."""
        self._hosted: dict[str, HostedConversation] = {}

    def on_late(self, compare: Callable[[str], None]) -> None:
        """Have this called with a conversation's id when other servers' word of it began to arrive after its rows."""
        self._compare = compare

    def __len__(self) -> int:
        return len(self._hosted)

    def ids(self) -> list[str]:
        """Return the ids of all of them."""
        return list(self._hosted)

    def get(self, conversation_id: str) -> HostedConversation | None:
        """Return the conversation if it is hosted here."""
        return self._hosted.get(conversation_id)

    def enter(self, connection: Connection, conversation: Conversation) -> HostedConversation:
        """Put a connection into the conversation's room; call it before the rows are read, so that nothing is missed.

        ``conversation`` was read before the room is entered: what is stored after that read is delivered to the room.
        """
        hosted = self._hosted.get(conversation.conversation_id)
        if hosted is None:
            board = self._make_board(room_name(conversation.conversation_id))
            heard = self._cluster.hear_conversation(conversation.conversation_id)
            hosted = self._hosted[conversation.conversation_id] = HostedConversation(conversation, board, heard)
            heard.add_done_callback(lambda done: self._heard(hosted, done))
        connection.socket.join(hosted.room)
        connection.joined[conversation.conversation_id] = hosted
        return hosted

    async def until_heard(self, hosted: HostedConversation) -> None:
        """Wait, for a moment at most, until nothing that other servers say of the conversation can be missed."""
        if not await self._cluster.wait_heard(hosted.heard):
            hosted.is_late = True

    def _heard(self, hosted: HostedConversation, heard: asyncio.Future[None]) -> None:
        conversation_id = hosted.conversation.conversation_id
        if heard.cancelled() or self._hosted.get(conversation_id) is not hosted:
            return
        self._cluster.hosting_began(conversation_id)
        if hosted.is_late and self._compare is not None:
            self._compare(conversation_id)

    def leave(self, connection: Connection, hosted: HostedConversation) -> bool:
        """Take a connection out; the last one ends the hosting, and only then is it true."""
        conversation_id = hosted.conversation.conversation_id
        connection.joined.pop(conversation_id, None)
        connection.socket.leave(hosted.room)
        if not self._namespace.room_size(hosted.room) and self._hosted.pop(conversation_id, None) is not None:
            hosted.board.close()
            self._cluster.ignore_conversation(conversation_id)
            if hosted.repair is not None:
                hosted.repair.cancel()
            return True
        return False

    def adopt(self, conversation: Conversation) -> None:
        """Take over a newer version of a conversation's status and assignee, and tell the members of it, once."""
        hosted = self._hosted.get(conversation.conversation_id)
        if hosted is not None and conversation.version > hosted.conversation.version:
            hosted.conversation = conversation
            self._namespace.to(hosted.room).emit("conversation_updated", ConversationUpdated(conversation=conversation))

    def deliver(self, message: Message) -> None:
        """Hand a stored message to the conversation's room, in order, once; a hole is waited for and then read."""
        hosted = self._hosted.get(message.conversation_id)
        if hosted is None or message.seq <= hosted.delivered:
            return
        if message.seq != hosted.delivered + 1:
            hosted.held[message.seq] = message
            if hosted.repair is None:
                hosted.repair = asyncio.create_task(self._repair(hosted))
            return
        self._emit(hosted, message)
        while hosted.held and (held := hosted.held.pop(hosted.delivered + 1, None)) is not None:
            self._emit(hosted, held)

    def _emit(self, hosted: HostedConversation, message: Message) -> None:
        hosted.delivered = message.seq
        hosted.last_message = message
        self._namespace.to(hosted.room).emit("message_received", message)

    async def _repair(self, hosted: HostedConversation) -> None:
        try:
            while hosted.held:
                await asyncio.sleep(GAP_WAIT_MS / 1000)
                if hosted.held:
                    self._metrics.gaps.inc()
                    if not await self.read_missing(hosted, max(hosted.held)):
                        break  # the sweep comes again
        except (Unavailable, NotFound):
            pass  # likewise
        finally:
            hosted.repair = None

    async def read_missing(self, hosted: HostedConversation, head: int) -> bool:
        """Deliver what the database has up to ``head``; False when it had not all of it."""
        conversation_id = hosted.conversation.conversation_id
        while hosted.delivered < head:
            page = await self._store.page_after(conversation_id, hosted.delivered, PAGE_MESSAGES)
            if not page.messages or self._hosted.get(conversation_id) is not hosted:
                return False
            for message in page.messages:
                if message.seq == hosted.delivered + 1:
                    self._emit(hosted, message)
        hosted.held = {seq: held for seq, held in hosted.held.items() if seq > hosted.delivered}
        self._metrics.gaps_repaired.inc()
        return True

    async def close(self) -> None:
        """End the repairs that are under way."""
        repairs = [hosted.repair for hosted in self._hosted.values() if hosted.repair is not None]
        for repair in repairs:
            repair.cancel()
        await asyncio.gather(*repairs, return_exceptions=True)
