"""Player of a script: runs its steps in order, and makes the report."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from chatws.client.mapping import NotMapped
from chatws_loadtest.credentials import Credentials
from chatws_loadtest.scenario_file.actions import act
from chatws_loadtest.scenario_file.cast import Cast
from chatws_loadtest.scenario_file.casting import assemble
from chatws_loadtest.scenario_file.errors import ScenarioFileError, StepFailed, StepNotJudgeable
from chatws_loadtest.scenario_file.event_log import now_s
from chatws_loadtest.scenario_file.expectations import Expectations
from chatws_loadtest.scenario_file.grammar import ExpectNothingStep, ExpectStep, KillStep, seconds
from chatws_loadtest.scenario_file.loop_lag import LoopLag
from chatws_loadtest.scenario_file.play_options import PlayOptions
from chatws_loadtest.scenario_file.play_report import ArrivedEvent, PlayReport, StepOutcome, StepResult
from chatws_loadtest.scenario_file.reader import read_script
from chatws_loadtest.scenario_file.script import Script, ScriptStep
from chatws_loadtest.server_process import ServerUnderTest
from chatws_loadtest.verdict import Outcome

SHOWN_EVENTS: Final = 5
"""Last events of a person in the explanation of a failure."""

_OUTCOMES: Final = {StepOutcome.FAIL: Outcome.FAIL, StepOutcome.INVALID: Outcome.INVALID}


async def play(path: Path, options: PlayOptions) -> PlayReport:
    """Play a scenario file; without a URL in the options, on a bundled server.

    A cancelled run stops the server and the people first.

    Raises:
        ScenarioFileError: the file is invalid, or kills a server that is not bundled.
        CredentialsMissing: there are too few credentials.
        ServerStartFailed: the bundled server did not start.
        PersonNotConnected: a person could not connect before the first step.
    """
    script = await asyncio.to_thread(read_script, path)
    kill = script.kills_server
    if kill is not None and options.url is not None:
        raise ScenarioFileError(path, "only the bundled server can be killed; leave out the URL", kill.at)
    async with (
        _provide_server(options) as (url, credentials, server),
        LoopLag.measured() as lag,
        assemble(script, url, credentials, options) as cast,
    ):
        player = _Player(script, cast, server, lag, options)
        await player.run()
    return PlayReport(
        file=str(path),
        url=url,
        bundled_server=server is not None,
        outcome=next((_OUTCOMES[row.outcome] for row in player.results if row.outcome in _OUTCOMES), Outcome.PASS),
        duration_s=player.elapsed_s(),
        steps=player.results,
    )


@asynccontextmanager
async def _provide_server(options: PlayOptions) -> AsyncIterator[tuple[str, Credentials, ServerUnderTest | None]]:
    """Yield URL, credentials and process of the server; the process is None unless the server is bundled."""
    if options.url is not None:
        yield options.url.rstrip("/"), options.credentials, None
        return
    with tempfile.TemporaryDirectory(prefix="chatws-run-") as folder:
        server = ServerUnderTest(Path(folder), None)
        try:
            await server.start()
            yield server.url, Credentials(keys=server.keys, tag="run"), server
        finally:
            await server.stop()


class _Player:
    """Run of one script with connected people."""

    def __init__(
        self, script: Script, cast: Cast, server: ServerUnderTest | None, lag: LoopLag, options: PlayOptions
    ) -> None:
        self.results: list[StepResult] = []
        self._script = script
        self._cast = cast
        self._server = server
        self._options = options
        self._expectations = Expectations(cast, lag, options.reply_timeout_s)
        self._start_s = now_s()
        # Start of the last action, from which `within` counts.
        self._acted_s = self._start_s
        self._restarting: asyncio.Task[None] | None = None

    def elapsed_s(self) -> float:
        return now_s() - self._start_s

    async def run(self) -> None:
        """Run the steps up to the first that does not pass; the others are reported as not run."""
        try:
            for step in self._script.steps:
                is_over = any(result.outcome in _OUTCOMES for result in self.results)
                result = untried(step) if is_over else await self._run_step(step)
                self.results.append(result)
                self._options.on_step(result)
            if self._restarting is not None:
                await self._restarting
        finally:
            if self._restarting is not None:
                self._restarting.cancel()
                await asyncio.gather(self._restarting, return_exceptions=True)

    async def _run_step(self, step: ScriptStep) -> StepResult:
        started_s = now_s()
        if not step.is_expectation and not isinstance(step.body, float):
            self._acted_s = started_s
        outcome, reason, expected, person = StepOutcome.PASS, "", "", ""
        try:
            await self._perform(step)
        except StepFailed as problem:
            outcome, reason, expected, person = StepOutcome.FAIL, problem.reason, problem.expected, problem.person
        except StepNotJudgeable as problem:
            outcome, reason = StepOutcome.INVALID, str(problem)
        return StepResult(
            number=step.number,
            line=step.at.line,
            column=step.at.column,
            text=step.text,
            outcome=outcome,
            started_s=started_s - self._start_s,
            duration_s=now_s() - started_s,
            reason=reason,
            expected=expected,
            person=person,
            arrived=self._last_events(person),
        )

    async def _perform(self, step: ScriptStep) -> None:
        if isinstance(step.body, float):
            await asyncio.sleep(step.body)
        elif isinstance(step.body, KillStep):
            await self._kill(0.0 if step.body.kill is None else seconds(step.body.kill))
        else:
            outcomes = await asyncio.gather(
                *(self._perform_as(name, step) for name in step.people), return_exceptions=True
            )
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _perform_as(self, name: str, step: ScriptStep) -> None:
        person, body = self._cast[name], step.body
        try:
            if isinstance(body, ExpectStep):
                within_s = None if body.within is None else seconds(body.within)
                await self._expectations.expect(person, step.patterns, within_s, self._acted_s)
            elif isinstance(body, ExpectNothingStep):
                await self._expectations.expect_nothing(person, step.patterns, seconds(body.duration))
            elif not isinstance(body, KillStep | float):
                await act(body, person, self._cast)
                person.log.set_mark()
        except StepFailed as problem:
            raise StepFailed(problem.reason, expected=problem.expected, person=name) from problem
        except NotMapped as problem:
            raise StepNotJudgeable(str(problem)) from problem

    async def _kill(self, seconds_down: float) -> None:
        assert self._server is not None, "checked before the start"
        if self._restarting is not None:
            await self._restarting
        await self._server.kill()
        self._restarting = asyncio.create_task(self._restart(self._server, seconds_down))

    async def _restart(self, server: ServerUnderTest, seconds_down: float) -> None:
        await asyncio.sleep(seconds_down)
        await server.start()

    def _last_events(self, person: str) -> list[ArrivedEvent]:
        if not person:
            return []
        events = self._cast[person].log.events[-SHOWN_EVENTS:]
        return [ArrivedEvent(event.name, event.payload, event.at_s - self._start_s) for event in events]


def untried(step: ScriptStep) -> StepResult:
    """Return the result of a step that was not run."""
    return StepResult(
        number=step.number, line=step.at.line, column=step.at.column, text=step.text, outcome=StepOutcome.NOT_RUN
    )
