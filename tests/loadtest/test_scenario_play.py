"""Scenario files against real servers: ours, one of the guide's events only, and broken ones (about 15 s)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chatws_loadtest.credentials import Credentials, CustomerCredentials, read_key
from chatws_loadtest.scenario_file import PlayOptions, PlayReport, StepOutcome, play
from chatws_loadtest.verdict import Outcome
from tests.support.broken_server import (
    DuplicatingServer,
    LosingServer,
    QueueingServer,
    ReorderingServer,
    SilentAckServer,
)
from tests.support.guide_server import GuideOnlyServer, Json

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

PEOPLE = "people: {anna: agent, ben: customer}\nsteps:\n"


@pytest.fixture
def ours(shared_server: ServerProcess) -> PlayOptions:
    """Options for the shared server."""
    return PlayOptions(
        url=shared_server.url, credentials=Credentials(keys=read_key(shared_server.data_dir / "secret"), tag="play")
    )


@asynccontextmanager
async def guide_server(server: GuideOnlyServer) -> AsyncIterator[PlayOptions]:
    """Yield options for a server that implements only the guide."""
    await server.start()
    customers = [CustomerCredentials(f"session-{number}", f"conv-{number}") for number in range(3)]
    yield PlayOptions(url=server.url, credentials=Credentials(tokens=("token-1", "token-2"), sessions=customers))
    await server.stop()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write the steps of a script with the people of `PEOPLE`, or a whole file."""

    def write_file(text: str) -> Path:
        path = tmp_path / "talk.yaml"
        path.write_text(text if text.startswith("people") else PEOPLE + text)
        return path

    return write_file


Write = Callable[[str], Path]


def failure(report: PlayReport) -> tuple[int, str, str]:
    """Return line, reason and expectation of the failed step."""
    assert report.outcome is Outcome.FAIL
    assert report.failed is not None
    return report.failed.line, report.failed.reason, report.failed.expected


async def test_messages_and_typing_reach_the_other_person(write: Write, ours: PlayOptions) -> None:
    path = write("""
  - ben: type
  - anna: {expect: {typing_indicator: {userId: $ben, isTyping: true}}}
  - ben: {send: "Hello"}
  - anna: {expect: {message_received: {content: Hello, sender: {userId: $ben, role: customer}, seq: any}}}
  - anna: {expect: nothing, for: 100ms, of: message_received}
""")
    report = await play(path, ours)
    assert (report.outcome, {step.outcome for step in report.steps}) == (Outcome.PASS, {StepOutcome.PASS})


async def test_wrong_content_fails_with_the_difference_the_line_and_the_last_events(
    write: Write, ours: PlayOptions
) -> None:
    path = write('  - ben: {send: "Hello"}\n  - anna: {expect: {message_received: {content: Bye}}, within: 100ms}\n')
    report = await play(path, ours)
    assert failure(report) == (
        4,
        'message_received arrived, but content is "Hello", not "Bye"',
        "{message_received: {content: Bye}} within 100 ms",
    )
    assert report.failed is not None
    assert report.failed.person == "anna"
    assert "message_received" in [event.name for event in report.failed.arrived]


async def test_dropped_person_catches_up_and_repeats_its_unacked_message_once(write: Write, ours: PlayOptions) -> None:
    path = write("""
  - ben: {send: "no ack", drop: 100ms}
  - anna: {expect: {message_received: {content: "no ack"}}}
  - anna: {expect: nothing, for: 200ms}
  - ben: {drop: 300ms}
  - anna: {send: "{n}", times: 5}
  - ben: {expect: {message_received: {content: "{n}", sender: {userId: $anna}}}, times: 5}
  - ben: {expect: nothing, for: 100ms}
""")
    report = await play(path, ours)
    assert report.outcome is Outcome.PASS, report.failed


