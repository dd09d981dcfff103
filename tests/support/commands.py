"""Invocation of the ``chatws`` command in a process."""

from __future__ import annotations

import subprocess

from tests.support.preloaded import CHATWS, run_preloaded
from tests.support.server import environment_of_children

TIMEOUT_S = 60


def run_chatws(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command until it exits: forked, or with ``env``, additional variables, the installed program."""
    variables = environment_of_children()
    if env is None:
        return run_preloaded(*arguments, env=variables, timeout_s=TIMEOUT_S, input_text=stdin)
    command = [str(CHATWS), *arguments]
    return subprocess.run(
        command, input=stdin, env={**variables, **env}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
