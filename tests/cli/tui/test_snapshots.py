"""Snapshots of the screens as text. To update, run ``CHATWS_SNAPSHOTS=write pytest tests/cli/tui``, then review."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chatws_cli.tui.app import ChatApp
from chatws_cli.tui.preferences import Preferences
from tests.cli.tui.tui_driver import text_of
from tools.screenshots.sample_screens import agent_controller, customer_controller, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws_cli.tui.controller import ChatController

SNAPSHOTS = Path(__file__).with_name("snapshots")


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (200, 50)], ids=lambda size: str(size[0]))
@pytest.mark.parametrize("make", [agent_controller, customer_controller], ids=["agent", "customer"])
async def test_screens_match_their_snapshots(make: Callable[[], ChatController], size: tuple[int, int]) -> None:
    controller = make()
    app = ChatApp([controller], Preferences())
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot)
        text = text_of(app) + "\n"
    await controller.close()
    file = SNAPSHOTS / f"{controller.screen.role}-{size[0]}.txt"
    if os.environ.get("CHATWS_SNAPSHOTS") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
