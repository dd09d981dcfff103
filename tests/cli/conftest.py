"""Fixtures of the command line: commands in this process, and in terminals."""

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
    """Opens a terminal that runs a ``chatws`` command until the end of the test."""

    def __call__(self, *arguments: str, **env: str) -> TerminalProcess: ...


class CommandResult(NamedTuple):
    """Exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str


class RunCommand(Protocol):
    """Runs a ``chatws`` command in this process, in a twentieth of the time of a child process."""

    def __call__(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> CommandResult: ...


@pytest.fixture(autouse=True)
def restore_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the loggers: ``chatws serve`` adds a handler for a stderr that is closed after the test."""
    root, ours = logging.getLogger(), logging.getLogger("chatws")
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    for logger in (root, ours):
        monkeypatch.setattr(logger, "level", logger.level)


@pytest.fixture
def chatws(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    def invoke(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> CommandResult:
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
        return CommandResult(int(end.value.code or 0), out, err)

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
