"""Programs that tests drive and that a machine may lack."""

from __future__ import annotations

import os
import shutil

import pytest


def require_tool(name: str, how_to_install: str) -> str:
    """Return the path of a program that the calling test cannot do without; Debian keeps some off users' PATH.

    Where it is missing the test is skipped with ``how_to_install``; with ``CI=true`` it fails instead, so that a
    build machine without the program cannot be green.
    """
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is not None:
        return path
    reason = f"{name} is not installed ({how_to_install})"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
