"""Account of every message of a round: what was acked, stored and shown, and how the three disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

MAX_REPORTED: Final = 10
"""Violations of one round that are printed."""

StoredMessages = Mapping[str, Sequence[tuple[int, str]]]
"""``seq`` and content of the messages in the database by conversation, in order."""


class SentMessage(NamedTuple):
    """Posted message and its outcome."""

    conversation_id: str
    content: str
    seq: int | None
    """Position in the ack; None without an ack."""
    failure: str = ""
    """Reason, if the message was refused for good."""


class ShownConversation(NamedTuple):
    """Messages that a member was shown, in this order."""

    member: str
    conversation_id: str
    has_left: bool
    messages: Sequence[tuple[int, str]]


def find_violations(
    sent: Sequence[SentMessage], stored: StoredMessages, shown: Sequence[ShownConversation]
) -> list[str]:
    """Return a line for each broken promise: each message is acked, stored once and shown once, in order."""
    return [*_sent_violations(sent, stored), *_stored_violations(sent, stored), *_shown_violations(stored, shown)]


def _sent_violations(sent: Sequence[SentMessage], stored: StoredMessages) -> Iterator[str]:
    for message in sent:
        where = f"{message.content!r} in {message.conversation_id}"
        if message.failure:
            yield f"refused: {where}: {message.failure}"
        elif message.seq is None:
            yield f"never acked: {where}"
        elif (message.seq, message.content) not in stored[message.conversation_id]:
            yield f"acked as {message.seq} and not stored: {where}"


def _stored_violations(sent: Sequence[SentMessage], stored: StoredMessages) -> Iterator[str]:
    posted = {(message.conversation_id, message.content) for message in sent}
    for conversation_id, messages in stored.items():
        if [seq for seq, _ in messages] != list(range(1, len(messages) + 1)):
            yield f"stored with a hole: {conversation_id}: {[seq for seq, _ in messages]}"
        for content, times in Counter(content for _, content in messages).items():
            if times > 1:
                yield f"stored {times} times: {content!r} in {conversation_id}"
            if (conversation_id, content) not in posted:
                yield f"stored and never posted: {content!r} in {conversation_id}"


def _shown_violations(stored: StoredMessages, shown: Sequence[ShownConversation]) -> Iterator[str]:
    for member, conversation_id, has_left, messages in shown:
        expected = stored[conversation_id]
        if list(messages) != list(expected[: len(messages)]):
            yield f"shown in another order, or with a hole: {member}: {[seq for seq, _ in messages]}"
        elif len(messages) < len(expected) and not has_left:
            yield f"never shown: {member}: {len(messages)} of {len(expected)} messages"
