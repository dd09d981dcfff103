"""Invocation of the ``chatws`` command in a subprocess."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.support.preloaded import CHATWS
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from pathlib import Path


def run_chatws(
    *arguments: str, stdin: str = "", env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command until it exits."""
    return subprocess.run(
        [CHATWS, *arguments],
        input=stdin,
        env={**environment_of_children(), **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
