"""Options ``--chatlog`` and ``--with-content`` of the commands that can record their own traffic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_loadtest.chatlog.pseudonyms import Pseudonyms
from chatws_loadtest.chatlog.recorder import ChatlogRecorder
from chatws_loadtest.chatlog.writer import ChatlogWriter
from chatws_loadtest.errors import CommandExit

if TYPE_CHECKING:
    from chatws_loadtest.chatlog.records import Source

ChatlogFile = Annotated[
    Path | None,
    typer.Option(
        "--chatlog", help="File for a recording of the traffic, without texts and names (.chatlog).", metavar="FILE"
    ),
]
WithContent = Annotated[
    bool, typer.Option("--with-content", help="With --chatlog: record texts, names and ids as well.")
]


@dataclass(frozen=True, slots=True)
class ChatlogOption:
    """File of a recording."""

    file: Path
    with_content: bool = False

    def of_run(self, name: str) -> ChatlogOption:
        """Return the option with a file of its own for one of several runs: ``out.chatlog``, ``out-NAME.chatlog``."""
        return ChatlogOption(self.file.with_stem(f"{self.file.stem}-{name}"), self.with_content)

    def open_recorder(self, source: Source, url: str) -> ChatlogRecorder:
        """Create the file.

        Raises:
            CommandExit: it cannot be created.
        """
        try:
            # Each record at once: these tools may be silent for long, and are killed when they hang.
            writer = ChatlogWriter(self.file, source, url, with_content=self.with_content, flush_s=0.0)
        except OSError as problem:
            raise CommandExit(
                f"--chatlog {self.file} cannot be written: {problem.strerror}", ExitCode.FAILED
            ) from problem
        return ChatlogRecorder(writer, Pseudonyms(with_ids=self.with_content))


def read_chatlog_option(file: Path | None, *, with_content: bool) -> ChatlogOption | None:
    """Return the recording that the options request; None without one.

    Raises:
        CommandExit: contents are requested without a recording.
    """
    if file is None and with_content:
        raise CommandExit("--with-content has no effect without --chatlog", ExitCode.USAGE)
    return None if file is None else ChatlogOption(file, with_content)
