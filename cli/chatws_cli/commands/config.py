"""``chatws config``: show the settings of a server and their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chatws_cli.lazy_group import make_app
from chatws_cli.output import print_json, table
from chatws_cli.settings import load_settings

app = make_app("Show the settings of a server.")


@app.command(epilog="Example: chatws config show --set port=3001")
def show(
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings file to read.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting, as for serve; may be repeated.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the value and the source of every setting. Passwords are masked."""
    from chatws.settings import effective

    rows = effective(load_settings(None, assignments or [], config))
    if as_json:
        print_json({row.name: {"value": row.value, "source": row.source, "help": row.help} for row in rows})
    else:
        print(table([(row.name, _shown(row.value), row.source) for row in rows]))


@app.command(epilog="Example: chatws config reference > settings.md")
def reference() -> None:
    """Print a reference of all settings as a Markdown table."""
    from chatws.settings.docs import reference as write_reference

    print(write_reference(), end="")


def _shown(value: object) -> str:
    if value is None or value == ():
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
