"""Generator of the reference page of the settings."""

from __future__ import annotations

from chatws.settings.fields import TABLE, Setting
from chatws.settings.model import Settings

_HEAD = """\
| setting | default | description | allowed | environment |
|---|---|---|---|---|"""


def reference() -> str:
    """Return every setting as a Markdown table."""
    defaults = Settings()
    return "\n".join([_HEAD, *(_line(row, getattr(defaults, row.name)) for row in TABLE.values())]) + "\n"


def _line(row: Setting, default: object) -> str:
    variables = ", ".join(f"`{name}`" for name in row.environment)
    return f"| `{row.name}` | {_default(row, default)} | {row.help} | {row.allowed} | {variables} |"


def _default(row: Setting, default: object) -> str:
    if row.name == "data_dir":
        # The effective value depends on the environment of the generator.
        return "`$XDG_DATA_HOME/chatws`"
    return (
        "" if default is None or default == () else f"`{','.join(default) if isinstance(default, tuple) else default}`"
    )
