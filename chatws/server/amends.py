"""Makes good between servers what may have been lost while the bus was away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.server.chat import Chat

AT_ONCE = 200
BREATH_S = 0.05
"""Everything at once would overflow the queue of notes, and be lost again."""


async def make_amends(chat: Chat) -> None:
    """Tell the others again where the users here stand, ask where theirs do, and who is in which conversation."""
    presence, neighbours = chat.presence, chat.neighbours
    for number, part in enumerate(presence.parts()):
        neighbours.presence(part, part.rooms)
        await _breathe(number)
    known = presence.known_elsewhere()
    for start in range(0, len(known), AT_ONCE):
        presence.correct(await neighbours.presence_of(known[start : start + AT_ONCE]) or {})
    for number, conversation_id in enumerate(chat.hosting.ids()):
        neighbours.hosting_began(conversation_id)
        await _breathe(number)
    if chat.inbox.has_followers:
        await presence.learn_agents()


async def _breathe(number: int) -> None:
    if number % AT_ONCE == AT_ONCE - 1:
        await asyncio.sleep(BREATH_S)
