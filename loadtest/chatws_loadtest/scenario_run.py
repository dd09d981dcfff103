"""One scenario under way: its people, its load processes, the server if it is ours, and what is observed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chatws_loadtest import ipc, procfs
from chatws_loadtest.credentials import Credentials, make_rooms, open_http, seat, shorten_tokens
from chatws_loadtest.history_check import NotReadable, count_unstored
from chatws_loadtest.ipc import Habits, RoomAssignment, WorkerDone, WorkerPlan
from chatws_loadtest.ledger import Balance
from chatws_loadtest.options import find_port, is_loopback
from chatws_loadtest.resource_usage import ProcessUsage, ServerUsage
from chatws_loadtest.results import Latency, RampStep, ScenarioResult, TimelineMark
from chatws_loadtest.server_process import ServerUnderTest
from chatws_loadtest.stats_collector import StatsCollector
from chatws_loadtest.thresholds import FAULTS, METRICS, Threshold
from chatws_loadtest.verdict import GeneratorHealth, judge
from chatws_loadtest.worker_pool import WorkerPool

READY_EXTRA_S: Final = 30.0
WATCH_S: Final = 1.0
STEP_S: Final = 0.05
SETTLE_S: Final = 2.0
"""Answers to the last messages of a step, and the report that brings them, are in after this."""

EARLY_DRAIN_S: Final = 2.0
STARVED_SHARE: Final = 0.1
"""A server that waits longer for its core is slower than it is by itself, and whoever reads the result has to know."""

CONNECTING: Final = "connecting"
FINISHING: Final = "finishing"

GUIDE_UNCHECKED: Final = {
    "gaps": "messages carry no seq, so that a hole in a stream cannot be seen",
    "unstored": "there is no history to compare acks with",
}

now_s = time.perf_counter


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What was asked for."""

    users: int
    rate: float
    duration_s: float | None
    """Seconds measured; None: what suits the scenario."""
    warmup_s: float
    drain_s: float
    connects_per_s: float
    processes: int
    seed: int
    csv_dir: Path | None
    """Where Locust's CSV files go; None: nowhere."""
    ca_file: Path | None


