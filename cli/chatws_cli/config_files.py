"""Files of the user's own configuration."""

from __future__ import annotations

import os
from pathlib import Path


def config_file(name: str) -> Path:
    """Return the path of a file in the XDG configuration directory."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "chatws" / name