async def test_lost_message_fails_the_expectation(write: Write) -> None:
    path = write("""
  - ben: {send: "{n}", times: 2}
  - anna: {expect: {message_received: {content: "1"}}, within: 1s}
""")
    async with guide_server(LosingServer(every=2)) as options:
        line, reason, _ = failure(await play(path, options))
    assert (line, reason) == (5, 'message_received arrived, but content is "2", not "1"')


async def test_message_that_the_server_does_not_ack_fails_the_step(write: Write) -> None:
    path = write('  - ben: {send: ["one", "two"]}\n')
    async with guide_server(SilentAckServer()) as options:
        line, reason, _ = failure(await play(path, replace(options, reply_timeout_s=3.5)))
    assert (line, reason) == (3, "no ack to send_message within 3.5 s")


class PagingServer(GuideOnlyServer):
    """Server with catch-up after a join, whose history has one page for every position, or never answers."""

    def __init__(self, *, answers: bool) -> None:
        super().__init__()
        self._answers = answers
        self._sio.on("history", self.history)

    async def _connect(self, sid: str, _environ: Json, auth: Json) -> None:
        self.users[sid] = {"userId": auth["sessionId"], "userName": "Ben", "role": "customer", "epoch": "1"}
        self._rooms[sid] = set()
        await self._sio.emit("authenticated", self.users[sid], to=sid)

    async def join_conversation(self, sid: str, conversation_id: str) -> Json:
        await self.enter(sid, conversation_id)
        return {"success": True, "epoch": "1", "messages": [{"seq": 1}], "hasMore": True}

    async def history(self, _sid: str, _query: Json) -> Json:
        if not self._answers:
            await asyncio.Event().wait()
        return {"success": True, "messages": [{"seq": 1}], "hasMoreAfter": True}


@pytest.mark.parametrize(("answers", "outcome"), [(True, Outcome.PASS), (False, Outcome.FAIL)])
async def test_catch_up_ends_without_further_pages(write: Write, *, answers: bool, outcome: Outcome) -> None:
    path = write("people: {ben: customer}\nsteps: [ben: join]\n")
    async with guide_server(PagingServer(answers=answers)) as options:
        report = await play(path, options)
    assert report.outcome is outcome
    assert report.steps[0].reason == ("" if answers else "no ack to history within 3 s")


async def test_duplicate_fails_expect_nothing(write: Write) -> None:
    path = write("""
  - ben: {send: "Hello"}
  - anna: {expect: {message_received: {content: Hello}}}
  - anna: {expect: nothing, for: 200ms}
""")
    async with guide_server(DuplicatingServer(every=1)) as options:
        assert failure(await play(path, options)) == (6, "message_received arrived", "nothing for 200 ms")


async def test_swapped_messages_fail_the_order(write: Write) -> None:
    path = write("""
  - ben: {send: ["1", "2"]}
  - anna: {expect: [{message_received: {content: "1"}}, {message_received: {content: "2"}}], within: 2s}
""")
    async with guide_server(ReorderingServer(every=1)) as options:
        line, reason, _ = failure(await play(path, options))
    assert (line, reason) == (5, "such a message_received arrived only before an event that was expected earlier")


async def test_slow_server_fails_within(write: Write) -> None:
    path = write("""
  - ben: {send: "Hello"}
  - anna: {expect: {message_received: {content: Hello}}, within: 100ms}
""")
    async with guide_server(QueueingServer(message_s=0.8)) as options:
        _, reason, expected = failure(await play(path, options))
    assert reason.startswith("message_received arrived after ")
    assert expected == "{message_received: {content: Hello}} within 100 ms"


async def test_step_that_the_server_does_not_offer_is_not_judged(write: Write) -> None:
    path = write('  - ben: {send: "Hello"}\n  - anna: {expect: {message_received: any}}\n  - anna: read\n')
    async with guide_server(GuideOnlyServer()) as options:
        report = await play(path, options)
    assert report.outcome is Outcome.INVALID
    assert report.failed is not None
    assert report.failed.reason == "the server implements the guide only; it does not offer read marks"
