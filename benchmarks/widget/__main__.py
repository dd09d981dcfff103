"""Measurement of the time that the widget takes to open, in Chromium and on loopback, compared with its target."""

from __future__ import annotations

import asyncio
import statistics
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.common import runner
from benchmarks.common.measurement import BoundedMeasurement
from tools.screenshots.browser import open_browser
from tools.screenshots.server import run_sample_server

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

FILE_NAME = "widget.json"

_OPENINGS: Final = 10
_TARGET_MS: Final = 300
_POINTER_MS: Final = 200
"""Time from the pointer's arrival at the button to the click."""

_MARK_CLICK: Final = """
  addEventListener("click", () => (globalThis.clickedAt = performance.timeOrigin + performance.now()), true);
  globalThis.usableAt = new Promise((resolve) => {
    const check = () => {
      const isUsable = document.querySelector("#status")?.dataset.state === "connected";
      if (isUsable && document.querySelector("textarea")) resolve(performance.timeOrigin + performance.now());
    };
    new MutationObserver(check).observe(document, { attributes: true, childList: true, subtree: true });
  });
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 0, or 99 if the target was missed."""
    parser = runner.make_parser("benchmarks.widget", __doc__ or "")
    runner.add_out_option(parser, FILE_NAME)
    options = parser.parse_args(arguments)
    return runner.run_guarded(lambda: _measure(options.out))


def _measure(folder: Path | None) -> int:
    runner.prepare_machine(("chatws", "playwright"))
    measurements = asyncio.run(_measure_openings())
    print(*measurements, sep="\n")
    if folder is not None:
        print(f"\nwritten: {runner.write_json(measurements, folder, FILE_NAME)}")
    return runner.exit_code(is_within_targets=all(measurement.is_within_bound for measurement in measurements))


async def _measure_openings() -> list[BoundedMeasurement]:
    async with run_sample_server() as server, open_browser() as browser:
        address = f"{server.shop_url}/?chat_url={server.url}"
        found = {}
        for case, wait_ms in (("without a pointer, as on a phone", 0), ("with a pointer", _POINTER_MS)):
            durations = [await _open_once(browser, address, wait_ms) for _ in range(_OPENINGS)]
            found[case] = statistics.median(durations)
    return [
        BoundedMeasurement(f"click to connected chat, {case} (median)", value, "ms", _TARGET_MS)
        for case, value in found.items()
    ]


async def _open_once(browser: Browser, address: str, pointer_ms: int) -> float:
    """Open the chat as a new visitor and return the milliseconds from the click until a message can be sent."""
    context = await browser.new_context()
    await context.add_init_script(_MARK_CLICK)
    page = await context.new_page()
    await page.goto(address)
    button = page.get_by_role("button", name="Open chat")
    await button.wait_for()
    if pointer_ms:
        await button.hover()
        await page.wait_for_timeout(pointer_ms)
        await button.click()
    else:
        await button.dispatch_event("click")
    duration = await _usable_at(page) - float(await page.evaluate("clickedAt"))
    await context.close()
    return duration


async def _usable_at(page: Page) -> float:
    await page.frame_locator("iframe.frame").locator("textarea").wait_for()
    return float(await page.frames[1].evaluate("usableAt"))


if __name__ == "__main__":
    sys.exit(main())
