"""Cache of the states in which a process left the conversations it appended to."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.store.queries.append_statements import ConversationHead

MAX_CACHED = 10_000
"""Maximum number of entries, about 4 MiB; the oldest ones are dropped first."""


class HeadCache:
    """States of conversations after the last append.

    An entry may be outdated: commands write to the database of a running server. The UPDATE that uses an entry compares
    it with the row. Dropping the entries that this process itself outdates is not needed for correctness, but saves the
    repetition of a batch.
    """

    def __init__(self) -> None:
        self._heads: dict[str, ConversationHead] = {}

    def find(self, conversation_ids: Iterable[str]) -> dict[str, ConversationHead]:
        """Return the entries of these conversations, omitting unknown ones."""
        heads = self._heads
        return {each: heads[each] for each in conversation_ids if each in heads}

    def add(self, heads: Iterable[ConversationHead]) -> None:
        """Add states that were just written; ``clear`` has to follow if their transaction fails."""
        for head in heads:
            head.stored_seq, head.stored_version = head.head_seq, head.version
            self._heads[head.conversation_id] = head
        if len(self._heads) > MAX_CACHED:
            for oldest in list(islice(self._heads, MAX_CACHED // 10)):
                del self._heads[oldest]

    def drop(self, conversation_id: str) -> None:
        """Drop the entry of a conversation whose status or version is being changed."""
        self._heads.pop(conversation_id, None)

    def clear(self) -> None:
        """Drop all entries."""
        self._heads.clear()
