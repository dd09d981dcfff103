"""Durations in command-line options: 90s, 30m, 1h, 90d."""

from __future__ import annotations

import re
from typing import Final

from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError

UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parse_duration(option: str, text: str, longest_s: int | None = None) -> int:
    """Return a duration in seconds, at least 1; a number without a unit counts seconds.

    Raises:
        CommandError: it is not a duration, or longer than ``longest_s``; exit code 2.
    """
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", text)
    seconds = int(found[1]) * UNITS_S[found[2] or "s"] if found else 0
    if seconds < 1 or (longest_s is not None and seconds > longest_s):
        bound = f"; at most {longest_s // 3_600}h" if longest_s else ""
        advice = f"use a number and a unit, for example 90s, 30m, 1h, 90d{bound}"
        raise CommandError(f"{option} cannot be {text!r}", advice=advice, code=ExitCode.USAGE)
    return seconds
