"""Schedule, network link and account of the random faults; ``tests/cluster/test_random_faults.py`` runs rounds."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from benchmarks.faults.__main__ import describe_round, main
from benchmarks.faults.account import SentMessage, ShownConversation, find_violations
from benchmarks.faults.link import FaultyLink
from benchmarks.faults.rounds import FaultPlan, FaultRound
from benchmarks.faults.schedule import FAULTS_OF, FaultKind, Part, make_schedule

STORED = {"c": [(1, "one"), (2, "two")]}
SENT = [SentMessage("c", "one", 1), SentMessage("c", "two", 2)]


def test_same_seed_gives_same_schedule() -> None:
    assert make_schedule(7, 15.0) == make_schedule(7, 15.0)
    assert make_schedule(7, 15.0) != make_schedule(8, 15.0)


def test_faults_of_a_part_do_not_overlap_and_end_in_time() -> None:
    for seed in range(200):
        schedule = make_schedule(seed, 15.0)
        assert schedule
        assert all(fault.start_s >= 0 and fault.end_s <= 15.0 for fault in schedule)
        for part in Part:
            faults = [fault for fault in schedule if fault.part is part]
            assert all(one.end_s <= other.start_s for one, other in itertools.pairwise(faults))


def test_twenty_seeds_contain_every_kind_of_fault_and_every_part() -> None:
    faults = [fault for seed in range(1, 21) for fault in make_schedule(seed, FaultPlan().duration_s)]
    assert {fault.kind for fault in faults} == set(FaultKind)
    assert {fault.part for fault in faults} == set(Part)
    assert all(fault.kind in FAULTS_OF[fault.part] for fault in faults)


def test_complete_round_has_no_violation() -> None:
    shown = [ShownConversation("m", "c", False, STORED["c"]), ShownConversation("n", "c", True, [(1, "one")])]
    assert find_violations(SENT, STORED, shown) == []


@pytest.mark.parametrize(
    ("sent", "stored", "shown", "expected"),
    [
        ([*SENT, SentMessage("c", "three", 3)], STORED, STORED["c"], "acked as 3 and not stored"),
        ([*SENT, SentMessage("c", "three", None)], STORED, STORED["c"], "never acked"),
        ([*SENT, SentMessage("c", "three", None, "refused")], STORED, STORED["c"], "refused"),
        (SENT, {"c": [(1, "one"), (2, "two"), (3, "two")]}, [(1, "one"), (2, "two"), (3, "two")], "stored 2 times"),
        (SENT, {"c": [*STORED["c"], (3, "x")]}, [*STORED["c"], (3, "x")], "stored and never posted"),
        (
            [SENT[0], SentMessage("c", "two", 3)],
            {"c": [(1, "one"), (3, "two")]},
            [(1, "one"), (3, "two")],
            "stored with a hole",
        ),
        (SENT, STORED, [(1, "one")], "never shown"),
        (SENT, STORED, [(2, "two")], "shown in another order"),
        (SENT, STORED, [(1, "one"), (2, "two"), (2, "two")], "shown in another order"),
        (SENT, STORED, [(2, "two"), (1, "one")], "shown in another order"),
    ],
)
def test_broken_promise_is_a_violation(
    sent: list[SentMessage], stored: dict[str, list[tuple[int, str]]], shown: list[tuple[int, str]], expected: str
) -> None:
    violations = find_violations(sent, stored, [ShownConversation("m", "c", False, shown)])
    assert [line for line in violations if line.startswith(expected)]


def test_failed_round_prints_its_faults_and_the_command_that_repeats_it() -> None:
    failed = FaultRound(7, ["Redis: kill"], 9, 0, 0, 1.0, 2.0, ["acked as 3 and not stored"])
    text = describe_round(failed, FaultPlan())
    assert "FAILED" in text
    assert "Redis: kill" in text
    assert "python -m benchmarks.faults --seeds 7 --seconds 15 --conversations 8" in text


def test_options_that_are_no_seeds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", "one"])
    assert "--seeds" in capsys.readouterr().err


@asynccontextmanager
async def echo_link() -> AsyncIterator[tuple[FaultyLink, Callable[[], asyncio.Task[bytes]], asyncio.StreamWriter]]:
    """Yield a link to an echo server, a function that reads a line through it, and the writer."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = FaultyLink(server.sockets[0].getsockname()[1])
    await link.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        yield link, lambda: asyncio.create_task(reader.readline()), writer
    finally:
        writer.close()
        await link.close()
        server.close()


@pytest.mark.parametrize(("requests", "responses"), [(True, False), (False, True), (True, True)])
async def test_held_bytes_arrive_when_the_link_is_restored(requests: bool, responses: bool) -> None:
    async with echo_link() as (link, read_line, writer):
        writer.write(b"before\n")
        assert await read_line() == b"before\n"
        link.hold(requests=requests, responses=responses)
        writer.write(b"held\n")
        line = read_line()
        done, _ = await asyncio.wait([line], timeout=0.1)
        assert not done
        link.restore()
        assert await line == b"held\n"


async def test_cut_link_ends_connections_until_it_is_restored() -> None:
    async with echo_link() as (link, read_line, writer):
        writer.write(b"before\n")
        assert await read_line() == b"before\n"
        await link.cut()
        assert await _is_ended(read_line())
        refused_reader, refused_writer = await asyncio.open_connection("127.0.0.1", link.port)
        assert await _is_ended(asyncio.create_task(refused_reader.readline()))
        refused_writer.close()
        link.restore()
        later_reader, later_writer = await asyncio.open_connection("127.0.0.1", link.port)
        later_writer.write(b"again\n")
        assert await later_reader.readline() == b"again\n"
        later_writer.close()


async def _is_ended(reading: asyncio.Task[bytes]) -> bool:
    try:
        return await reading == b""
    except ConnectionError:
        return True


async def test_end_of_a_held_connection_is_held_too() -> None:
    async with echo_link() as (link, read_line, writer):
        writer.write(b"x\n")
        assert await read_line() == b"x\n"
        link.hold(requests=True, responses=False)
        writer.write_eof()
        line = read_line()
        done, _ = await asyncio.wait([line], timeout=0.1)
        assert not done
        link.restore()
        assert await line == b""
