"""Scenario files: scripts of named people, played against a server and judged step by step.

`play` runs a file and returns a `PlayReport`; it prints nothing.
"""

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
