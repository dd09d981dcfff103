"""Faults of each component in turn, with clients that keep sending: nothing is lost or shown twice (85 s)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from tests.cluster.clients import ClusterClients, FaultPhase
from tests.cluster.environment import ClusterEnvironment
from tests.cluster.server_metrics import WaitMetrics, read_wait_metrics
from tests.support.chat import until

SEED = 20251123

GRACE_MS = 2_000
"""Time after which a leaver is reported offline; the default of 5 s would only lengthen the test."""

MAX_OUTSIDE_COMMIT_S = 0.2
"""Limit of a send's average duration without its commit: tenths of a millisecond on an idle machine.

A send that waited for Redis would take 250 ms. Acks themselves are not limited: a busy machine delays them by seconds.
"""


class ClusterFaults:
    """Faults that the test injects."""

    def __init__(self, environment: ClusterEnvironment, clients: ClusterClients) -> None:
        self._environment = environment
        self._clients = clients
        self._redis = environment.redis

    async def nothing_for_3_s(self) -> None:
        await asyncio.sleep(3)

    async def kill_a_server(self) -> None:
        await asyncio.to_thread(self._environment.servers[0].kill)
        await asyncio.to_thread(self._environment.servers[0].start)

    async def restart_postgres(self) -> None:
        await asyncio.to_thread(self._environment.postgres.stop)
        await asyncio.to_thread(self._environment.postgres.start)

    async def hold_up_commits_for_2_s(self) -> None:
        """Check that no message is acked or shown before it is durable.

        Raises:
            AssertionError: a message was acked or shown too early.
        """
        async with self._environment.postgres.commits_held():
            before = set(self._clients.posted())
            await asyncio.sleep(2)
            meanwhile = [pending for pending in self._clients.posted() if pending not in before]
            early = [one.content for one in meanwhile if one.done.done() or one.content in self._clients.seen]
        assert meanwhile
        assert not early, f"acked or shown before the commit: {len(early)} of {len(meanwhile)}"

    async def kill_redis_for_3_s(self) -> None:
        self._redis.kill()
        await asyncio.sleep(3)
        await asyncio.to_thread(self._redis.start)

    async def freeze_redis_for_8_s(self) -> None:
        self._redis.freeze()
        await asyncio.sleep(8)
        self._redis.unfreeze()

    async def kill_redis_for_15_s(self) -> None:
        """Check that servers read missing messages from the database every 5 s, without waiting for Redis.

        Raises:
            AssertionError: a message sent in the first 5 s was not shown to every member by the end.
        """
        self._redis.kill()
        await asyncio.sleep(5)
        posted = self._clients.posted()
        await asyncio.sleep(10)
        # A busy machine may need longer; Redis stays away meanwhile.
        with suppress(TimeoutError):
            await until(lambda: not self._clients.incomplete(posted))
        behind = self._clients.incomplete(posted)
        assert not behind, f"the database repaired nothing while Redis was away: {behind[:5]}"
        await asyncio.to_thread(self._redis.start)

    async def empty_redis(self) -> None:
        await asyncio.to_thread(self._redis.call, "FLUSHALL")

    async def restart_all_servers_in_turn(self) -> None:
        """Restart two servers as the proxy's file recommends, and the last one by SIGTERM alone."""
        nginx = self._environment.nginx
        *drained, undrained = self._environment.servers
        for server in drained:
            await asyncio.to_thread(nginx.set_down, server.url)
            await asyncio.to_thread(server.terminate)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(nginx.set_down)
        await asyncio.to_thread(undrained.terminate)
        await asyncio.to_thread(undrained.start)


REDIS_FAULTS: list[Callable[[ClusterFaults], Awaitable[None]]] = [
    ClusterFaults.kill_redis_for_3_s,
    ClusterFaults.freeze_redis_for_8_s,
    ClusterFaults.kill_redis_for_15_s,
    ClusterFaults.empty_redis,
]
FAULTS_WITHOUT_LEAVERS: list[Callable[[ClusterFaults], Awaitable[None]]] = [
    ClusterFaults.nothing_for_3_s,
    ClusterFaults.hold_up_commits_for_2_s,
]
"""Nothing else happens during these two."""

