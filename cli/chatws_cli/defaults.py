"""Defaults that several commands share."""

from __future__ import annotations

from typing import Final

DEFAULT_URL: Final = "http://127.0.0.1:3000"
