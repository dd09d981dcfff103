"""Query of an agent's inbox: unread messages, and customers who wait for a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from msgspec import UNSET
from sqlalchemy import Connection, and_, bindparam, case, func, select, tuple_

from chatws.protocol.entities import InboxEntry
from chatws.protocol.ids import format_timestamp
from chatws.store.schema import conversations, messages, read_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

RECENT = 100
"""Number of a conversation's newest messages that are examined; bounds the cost of a long conversation."""

_WANTED = conversations.c.conversation_id.in_(bindparam("wanted_ids", expanding=True))
_is_unread = and_(messages.c.seq > func.coalesce(read_marks.c.seq, 0), messages.c.sender_id != bindparam("this_user"))
_SUMMARY = (
    select(
        conversations.c.conversation_id,
        conversations.c.head_seq,
        func.sum(case((_is_unread, 1), else_=0)).label("unread"),
        func.max(case((messages.c.sender_role != "customer", messages.c.seq))).label("answered_seq"),
    )
    .join_from(
        conversations,
        messages,
        and_(
            messages.c.conversation_id == conversations.c.conversation_id,
            messages.c.seq > conversations.c.head_seq - RECENT,
        ),
    )
    .outerjoin(
        read_marks,
        and_(
            read_marks.c.conversation_id == conversations.c.conversation_id,
            read_marks.c.user_id == bindparam("this_user"),
        ),
    )
    .where(_WANTED)
    .group_by(conversations.c.conversation_id, conversations.c.head_seq)
)
_TIMES = select(messages.c.conversation_id, messages.c.created_at_ms).where(
    tuple_(messages.c.conversation_id, messages.c.seq).in_(bindparam("positions", expanding=True))
)


def entries(connection: Connection, conversation_ids: Sequence[str], user_id: str) -> list[InboxEntry]:
    """Return the entries of conversations with unread messages or a customer who waits, for one agent."""
    if not conversation_ids:
        return []
    found = connection.execute(_SUMMARY, {"wanted_ids": list(conversation_ids), "this_user": user_id}).all()
    summaries = cast("Sequence[tuple[str, int, int, int | None]]", [tuple(row) for row in found])
    first_unanswered = [
        (conversation_id, max(head_seq - RECENT, 0 if answered_seq is None else answered_seq) + 1)
        for conversation_id, head_seq, _, answered_seq in summaries
        if answered_seq != head_seq
    ]
    waiting: dict[str, int] = {}
    if first_unanswered:
        waiting = {row[0]: row[1] for row in connection.execute(_TIMES, {"positions": first_unanswered})}
    return [
        InboxEntry(
            conversation_id=conversation_id,
            unread=unread,
            waiting_since=format_timestamp(waiting[conversation_id]) if conversation_id in waiting else UNSET,
        )
        for conversation_id, _, unread, _ in summaries
        if unread or conversation_id in waiting
    ]
