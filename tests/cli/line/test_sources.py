from __future__ import annotations

import asyncio
import io
from types import SimpleNamespace

import pytest

from chatws_cli.line.sources import Pipe


async def test_input_that_is_closed_under_its_reader_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.BytesIO(b"never read\n")
    closed.close()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=closed))
    pipe = Pipe()
    async with asyncio.timeout(10):
        await pipe.until_ended()
        assert [typed async for typed in pipe.typed()] == []