FAULTS: list[Callable[[ClusterFaults], Awaitable[None]]] = [
    ClusterFaults.nothing_for_3_s,
    ClusterFaults.kill_a_server,
    ClusterFaults.restart_postgres,
    ClusterFaults.hold_up_commits_for_2_s,
    *REDIS_FAULTS,
    ClusterFaults.restart_all_servers_in_turn,
]


def check_redis_delay(phase: FaultPhase, waits: WaitMetrics) -> None:
    """Check by the servers' own metrics that a fault of Redis delayed no send, and others by a limited time.

    Raises:
        AssertionError: sends waited for Redis, or joins and new connections waited too long.
    """
    assert waits.sends > 0
    phase.outside_commit_s = waits.outside_commits_s / waits.sends
    assert phase.outside_commit_s <= MAX_OUTSIDE_COMMIT_S, (
        f"{phase.name}: {phase.outside_commit_s:.3f} s outside each commit"
    )
    if phase.name == ClusterFaults.freeze_redis_for_8_s.__name__:
        assert waits.long_waits, "no request waited for a stalled Redis, so nothing was measured"
        # Half of them, because a busy machine may delay one.
        share = f"{waits.too_long_waits:.0f} of {waits.long_waits:.0f}"
        assert waits.too_long_waits <= waits.long_waits / 2, f"{phase.name}: {share} waited too long for Redis"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("conversations", [12, pytest.param(60, marks=pytest.mark.extended)])
async def test_nothing_is_lost_or_shown_twice_whatever_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], conversations: int
) -> None:
    phases: list[FaultPhase] = []
    async with AsyncExitStack() as stack:
        environment = ClusterEnvironment(tmp_path, "--set", f"presence_grace_ms={GRACE_MS}")
        await asyncio.to_thread(environment.__enter__)
        stack.push_async_callback(asyncio.to_thread, environment.__exit__, None, None, None)
        clients = ClusterClients(environment, conversations, SEED)
        faults = ClusterFaults(environment, clients)
        await clients.connect(stack)
        assert min(environment.connections()) > 0
        await clients.check_presence()
        clients.start_sending()
        for number, fault in enumerate(FAULTS):
            is_redis_fault = fault in REDIS_FAULTS
            newcomers = await clients.connect_newcomers(stack, f"newcomer-{number}") if is_redis_fault else []
            reconnects, copies = clients.reconnects(), clients.copies()
            waits = await asyncio.to_thread(read_wait_metrics, environment.servers)
            clients.phase = FaultPhase(fault.__name__)
            phases.append(clients.phase)
            # One member leaves during the fault and must become offline; newcomers join.
            leavers = [] if fault in FAULTS_WITHOUT_LEAVERS else [clients.pairs[number][0]]
            leaving = [asyncio.create_task(member.leave()) for member in leavers]
            coming = asyncio.create_task(clients.join_newcomers(newcomers))
            await fault(faults)
            await asyncio.gather(*leaving, coming)
            await asyncio.gather(clients.check(), clients.check_presence())
            clients.phase.reconnects = clients.reconnects() - reconnects
            clients.phase.copies = clients.copies() - copies
            if is_redis_fault:
                waits = (await asyncio.to_thread(read_wait_metrics, environment.servers)).since(waits)
                check_redis_delay(clients.phase, waits)
            assert clients.gaps() == 0, "servers deliver by seq, so no client has a gap to fill"
            if not clients.phase.reconnects:
                assert clients.phase.copies == 0, "servers sent a message twice to clients that stayed connected"
        await clients.stop_sending()
        total = await clients.check_all()
        await clients.check_presence()
    with capsys.disabled():
        title = f"{total} messages of {2 * len(clients.pairs)} clients; times are p50/p99/max"
        sys.stdout.write("\n".join(["", title, *map(str, phases)]) + "\n")
