"""One trial: a fresh server, one contender's process, the probe beside it, and what the process used."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from benchmarks.common.pair_load import clock_s
from benchmarks.generator import ipc
from benchmarks.generator.implementations import GeneratorImplementation, command
from benchmarks.generator.probe import Probe
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
    """What one contender used and reported; ``bare`` is what the probe measured meanwhile.

    ``server_cores`` is what the server used of the one core it has; ``server_starved`` the share of the time in which
    it would have gone on and others had that core.
    """

    contender: GeneratorImplementation
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
        """Whether nearly all was answered: what is never done costs nothing."""
        return self.ack.count >= LEAST_DELIVERED * self.sent

    @property
    def excess_p99_ms(self) -> float:
        """How much more than the bare client it reports."""
        return self.ack.p99_ms - self.bare.p99_ms


@dataclass(frozen=True, slots=True)
class Size:
    """How many users talk, one message a second each, and how long."""

    users: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a server keeps its data, and where the contenders of Node were installed."""

    server: Path
    node: Path


class GeneratorFailed(Exception):
    """A contender ended without a result; the text holds what it wrote."""


async def run_trial(contender: GeneratorImplementation, size: Size, folders: Folders, core: int | None) -> GeneratorRun:
    """Start a server and measure one contender on it.

    Raises:
        SubjectFailed, PeopleMissing, GeneratorFailed: there is nothing to measure.
    """
    subject = ServerUnderTest(folders.server, core)
    await subject.start()
    try:
        rooms = await make_rooms(subject.url, Credentials(keys=subject.keys), [MEMBERS] * (size.users // MEMBERS + 1))
        wanted = ipc.GeneratorPlan(
            url=subject.url,
            rooms=rooms[1:],
            rate=1.0,
            seconds=size.seconds,
            connects_per_s=100.0,
            with_habits=contender is GeneratorImplementation.OURS,
        )
        async with asyncio.timeout(TIMEOUT_S), Probe(subject.port, rooms[0]) as probe:
            return await _measure(contender, wanted, probe, folders.node, subject.pid)
    finally:
        await subject.stop()


class _ServerMark:
    """What the server has used and missed so far, at one moment."""

    def __init__(self, pid: int) -> None:
        self.at_s = clock_s()
        self.cpu_s = procfs.cpu_seconds(pid)
        self.starved_s = procfs.starved_seconds(pid)


async def _measure(
    contender: GeneratorImplementation, wanted: ipc.GeneratorPlan, probe: Probe, node_dir: Path, server_pid: int
) -> GeneratorRun:
    child = await asyncio.create_subprocess_exec(
        *command(contender, node_dir),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE_BYTES,
    )
    assert child.stdin is not None
    try:
        await _expect(child, ipc.LOADED)
        cpu_s, rss = procfs.cpu_seconds(child.pid), procfs.resident_bytes(child.pid)
        child.stdin.write(ipc.encode(wanted) + b"\n")
        await _expect(child, ipc.READY)
        connected_s, rss_connected = procfs.cpu_seconds(child.pid), procfs.resident_bytes(child.pid)
        probe.acks_us.clear()
        begin = _ServerMark(server_pid)
        heard = ipc.decode_heard(await _line(child))
        done_s, end = procfs.cpu_seconds(child.pid), _ServerMark(server_pid)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
    users = sum(len(room.members) for room in wanted.rooms)
    return GeneratorRun(
        contender=contender,
        users=users,
        seconds=wanted.seconds,
        sent=heard.sent,
        us_per_message=(done_s - connected_s) / max(1, heard.sent) * 1e6,
        ms_per_connect=(connected_s - cpu_s) / users * 1e3,
        kb_per_user=(rss_connected - rss) / users / 1e3,
        cores=(done_s - connected_s) / (ipc.LEAD_S + wanted.seconds + ipc.DRAIN_S),
        ack=percentiles(heard.acks_us),
        bare=percentiles(probe.acks_us),
        server_cores=(end.cpu_s - begin.cpu_s) / (end.at_s - begin.at_s),
        server_starved=(end.starved_s - begin.starved_s) / (end.at_s - begin.at_s),
    )


async def _expect(child: asyncio.subprocess.Process, word: bytes) -> None:
    while (await _line(child)).strip() != word:
        pass


async def _line(child: asyncio.subprocess.Process) -> bytes:
    assert child.stdout is not None
    line = await child.stdout.readline()
    if not line:
        raise GeneratorFailed("the contender ended without a result")
    return line
