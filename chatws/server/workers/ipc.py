"""What a parent and its servers say to each other: one line of JSON each way, through pipes that no argv shows."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chatws.server.errors import StartError
from chatws.settings import Settings


class WorkerAssignment(msgspec.Struct, frozen=True):
    """To a server, on its standard input: its number, from 1, and all of its settings."""

    number: int
    settings: Settings


class Listening(msgspec.Struct, frozen=True, tag="listening"):
    """From a server, on its standard output: the base URL that it listens on."""

    url: str


class StartFailed(msgspec.Struct, frozen=True, tag="failed"):
    """From a server that does not start: the words of its `StartError`."""

    what: str
    why: str
    advice: str = ""

    def error(self) -> StartError:
        return StartError(self.what, self.why, self.advice)


_assignments = msgspec.json.Decoder(WorkerAssignment, dec_hook=lambda _kind, text: Path(text))
_reports = msgspec.json.Decoder(Listening | StartFailed)


def encode_line(value: WorkerAssignment | Listening | StartFailed) -> bytes:
    return msgspec.json.encode(value, enc_hook=str) + b"\n"


def decode_assignment(line: bytes) -> WorkerAssignment:
    """Read what the parent wrote.

    Raises:
        msgspec.DecodeError: it is nothing of the kind.
    """
    return _assignments.decode(line)


def decode_report(line: bytes) -> Listening | StartFailed:
    """Read what a server wrote.

    Raises:
        msgspec.DecodeError: it is nothing of the kind; an empty line of a server that died is not, either.
    """
    report: Listening | StartFailed = _reports.decode(line)
    return report
