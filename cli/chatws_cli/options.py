"""Options that several command groups share, and the settings they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatws.settings import Layer, Value
from chatws_cli.settings import help_of, load_settings

if TYPE_CHECKING:
    from chatws.settings import Settings

DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help=help_of("data_dir"))]
DatabaseUrl = Annotated[str | None, typer.Option(metavar="URL", help=help_of("database_url"))]


def data_dir_settings(data_dir: Path | None) -> Settings:
    """Return the settings with the data directory of the option.

    Raises:
        CommandError: a setting is wrong; exit code 2.
    """
    return database_settings(data_dir, None)


def database_settings(data_dir: Path | None, database_url: str | None) -> Settings:
    """Return the settings with what the two options say.

    Raises:
        CommandError: a setting is wrong; exit code 2.
    """
    given = {"data_dir": data_dir, "database_url": database_url}
    layer: Layer = {
        name: Value(str(value), f"option --{name.replace('_', '-')}")
        for name, value in given.items()
        if value is not None
    }
    return load_settings(layer).settings
