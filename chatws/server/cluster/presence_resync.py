"""Exchange of presence with the other servers after notifications may have been lost."""

from __future__ import annotations

import asyncio

from chatws.server.services import Services

BATCH = 200
BATCH_INTERVAL_S = 0.05
"""Publishing everything at once would overflow the bus's queue and be lost again."""

LEASE_WAIT_S = 10.0
"""Duration of a lease: by then, a server that also lost its connection to the broker has reconnected or ended."""


async def resync_presence(services: Services) -> None:
    """Publish the local presence, read the remote presence, and request the members of each hosted conversation."""
    presence, cluster = services.presence, services.cluster
    for index, entry in enumerate(presence.local_entries()):
        cluster.publish_presence(entry, entry.rooms)
        await _pause_after_batch(index)
    await refresh_remote_presence(services, is_complete=False)
    for index, conversation_id in enumerate(services.hub.ids()):
        cluster.request_members(conversation_id)
        await _pause_after_batch(index)
    if services.inbox.has_subscribers:
        await presence.look_up_agents()
    await asyncio.sleep(LEASE_WAIT_S)
    await refresh_remote_presence(services, is_complete=True)


async def refresh_remote_presence(services: Services, *, is_complete: bool) -> None:
    """Replace the known entries of remote users by those that the other servers hold now.

    Unless ``is_complete``, the entries of a server that holds none are kept: it may not have reconnected yet.
    """
    known = services.presence.remote_users()
    for start in range(0, len(known), BATCH):
        found = await services.cluster.presence_of(known[start : start + BATCH]) or {}
        reported = {origin for entries in found.values() for origin, _ in entries}
        services.presence.replace_remote(found, None if is_complete else reported)


async def _pause_after_batch(index: int) -> None:
    if index % BATCH == BATCH - 1:
        await asyncio.sleep(BATCH_INTERVAL_S)
