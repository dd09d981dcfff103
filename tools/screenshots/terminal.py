"""Screenshot of an agent's full screen as SVG, drawn without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_cli.tui.app import ChatApp
from chatws_cli.tui.preferences import Preferences
from tools.screenshots.sample_screens import agent_controller, settle

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (104, 26)
"""Columns and rows."""


async def draw(image: Path) -> None:
    """Write the screenshot of the sample agent's screen."""
    controller = agent_controller()
    app = ChatApp([controller], Preferences())
    async with app.run_test(size=SIZE) as pilot:
        await settle(app, pilot)
        svg = app.export_screenshot(title="chatws agent")
    await controller.close()
    image.write_text(svg, encoding="utf-8")
