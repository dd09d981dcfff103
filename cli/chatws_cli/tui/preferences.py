"""User preferences of the full screen: ``chatws/terminal.toml`` in the XDG configuration directory.

theme = "terminal"      # the terminal's own colours; or "dark", "light", "high-contrast"
notify = "bell"         # for messages that arrive while the terminal is not visible; or "osc9", "osc777", "off"
mouse = false           # leave the mouse to the terminal
enter = "newline"       # Enter inserts a new line, Alt+Enter or Ctrl+J sends; "send" by default
[keys]
quit = "ctrl+d"         # key ids: see chatws_cli.screen.keys
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Literal

import msgspec

from chatws.exit_codes import ExitCode
from chatws_cli.config_files import config_file
from chatws_cli.errors import CommandError
from chatws_cli.screen.keys import KEYS
from chatws_cli.screen.notification import NotificationKind
from chatws_cli.screen.themes import ThemeName

if TYPE_CHECKING:
    from pathlib import Path


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Preferences with their defaults."""

    theme: ThemeName = "terminal"
    notify: NotificationKind = "bell"
    bell: bool = True
    """Older form of ``notify``: false turns notifications off."""
    mouse: bool = True
    enter: Literal["send", "newline"] = "send"
    keys: dict[str, str] = {}

    @property
    def notification_kind(self) -> NotificationKind:
        """Kind of notification in effect."""
        return self.notify if self.bell else "off"

    def override(self, theme: ThemeName | None, notify: NotificationKind | None) -> Preferences:
        """Return the preferences with options of the command line; None keeps a preference."""
        return msgspec.structs.replace(
            self, theme=theme or self.theme, notify=notify or self.notify, bell=self.bell if notify is None else True
        )

    def keys_for(self, key_id: str) -> frozenset[str]:
        """Return the keys of an action."""
        if self.enter == "newline" and key_id in {"send", "newline"} and key_id not in self.keys:
            key_id = "newline" if key_id == "send" else "send"
        default = next(key.keys for key in KEYS if key.id == key_id)
        return frozenset(self.keys.get(key_id, default).split(","))


def load_preferences(file: Path | None = None) -> Preferences:
    """Load the preferences; return the defaults without a file.

    Raises:
        CommandError: the file is invalid; exit code 2.
    """
    file = file or config_file("terminal.toml")
    try:
        chosen = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Preferences)
    except FileNotFoundError:
        return Preferences()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, msgspec.ValidationError) as problem:
        raise CommandError(f"{file} cannot be used", str(problem), code=ExitCode.USAGE) from problem
    unknown = sorted(set(chosen.keys) - {key.id for key in KEYS})
    if unknown:
        known = ", ".join(key.id for key in KEYS)
        raise CommandError(
            f"{file} cannot be used", f"there is no key {unknown[0]!r}", f"known are {known}", code=ExitCode.USAGE
        )
    return chosen
