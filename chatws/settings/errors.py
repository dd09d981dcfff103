"""What can be wrong with a setting.

SettingsError
 ├─ UnknownSetting  no setting has this name; carries the nearest one
 ├─ BadValue        carries the setting, where the value came from, and what is allowed
 └─ BadFile         a settings file can not be read
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class SettingsError(Exception):
    """Base of everything that can be wrong with settings; the text is one sentence for people."""


class UnknownSetting(SettingsError):
    """``source`` names a setting that does not exist; ``nearest`` is the likely one, spelled as ``source`` would."""

    def __init__(self, name: str, source: str, nearest: str | None) -> None:
        super().__init__(name, source, nearest)
        self.name = name
        self.source = source
        self.nearest = nearest

    def __str__(self) -> str:
        hint = f"did you mean {self.nearest}?" if self.nearest else "'chatws config show' lists them all"
        return f"{self.name} (in {self.source}) is not a setting; {hint}"


class BadValue(SettingsError):
    """The value that ``source`` gives the setting ``name`` is not allowed."""

    def __init__(self, name: str, source: str, value: object, allowed: str) -> None:
        super().__init__(name, source, value, allowed)
        self.name = name
        self.source = source
        self.value = value
        self.allowed = allowed

    def __str__(self) -> str:
        return f"setting {self.name} (from {self.source}) can not be {self.value!r}; allowed is {self.allowed}"


class BadFile(SettingsError):
    """A settings file is missing, unreadable or not TOML."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"the settings file {self.path} can not be used: {self.reason}"
