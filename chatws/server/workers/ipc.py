"""Messages between the parent and its servers: one line of JSON each way, over pipes, so that argv shows no secrets."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chatws.exit_codes import ExitCode
from chatws.server.errors import StartError
from chatws.settings import Settings


class WorkerAssignment(msgspec.Struct, frozen=True):
    """Number, counted from 1, and settings of a server; sent to its standard input."""

    number: int
    settings: Settings


class Listening(msgspec.Struct, frozen=True, tag="listening"):
    """Base URL that a server listens on; sent to its standard output."""

    url: str


class StartFailed(msgspec.Struct, frozen=True, tag="failed"):
    """`StartError` of a server that could not start; sent to its standard output."""

    what: str
    why: str
    advice: str = ""
    code: ExitCode = ExitCode.FAILED

    def to_error(self) -> StartError:
        return StartError(self.what, self.why, self.advice, code=self.code)


_assignment_decoder = msgspec.json.Decoder(WorkerAssignment, dec_hook=lambda _kind, text: Path(text))
_report_decoder = msgspec.json.Decoder(Listening | StartFailed)


def encode_line(value: WorkerAssignment | Listening | StartFailed) -> bytes:
    return msgspec.json.encode(value, enc_hook=str) + b"\n"


def decode_assignment(line: bytes) -> WorkerAssignment:
    """Decode the line sent by the parent.

    Raises:
        msgspec.DecodeError: it is malformed.
    """
    return _assignment_decoder.decode(line)


def decode_report(line: bytes) -> Listening | StartFailed:
    """Decode the line sent by a server.

    Raises:
        msgspec.DecodeError: it is malformed, or empty because the server exited.
    """
    report: Listening | StartFailed = _report_decoder.decode(line)
    return report
