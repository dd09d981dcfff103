"""Faults (locked file, full disk, corrupt file, kill -9): acked messages are kept, and the store recovers."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
from collections import defaultdict
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chatws.store import Draft, Store, Unavailable
from chatws.store.factory import make_store
from tests.store.support import ANN, StoreClock, all_messages, file_size_limited, new_conversation
from tests.support.preloaded import PreloadedProcess
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from collections.abc import Iterator

SENDERS = 8
SEED = 20251028


async def test_locked_file_is_unavailable_until_the_lock_is_released(file_store: Store, path: Path) -> None:
    room = await new_conversation(file_store)
    with _locked(path):
        attempts = [file_store.append(Draft(room, ANN, "hello", f"{number}")) for number in range(400)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        with pytest.raises(Unavailable, match="locked"):
            await file_store.ping()
    await file_store.ping()
    assert (await file_store.append(Draft(room, ANN, "hello", "0"))).message.seq == 1


async def test_jobs_waiting_behind_a_lock_are_rejected_together(path: Path, clock: StoreClock) -> None:
    store = make_store(f"sqlite:///{path}", server=True, clock_ms=clock, busy_timeout_ms=500)
    await store.open()
    room = await new_conversation(store)
    with _locked(path):
        waiting = [asyncio.create_task(store.append(Draft(room, ANN, "hello"))) for _ in range(1_000)]
        # One busy timeout for all of them, not one for each batch.
        refused, still_waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert still_waiting == set()
    assert all(isinstance(task.exception(), Unavailable) for task in refused)
    await store.close()


async def test_loop_and_reads_continue_while_a_write_waits_for_a_lock(path: Path, clock: StoreClock) -> None:
    store = make_store(f"sqlite:///{path}", server=True, clock_ms=clock, busy_timeout_ms=60_000)
    await store.open()
    room = await new_conversation(store)
    with _locked(path):
        waiting = asyncio.create_task(store.append(Draft(room, ANN, "hello")))
        for _ in range(20):
            assert await store.conversation(room) is not None
        assert not waiting.done()
    assert (await waiting).message.seq == 1
    await store.close()


async def test_ping_reports_a_full_disk_although_existing_rows_can_be_rewritten(
    file_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await file_store.ping()
    monkeypatch.setattr("chatws.store.sqlite.MIN_FREE_BYTES", 2**62)
    with pytest.raises(Unavailable, match="the disk is full"):
        await file_store.ping()


async def test_full_disk_is_unavailable_until_space_is_free(file_store: Store, path: Path) -> None:
    room = await new_conversation(file_store)
    acked = [(await file_store.append(Draft(room, ANN, "before"))).message]
    with file_size_limited(path.with_name(path.name + "-wal").stat().st_size + 20_000):
        attempts = [file_store.append(Draft(room, ANN, "x" * 4_000, f"{number}")) for number in range(100)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert any(isinstance(outcome, Unavailable) for outcome in outcomes)
    acked += [outcome.message for outcome in outcomes if not isinstance(outcome, BaseException)]
    retried = await asyncio.gather(
        *(file_store.append(Draft(room, ANN, "x" * 4_000, f"{number}")) for number in range(100))
    )
    stored = await all_messages(file_store, room)
    assert [message.seq for message in stored] == list(range(1, 102))
    assert all(message in stored for message in [*acked, *(answer.message for answer in retried)])


async def test_corruption_while_open_is_unavailable_and_the_writer_survives(file_store: Store, path: Path) -> None:
    room = await new_conversation(file_store)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE messages RENAME TO messages_moved")
    with pytest.raises(Unavailable):
        await file_store.append(Draft(room, ANN, "hello"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE messages_moved RENAME TO messages")
    assert (await file_store.append(Draft(room, ANN, "hello"))).message.seq == 1


async def test_kill_9_while_appending_loses_no_acked_message_and_leaves_no_gap(path: Path) -> None:
    rng = random.Random(SEED)
    acked = [0] * SENDERS
    for _ in range(3):
        await asyncio.to_thread(_append_until_killed, path, acked, after_acks=rng.randrange(1, 250))
        store = make_store(f"sqlite:///{path}", server=True)
        await store.open()
        by_sender: defaultdict[str, list[int]] = defaultdict(list)
        for room in ("room-0", "room-1", "room-2"):
            messages = await all_messages(store, room)
            assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
            for message in messages:
                assert message.content == message.client_message_id
                by_sender[message.sender.user_id].append(int(message.content))
        for sender, last in enumerate(acked):
            # Each sender sends 1, 2, 3 … and retries until the ack: all stored once, at most one more than acked.
            assert by_sender[f"sender-{sender}"] in (list(range(1, last + 1)), list(range(1, last + 2)))
        await store.close()


def _append_until_killed(path: Path, acked: list[int], *, after_acks: int) -> None:
    arguments = ("tests.store.appending_child", f"sqlite:///{path}", json.dumps(acked))
    reader, writer = os.pipe()
    with Path(os.devnull).open("r+b") as null, os.fdopen(reader) as output:
        child = PreloadedProcess(arguments, [null.fileno(), writer, null.fileno()], environment_of_children())
        os.close(writer)
        count = 0
        for line in output:
            sender, number = json.loads(line)
            acked[sender] = max(acked[sender], number)
            count += 1
            if count == after_acks:
                child.kill()
    assert child.wait() == -signal.SIGKILL
    assert count >= after_acks


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
