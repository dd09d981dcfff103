"""Start of the programs in ``chatws_loadtest``, which replace the process of their command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final, NoReturn

from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError

PROGRAM_OPTIONS: Final[dict[str, Any]] = {
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True, "allow_extra_args": True},
}
"""Options of a command whose arguments, ``--help`` included, are those of its program."""


def execute_program(module: str, arguments: Sequence[str], *, needs: Sequence[str] = ("hdrh",)) -> NoReturn:
    """Replace this process, so that signals, terminal and exit code are those of the program.

    Raises:
        CommandError: a package that the program needs is not installed.
    """
    if any(find_spec(name) is None for name in needs):
        raise CommandError(
            "the load test is not installed", advice="pip install 'chatws[loadtest]'", code=ExitCode.USAGE
        )
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell is involved
