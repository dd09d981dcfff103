"""Upgrade, backup, restore."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest

from chatws.store import (
    AlreadyExists,
    AlreadyRunning,
    BadUrl,
    Damaged,
    Draft,
    SchemaMismatch,
    Store,
    Unavailable,
    maintenance,
)
from chatws.store.factory import make_store
from chatws.store.schema import REVISION
from tests.store.support import ANN, all_messages, file_size_limited, new_conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def test_backup_of_a_running_server_is_consistent_and_restore_sets_a_new_epoch(
    file_store: Store, path: Path, tmp_path: Path
) -> None:
    url, copy = f"sqlite:///{path}", tmp_path / "copy.db"
    room = await new_conversation(file_store)
    before = [(await file_store.append(Draft(room, ANN, f"before {number}"))).message for number in range(20)]
    writing = asyncio.create_task(_keep_writing(file_store, room))
    await asyncio.to_thread(maintenance.backup, url, copy)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await file_store.append(Draft(room, ANN, "after"))
    await file_store.close()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert _names(tmp_path) == ["copy.db", "private"]

    epoch = maintenance.restore(url, copy)
    assert epoch != file_store.epoch
    async with _opened(path) as restored:
        assert restored.epoch == epoch
        messages = await all_messages(restored, room)
        assert messages[:20] == before
        assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
        assert "after" not in [message.content for message in messages]
        assert (await restored.append(Draft(room, ANN, "on we go"))).message.seq == len(messages) + 1
    assert _names(path.parent) == ["chat.db", "chat.db.lock"]


async def test_copied_file_keeps_its_epoch(file_store: Store, path: Path, tmp_path: Path) -> None:
    maintenance.backup(f"sqlite:///{path}", tmp_path / "copy.db")
    async with _opened(tmp_path / "copy.db") as copy:
        assert copy.epoch == file_store.epoch


async def test_restore_and_upgrade_fail_while_a_server_runs(file_store: Store, path: Path, tmp_path: Path) -> None:
    room = await new_conversation(file_store)
    maintenance.backup(f"sqlite:///{path}", tmp_path / "copy.db")
    stored = await file_store.append(Draft(room, ANN, "hello"))
    with pytest.raises(AlreadyRunning):
        maintenance.restore(f"sqlite:///{path}", tmp_path / "copy.db")
    with pytest.raises(AlreadyRunning):
        maintenance.upgrade(f"sqlite:///{path}")
    assert await all_messages(file_store, room) == [stored.message]


async def test_restore_replaces_a_damaged_database_and_renames_it(
    file_store: Store, path: Path, tmp_path: Path
) -> None:
    room = await new_conversation(file_store)
    stored = await file_store.append(Draft(room, ANN, "hello"))
    maintenance.backup(f"sqlite:///{path}", tmp_path / "copy.db")
    await file_store.close()
    _overwrite(path, b"\xff" * 8_192)
    maintenance.restore(f"sqlite:///{path}", tmp_path / "copy.db")
    async with _opened(path) as restored:
        assert await all_messages(restored, room) == [stored.message]
    assert [entry.read_bytes() for entry in path.parent.glob("*.damaged-*")] == [b"\xff" * 8_192]


async def test_restore_creates_a_missing_database(file_store: Store, path: Path, tmp_path: Path) -> None:
    room = await new_conversation(file_store)
    maintenance.backup(f"sqlite:///{path}", tmp_path / "copy.db")
    maintenance.restore(f"sqlite:///{tmp_path}/new/chat.db", tmp_path / "copy.db")
    async with _opened(tmp_path / "new" / "chat.db") as restored:
        assert await restored.conversation(room) is not None


@pytest.mark.parametrize("content", [b"", b"my diary " * 1_000, b"SQLite format 3\0" + b"\0" * 4_080])
async def test_restore_rejects_an_invalid_backup_and_changes_nothing(
    file_store: Store, path: Path, tmp_path: Path, content: bytes
) -> None:
    room = await new_conversation(file_store)
    await file_store.close()
    (tmp_path / "source").write_bytes(content)
    for source in (tmp_path / "source", tmp_path / "missing"):
        with pytest.raises(Damaged):
            maintenance.restore(f"sqlite:///{path}", source)
    async with _opened(path) as unchanged:
        assert unchanged.epoch == file_store.epoch
        assert await unchanged.conversation(room) is not None


async def test_restore_that_runs_out_of_disk_changes_nothing(file_store: Store, path: Path, tmp_path: Path) -> None:
    room = await new_conversation(file_store)
    await asyncio.gather(*(file_store.append(Draft(room, ANN, "x" * 4_000)) for _ in range(200)))
    maintenance.backup(f"sqlite:///{path}", tmp_path / "copy.db")
    stored = await file_store.append(Draft(room, ANN, "after"))
    await file_store.close()
    # Space for the scratch file, not for the log of the replacement: a log frame is larger than its page.
    with file_size_limited((tmp_path / "copy.db").stat().st_size + 1_000), pytest.raises(Unavailable):
        maintenance.restore(f"sqlite:///{path}", tmp_path / "copy.db")
    assert _names(path.parent) == ["chat.db", "chat.db.lock"]
    async with _opened(path) as unchanged:
        assert unchanged.epoch == file_store.epoch
        assert (await all_messages(unchanged, room))[-1] == stored.message


async def test_restore_rejects_a_newer_backup(file_store: Store, path: Path, tmp_path: Path) -> None:
    maintenance.backup(f"sqlite:///{path}", tmp_path / "copy.db")
    await file_store.close()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch):
        maintenance.restore(f"sqlite:///{path}", tmp_path / "copy.db")


async def test_backup_rejects_an_existing_target_and_a_missing_database(
    file_store: Store, path: Path, tmp_path: Path
) -> None:
    await file_store.ping()
    (tmp_path / "precious").write_text("keep me")
    with pytest.raises(AlreadyExists):
        maintenance.backup(f"sqlite:///{path}", tmp_path / "precious")
    assert (tmp_path / "precious").read_text() == "keep me"
    with pytest.raises(Damaged):
        maintenance.backup(f"sqlite:///{tmp_path}/missing.db", tmp_path / "copy.db")
    assert not (tmp_path / "missing.db").exists()
    with pytest.raises(BadUrl):
        maintenance.backup("sqlite://", tmp_path / "copy.db")


async def test_upgrade_creates_a_database_and_is_repeatable(path: Path) -> None:
    assert maintenance.upgrade(f"sqlite:///{path}") == REVISION
    async with _opened(path) as store:
        epoch = store.epoch
    assert maintenance.upgrade(f"sqlite:///{path}") == REVISION
    async with _opened(path) as store:
        assert store.epoch == epoch


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[Store]:
    store = make_store(f"sqlite:///{path}", server=True)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def _overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def _keep_writing(store: Store, room: str) -> None:
    number = 0
    while True:
        number += 1
        await store.append(Draft(room, ANN, f"meanwhile {number}"))
