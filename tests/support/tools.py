"""External programs required by tests."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tools.services.programs import ProgramMissing, find_program

if TYPE_CHECKING:
    from collections.abc import Iterator


def require_tool(name: str, how_to_install: str) -> str:
    """Return the path of a program that the calling test needs; see `skip_if_missing`."""
    with skip_if_missing():
        return find_program(name, how_to_install)


@contextmanager
def skip_if_missing() -> Iterator[None]:
    """Skip the calling test if a program is missing.

    With ``CI=true`` the test fails instead, so that a build machine without the program cannot pass.
    """
    try:
        yield
    except ProgramMissing as error:
        reason = str(error)
    else:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
