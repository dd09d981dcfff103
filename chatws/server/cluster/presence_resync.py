"""Makes good between servers what may have been lost while the bus was away."""

from __future__ import annotations

import asyncio

from chatws.server.services import Services

AT_ONCE = 200
BREATH_S = 0.05
"""Everything at once would overflow the queue of notes, and be lost again."""


SILENCE_S = 10.0
"""A server that was lost to the broker, too, is a stranger there until it has come back itself: as long as a lease."""


async def make_amends(services: Services) -> None:
    """Tell the others again where the users here stand, ask where theirs do, and who is in which conversation."""
    presence, cluster = services.presence, services.cluster
    for number, part in enumerate(presence.parts()):
        cluster.presence(part, part.rooms)
        await _breathe(number)
    await correct_presence(services, is_complete=False)
    for number, conversation_id in enumerate(services.hub.ids()):
        cluster.hosting_began(conversation_id)
        await _breathe(number)
    if services.inbox.has_followers:
        await presence.learn_agents()
    await asyncio.sleep(SILENCE_S)
    await correct_presence(services, is_complete=True)


async def correct_presence(services: Services, *, is_complete: bool) -> None:
    """Take what the others hold of the users they have told of in place of what is known here.

    As long as it is not complete, a server that holds nobody may not be back yet: what it has told stays.
    """
    known = services.presence.known_elsewhere()
    for start in range(0, len(known), AT_ONCE):
        found = await services.cluster.presence_of(known[start : start + AT_ONCE]) or {}
        back = {held.origin for parts in found.values() for held in parts}
        services.presence.correct(found, None if is_complete else back)


async def _breathe(number: int) -> None:
    if number % AT_ONCE == AT_ONCE - 1:
        await asyncio.sleep(BREATH_S)
