"""Commands of ``chatws check-client`` that do not behave, and the form of each kind of finding; 8 s."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from chatws_loadtest.check.check_output import junit_of_checks
from chatws_loadtest.check.errors import CheckFailed, NotOffered
from chatws_loadtest.check.registry import CheckOutcome, CheckResult
from chatws_loadtest.client_check.checked_client import MAX_LINES, ClientCommand
from chatws_loadtest.client_check.errors import ClientNotReady
from chatws_loadtest.client_check.registry import Situation
from chatws_loadtest.client_check.runner import ClientRunOptions, all_situations, run_situations
from chatws_loadtest.client_check.situation_context import START_S, SituationContext
from chatws_loadtest.client_check.traffic import TrafficEntry, TrafficKind, session_attempts
from tests.loadtest.checked_clients import SdkTask
from tests.support.chat import until

URL = "http://127.0.0.1:9"
NEVER_CONNECTED_S = 2.0
"""Time to the first message of a client that sends none, in place of 20 s."""


@asynccontextmanager
async def started(*command: str) -> AsyncIterator[ClientCommand]:
    """Start a command, and wait for its first line of output."""
    client = ClientCommand(command, "CHATWS_URL")
    await client.start(URL)
    await until(lambda: client.lines)
    yield client
    await client.stop()


def is_running(pid: int) -> bool:
    """Return whether a process exists and is no zombie, which the system's init has yet to reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_command_that_ignores_sigterm_is_killed() -> None:
    async with started("sh", "-c", "trap '' TERM; echo $$; sleep 60 & wait; wait") as client:
        pid = int(client.lines[0])
    assert not is_running(pid)
    assert client.has_ended


async def test_daemon_of_a_command_is_killed() -> None:
    """The daemon has a session of its own, its parent has ended, and it keeps the pipe of the output open."""
    async with started("sh", "-c", "(setsid sh -c 'echo $$; exec sleep 60' &); exec sleep 60") as client:
        pid = int(client.lines[0])
        assert is_running(pid)
    await until(lambda: not is_running(pid))


async def test_daemon_that_outlives_its_command_is_killed() -> None:
    async with started("sh", "-c", "(setsid sh -c 'echo $$; exec sleep 60' &)") as client:
        pid = int(client.lines[0])
        await until(lambda: client.has_ended)
        assert client.ending == "exit code 0"
    await until(lambda: not is_running(pid))


async def test_child_without_the_variable_is_killed() -> None:
    async with started("sh", "-c", "setsid env -i sh -c 'echo $$; exec sleep 60' & wait") as client:
        pid = int(client.lines[0])
    await until(lambda: not is_running(pid))


async def test_output_is_kept_within_bounds() -> None:
    program = f"print('x' * 2_000_000); [print(n) for n in range({2 * MAX_LINES})]; print('end', flush=True)"
    client = ClientCommand((sys.executable, "-I", "-S", "-c", program), "CHATWS_URL")
    await client.start(URL)
    await until(lambda: client.has_ended and client.lines and client.lines[-1] == "end")
    assert len(client.lines) == MAX_LINES
    await client.stop()


async def test_command_that_ends_before_it_connects_is_described() -> None:
    command = ("sh", "-c", "printf 'no \\033[31mserver\\n'; printf '%0500d\\n' 0; kill -SEGV $$")
    with pytest.raises(ClientNotReady) as found:
        await run(lambda: ClientCommand(command, "CHATWS_URL"), [situation(passing)])
    assert str(found.value) == (
        "the client did not connect, on a server without faults; it has ended with signal SIGSEGV; its last output:\n"
        f"no �[31mserver\n{'0' * 200}…"
    )


async def test_command_that_never_connects_is_stopped() -> None:
    client = ClientCommand(("sleep", "60"), "CHATWS_URL")
    with pytest.raises(ClientNotReady, match=r"\Athe client did not connect, on a server without faults\Z"):
        await run(lambda: client, [situation(passing)], NEVER_CONNECTED_S)
    assert client.has_ended


async def passing(_context: SituationContext) -> None:
    pass


async def failing(_context: SituationContext) -> None:
    raise CheckFailed("it sent '\x1b[31m\ud800'")


async def stuck(_context: SituationContext) -> None:
    raise TimeoutError


async def impatient(context: SituationContext) -> None:
    await context.expect_request("no_such_request", context.begin, within_s=0.1)


async def not_offered(_context: SituationContext) -> None:
    raise NotOffered("it does not log in with a token")


def situation(run_it: Callable[[SituationContext], Awaitable[None]]) -> Situation:
    return Situation(f"ack.{run_it.__name__}", f"{run_it.__name__} client", "do it", in_guide=False, run=run_it)


async def run(
    make_client: Callable[[], ClientCommand | SdkTask], rows: list[Situation], start_s: float = START_S
) -> list[CheckResult]:
    return await run_situations(rows, make_client, lambda _: None, ClientRunOptions(start_s=start_s))


async def test_each_kind_of_finding_has_a_reason_and_advice_in_every_format() -> None:
    results = await run(SdkTask, [situation(one) for one in (passing, failing, stuck, not_offered)])
    expected = {
        "ack.passing": (CheckOutcome.PASS, "", ""),
        "ack.failing": (CheckOutcome.FAIL, "it sent '�[31m�'", "do it"),
        "ack.stuck": (CheckOutcome.FAIL, "the situation did not end within 60 s", "do it"),
        "ack.not_offered": (CheckOutcome.NOT_OFFERED, "it does not log in with a token", ""),
    }
    rows = msgspec.json.decode(msgspec.json.encode(results))
    assert {row["name"]: (row["result"], row["reason"], row["advice"]) for row in rows} == expected
    suite = ET.fromstring(junit_of_checks("check-client", "client", results))[0]  # noqa: S314  written above
    assert (suite.get("failures"), suite.get("skipped")) == ("2", "1")
    for case in suite:
        outcome, reason, advice = expected[f"ack.{case.get('name')}"]
        found = next(iter(case), None)
        assert (found is None) == (outcome is CheckOutcome.PASS)
        if found is not None:
            assert (found.tag == "failure") == (outcome is CheckOutcome.FAIL)
            assert (found.get("message"), found.text or "") == (reason, advice)


async def test_slack_multiplies_the_time_limits() -> None:
    rows, options = [situation(impatient), situation(stuck)], ClientRunOptions(slack=2)
    results = await run_situations(rows, SdkTask, lambda _: None, options)
    limits = ["it sent no no_such_request within 0.2 s", "the situation did not end within 120 s"]
    assert [result.reason for result in results] == limits


def test_attempt_with_another_transport_soon_after_one_is_not_counted() -> None:
    times = [(0.0, "websocket"), (0.2, "polling"), (0.25, "websocket"), (1.0, "polling"), (1.1, "polling")]
    entries = [TrafficEntry(number, at_s, TrafficKind.ATTEMPT, name=name) for number, (at_s, name) in enumerate(times)]
    assert [entry.at_s for entry in session_attempts(entries, 0.3)] == [0.0, 0.25, 1.0, 1.1]
    assert [entry.at_s for entry in session_attempts(entries, 0.9)] == [0.0, 0.25, 1.1]


def test_every_situation_has_one_line_of_advice() -> None:
    assert [row.name for row in all_situations() if not row.advice or "\n" in row.advice] == []
