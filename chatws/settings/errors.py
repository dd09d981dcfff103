"""Exceptions of the settings.

SettingsError
 ├─ UnknownSetting  no setting has this name; carries the most similar name
 ├─ BadValue        carries the setting, the source of the value, and the allowed values
 └─ BadFile         a settings file cannot be read
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class SettingsError(Exception):
    """Base of the settings errors; the text is one sentence for the operator."""


class UnknownSetting(SettingsError):
    """Unknown setting in ``source``; ``nearest`` is the most similar name, in the spelling of the source."""

    def __init__(self, name: str, source: str, nearest: str | None) -> None:
        super().__init__(name, source, nearest)
        self.name = name
        self.source = source
        self.nearest = nearest

    def __str__(self) -> str:
        hint = f"did you mean {self.nearest}?" if self.nearest else "'chatws config show' lists all settings"
        return f"{self.name} (in {self.source}) is not a setting; {hint}"


class BadValue(SettingsError):
    """Value from ``source`` that the setting ``name`` does not allow."""

    def __init__(self, name: str, source: str, value: object, allowed: str) -> None:
        super().__init__(name, source, value, allowed)
        self.name = name
        self.source = source
        self.value = value
        self.allowed = allowed

    def __str__(self) -> str:
        return f"setting {self.name} (from {self.source}) cannot be {self.value!r}; allowed is {self.allowed}"


class BadFile(SettingsError):
    """Settings file that is missing, unreadable or not TOML."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"the settings file {self.path} cannot be used: {self.reason}"
