"""One run of a generator: a new server, the generator's process, the probe beside it, and the process's usage."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from benchmarks.common.opening import LoadFailed
from benchmarks.common.schedule import clock_s
from benchmarks.generator import ipc
from benchmarks.generator.implementations import GeneratorImplementation, command
from benchmarks.generator.probe import AckProbe
from chatws_loadtest import procfs
from chatws_loadtest.credentials import Credentials, make_rooms
from chatws_loadtest.samples import percentiles
from chatws_loadtest.server_process import ServerUnderTest
from chatws_loadtest.verdict import LEAST_DELIVERED

if TYPE_CHECKING:
    from pathlib import Path

    from chatws_loadtest.samples import Percentiles

MEMBERS: Final = 2
TIMEOUT_S: Final = 300.0
LONGEST_LINE_BYTES: Final = 64 * 1024 * 1024


class GeneratorRun(msgspec.Struct, frozen=True, kw_only=True):
    """Usage and latencies of one generator, and the latencies that the probe measured meanwhile (``bare``).

    ``server_cores`` is the share of its one core that the server used, ``server_starved`` the share of the time in
    which the server was ready to run and other processes used that core.
    """

    implementation: GeneratorImplementation
    users: int
    seconds: float
    sent: int
    us_per_message: float
    ms_per_connect: float
    kb_per_user: float
    cores: float
    ack: Percentiles
    bare: Percentiles
    server_cores: float
    server_starved: float

    @property
    def is_complete(self) -> bool:
        """Whether nearly all messages were acked: a missing ack costs the generator nothing."""
        return self.ack.count >= LEAST_DELIVERED * self.sent

    @property
    def excess_p99_ms(self) -> float:
        """Difference of the reported ack latency to that of the probe."""
        return self.ack.p99_ms - self.bare.p99_ms


@dataclass(frozen=True, slots=True)
class LoadSize:
    """Number of users, who send one message per second each, and duration."""

    users: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Folders:
    """Data directory of the server, and folder into which the generators on Node were installed."""

    server: Path
    node: Path


class GeneratorFailed(LoadFailed):
    """A generator ended without a result."""


async def run_generator(
    implementation: GeneratorImplementation, size: LoadSize, folders: Folders, core: int | None
) -> GeneratorRun:
    """Start a server and measure one generator on it.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, GeneratorFailed: the load could not be set up.
    """
    server = ServerUnderTest(folders.server, core)
    await server.start()
    try:
        rooms = await make_rooms(server.url, Credentials(keys=server.keys), [MEMBERS] * (size.users // MEMBERS + 1))
        plan = ipc.GeneratorPlan(
            url=server.url,
            rooms=rooms[1:],
            rate=1.0,
            seconds=size.seconds,
            connects_per_s=100.0,
            all_activities=implementation is GeneratorImplementation.OURS,
        )
        async with asyncio.timeout(TIMEOUT_S), AckProbe(server.port, rooms[0]) as probe:
            return await _measure(implementation, plan, probe, folders.node, server.pid)
    finally:
        await server.stop()


class _ServerSnapshot:
    """CPU time of the server, and time for which it waited for a core, at one moment."""

    def __init__(self, pid: int) -> None:
        self.at_s = clock_s()
        self.cpu_s = procfs.cpu_seconds(pid)
        self.starved_s = procfs.starved_seconds(pid)


async def _measure(
    implementation: GeneratorImplementation,
    plan: ipc.GeneratorPlan,
    probe: AckProbe,
    node_dir: Path,
    server_pid: int,
) -> GeneratorRun:
    child = await asyncio.create_subprocess_exec(
        *command(implementation, node_dir),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE_BYTES,
    )
    assert child.stdin is not None
    try:
        await _expect(child, ipc.LOADED)
        loaded_cpu_s, loaded_rss = procfs.cpu_seconds(child.pid), procfs.resident_bytes(child.pid)
        child.stdin.write(ipc.encode(plan) + b"\n")
        await _expect(child, ipc.READY)
        ready_cpu_s, ready_rss = procfs.cpu_seconds(child.pid), procfs.resident_bytes(child.pid)
        probe.acks_us.clear()
        begin = _ServerSnapshot(server_pid)
        result = ipc.decode_result(await _read_line(child))
        done_cpu_s, end = procfs.cpu_seconds(child.pid), _ServerSnapshot(server_pid)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
    users = sum(len(room.members) for room in plan.rooms)
    return GeneratorRun(
        implementation=implementation,
        users=users,
        seconds=plan.seconds,
        sent=result.sent,
        us_per_message=(done_cpu_s - ready_cpu_s) / max(1, result.sent) * 1e6,
        ms_per_connect=(ready_cpu_s - loaded_cpu_s) / users * 1e3,
        kb_per_user=(ready_rss - loaded_rss) / users / 1e3,
        cores=(done_cpu_s - ready_cpu_s) / (ipc.LEAD_S + plan.seconds + ipc.DRAIN_S),
        ack=percentiles(result.acks_us),
        bare=percentiles(probe.acks_us),
        server_cores=(end.cpu_s - begin.cpu_s) / (end.at_s - begin.at_s),
        server_starved=(end.starved_s - begin.starved_s) / (end.at_s - begin.at_s),
    )


async def _expect(child: asyncio.subprocess.Process, word: bytes) -> None:
    while (await _read_line(child)).strip() != word:
        pass


async def _read_line(child: asyncio.subprocess.Process) -> bytes:
    assert child.stdout is not None
    line = await child.stdout.readline()
    if not line:
        raise GeneratorFailed("the generator ended without a result")
    return line
