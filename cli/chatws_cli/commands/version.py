"""``chatws version``: the version, as the option ``--version`` prints it."""

from __future__ import annotations

from chatws import __version__
from chatws_cli.lazy_group import make_app

app = make_app()


@app.command(epilog="Example: chatws version")
def version() -> None:
    """Print the version."""
    print(f"chatws {__version__}")
