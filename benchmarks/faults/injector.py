"""Injection of the faults of a schedule into a running environment."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.faults.environment import FaultEnvironment
from benchmarks.faults.link import FaultyLink
from benchmarks.faults.schedule import FaultKind, Part, ScheduledFault
from chatws_loadtest.server_process import ServerStartFailed, ServerUnderTest

LONGEST_DELAY_S: Final = 0.5
"""Delay of a link for each direction."""

LONGEST_COMMIT_S: Final = 2.0
_RETRY_S: Final = 0.5
_START_TIMEOUT_S: Final = 120.0


class FaultInjector:
    """Injects faults at their times; each ends before `run` returns.

    If it is cancelled, stopped processes and links continue, but what was killed or drained is not started again.
    """

    def __init__(self, environment: FaultEnvironment) -> None:
        self._environment = environment
        self._locks = {part: asyncio.Lock() for part in Part}
        self.failures: list[str] = []
        """Servers that did not end in time after SIGTERM, or could not be started again."""

    async def run(self, schedule: Sequence[ScheduledFault]) -> None:
        """Inject all faults; their times count from now."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as faults:
            for fault in schedule:
                faults.create_task(self._inject(fault, began))

    async def _inject(self, fault: ScheduledFault, began: float) -> None:
        await _sleep_until(began + fault.start_s)
        # On a busy machine, a part may still be starting after its last fault.
        async with self._locks[fault.part]:
            await self._inject_until(fault, max(began + fault.end_s, time.monotonic() + fault.duration_s))

    async def _inject_until(self, fault: ScheduledFault, end: float) -> None:
        match fault.part:
            case Part.SERVER_1:
                await self._inject_server(self._environment.servers[0], fault.kind, end)
            case Part.SERVER_2:
                await self._inject_server(self._environment.servers[1], fault.kind, end)
            case Part.POSTGRES:
                await self._inject_postgres(fault, end)
            case Part.REDIS:
                await self._inject_redis(fault.kind, end)
            case Part.NGINX:
                await self._inject_nginx(fault.kind, end)
            case _:
                await _inject_link(self._environment.links[fault.part], fault, end)

    async def _inject_server(self, server: ServerUnderTest, kind: FaultKind, end: float) -> None:
        if kind is FaultKind.STOP:
            os.kill(server.pid, signal.SIGSTOP)
            try:
                await _sleep_until(end)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            return
        if kind is FaultKind.KILL:
            await server.kill()
        elif not await server.terminate():
            self.failures.append(f"{server.url} did not end in time after SIGTERM")
        await _sleep_until(end)
        if not await _start(server):
            self.failures.append(f"{server.url} could not be started again")

    async def _inject_postgres(self, fault: ScheduledFault, end: float) -> None:
        environment, postgres = self._environment, self._environment.postgres
        match fault.kind:
            case FaultKind.KILL:
                await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
                await _sleep_until(end)
                await asyncio.to_thread(postgres.start)
            case FaultKind.STOP:
                postgres.freeze()
                try:
                    await _sleep_until(end)
                finally:
                    postgres.unfreeze()
            case _:
                await environment.set_slow_commits(fault.severity * LONGEST_COMMIT_S)
                await _sleep_until(end)
                await environment.set_slow_commits(0)

    async def _inject_redis(self, kind: FaultKind, end: float) -> None:
        redis = self._environment.redis
        match kind:
            case FaultKind.KILL:
                redis.kill()
                await _sleep_until(end)
                await asyncio.to_thread(redis.start)
            case FaultKind.STOP:
                redis.freeze()
                try:
                    await _sleep_until(end)
                finally:
                    redis.unfreeze()
            case _:
                await asyncio.to_thread(redis.call, "FLUSHALL")

    async def _inject_nginx(self, kind: FaultKind, end: float) -> None:
        nginx = self._environment.nginx
        match kind:
            case FaultKind.KILL:
                nginx.kill()
                await _sleep_until(end)
                await asyncio.to_thread(nginx.start)
            case FaultKind.STOP:
                nginx.freeze()
                try:
                    await _sleep_until(end)
                finally:
                    nginx.unfreeze()
            case _:
                await asyncio.to_thread(nginx.reload)


async def _inject_link(link: FaultyLink, fault: ScheduledFault, end: float) -> None:
    if fault.kind is FaultKind.CUT:
        await link.cut()
    elif fault.kind is FaultKind.DELAY:
        link.delay(fault.severity * LONGEST_DELAY_S)
    else:
        link.hold(
            requests=fault.kind is not FaultKind.HOLD_RESPONSES, responses=fault.kind is not FaultKind.HOLD_REQUESTS
        )
    try:
        await _sleep_until(end)
    finally:
        link.restore()


async def _start(server: ServerUnderTest) -> bool:
    """Start a server, as a supervisor does: again and again while it cannot, because the database is away."""
    end = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < end:
        try:
            await server.start()
        except ServerStartFailed:
            await asyncio.sleep(_RETRY_S)
        else:
            return True
    return False


async def _sleep_until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))
