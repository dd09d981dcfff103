from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from chatws_cli.errors import CommandError
from chatws_cli.outbox_file import OutboxFile, SavedMessage, outbox_path
from chatws_cli.screen.commands import COMMANDS
from chatws_cli.text_ui.commands import COMMANDS as LINE_COMMANDS
from chatws_cli.tui.preferences import Preferences, load_preferences

if TYPE_CHECKING:
    from pathlib import Path


def test_outbox_file_keeps_messages_in_order_until_removed(tmp_path: Path) -> None:
    file = outbox_path(tmp_path, "server", "../ada")
    one, two = SavedMessage("b", "c1", "first"), SavedMessage("a", "c1", "second\n'; DROP TABLE message")
    with OutboxFile(file) as outbox:
        for message in (one, two, one):
            outbox.add(message)
    with OutboxFile(file) as outbox, OutboxFile(file) as other_terminal:
        assert outbox.waiting() == other_terminal.waiting() == [one, two]
        other_terminal.remove("b")
        assert outbox.waiting() == [two]
    assert file.parent == tmp_path / "outbox"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_preferences_are_read_and_errors_are_named(tmp_path: Path) -> None:
    file = tmp_path / "terminal.toml"
    assert load_preferences(file) == Preferences()
    file.write_text('bell = false\nenter = "newline"\n[keys]\nquit = "ctrl+d"\n')
    chosen = load_preferences(file)
    assert not chosen.bell
    assert chosen.keys_for("send") == {"alt+enter", "ctrl+j"}
    assert chosen.keys_for("quit") == {"ctrl+d"}
    for text, why in (("bel = 1", "bel"), ('[keys]\nqit = "x"', "qit"), ("=", "terminal.toml"), ('enter="x"', "enter")):
        file.write_text(text)
        with pytest.raises(CommandError, match=why):
            load_preferences(file)


def test_full_screen_has_every_command_of_the_line_mode() -> None:
    assert set(LINE_COMMANDS) < set(COMMANDS)
