"""Clean-up of the application: every part is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatws.store import Unavailable
from tests.support.chat import RunningChat


async def test_part_that_fails_to_close_does_not_keep_the_others_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = RunningChat(tmp_path / "data")

    def fail() -> None:
        raise RuntimeError("cannot close")

    monkeypatch.setattr(chat.parts.inbox, "close", fail)
    await chat.__aenter__()
    with pytest.raises(RuntimeError, match="cannot close"):
        await chat.stop()
    with pytest.raises(Unavailable):
        await chat.parts.store.ping()
