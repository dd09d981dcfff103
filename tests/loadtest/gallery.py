"""Gallery of broken servers: the result that ``chatws loadtest`` must report for each."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from chatws.exit_codes import ExitCode
from chatws_loadtest.pytest_plugin.loop_thread import LoopThread
from chatws_loadtest.results import Report, ScenarioResult
from chatws_loadtest.thresholds import MetricKind, default_thresholds
from chatws_loadtest.verdict import Outcome
from tests.support.broken_server import FAULTS
from tests.support.guide_server import GuideOnlyServer
from tests.support.node import NODE_DIR
from tests.support.preloaded import run_preloaded
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from pathlib import Path

USERS: Final = 20
TIMEOUT_S: Final = 200.0
ATTEMPTS: Final = 3
"""Runs of a row until one is valid: on a busy machine, the load test cannot tell whose fault a missed latency is."""

LOAD: Final = (f"--users={USERS}", "--rate=2", "--duration=2", "--warmup=0", "--connects=500", "--quiet", "--json")
"""Load of about 80 messages."""


class Program(StrEnum):
    """Program of the gallery, named after its Socket.IO server."""

    NODE = "socket.io"
    PYTHON = "python-socketio"


@dataclass(frozen=True, slots=True)
class BrokenServer:
    """Row of the gallery."""

    program: Program
    fault: str
    code: ExitCode
    missed: frozenset[str]
    """Metrics of the thresholds that the run must miss; it must meet all others."""
    options: tuple[str, ...] = ()
    """Options in addition to `LOAD`; without ``--scenario``, the scenario is ``steady``."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Exact values of metrics, where the fault determines them."""

    @property
    def name(self) -> str:
        return f"{self.program}-{self.fault}"


@dataclass(frozen=True, slots=True)
class GalleryResult:
    """Exit code and report of a run."""

    code: int
    report: Report | None
    output: str

    @property
    def scenario(self) -> ScenarioResult:
        """Only scenario of the report."""
        assert self.report is not None, self.output
        [scenario] = self.report.scenarios
        return scenario

    @property
    def missed(self) -> frozenset[str]:
        """Metrics of the missed thresholds, also if the generator's lag may explain them; none without a report."""
        rows = () if self.report is None else self.scenario.verdict.rows
        return frozenset(row.metric for row in rows if row.outcome is not Outcome.PASS and row.value is not None)

    def numbers(self, names: Iterable[str]) -> dict[str, float]:
        """Return the values of these metrics."""
        return {name: self.scenario.numbers[name] for name in names}


def _row(
    program: Program,
    fault: str,
    *missed: str,
    options: tuple[str, ...] = (),
    counts: Mapping[str, int] | None = None,
    code: ExitCode | None = None,
) -> BrokenServer:
    """Create a row; without ``code``, the exit code follows from the missed thresholds."""
    code = code or (ExitCode.TARGET_MISSED if missed else ExitCode.DONE)
    return BrokenServer(program, fault, code, frozenset(missed), options, counts or {})


NODE: Final = Program.NODE
PYTHON: Final = Program.PYTHON
RECONNECT: Final = ("--scenario=reconnect",)
SHORT_DRAIN: Final = "--drain=5"
"""For runs in which messages or acks never arrive."""

MANY: Final = "--rate=4"
"""About 160 messages, enough for p90."""

EXTENDED: Final = frozenset(
    {
        "acks-late",
        "acks-twice",
        "acks-with-another-shape",
        "authenticates-slowly",
        "delivers-to-wrong-room",
        "drops-connections",
        "echoes-twice",
        "freezes",
        "garbles-encoding",
        "leaks-all-messages",
        "names-socket-in-presence",
        "names-wrong-role",
        "names-wrong-sender",
        "names-wrong-typist",
        "never-acks",
        "never-authenticates",
        "never-expires-typing",
        "never-sends-offline",
        "never-sends-typing",
        "sends-localised-time",
        "sends-messages-only",
        "sends-numeric-time",
        "sends-time-backwards",
        "swaps-presence",
        "truncates-content",
    }
)
"""Faults that ``make test-extended`` tests: another row of the table misses the same metric."""

DOUBTFUL: Final = frozenset({"connect", "joined", "message", "ack"})
"""Latencies, which are in doubt while the generator lags, because others use the machine."""

