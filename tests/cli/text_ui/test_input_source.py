from __future__ import annotations

import asyncio
import os
import pty
import threading

import pytest

from chatws_cli.text_ui.editor import LineSubmitted
from chatws_cli.text_ui.input_source import PipeConsole


async def test_unreadable_input_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    controlling, terminal = pty.openpty()
    os.close(controlling)  # hang-up: reading fails with EIO
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        pipe = PipeConsole()
        async with asyncio.timeout(30):
            await pipe.until_ended()
            assert [typed async for typed in pipe.typed()] == []


async def test_closing_sys_stdin_does_not_end_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        pipe = PipeConsole()
        lines = pipe.typed()
        os.write(writing, b"first\n")
        async with asyncio.timeout(30):
            assert await anext(lines) == LineSubmitted("first")
            stdin.close()
            os.write(writing, b"second \xff\r\nthe last")
            os.close(writing)
            assert [typed async for typed in lines] == [LineSubmitted("second \ufffd"), LineSubmitted("the last")]


def test_reader_thread_survives_the_end_of_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()

    async def read_one() -> object:
        return await anext(PipeConsole().typed())

    before = set(threading.enumerate())  # readers of other tests may end a moment later
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", buffering=0) as typing:
        monkeypatch.setattr("sys.stdin", stdin)
        typing.write(b"first\n")
        assert asyncio.run(read_one()) == LineSubmitted("first")
        (reader,) = {thread for thread in threading.enumerate() if thread.name == "chatws-stdin"} - before
        typing.write(b"discarded\n")
        reader.join(30)  # an exception in it fails the test
        assert not reader.is_alive()
