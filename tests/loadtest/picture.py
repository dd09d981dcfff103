"""Draws the README's picture of a load test's report: ``python -m tests.loadtest.picture FILE.png``.

A real load test of half a minute is run for it; the picture is the top of its page.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from tests.loadtest.command import CHATWS

OPTIONS = ("--scenario=steady", "--users=200", "--duration=20", "--quiet")
SIZE = {"width": 980, "height": 1030}


async def draw(page: Path, picture: Path) -> None:
    """Take a picture of the top of a page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        window = await browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]  # a TypedDict
        await window.goto(page.as_uri())
        await window.screenshot(path=picture)
        await browser.close()


async def main(picture: Path) -> int:
    """Run the load test and draw its report, whatever its verdict; 0 unless there is none."""
    with tempfile.TemporaryDirectory() as folder:
        child = await asyncio.create_subprocess_exec(CHATWS, "loadtest", *OPTIONS, "--report", folder)
        await child.wait()
        page = Path(folder) / "report.html"
        if not page.exists():
            return 1
        await draw(page, picture)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]))))
