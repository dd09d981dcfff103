"""Accessibility checks of pages and frames with axe-core."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import pytest
from playwright.async_api import Frame, Page

from tests.support.node import NODE_DIR

SCRIPT = NODE_DIR / "node_modules" / "axe-core" / "axe.min.js"

OPTIONS = {"iframes": False, "preload": False, "resultTypes": ["violations"], "selectors": False}
"""Options of a check: only what a message shows is computed. Frames of other origins are checked as separate pages."""

Appearance = tuple[Literal["light", "dark"], int]

APPEARANCES: tuple[Appearance, ...] = (("light", 1440), ("dark", 320))
FURTHER_APPEARANCES: tuple[Appearance, ...] = (("dark", 1440), ("light", 320), ("light", 768), ("dark", 768))
"""A check takes half a second of processor time; colours depend on the scheme, and positions on the width."""

both_groups_of_appearances = pytest.mark.parametrize(
    "appearances",
    [
        pytest.param(APPEARANCES, id="each-once"),
        pytest.param(FURTHER_APPEARANCES, id="further", marks=pytest.mark.extended),
    ],
)


async def findings(
    page: Page | Frame, within: str = "html", impacts: Iterable[str] = ("serious", "critical")
) -> list[str]:
    """Return the findings of these impacts in the elements with a selector."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(SCRIPT.read_text())
    found = await page.evaluate("([within, options]) => axe.run(within, options)", [within, OPTIONS])
    return [
        f"{one['id']}: {node['html']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in impacts
        for node in one["nodes"]
    ]


async def appear(page: Page, appearance: Appearance) -> None:
    """Show a page in a colour scheme and a width."""
    scheme, width = appearance
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 720})


async def findings_in(page: Page, appearances: Iterable[Appearance], within: str = "html") -> list[str]:
    """Check one page in several colour schemes and widths."""
    found: list[str] = []
    for appearance in appearances:
        await appear(page, appearance)
        found += [f"{appearance}: {finding}" for finding in await findings(page, within)]
    return found
