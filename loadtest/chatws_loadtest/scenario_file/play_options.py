"""Options of a run of a scenario file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chatws.client.mapping import GUIDE_MAPPING, ServerMapping
from chatws_loadtest.chatlog.option import ChatlogOption
from chatws_loadtest.credentials import Credentials
from chatws_loadtest.scenario_file.play_report import StepResult
from chatws_loadtest.server_address import REPLY_TIMEOUT_S


def _ignore(_: StepResult) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayOptions:
    """Server, credentials for it, and a function that gets each step's result as soon as it is known."""

    url: str | None = None
    """None: a bundled server is started on a free port, and stopped at the end."""
    credentials: Credentials = field(default_factory=Credentials)
    """Not needed for the bundled server."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    mapping: ServerMapping = GUIDE_MAPPING
    """Names and payloads of the server's events; the bundled server has the guide's."""
    chatlog: ChatlogOption | None = None
    """Recording of the people's traffic; None: there is none."""
    reply_timeout_s: float = REPLY_TIMEOUT_S
    """Time limit of an ack and of the event that confirms a join; expected events have 5 s or more."""
    on_step: Callable[[StepResult], None] = _ignore
