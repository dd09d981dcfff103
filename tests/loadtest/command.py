"""Runner of the ``chatws loadtest`` command with its files, for tests."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from chatws_loadtest.results import Report, ScenarioResult, read_json
from tests.support.commands import PipedCommand
from tests.support.preloaded import run_preloaded
from tests.support.server import environment_of_children

INVALID = 98
TIMEOUT_S = 200.0

SMALL = ("--users=20", "--rate=8", "--duration=2", "--warmup=0.2", "--connects=500", "--drain=10", "--quiet")
"""Load of 160 messages per second: enough samples for a p95 of messages in two seconds."""

FEW = (*SMALL, "--rate=2")
"""The same load with 40 messages per second, for tests without a threshold of a latency."""

TARGETS = """
[targets]
message = "p95 < 100ms"
reconnect = "p50 < 2s"
connections = ">= 20"
lost = "== 0"
duplicated = "== 0"
reordered = "== 0"
gaps = "== 0"
deaf = "== 0"
unstored = "== 0"
unanswered = "== 0"
errors = "< 0.1%"
"""


TIMELESS_TARGETS = "[targets]\n" + "".join(
    f'{name} = "== 0"\n' for name in ("lost", "duplicated", "reordered", "gaps", "deaf", "unstored", "unanswered")
)
"""Thresholds without latencies, for tests that may run while others use the machine."""

LENIENT_TARGETS = (
    f'{TIMELESS_TARGETS}connections = ">= 20"\nerrors = "< 0.1%"\nmessage = "p50 < 30s"\nreconnect = "p50 < 30s"\n'
)
"""Thresholds that a correct server meets on a busy machine, too."""


@dataclass(frozen=True, slots=True)
class LoadtestResult:
    """Exit code, output and report of the command."""

    code: int
    stdout: str
    stderr: str
    report: Report | None

    @property
    def scenario(self) -> ScenarioResult:
        """Only scenario of the report."""
        assert self.report is not None, self.stderr
        [scenario] = self.report.scenarios
        return scenario

    @property
    def missed(self) -> list[str]:
        return [row.metric for row in self.scenario.verdict.missed]


class LoadtestCommand:
    """Command ``chatws loadtest`` with a folder for its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.targets = folder / "targets.toml"
        self.targets.write_text(TARGETS)

    async def start(self, *options: str) -> PipedCommand:
        """Start the command; the report is written to the folder ``report``, temporary files to the folder."""
        env = {"TMPDIR": str(self.folder)}
        return await asyncio.to_thread(PipedCommand, "loadtest", *self._files(), *options, env=env)

    async def finish(self, child: PipedCommand) -> LoadtestResult:
        """Wait until the command ends."""
        try:
            code = await asyncio.to_thread(child.wait, TIMEOUT_S)
        finally:
            await asyncio.to_thread(child.close)
        return self._result(code, child.stdout.text, child.stderr.text)

    async def run(self, *options: str) -> LoadtestResult:
        """Run the command to its end."""
        done = await run_command("loadtest", *self._files(), *options)
        return self._result(done.returncode, done.stdout, done.stderr)

    async def run_until_valid(self, *options: str) -> LoadtestResult:
        """Run the command again while the machine was too busy for a verdict, at most three times."""
        for _ in range(2):
            result = await self.run(*options)
            if result.code != INVALID:
                return result
        return await self.run(*options)

    def _files(self) -> tuple[str, ...]:
        return ("--targets", str(self.targets), "--report", str(self.folder / "report"))

    def _result(self, code: int, stdout: str, stderr: str) -> LoadtestResult:
        file = self.folder / "report" / "report.json"
        report = read_json(file.read_bytes()) if file.exists() else None
        return LoadtestResult(code, stdout, stderr, report)

    def make_credentials(self, count: int) -> tuple[str, ...]:
        """Write files of credentials for a server of the guide, and return the options that name them."""
        sessions, tokens = self.folder / "sessions", self.folder / "tokens"
        sessions.write_text("".join(f"session-{number} conv-{number}\n" for number in range(count)))
        tokens.write_text("".join(f"token-{number}\n" for number in range(count)))
        return ("--sessions", str(sessions), "--tokens", str(tokens))


async def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a ``chatws`` command to its end, in a process that begins without the imports."""
    return await asyncio.to_thread(run_preloaded, *arguments, env=environment_of_children(), timeout_s=TIMEOUT_S)


async def check(*options: str) -> tuple[int, dict[str, str]]:
    """Run ``chatws check``, and return its exit code and the result of each check."""
    done = await run_command("check", *options, "--json")
    assert done.stdout, done.stderr
    return done.returncode, {row["name"]: row["result"] for row in json.loads(done.stdout)["checks"]}


async def check_correct(*options: str, timeout_s: int = 30) -> tuple[int, dict[str, str]]:
    """Check a correct server, whose replies may take long on a busy machine."""
    return await check(f"--timeout={timeout_s}", *options)


async def read_until(child: PipedCommand, word: str) -> None:
    """Wait for a line of standard error with this word."""
    await asyncio.to_thread(child.stderr.wait_for, re.escape(word), TIMEOUT_S)
