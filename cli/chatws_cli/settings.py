"""Loads settings for a command; invalid settings are usage errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.exit_codes import ExitCode
from chatws.settings import Layer, Loaded, SettingsError, load
from chatws.settings.fields import TABLE
from chatws_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def load_settings(options: Layer | None = None, assignments: Sequence[str] = (), config: Path | None = None) -> Loaded:
    """Load all settings.

    Raises:
        CommandError: a setting is wrong; exit code 2.
    """
    try:
        return load(options, assignments, config_file=config)
    except SettingsError as problem:
        raise CommandError(str(problem), code=ExitCode.USAGE) from problem


def help_of(name: str) -> str:
    """Return the description of a setting, for the option of the same name."""
    return TABLE[name].help
