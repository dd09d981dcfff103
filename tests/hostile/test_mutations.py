"""Mutated packets to a running chat: each connection stays open or is closed, and other clients are not affected."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress

import pytest

from tests.hostile.harness import HostileHarness
from tests.support.mutations import mutate
from tests.support.peer import Peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 20251028
FRAMES = 600
ATTACKERS = 4
EXCHANGE_EVERY = 50


class Attacker:
    """Connected customer that reads and drops everything."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._reader = asyncio.create_task(peer.rest_of_frames())

    @classmethod
    async def connect(cls, harness: HostileHarness) -> Attacker:
        peer = await Peer.open(harness.chat.url)
        await peer.send_raw('40{"sessionId":"hostile-session"}')
        return cls(peer)

    @property
    def has_ended(self) -> bool:
        return self._reader.done()

    async def close(self) -> int | None:
        await self.peer.close()
        await self._reader
        return self.peer.close_code


async def test_mutated_frames_close_their_connection_or_have_no_effect(harness: HostileHarness) -> None:
    rng = random.Random(SEED)
    codes: Counter[int | None] = Counter()
    before, logged = harness.held_resources(), len(harness.log.getvalue())
    attackers = [await Attacker.connect(harness) for _ in range(ATTACKERS)]
    for number in range(FRAMES):
        attacker = rng.choice(attackers)
        with suppress(ConnectionError):
            await attacker.peer.send_raw(mutate(rng).decode(errors="replace"))
        await asyncio.sleep(0)
        if attacker.has_ended:
            codes[await attacker.close()] += 1
            attackers[attackers.index(attacker)] = await Attacker.connect(harness)
        if number % EXCHANGE_EVERY == 0:
            await harness.exchange_message()
    for attacker in attackers:
        await attacker.close()
    assert codes[1002] > ATTACKERS
    assert codes.keys() <= {1000, 1002}, "closed by CLOSE or DISCONNECT, or by a protocol error"
    await harness.wait_until_released(before)
    lines = [line for line in harness.log.getvalue()[logged:].splitlines() if " info " not in line]
    assert lines
    assert all(" warning engine.protocol_error " in line for line in lines), lines


async def test_connections_with_random_bytes_release_everything(harness: HostileHarness) -> None:
    """Open TCP connections like a port scanner, and abort some in the middle of a request."""
    rng = random.Random(SEED)
    before = harness.held_resources()
    address = ("127.0.0.1", harness.port)
    heads = (
        b"",
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n",
        b"POST /api/sessions HTTP/1.1\r\n",
    )
    for _ in range(200):
        _, writer = await asyncio.open_connection(*address)
        writer.write(rng.choice(heads) + rng.randbytes(rng.randint(0, 400)))
        if rng.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()
    await harness.exchange_message()
    await harness.wait_until_released(before)


async def test_disconnect_in_the_middle_of_a_frame_releases_everything(harness: HostileHarness) -> None:
    before = harness.held_resources()
    for size in (1, 2, 5, 9, 20):
        peer = await harness.attacker()
        peer.write_bytes(b"\x81\xfe\x10\x00abcd0123456789abcdef"[:size])
        peer.cut()
        await peer.close()
    await harness.wait_until_released(before)
