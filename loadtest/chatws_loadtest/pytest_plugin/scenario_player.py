"""Player of scenario files on the server of a test."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from chatws.client.mapping import GUIDE_MAPPING, MappingError, ServerMapping, read_mapping
from chatws_loadtest.pytest_plugin.target_server import TargetServer
from chatws_loadtest.scenario_file import PlayOptions, PlayReport, play, read_script
from chatws_loadtest.scenario_file.text_output import describe_step
from chatws_loadtest.verdict import Outcome


class ScenarioPlayer:
    """Player of scenario files; a file that kills its server gets a server of its own."""

    def __init__(self, server: TargetServer, folder: Path, *, mapping: Path | None = None) -> None:
        """Create a player; ``mapping`` describes a server with other events than the guide's."""
        self._server = server
        self._folder = folder
        self._mapping = mapping

    async def play(self, file: str | Path) -> PlayReport:
        """Play a file, whose path is relative to that of the test, and fail the test at a step that does not pass."""
        __tracebackhide__ = True
        path = self._folder / file
        options = PlayOptions()
        script = await asyncio.to_thread(read_script, path)
        if script.kills_server is None:
            options = dataclasses.replace(
                options,
                url=self._server.url,
                credentials=self._server.credentials,
                ca_file=self._server.ca_file,
                mapping=self._read_mapping(),
            )
        report = await play(path, options)
        if report.outcome is not Outcome.PASS:
            steps = "\n".join(line for step in report.steps for line in describe_step(step, str(file), None))
            pytest.fail(f"{file} did not pass:\n{steps}", pytrace=False)
        return report

    def _read_mapping(self) -> ServerMapping:
        try:
            return GUIDE_MAPPING if self._mapping is None else read_mapping(self._mapping)
        except MappingError as problem:
            raise pytest.UsageError(f"--chatws-mapping {problem}") from problem
