"""Comparison of hosted conversations and inboxes with the database, independent of the bus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from chatws.protocol.ids import format_timestamp
from chatws.server.conversations.hub import HostedConversation
from chatws.server.logs import log_event
from chatws.server.services import Services
from chatws.store.interface import ConversationFilter, Head

_log = logging.getLogger("chatws.hub")

HEADS_PER_QUERY = 500

INBOX_PAGE = 100
"""Number of latest conversations that one comparison of the inboxes covers."""


class Reconciler:
    """Delivers messages and changes whose notifications were lost."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self) -> None:
        """Compare every hosted conversation, and the inboxes if there are subscribers.

        Raises:
            StoreError: as `Store.heads`; the next run covers the rest.
        """
        ids = self._services.hub.ids()
        for start in range(0, len(ids), HEADS_PER_QUERY):
            await self.compare(ids[start : start + HEADS_PER_QUERY])
        if self._services.inbox.has_subscribers:
            await self._compare_inboxes()

    async def compare(self, conversation_ids: Sequence[str]) -> None:
        """Deliver the missing messages and changes of these conversations."""
        heads = await self._services.store.heads(conversation_ids)
        await asyncio.sleep(0)  # messages committed here before this read are delivered in this iteration
        for conversation_id, head in heads.items():
            hosted = self._services.hub.get(conversation_id)
            if hosted is not None:
                await self._repair(hosted, head)
        if self._services.cluster.has_others:
            await self._compare_read_marks(conversation_ids)

    async def _compare_read_marks(self, conversation_ids: Sequence[str]) -> None:
        """Send the read marks whose notifications were lost."""
        found = await self._services.store.read_marks_of(conversation_ids)
        timestamp = format_timestamp(self._services.clock.now_ms())
        for conversation_id, marks in found.items():
            hosted = self._services.hub.get(conversation_id)
            if hosted is not None:
                self._services.hub.adopt_read_marks(hosted, marks, timestamp)

    async def _compare_inboxes(self) -> None:
        """Send subscribers the latest changes whose notifications were lost."""
        page, _ = await self._services.store.conversations(
            ConversationFilter(limit=INBOX_PAGE, include_unwritten=False)
        )
        for conversation in page:
            self._services.inbox.schedule_if_changed(conversation)

    async def _repair(self, hosted: HostedConversation, head: Head) -> None:
        known = hosted.conversation
        if hosted.repair is None and hosted.delivered < head.seq:
            log_event(_log, logging.INFO, "gap_found", conversationId=known.conversation_id, head=head.seq)
            self._services.metrics.gaps.inc()
            await self._services.hub.read_missing(hosted, head.seq)
        if known.version < head.version and hosted.conversation is known:
            await self._services.conversations.refresh(known)
