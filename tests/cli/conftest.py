"""Fixtures of the command line: terminals with ``chatws`` in them."""

from __future__ import annotations

import logging
import sys
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from chatws_cli.main import DEBUG_VARIABLE, run
from tests.support.terminal import TerminalProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


class OpenTerminal(Protocol):
    """Opens a terminal that runs a ``chatws`` command; it ends with the test."""

    def __call__(self, *arguments: str, **env: str) -> TerminalProcess: ...


class Done(NamedTuple):
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


class Invoke(Protocol):
    """Runs a ``chatws`` command in this process: a twentieth of the time, where the process is not the point."""

    def __call__(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Done: ...


@pytest.fixture(autouse=True)
def kept_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that serves logs to its stderr, which here ends with the test."""
    root, ours = logging.getLogger(), logging.getLogger("chatws")
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    for logger in (root, ours):
        monkeypatch.setattr(logger, "level", logger.level)


@pytest.fixture
def chatws(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invoke:
    def invoke(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Done:
        with monkeypatch.context() as patch, TemporaryFile("w+", encoding="utf-8") as typed:
            typed.write(stdin)
            typed.seek(0)
            patch.setattr(sys, "argv", ["chatws", *arguments])
            patch.setattr(sys, "stdin", typed)
            patch.setenv(DEBUG_VARIABLE, "")
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                run()
        out, err = capsys.readouterr()
        return Done(int(end.value.code or 0), out, err)

    return invoke


@pytest.fixture
def open_terminal() -> Iterator[OpenTerminal]:
    terminals: list[TerminalProcess] = []

    def start(*arguments: str, **env: str) -> TerminalProcess:
        terminals.append(TerminalProcess(*arguments, env=env))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()
