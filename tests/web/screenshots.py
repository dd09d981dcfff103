"""Takes pictures of every page at three widths in both colour schemes: ``python -m tests.web.screenshots``.

All of them go to ``build/screenshots`` to be looked at; the test page's becomes the README's.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

from tests.support.chat import RunningChat
from tests.web.other_site import OtherSite
from tests.web.support import Visitors, Window, dashboard, sides

ROOT = Path(__file__).parent.parent.parent
TARGET = ROOT / "build" / "screenshots"
README_PICTURE = ROOT / "docs" / "images" / "test-page.png"

SIZES = ((320, 640), (768, 1024), (1280, 800))
SCHEMES = ("light", "dark")

PEOPLE = (
    ("Maya Lindqvist", "Is my order on its way? It says “packed” since Monday."),
    ("Tomás Ortega", "Gracias, that solved it!"),
    ("Priya Raman", "Do you ship to Norway?"),
    ("\u05e0\u05d5\u05e2\u05d4", "\u05e9\u05dc\u05d5\u05dd!"),
)

Scene = Callable[[Page, RunningChat, OtherSite], Awaitable[None]]


async def talk(one: Window, other: Window) -> None:
    """Let two people have the same short conversation, one of them still typing."""
    await one.say("Hi! My order 1042 has not arrived yet.")
    await expect(other.texts).to_have_count(1)
    await other.say("Sorry to hear that. Let me look it up for you.")
    await other.say("It left our warehouse this morning, so it should be with you tomorrow.")
    await expect(one.texts).to_have_count(3)
    await one.say("Perfect, thank you!")
    await expect(other.texts).to_have_count(4)
    await other.area.press_sequentially("You are ")
    await expect(one.typing).to_contain_text("typing")


async def side_by_side(page: Page, site: RunningChat, _shop: OtherSite) -> None:
    await page.goto(f"{site.url}/websocket-test.html")
    await talk(*await sides(page))


async def cut_off(page: Page, site: RunningChat, _shop: OtherSite) -> None:
    await page.goto(f"{site.url}/websocket-test.html")
    customer, agent = await sides(page)
    await customer.say("Hello?")
    await agent.shows("Hello?")
    await customer.root.get_by_role("button", name="Cut connection").click()
    await agent.say("Good morning!")
    await customer.say("I am in a tunnel.")
    await expect(customer.texts).to_have_count(2)


async def widget(page: Page, site: RunningChat, shop: OtherSite) -> None:
    await page.goto(shop.embed(site.url, title="Lindqvist Bikes"))
    await page.get_by_role("button", name="Open chat").click()
    window = Window(page.frame_locator("iframe"))
    await window.is_connected()
    await window.say("Hi! Do you repair e-bikes?")
    await expect(window.root.locator(".message-state")).to_have_text("Sent")
    agent = await site.agent("sam")
    inbox = await agent.ask("subscribe_inbox")
    newest = max(inbox["conversations"], key=lambda one: one["createdAt"])["conversationId"]
    await agent.ask("join_conversation", newest)
    await agent.ask("send_message", {"conversationId": newest, "content": "We do, every weekday from 9 to 5."})
    await agent.ask("typing_start", newest)
    await expect(window.typing).to_contain_text("typing")


async def inbox(page: Page, site: RunningChat, _shop: OtherSite) -> None:
    await page.goto(f"{site.url}/admin/")
    await dashboard(page)
    await expect(page.locator(".row")).not_to_have_count(0)


async def desk(page: Page, site: RunningChat, shop: OtherSite) -> None:
    await inbox(page, site, shop)
    await page.locator(".row", has_text="Maya").first.click()
    window = Window(page.locator("#conversation"))
    await expect(window.texts).not_to_have_count(0)
    await window.say("Good morning Maya! I am looking into it.")
    await expect(window.root.locator(".message-state").last).to_have_text("Sent")


async def login(page: Page, site: RunningChat, _shop: OtherSite) -> None:
    await page.goto(f"{site.url}/admin/")
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()


SCENES: dict[str, Scene] = {
    "test-page": side_by_side,
    "test-page-cut": cut_off,
    "widget": widget,
    "login": login,
    "inbox": inbox,
    "desk": desk,
}


async def main() -> None:
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    async with async_playwright() as playwright, OtherSite() as shop:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, scene in SCENES.items():
            for scheme in SCHEMES:
                for size in SIZES:
                    await take(browser, shop, name, scene, scheme=scheme, size=size)
        await browser.close()
    README_PICTURE.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(TARGET / "test-page-1280-light.png", README_PICTURE)


async def take(
    browser: Browser, shop: OtherSite, name: str, scene: Scene, *, scheme: str, size: tuple[int, int]
) -> None:
    """Play one scene on a server of its own."""
    width, height = size
    visitors = Visitors(browser)
    with tempfile.TemporaryDirectory() as data_dir:
        async with RunningChat(Path(data_dir), widget_origins=(shop.url,)) as site:
            for user_name, text in PEOPLE:
                await start_conversation(site, user_name, text)
            context = await visitors.person(
                color_scheme=scheme, viewport={"width": width, "height": height}, reduced_motion="reduce"
            )
            page = await context.new_page()
            await scene(page, site, shop)
            await page.screenshot(path=TARGET / f"{name}-{width}-{scheme}.png", full_page=name.startswith("test-page"))
            await visitors.close()
    assert visitors.complaints == [], (name, width, scheme)


async def start_conversation(site: RunningChat, user_name: str, text: str) -> None:
    _, session = await site.post("/api/sessions", {"userName": user_name})
    customer = await site.customer(session["sessionId"])
    await customer.ask("join_conversation", session["conversationId"])
    await customer.ask("send_message", {"conversationId": session["conversationId"], "content": text})


if __name__ == "__main__":
    asyncio.run(main())