class ScenarioRun:
    """Set up with `open`, taken down with `close`; scenarios use what is in between."""

    def __init__(
        self,
        scenario: str,
        url: str,
        credentials: Credentials,
        options: RunOptions,
        subject: ServerUnderTest | None,
        *,
        turn: int = 1,
    ) -> None:
        self.scenario = scenario
        self.turn = turn
        """Which run of this scenario it is, from 1 on."""
        self.options = options
        self.subject = subject
        self.recorder = StatsCollector(options.processes)
        self.marks: list[TimelineMark] = []
        self.steps: list[RampStep] = []
        self.findings: list[str] = []
        self.phase = "starting"
        """What is going on, for people who watch."""
        # Set by `stay`: for how long, and until when.
        self._stay: tuple[float, float] | None = None
        self.url = url
        self.via: tuple[str, int] | None = None
        """Host and port that the users connect to, if something stands between them and the server."""
        self.broken = asyncio.Event()
        """Set when a load process is lost: what the others measure from then on is worth nothing."""
        self.belongings = AsyncExitStack()
        """What a scenario needs until everybody is gone."""
        self._credentials = credentials
        self._tag = f"lt{secrets.token_hex(4)}"
        self._rooms: list[RoomAssignment] = []
        self._crew: WorkerPool | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._watched: ServerUsage | None = None

    @property
    def crew(self) -> WorkerPool:
        assert self._crew is not None, "the arena is not open"
        return self._crew

    @property
    def users(self) -> int:
        return sum(len(room.members) for room in self._rooms)

    @property
    def stay_s(self) -> tuple[float, float] | None:
        """How many seconds things go on as they are, in all and from now; None when that depends."""
        return None if self._stay is None else (self._stay[0], max(0.0, self._stay[1] - now_s()))

    @property
    def has_begun(self) -> bool:
        """Whether anybody has talked, so that there is something to conclude from."""
        return self.recorder.begin_s < float("inf")

    @property
    def server_rss_bytes(self) -> int | None:
        """The server's memory now; None for a server that cannot be seen from here."""
        return None if self._watched is None else self._watched.rss_bytes

    async def open(self, habits: Habits, members: int = 2) -> None:
        """Find the people and connect everybody.

        Raises:
            PeopleMissing: there are not enough credentials.
            LoadRefused: not everybody could connect.
        """
        options = self.options
        self.phase = "preparing users"
        self._rooms = await make_rooms(self.url, self._credentials, seat(options.users, members), options.ca_file)
        self.phase = CONNECTING
        self._crew = WorkerPool(
            [self._plan(index, habits) for index in range(options.processes)], self.recorder, self.broken
        )
        await self._crew.start()
        self._watcher = asyncio.create_task(self._watch_server())
        await self._crew.ready(self.users / options.connects_per_s + READY_EXTRA_S)

    async def talk(self, warmup_s: float) -> None:
        """Let everybody talk, and measure from the end of the warm-up on."""
        begin_s = now_s() + STEP_S
        self.recorder.begin_s = begin_s
        self.recorder.measure_from_s = begin_s + warmup_s
        self.crew.order(ipc.Measure(begin_s + warmup_s, float(10**9)))
        self.crew.order(ipc.Go(begin_s))
        self.phase = "warming up"
        await self.stay(warmup_s + STEP_S)
        self.phase = "measuring"

    async def stay(self, seconds: float) -> None:
        """Let things go on as they are for so long."""
        self._stay = seconds, now_s() + seconds
        await asyncio.sleep(seconds)
        self._stay = None

    async def measure(self, seconds: float) -> None:
        """Forget what was measured before and measure for so long; returns when the last answers can be in."""
        from_s = now_s()
        self.recorder.restart()
        self.recorder.measure_from_s, self.recorder.measure_until_s = from_s, from_s + seconds
        self.crew.order(ipc.Measure(from_s, from_s + seconds))
        await self.stay(seconds + SETTLE_S)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for something to be observed; false when it was not in time."""
        deadline_s = now_s() + timeout_s
        while not condition():
            if now_s() > deadline_s:
                return False
            await asyncio.sleep(STEP_S)
        return True

    def health(self) -> GeneratorHealth:
        """Say how the generator is doing."""
        return self.recorder.health([], self.crew.lost)

    def mark(self, what: str) -> float:
        """Note that something is done now; the moment."""
        at_s = now_s()
        self.marks.append(TimelineMark(at=round(at_s - self.recorder.begin_s, 3), what=what))
        return at_s

    def expire_tokens(self, ttl_s: int) -> bool:
        """Let every agent go on under a token that expires within ``ttl_s``; false without a key to sign them with."""
        keys = self._credentials.keys
        if keys is None:
            return False
        held = [auth["token"] for room in self._rooms for auth in room.members if "token" in auth]
        self.crew.order(ipc.Expire(shorten_tokens(keys, held, ttl_s)))
        return True

    async def conclude(
        self, targets: Sequence[Threshold], feeds: frozenset[str], *, early: bool = False
    ) -> ScenarioResult:
        """Let everybody finish, draw the balance, and judge by the targets whose metrics this scenario measures.

        ``early``: somebody wants the end now, or there is no use in going on; the result is marked as partial, and says
        nothing for sure.
        """
        self.phase, self._stay = FINISHING, None
        self.recorder.measure_until_s = min(now_s(), self.recorder.measure_until_s)
        done = await self.crew.finish(min(EARLY_DRAIN_S, self.options.drain_s) if early else self.options.drain_s)
        away = sum(end.away for end in done)
        if away:
            self.findings.append(f"{away} users were not connected at the end")
        unchecked = dict(GUIDE_UNCHECKED) if self.crew.guide_only else {}
        if early:
            unchecked.setdefault("unstored", "the run was stopped before its end")
        account = await self._draw(done, unchecked)
        judged = [target for target in targets if target.metric in feeds and target.metric not in unchecked]
        measured = sorted({*feeds, *self.recorder.latencies}, key=_rank)
        histograms = {name: self.recorder.latency(name) for name in measured}
        latencies = {name: found for name, found in histograms.items() if name not in account.numbers}
        health = self.recorder.health(done, self.crew.lost, stopped=early)
        subject = self._watched
        if subject is not None and subject.starved_share > STARVED_SHARE:
            share = f"{subject.starved_share:.0%} of the time"
            self.findings.append(f"the server was ready to run and waited for a core, which others had, for {share}")
        return ScenarioResult(
            scenario=self.scenario,
            users=self.users,
            processes=self.options.processes,
            duration_s=round(max(0.0, self.recorder.measure_until_s - self.recorder.measure_from_s), 3),
            rate=self.options.rate,
            verdict=judge(judged, latencies, account.numbers, health),
            latencies={name: Latency.of(histogram) for name, histogram in latencies.items()},
            numbers={name: value for name, value in account.numbers.items() if name not in unchecked},
            balance=account.balance,
            failures=account.failures,
            health=health,
            generator_us_per_message=self._per_message(self.recorder.generator_cpu_s()),
            generator_rss_bytes=self.recorder.rss_bytes,
            server_us_per_message=None if subject is None else self._per_message(subject.cpu_s_while_measured),
            server_rss_bytes=None if subject is None else subject.rss_bytes,
            series=self.recorder.series(),
            marks=self.marks,
            unchecked=[f"{name}: {reason}" for name, reason in unchecked.items()],
            findings=self.findings,
            steps=self.steps,
            partial=early,
        )

    async def close(self) -> None:
        """End the load processes."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if self._crew is not None:
            await self._crew.stop()
            if self._crew.lost:
                self.findings += self._crew.complaints
        await self.belongings.aclose()
        self.phase = "done"

    def _plan(self, index: int, habits: Habits) -> WorkerPlan:
        options = self.options
        name = self.scenario if self.turn == 1 else f"{self.scenario}-{self.turn}"
        prefix = f"{name}-locust" if options.processes == 1 else f"{name}-locust-{index}"
        return WorkerPlan(
            url=self.url,
            ca_file=None if options.ca_file is None else str(options.ca_file),
            via=self.via,
            rooms=self._rooms[index :: options.processes],
            habits=habits,
            tag=f"{self._tag}p{index}",
            connects_per_s=options.connects_per_s / options.processes,
            seed=options.seed,
            csv_prefix=None if options.csv_dir is None else str(options.csv_dir / prefix),
        )

    async def _draw(self, done: Sequence[WorkerDone], unchecked: dict[str, str]) -> _Account:
        balance = sum((end.balance for end in done), Balance())
        failures = dict(sum((Counter(end.failures) for end in done), Counter[str]()))
        faults = {name: float(getattr(balance, name)) for name in FAULTS if name != "unstored"}
        unstored = 0
        if "unstored" not in unchecked:
            try:
                unstored = await self._count_unstored()
            except NotReadable as problem:
                unchecked["unstored"] = str(problem)
        failed = sum(failures.values()) + balance.unanswered
        numbers = {
            **faults,
            "unstored": float(unstored),
            "connections": float(self.recorder.fewest_connections),
            "sent": float(balance.sent),
            "errors": failed / max(1, self.recorder.requests),
        }
        return _Account(balance, failures, numbers)

    async def _count_unstored(self) -> int:
        shares = [
            count_unstored(
                lambda: open_http(self.url, self.options.ca_file),
                self._rooms[index :: self.options.processes],
                end.stored,
                f"{self._tag}p{index}",
            )
            for index, end in self.crew.done.items()
        ]
        return sum(await asyncio.gather(*shares))

    def _per_message(self, cpu_s: float) -> float:
        return round(cpu_s / max(1, self.recorder.acked_while_measured()) * 1e6, 1)

    async def _watch_server(self) -> None:
        """Observe the server's CPU and memory, across its restarts."""
        pid = await self._find_server()
        if pid is None:
            return
        watched = self._watched = ServerUsage()
        while True:
            await asyncio.sleep(WATCH_S)
            at_s = now_s()
            try:
                reading = ProcessUsage.of(pid if self.subject is None else self.subject.pid, at_s)
            except OSError:
                # It was killed a moment ago.
                pid = await self._find_server() or pid
                continue
            is_measured = self.recorder.measure_from_s <= at_s < self.recorder.measure_until_s
            cores = watched.note(reading, is_measured=is_measured)
            if cores is not None:
                self.recorder.watch_server(at_s, cores, reading.rss_bytes)

    async def _find_server(self) -> int | None:
        """Give the server's process, if it is on this machine."""
        if self.subject is not None:
            return self.subject.pid
        if not is_loopback(self.url):
            return None
        return await asyncio.to_thread(procfs.find_listener, find_port(self.url))


def _rank(metric: str) -> tuple[bool, int, str]:
    """Order metrics as their table does, then the others by name."""
    known = list(METRICS)
    return metric not in known, known.index(metric) if metric in known else 0, metric


@dataclass(frozen=True, slots=True)
class _Account:
    """What is known at the end."""

    balance: Balance
    failures: dict[str, int]
    numbers: dict[str, float]
