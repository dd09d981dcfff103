"""Request for a run of the load test, made from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatws.client.gevent.transport_choice import TransportChoice
from chatws.client.mapping import GUIDE_MAPPING, ServerMapping
from chatws_loadtest.credentials import Credentials
from chatws_loadtest.thresholds import Threshold

if TYPE_CHECKING:
    from chatws_loadtest.chatlog.option import ChatlogOption
    from chatws_loadtest.replay.replay_load import ReplayLoad
    from chatws_loadtest.scenario_file.load_profile import LoadProfile


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options that every scenario of a run shares."""

    users: int
    rate: float
    """Messages per second of each user."""
    duration_s: float | None
    """Seconds measured; None: the default of the scenario."""
    warmup_s: float
    drain_s: float
    connects_per_s: float
    processes: int
    seed: int
    csv_dir: Path | None
    """Folder of Locust's CSV files; None: they are not written."""
    ca_file: Path | None
    transport: TransportChoice = TransportChoice.WEBSOCKET
    mapping: ServerMapping = GUIDE_MAPPING
    mapping_name: str = ""
    """Name of the mapping file; empty: `mapping` is the guide's."""
    profile: LoadProfile | None = None
    """Habits of the users; None: those of the scenario."""
    replay: ReplayLoad | None = None
    """Recorded traffic that replaces the scenario; None: there is none."""
    chatlog: ChatlogOption | None = None
    """Recording of the users' traffic; None: there is none."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Scenarios to run and their options; without a URL each scenario gets a separate bundled server."""

    scenarios: Sequence[str]
    options: RunOptions
    thresholds: Sequence[Threshold]
    url: str | None
    credentials: Credentials
    command: list[str]
    repeat: int = 1
