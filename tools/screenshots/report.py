"""Screenshot of the top of a load test's report; the load test is a real one of half a minute."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tools.screenshots.browser import open_browser
from tools.screenshots.server import CHATWS

OPTIONS = ("--scenario=steady", "--users=200", "--duration=20", "--quiet")
WIDTH, HEIGHT = 980, 1030


async def draw(image: Path) -> None:
    """Run the load test and write a screenshot of its report, also of a report with missed thresholds.

    Raises:
        FileNotFoundError: the load test ended without a report.
    """
    with tempfile.TemporaryDirectory() as folder:
        child = await asyncio.create_subprocess_exec(CHATWS, "loadtest", *OPTIONS, "--report", folder)
        await child.wait()
        page = Path(folder) / "report.html"
        if not page.exists():
            raise FileNotFoundError(page)
        async with open_browser() as browser:
            window = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            await window.goto(page.as_uri())
            await window.screenshot(path=image)
