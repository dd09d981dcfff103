from __future__ import annotations

import asyncio
import os
import pty
import threading

import pytest

from chatws_cli.text_ui.editor import LineSubmitted
from chatws_cli.text_ui.input_source import PipeConsole


async def test_input_that_can_not_be_read_any_more_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    controlling, terminal = pty.openpty()
    os.close(controlling)  # who sat there has gone: reading fails with EIO
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        pipe = PipeConsole()
        async with asyncio.timeout(30):
            await pipe.until_ended()
            assert [typed async for typed in pipe.typed()] == []


async def test_who_closes_standard_input_does_not_end_what_is_read_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_command_that_is_over_leaves_its_reader_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()

    async def read_one() -> object:
        return await anext(PipeConsole().typed())

    before = set(threading.enumerate())  # of commands in other tests, whose readers may end a moment after them
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", buffering=0) as typing:
        monkeypatch.setattr("sys.stdin", stdin)
        typing.write(b"first\n")
        assert asyncio.run(read_one()) == LineSubmitted("first")
        (reader,) = {thread for thread in threading.enumerate() if thread.name == "chatws-stdin"} - before
        typing.write(b"nobody takes this\n")
        reader.join(30)  # what it raises fails the test
        assert not reader.is_alive()
