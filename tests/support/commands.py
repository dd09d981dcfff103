"""Invocation of the ``chatws`` command in a process."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from tests.support.output import OutputLines
from tests.support.preloaded import CHATWS, PreloadedProcess, run_preloaded
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 100


def run_chatws(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command until it exits: forked, or with ``env``, additional variables, the installed program."""
    variables = environment_of_children()
    if env is None:
        return run_preloaded(*arguments, env=variables, timeout_s=TIMEOUT_S, input_text=stdin)
    command = [str(CHATWS), *arguments]
    return subprocess.run(
        command, input=stdin, env={**variables, **env}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def run_module(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this repository until it exits, like ``python -m``, but forked."""
    return run_preloaded("-m", name, *arguments, env=environment_of_children(), timeout_s=TIMEOUT_S)


class PipedCommand(PreloadedProcess):
    """Running command whose standard input stays open, and whose output is collected, until ``close``."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        """Start the command, with ``env`` as further variables that no module reads when it is imported."""
        pipes = [os.pipe() for _ in range(3)]
        (input_end, stdin), (stdout, output_end), (stderr, error_end) = pipes
        variables = {**environment_of_children(), **(env or {})}
        try:
            super().__init__(arguments, [input_end, output_end, error_end], variables)
        finally:
            for descriptor in (input_end, output_end, error_end):
                os.close(descriptor)
        self.stdin = os.fdopen(stdin, "w", encoding="utf-8")
        self.stdout, self.stderr = (OutputLines(os.fdopen(end, encoding="utf-8")) for end in (stdout, stderr))

    def close(self) -> None:
        """Kill the command if it runs, and read the rest of its output."""
        with suppress(BrokenPipeError):
            self.stdin.close()
        self.kill()
        self.wait()
        self.stdout.join()
        self.stderr.join()


class UnreadCommand(PreloadedProcess):
    """Running command without input, whose standard output the test itself reads or closes, until ``close``."""

    def __init__(self, *arguments: str, has_reader: bool = True, **env: str) -> None:
        """Start the command; without ``has_reader``, its output is closed before it begins to write."""
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading, encoding="utf-8")
        if not has_reader:
            self.stdout.close()
        self._stderr = TemporaryFile()  # noqa: SIM115  closed by `close`
        stdin = os.open(os.devnull, os.O_RDONLY)
        try:
            super().__init__(arguments, [stdin, writing, self._stderr.fileno()], {**environment_of_children(), **env})
        finally:
            os.close(stdin)
            os.close(writing)

    @property
    def errors(self) -> str:
        """Standard error up to now."""
        self._stderr.seek(0)
        return self._stderr.read().decode()

    def close(self) -> None:
        """Kill the command if it runs, and close its files."""
        self.kill()
        self.wait()
        self.stdout.close()
        self._stderr.close()
