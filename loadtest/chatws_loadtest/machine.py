"""Description of the machine and its software for reports, and the limit of open files."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Iterable
from importlib.metadata import version

from chatws_loadtest import procfs


def describe_machine() -> dict[str, str]:
    """Return the processor, its cores and the operating system, by label."""
    return {
        "cpu": procfs.cpu_model(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
    }


def describe_software(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of these installed packages, and the version and kind of Python, by name."""
    python = platform.python_version()
    if procfs.is_python_shared():
        python += " in a shared library"
    return {name: version(name) for name in packages} | {"Python": python}


def raise_file_limit() -> int:
    """Raise this process's limit of open files to the hard limit, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
