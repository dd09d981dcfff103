"""Scenario files: scripts of named people, played against a server and judged step by step.

`play` runs a file and returns a `PlayReport`; it prints nothing. The names below are imported on first use, because the
load test needs only the parts that read a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from chatws_loadtest.scenario_file.errors import PersonNotConnected, ScenarioFileError
    from chatws_loadtest.scenario_file.play_options import PlayOptions
    from chatws_loadtest.scenario_file.play_report import ArrivedEvent, PlayReport, StepOutcome, StepResult
    from chatws_loadtest.scenario_file.player import play
    from chatws_loadtest.scenario_file.reader import read_script

__all__ = [
    "ArrivedEvent",
    "PersonNotConnected",
    "PlayOptions",
    "PlayReport",
    "ScenarioFileError",
    "StepOutcome",
    "StepResult",
    "play",
    "read_script",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "errors": ["PersonNotConnected", "ScenarioFileError"],
        "play_options": ["PlayOptions"],
        "play_report": ["ArrivedEvent", "PlayReport", "StepOutcome", "StepResult"],
        "player": ["play"],
        "reader": ["read_script"],
    },
)
