"""Program that runs pytest with the arguments behind its name, for `tests.support.preloaded`."""

from __future__ import annotations

import sys

import pytest


def main() -> None:
    """Run pytest, and exit with its code."""
    sys.exit(pytest.main(sys.argv[2:]))
