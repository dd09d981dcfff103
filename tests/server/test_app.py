"""Clean-up of the application: every part is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatws.store import Unavailable
from tests.support.chat import RunningChat


async def test_failure_to_close_a_part_does_not_prevent_closing_the_others(
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
