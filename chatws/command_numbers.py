"""Numbers on a command line."""

from __future__ import annotations

import math

import typer


def require_finite(value: float | None) -> float | None:
    """Return the value of an option; its callback, because ``nan`` passes every ``min`` and ``max``.

    Raises:
        typer.BadParameter: it is not a finite number.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value
