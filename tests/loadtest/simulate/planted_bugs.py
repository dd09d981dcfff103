"""Bugs that are planted in the product for the tests of the simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chatws.client.core.outbox import Outbox
from chatws.protocol.entities import Message, ReadMark
from chatws.protocol.ids import format_timestamp, new_id
from chatws.server.conversations.hub import HostedConversation, Hub
from chatws.server.conversations.service import ConversationService
from chatws.server.presence.manager import PresenceManager
from chatws.store.interface import Draft, Stored
from chatws.store.queries import conversations
from chatws.store.queries import read_marks as marks
from chatws.store.queries.append import _Batch
from chatws.store.schema import read_marks


def ack_before_commit(patch: pytest.MonkeyPatch) -> None:
    """Reply with the next ``seq`` while the store still writes."""
    original = ConversationService.append

    async def append(self: ConversationService, draft: Draft) -> Stored:
        hosted = self._hub.get(draft.conversation_id)
        writing = asyncio.ensure_future(original(self, draft))
        if hosted is None:
            return await writing
        writing.add_done_callback(lambda done: done.cancelled() or done.exception())
        message = Message(
            conversation_id=draft.conversation_id,
            content=draft.content,
            sender=draft.sender,
            timestamp=format_timestamp(self._clock.now_ms()),
            message_id=new_id(self._clock.now_ms()),
            seq=hosted.delivered + 1,
        )
        return Stored(message, duplicate=True, conversation=None, version=hosted.conversation.version)

    patch.setattr(ConversationService, "append", append)


def skipped_gap(patch: pytest.MonkeyPatch) -> None:
    """Deliver a message behind a gap at once."""

    def deliver(self: Hub, message: Message) -> None:
        hosted = self.get(message.conversation_id)
        if hosted is not None and message.seq > hosted.delivered:
            self._emit(hosted, message)

    patch.setattr(Hub, "deliver", deliver)


def gap_never_filled(patch: pytest.MonkeyPatch) -> None:
    """Ignore the missing messages in the database."""

    async def read_missing(_self: Hub, _hosted: HostedConversation, _head: int) -> bool:
        return False

    patch.setattr(Hub, "read_missing", read_missing)


def repeat_under_a_new_id(patch: pytest.MonkeyPatch) -> None:
    """Repeat a message under another clientMessageId after a lost connection."""
    original = Outbox.disconnect

    def disconnect(self: Outbox) -> None:
        for queue in self._queues.values():
            if queue.is_in_flight:
                queue.entries[0].client_message_id += "-again"
        original(self)

    patch.setattr(Outbox, "disconnect", disconnect)


def read_mark_goes_back(patch: pytest.MonkeyPatch) -> None:
    """Store every read mark, also an older one."""

    def move(connection: Any, conversation_id: str, user_id: str, seq: int) -> ReadMark | None:
        reached = min(seq, conversations.head(connection, conversation_id))
        key = (read_marks.c.conversation_id == conversation_id) & (read_marks.c.user_id == user_id)
        connection.execute(read_marks.delete().where(key))
        row = {"conversation_id": conversation_id, "user_id": user_id, "seq": reached}
        connection.execute(read_marks.insert(), row)
        return ReadMark(user_id=user_id, seq=reached)

    patch.setattr(marks, "move", move)


def dead_server_stays_online(patch: pytest.MonkeyPatch) -> None:
    """Keep the presence of the users of a dead server."""
    patch.setattr(PresenceManager, "server_gone", lambda _self, _origin: None)


def own_typing_in_the_reply(patch: pytest.MonkeyPatch) -> None:
    """Send a user's own typing on another device with the reply to a join: a bug that the simulation has found."""
    from chatws.server.handlers import rooms  # noqa: PLC0415

    original = rooms._catch_up

    async def catch_up(services: Any, hosted: HostedConversation, payload: Any, _user_id: str) -> Any:
        return await original(services, hosted, payload, "")

    patch.setattr(rooms, "_catch_up", catch_up)


def duplicate_stored_again(patch: pytest.MonkeyPatch) -> None:
    """Store a repeated message as a new one."""
    original = _Batch.decide

    def decide(self: _Batch, draft: Draft) -> Any:
        client_id = draft.client_message_id
        renamed = None if client_id is None else f"{client_id}-{new_id(0)[-4:]}"
        return original(
            self,
            Draft(draft.conversation_id, draft.sender, draft.content, renamed, draft.expected_version),
        )

    patch.setattr(_Batch, "decide", decide)


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], set[str]]] = {
    "ack before the commit": (ack_before_commit, {"commit-before-ack"}),
    "gap that is skipped": (skipped_gap, {"server-order"}),
    "gap that is never filled": (gap_never_filled, {"complete"}),
    "repetition under a new id": (repeat_under_a_new_id, {"stored-once"}),
    "repetition that is stored": (duplicate_stored_again, {"stored-once", "commit-before-ack"}),
    "read mark that goes back": (read_mark_goes_back, {"read-marks-forward"}),
    "users of a dead server": (dead_server_stays_online, {"presence-agrees"}),
    "own typing": (own_typing_in_the_reply, {"typing-ends"}),
}
"""Bug → function that plants it, and the invariants that it breaks."""
