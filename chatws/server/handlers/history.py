"""Handlers of message history and read marks."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import History, MarkRead
from chatws.protocol.entities import Conversation
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.events import MessageRead
from chatws.protocol.ids import format_timestamp
from chatws.protocol.responses import HistoryAck, MarkAck
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
    seq = await _read_mark(services, conversation_id, user_id) if moved is None else moved.seq
    if seq:
        event = MessageRead(
            conversation_id=conversation_id,
            user_id=user_id,
            seq=seq,
            timestamp=format_timestamp(services.clock.now_ms()),
        )
        # Also after a repetition: the first request may have moved the mark, and failed before it was sent.
        services.hub.deliver_read_mark(event)
        if moved is not None:
            services.cluster.publish_read_mark(event)
    return MarkAck(seq=seq)


async def _read_mark(services: Services, conversation_id: str, user_id: str) -> int:
    marks = await services.store.read_marks(conversation_id)
    return next((mark.seq for mark in marks if mark.user_id == user_id), 0)
