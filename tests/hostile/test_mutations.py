"""Damaged packets against a living chat: each connection lives or is closed, and the neighbours notice nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress

import pytest

from tests.hostile.harness import Arena
from tests.support.mutations import mutate
from tests.support.peer import Peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 20251028
FRAMES = 1_500
ATTACKERS = 4
CHATTER_EVERY = 50


class Attacker:
    """A connected customer that reads and forgets whatever comes."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._rest = asyncio.create_task(peer.rest_of_frames())

    @classmethod
    async def connect(cls, arena: Arena) -> Attacker:
        peer = await Peer.open(arena.chat.url)
        await peer.send_raw('40{"sessionId":"hostile-session"}')
        return cls(peer)

    @property
    def has_ended(self) -> bool:
        return self._rest.done()

    async def close(self) -> int | None:
        await self.peer.close()
        await self._rest
        return self.peer.close_code


async def test_mutated_frames_close_their_connection_or_do_nothing(arena: Arena) -> None:
    dice = random.Random(SEED)
    codes: Counter[int | None] = Counter()
    before, logged = arena.census(), len(arena.log.getvalue())
    attackers = [await Attacker.connect(arena) for _ in range(ATTACKERS)]
    for number in range(FRAMES):
        attacker = dice.choice(attackers)
        with suppress(ConnectionError):
            await attacker.peer.send_raw(mutate(dice).decode(errors="replace"))
        await asyncio.sleep(0)
        if attacker.has_ended:
            codes[await attacker.close()] += 1
            attackers[attackers.index(attacker)] = await Attacker.connect(arena)
        if number % CHATTER_EVERY == 0:
            await arena.chatter()
    for attacker in attackers:
        await attacker.close()
    assert codes[1002] > ATTACKERS
    assert codes.keys() <= {1000, 1002}, "closed by CLOSE or DISCONNECT, or for a breach"
    await arena.back_to(before)
    lines = [line for line in arena.log.getvalue()[logged:].splitlines() if " info " not in line]
    assert lines
    assert all(" warning engine.protocol_error " in line for line in lines), lines


async def test_connections_that_send_nothing_but_noise_leave_nothing(arena: Arena) -> None:
    """As port scanners do: TCP connections with random bytes, some cut in the middle of a request."""
    dice = random.Random(SEED)
    before = arena.census()
    address = ("127.0.0.1", arena.port)
    heads = (
        b"",
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n",
        b"POST /api/sessions HTTP/1.1\r\n",
    )
    for _ in range(200):
        _, writer = await asyncio.open_connection(*address)
        writer.write(dice.choice(heads) + dice.randbytes(dice.randint(0, 400)))
        if dice.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()
    await arena.chatter()
    await arena.back_to(before)


async def test_peer_that_vanishes_in_the_middle_of_a_frame_leaves_nothing(arena: Arena) -> None:
    before = arena.census()
    for size in (1, 2, 5, 9, 20):
        peer = await arena.attacker()
        peer.write_bytes(b"\x81\xfe\x10\x00abcd0123456789abcdef"[:size])
        peer.cut()
        await peer.close()
    await arena.back_to(before)