GALLERY: Final = (
    _row(NODE, "none"),
    _row(PYTHON, "none"),
    # Connections; the rows that take longest come first.
    _row(NODE, "never-authenticates", code=ExitCode.CANNOT_CONNECT),
    _row(NODE, "refuses-connections", "connections", "errors"),
    _row(NODE, "drops-connections", "errors", options=(f"--target=connections>={USERS - 2}",)),
    # In churn, users leave and return after some seconds.
    _row(PYTHON, "never-sends-offline", "presence_stuck", options=("--scenario=churn", "--duration=16")),
    # Latencies, with statistics that the few samples suffice for
    _row(NODE, "joins-slowly", "joined", options=("--target=joined.p50<500ms",)),
    _row(NODE, "authenticates-slowly", "connect", options=("--target=connect.p50<500ms",)),
    _row(NODE, "acks-late", "ack", options=(MANY, "--target=ack.p90<100ms")),
    _row(
        NODE,
        "delays-everything",
        "message",
        "ack",
        options=(MANY, "--target=message.p90<100ms", "--target=ack.p90<100ms"),
    ),
    _row(NODE, "freezes", "message", options=(MANY, "--target=message.p90<100ms", "--duration=3")),
    # Delivery
    _row(PYTHON, "loses-messages", "lost", options=(SHORT_DRAIN,)),
    _row(PYTHON, "duplicates-messages", "duplicated"),
    _row(PYTHON, "echoes-twice", "duplicated"),
    _row(PYTHON, "reorders-messages", "reordered"),
    _row(PYTHON, "forgets-rejoined-members", "deaf", options=(*RECONNECT, SHORT_DRAIN), counts={"deaf": USERS}),
    _row(NODE, "leaks-some-messages", "leaked"),
    _row(NODE, "leaks-all-messages", "leaked"),
    _row(NODE, "delivers-to-wrong-room", "leaked", "lost", options=(SHORT_DRAIN,)),
    # Content, sender and time
    _row(PYTHON, "truncates-content", "altered"),
    _row(PYTHON, "escapes-content", "altered"),
    _row(PYTHON, "garbles-encoding", "altered"),
    _row(PYTHON, "names-wrong-sender", "altered"),
    _row(PYTHON, "names-wrong-role", "altered"),
    _row(PYTHON, "sends-constant-time", "misdated"),
    _row(PYTHON, "sends-time-backwards", "misdated"),
    _row(PYTHON, "sends-localised-time", "misdated"),
    _row(PYTHON, "sends-numeric-time", "malformed", "lost", options=(SHORT_DRAIN,)),
    # Acks
    _row(NODE, "swallows-acks", "unanswered", "errors", options=(SHORT_DRAIN,)),
    _row(PYTHON, "never-acks", "unanswered", "errors", options=(SHORT_DRAIN,)),
    _row(NODE, "acks-twice", "malformed"),
    _row(NODE, "acks-with-nothing", "malformed"),
    _row(NODE, "acks-with-another-shape", "malformed"),
    # Typing and presence
    _row(NODE, "loses-typing", "typing_lost"),
    _row(NODE, "never-sends-typing", "typing_lost"),
    _row(NODE, "never-ends-typing", "typing_stuck"),
    # Users let typing expire only in a warm-up of this length.
    _row(NODE, "never-expires-typing", "typing_stuck", options=("--warmup=5",)),
    _row(PYTHON, "names-wrong-typist", "typing_wrong", "typing_lost"),
    _row(PYTHON, "never-sends-presence", "presence_lost"),
    _row(PYTHON, "swaps-presence", "presence_wrong", "presence_lost"),
    _row(PYTHON, "names-socket-in-presence", "presence_lost"),
    _row(PYTHON, "sends-messages-only", "typing_lost", "presence_lost"),
)


@contextmanager
def serve_gallery(node: str, rows: Sequence[BrokenServer]) -> Iterator[Mapping[str, str]]:
    """Start the servers of these rows; yield their URLs by the row's name."""
    with serve_node_rows(node, rows) as node_urls, serve_python_rows(rows) as python_urls:
        yield {**node_urls, **python_urls}


@contextmanager
def serve_node_rows(node: str, rows: Sequence[BrokenServer]) -> Iterator[Mapping[str, str]]:
    """Start the servers on Node.js, all in one process."""
    faults = [f"--fault={row.fault}" for row in rows if row.program is NODE]
    if not faults:
        yield {}
        return
    with subprocess.Popen([node, str(NODE_DIR / "broken_server.mjs"), *faults], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            ports = json.loads(child.stdout.readline())
            yield {f"{NODE}-{fault}": f"http://127.0.0.1:{port}" for fault, port in ports.items()}
        finally:
            child.kill()


@contextmanager
def serve_python_rows(rows: Sequence[BrokenServer]) -> Iterator[Mapping[str, str]]:
    """Start the servers on Python, in a thread of this process."""

    async def start() -> dict[str, GuideOnlyServer]:
        started = {row.name: FAULTS[row.fault]() for row in rows if row.program is PYTHON}
        for server in started.values():
            await server.start()
        return started

    with LoopThread() as loop:
        servers = loop.run(start())
        yield {name: server.url for name, server in servers.items()}
        for server in servers.values():
            loop.run(server.stop())


def run_row(row: BrokenServer, url: str, files: Sequence[str]) -> GalleryResult:
    """Run the load test against a server, again while the run is invalid; ``files`` are options that name files."""
    for _ in range(ATTEMPTS - 1):
        result = _run(row, url, files)
        if result.code != ExitCode.INVALID_RUN:
            return result
    return _run(row, url, files)


def write_targets(folder: Path) -> tuple[str, ...]:
    """Write thresholds without latencies, and return the option that names them: rows run at the same time."""
    rows = [row for row in default_thresholds(USERS) if row.kind is not MetricKind.LATENCY]
    file = folder / "targets.toml"
    file.write_text("[targets]\n" + "".join(f'{row.metric} = "{row.text.removeprefix(row.metric)}"\n' for row in rows))
    return ("--targets", str(file))


def _run(row: BrokenServer, url: str, files: Sequence[str]) -> GalleryResult:
    scenario = () if any(option.startswith("--scenario") for option in row.options) else ("--scenario=steady",)
    options = ("--url", url, *files, *LOAD, *scenario, *row.options)
    child = run_preloaded("loadtest", *options, env=environment_of_children(), timeout_s=TIMEOUT_S)
    report = msgspec.json.decode(child.stdout, type=Report) if child.stdout else None
    return GalleryResult(child.returncode, report, child.stdout + child.stderr)
