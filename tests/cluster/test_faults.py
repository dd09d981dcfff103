"""Everything goes wrong, one after the other, under 300 clients that go on sending: nothing is lost or shown twice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.cluster.crowd import Crowd, Phase
from tests.cluster.site import Site

SEED = 20251123


async def kill_a_server(site: Site) -> None:
    await asyncio.to_thread(site.servers[0].kill)
    await asyncio.to_thread(site.servers[0].start)


async def restart_postgres(site: Site) -> None:
    await asyncio.to_thread(site.postgres.stop)
    await asyncio.to_thread(site.postgres.start)


async def kill_redis_for_3_s(site: Site) -> None:
    await _without_redis(site, 3)


async def freeze_redis_for_8_s(site: Site) -> None:
    site.redis.stop()
    await asyncio.sleep(8)
    site.redis.cont()


async def kill_redis_for_15_s(site: Site) -> None:
    await _without_redis(site, 15)


async def empty_redis(site: Site) -> None:
    await asyncio.to_thread(site.redis.call, "FLUSHALL")


async def restart_all_servers_in_turn(site: Site) -> None:
    """The first two leave as the proxy's file says; the last as a careless operator has it, with SIGTERM alone."""
    *careful, careless = site.servers
    for server in careful:
        await asyncio.to_thread(site.nginx.take_out, server.url)
        await asyncio.to_thread(server.terminate)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(site.nginx.take_out)
    await asyncio.to_thread(careless.terminate)
    await asyncio.to_thread(careless.start)


async def _without_redis(site: Site, seconds: float) -> None:
    await asyncio.to_thread(site.redis.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(site.redis.start)


FAULTS: list[Callable[[Site], Awaitable[None]]] = [
    kill_a_server,
    restart_postgres,
    kill_redis_for_3_s,
    freeze_redis_for_8_s,
    kill_redis_for_15_s,
    empty_redis,
    restart_all_servers_in_turn,
]


@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_shown_twice_whatever_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phases: list[Phase] = []
    async with AsyncExitStack() as stack:
        site = Site(tmp_path)
        await asyncio.to_thread(site.__enter__)
        stack.push_async_callback(asyncio.to_thread, site.__exit__, None, None, None)
        crowd = Crowd(site, SEED)
        await crowd.connect(stack)
        assert min(site.connections()) > 0
        await crowd.check_presence()
        crowd.talk()
        for number, fault in enumerate(FAULTS):
            reconnects = crowd.reconnects()
            crowd.phase = Phase(fault.__name__)
            phases.append(crowd.phase)
            # Somebody goes for good while it happens, and must not seem to be there for ever.
            leaving = asyncio.create_task(crowd.pairs[number][0].leave())
            await fault(site)
            await asyncio.gather(leaving, crowd.check(), crowd.check_presence())
            crowd.phase.reconnects = crowd.reconnects() - reconnects
        await crowd.fall_silent()
        total = await crowd.check_all()
        await crowd.check_presence()
        gaps, copies = crowd.repairs()
        assert gaps == 0, "servers deliver by seq, so no client ever has a hole to fill"
    with capsys.disabled():
        title = f"{total} messages of {2 * len(crowd.pairs)} clients, {copies} copies dropped; times are p50/p99/max"
        sys.stdout.write("\n".join(["", title, *map(str, phases)]) + "\n")
