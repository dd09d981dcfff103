"""One round of the tap's benchmark: a new server, measured in turn over direct connections and through a tap."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.common.client import BenchmarkConnection
from benchmarks.common.pair_load import PairLoad, open_pairs, send_messages, settle
from benchmarks.common.schedule import MAX_LAG_P99_MS, clock_s
from chatws_loadtest import procfs, server_process
from chatws_loadtest.credentials import start_sessions
from chatws_loadtest.ledger import Balance, Ledger
from chatws_loadtest.samples import Percentiles, percentiles
from chatws_loadtest.server_process import HOST, ServerStartFailed, ServerUnderTest

DIRECT: Final = "direct"
TAPPED: Final = "tap"
WAYS: Final = (DIRECT, TAPPED)


class WayResult(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements over one way to the server; the tap's cores and memory are 0 for the direct one.

    The tap has two processes, proxy and analysis. The second one runs when the others leave a core idle.
    """

    way: str
    counts: Balance
    dropped_connections: int
    ack: Percentiles
    delivery: Percentiles
    lag: Percentiles
    proxy_cores: float
    analysis_cores: float
    tap_rss_mb: float
    skipped_frames: int

    @property
    def is_valid(self) -> bool:
        """Whether the generator kept its schedule."""
        return self.lag.p99_ms <= MAX_LAG_P99_MS

    @property
    def is_clean(self) -> bool:
        """Whether no message was lost and no connection dropped."""
        return self.counts.is_clean and not self.dropped_connections


class TapRound(msgspec.Struct, frozen=True, kw_only=True):
    """Results of one round, by way."""

    number: int
    direct: WayResult
    tapped: WayResult

    @property
    def added_ack_ms(self) -> float:
        """Milliseconds that the tap adds to an ack at p99."""
        return self.tapped.ack.p99_ms - self.direct.ack.p99_ms

    @property
    def added_delivery_ms(self) -> float:
        """Milliseconds that the tap adds to a delivery at p99; the sender's and the receiver's way lead through it."""
        return self.tapped.delivery.p99_ms - self.direct.delivery.p99_ms


class _TapProcess:
    """Processes of ``chatws tap --json``, whose output is a file."""

    def __init__(self, child: asyncio.subprocess.Process, port: int, output: Path) -> None:
        self.port = port
        [analysis] = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        self._pids = (child.pid, int(analysis))
        self._output = output

    def cpu_seconds(self) -> tuple[float, ...]:
        """Return the CPU time of proxy and analysis."""
        return tuple(map(procfs.cpu_seconds, self._pids))

    def resident_mb(self) -> float:
        """Return the memory of both processes; pages that they share count twice."""
        return sum(map(procfs.resident_bytes, self._pids)) / 1e6

    def count_skipped(self) -> int:
        """Return the number of notices of frames that the analysis left out."""
        return self._output.read_bytes().count(b'"flag":"skipped"')


async def run_round(load: PairLoad, number: int, data_dir: Path) -> TapRound:
    """Start a server and a tap, and measure both ways; every second round begins with the tap.

    The server's database is in memory: the time of a commit to a disk varies by more than a tap adds. No process has a
    core of its own: on two cores, the generator and the tap would share one.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed: the load could not be set up.
    """
    server = ServerUnderTest(data_dir, None, "--database-url", "sqlite://")
    await server.start()
    results: dict[str, WayResult] = {}
    try:
        async with _start_tap(server.url, data_dir / "tap.jsonl") as tap:
            for way in WAYS if number % 2 else reversed(WAYS):
                results[way] = await _measure(load, server, tap if way == TAPPED else None)
    finally:
        await server.stop()
    return TapRound(number=number, direct=results[DIRECT], tapped=results[TAPPED])


@asynccontextmanager
async def _start_tap(url: str, output: Path) -> AsyncIterator[_TapProcess]:
    with output.open("wb") as file:
        child = await server_process.start_process(
            *(sys.executable, "-m", "chatws_loadtest.tap", url, "--listen", "0", "--json"),
            stdout=file,
            stderr=asyncio.subprocess.PIPE,
        )
    try:
        assert child.stderr is not None
        line = (await child.stderr.readline()).decode()
        address, _, _ = line.removeprefix("chatws tap: ").partition(" ")
        if "forwards to" not in line:
            raise ServerStartFailed(f"chatws tap: {line}")
        yield _TapProcess(child, int(address.rpartition(":")[2]), output)
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def _measure(load: PairLoad, server: ServerUnderTest, tap: _TapProcess | None) -> WayResult:
    port = server.port if tap is None else tap.port
    sessions = await start_sessions(f"http://{HOST}:{server.port}", load.conversations)
    ledger = Ledger()
    pairs = await open_pairs(load, server.keys, [(port, port)], sessions, ledger)
    start_s = clock_s()
    ledger.measure_from_s = start_s + load.warmup_s
    sending = asyncio.create_task(send_messages(load, pairs, start_s))
    await asyncio.sleep(load.warmup_s)
    begin_s, begin_cpu_s = clock_s(), (0.0, 0.0) if tap is None else tap.cpu_seconds()
    await sending
    end_cpu_s = begin_cpu_s if tap is None else tap.cpu_seconds()
    proxy_cores, analysis_cores = (
        (end - begin) / (clock_s() - begin_s) for begin, end in zip(begin_cpu_s, end_cpu_s, strict=True)
    )
    await settle(ledger)
    connections: list[BenchmarkConnection] = [member for pair in pairs for member in pair.members]
    dropped = sum(connection.ended.done() for connection in connections)
    for connection in connections:
        connection.close()
    samples = ledger.samples.take()
    return WayResult(
        way=DIRECT if tap is None else TAPPED,
        counts=ledger.balance(),
        dropped_connections=dropped,
        ack=percentiles(samples.get("ack", [])),
        delivery=percentiles(samples.get("message", [])),
        lag=percentiles(samples.get("send_lag", [])),
        proxy_cores=proxy_cores,
        analysis_cores=analysis_cores,
        tap_rss_mb=0.0 if tap is None else tap.resident_mb(),
        skipped_frames=0 if tap is None else tap.count_skipped(),
    )
