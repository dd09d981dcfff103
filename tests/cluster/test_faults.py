"""Everything goes wrong, one after the other, under 300 clients that go on sending: nothing is lost or shown twice."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.cluster.clients import Crowd, Phase
from tests.cluster.environment import Site
from tests.cluster.server_metrics import Toll, read_toll

SEED = 20251123

MAX_DELAY_S = 0.25
"""By how much Redis may delay an ack, whatever has become of it."""

MAX_BESIDE_COMMIT_S = 0.02
"""Of a send, on average: a few tenths of a millisecond, or all that it waits for Redis."""


class Faults:
    """What goes wrong."""

    def __init__(self, site: Site, crowd: Crowd) -> None:
        self._site = site
        self._crowd = crowd
        self._redis = site.redis

    async def nothing_for_3_s(self) -> None:
        await asyncio.sleep(3)

    async def kill_a_server(self) -> None:
        await asyncio.to_thread(self._site.servers[0].kill)
        await asyncio.to_thread(self._site.servers[0].start)

    async def restart_postgres(self) -> None:
        await asyncio.to_thread(self._site.postgres.stop)
        await asyncio.to_thread(self._site.postgres.start)

    async def hold_up_commits_for_2_s(self) -> None:
        """Nobody is told of a message before it is durable.

        Raises:
            AssertionError: somebody was, by an ack or by being shown it.
        """
        async with self._site.postgres.commits_held():
            before = set(self._crowd.posted())
            await asyncio.sleep(2)
            meanwhile = [pending for pending in self._crowd.posted() if pending not in before]
            early = [one.content for one in meanwhile if one.done.done() or one.content in self._crowd.seen]
        assert meanwhile
        assert not early, f"acked or shown before the commit: {len(early)} of {len(meanwhile)}"

    async def kill_redis_for_3_s(self) -> None:
        self._redis.kill()
        await asyncio.sleep(3)
        await asyncio.to_thread(self._redis.start)

    async def freeze_redis_for_8_s(self) -> None:
        self._redis.stop()
        await asyncio.sleep(8)
        self._redis.cont()

    async def kill_redis_for_15_s(self) -> None:
        """Whatever servers do not hear of each other they read from the database, every 5 s, without waiting for Redis.

        Raises:
            AssertionError: something that was sent in the first 5 s has not been shown to everybody by the end.
        """
        self._redis.kill()
        await asyncio.sleep(5)
        posted = self._crowd.posted()
        await asyncio.sleep(10)
        behind = self._crowd.behind(posted)
        assert not behind, f"the database repaired nothing while Redis was away: {behind[:5]}"
        await asyncio.to_thread(self._redis.start)

    async def empty_redis(self) -> None:
        await asyncio.to_thread(self._redis.call, "FLUSHALL")

    async def restart_all_servers_in_turn(self) -> None:
        """The first two leave as the proxy's file says; the last as a careless operator has it, with SIGTERM alone."""
        nginx = self._site.nginx
        *careful, careless = self._site.servers
        for server in careful:
            await asyncio.to_thread(nginx.take_out, server.url)
            await asyncio.to_thread(server.terminate)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(nginx.take_out)
        await asyncio.to_thread(careless.terminate)
        await asyncio.to_thread(careless.start)


OF_REDIS: list[Callable[[Faults], Awaitable[None]]] = [
    Faults.kill_redis_for_3_s,
    Faults.freeze_redis_for_8_s,
    Faults.kill_redis_for_15_s,
    Faults.empty_redis,
]
WITHOUT_LEAVERS: list[Callable[[Faults], Awaitable[None]]] = [Faults.nothing_for_3_s, Faults.hold_up_commits_for_2_s]
"""Whoever leaves is said to be offline 5 s later; these two are over sooner."""

FAULTS: list[Callable[[Faults], Awaitable[None]]] = [
    Faults.nothing_for_3_s,
    Faults.kill_a_server,
    Faults.restart_postgres,
    Faults.hold_up_commits_for_2_s,
    *OF_REDIS,
    Faults.restart_all_servers_in_turn,
]


def check_redis_delays_nobody(phase: Phase, quiet: Phase, toll: Toll) -> None:
    """Hold a fault of Redis against the time when nothing was wrong, and against what the servers say themselves.

    Raises:
        AssertionError: sends waited for Redis, or whoever may wait for it, joins and new connections, did for too long.
    """
    delay_s = statistics.median(phase.acks) - statistics.median(quiet.acks)
    assert delay_s <= MAX_DELAY_S, f"{phase.name}: acks came {delay_s:.3f} s later than when nothing was wrong"
    assert toll.sends > 0
    phase.beside_commit = toll.beside_commits_s / toll.sends
    assert phase.beside_commit <= MAX_BESIDE_COMMIT_S, f"{phase.name}: {phase.beside_commit:.3f} s beside each commit"
    if phase.name == Faults.freeze_redis_for_8_s.__name__:
        assert toll.long_waits, "nobody waited for a Redis that hangs, so nothing was measured"
        # Half of them, since a busy machine may have let one wait.
        share = f"{toll.too_long_waits:.0f} of {toll.long_waits:.0f}"
        assert toll.too_long_waits <= toll.long_waits / 2, f"{phase.name}: {share} waited too long for Redis"


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
        faults = Faults(site, crowd)
        await crowd.connect(stack)
        assert min(site.connections()) > 0
        await crowd.check_presence()
        crowd.talk()
        for number, fault in enumerate(FAULTS):
            is_of_redis = fault in OF_REDIS
            newcomers = await crowd.call(stack, f"newcomer-{number}") if is_of_redis else []
            reconnects, copies = crowd.reconnects(), crowd.copies()
            toll = await asyncio.to_thread(read_toll, site.servers)
            crowd.phase = Phase(fault.__name__)
            phases.append(crowd.phase)
            # Somebody goes for good while it happens, and must not seem to be there for ever; others come.
            leavers = [] if fault in WITHOUT_LEAVERS else [crowd.pairs[number][0]]
            leaving = [asyncio.create_task(member.leave()) for member in leavers]
            coming = asyncio.create_task(crowd.let_in(newcomers))
            await fault(faults)
            await asyncio.gather(*leaving, coming)
            await asyncio.gather(crowd.check(), crowd.check_presence())
            crowd.phase.reconnects = crowd.reconnects() - reconnects
            crowd.phase.copies = crowd.copies() - copies
            if is_of_redis:
                toll = (await asyncio.to_thread(read_toll, site.servers)).since(toll)
                check_redis_delays_nobody(crowd.phase, phases[0], toll)
            assert crowd.gaps() == 0, "servers deliver by seq, so no client ever has a hole to fill"
            if not crowd.phase.reconnects:
                assert crowd.phase.copies == 0, "servers sent something twice to clients who were there all the time"
        await crowd.fall_silent()
        total = await crowd.check_all()
        await crowd.check_presence()
    with capsys.disabled():
        title = f"{total} messages of {2 * len(crowd.pairs)} clients; times are p50/p99/max"
        sys.stdout.write("\n".join(["", title, *map(str, phases)]) + "\n")
