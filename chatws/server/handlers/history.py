"""Handlers of message history and read marks."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import History, MarkRead
from chatws.protocol.entities import Conversation
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.events import MessageRead
from chatws.protocol.ids import format_timestamp
from chatws.protocol.responses import HistoryAck, MarkAck
from chatws.server.conversations.hub import room_name
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def history(
    services: Services, context: RequestContext, payload: History, conversation: Conversation
) -> HistoryAck:
    """Return a page of messages before or after a ``seq``, or the latest page."""
    conversation_id = conversation.conversation_id
    if payload.after_seq is not UNSET:
        if payload.before_seq is not UNSET:
            raise ChatError(ErrorCode.BAD_REQUEST, "Give beforeSeq or afterSeq, not both.")
        page = await services.store.page_after(conversation_id, payload.after_seq, payload.limit)
        before, after = payload.after_seq > 0 and page.head_seq > 0, page.has_more
    else:
        before_seq = None if payload.before_seq is UNSET else payload.before_seq
        page = await services.store.page_before(conversation_id, before_seq, payload.limit)
        before, after = page.has_more, before_seq is not None and before_seq <= page.head_seq
    return HistoryAck(messages=page.messages, has_more_before=before, has_more_after=after, head_seq=page.head_seq)


async def mark_read(
    services: Services, context: RequestContext, payload: MarkRead, conversation: Conversation
) -> MarkAck:
    """Move the user's read mark forward and notify the room; a mark never moves back."""
    user_id, conversation_id = context.user.user_id, conversation.conversation_id
    moved = await services.store.mark_read(conversation_id, user_id, payload.seq)
    if moved is None:
        marks = await services.store.read_marks(conversation_id)
        return MarkAck(seq=next((mark.seq for mark in marks if mark.user_id == user_id), 0))
    event = MessageRead(
        conversation_id=conversation_id,
        user_id=user_id,
        seq=moved.seq,
        timestamp=format_timestamp(services.clock.now_ms()),
    )
    services.namespace.to(room_name(conversation_id)).emit("message_read", event)
    services.cluster.publish_read_mark(event)
    return MarkAck(seq=moved.seq)
