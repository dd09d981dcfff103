"""Screenshots of every page at three widths in both colour schemes: ``python -m tests.web.screenshots``.

They are written to ``build/screenshots``; the one of the test page is also copied to the README's images.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles, ChatWindow, connected_panels, log_in_as_dev_agent
from tests.web.embedding_site import EmbeddingSite

ROOT = Path(__file__).parent.parent.parent
TARGET = ROOT / "build" / "screenshots"
README_IMAGE = ROOT / "docs" / "images" / "test-page.png"

SIZES = ((320, 640), (768, 1024), (1280, 800))
SCHEMES = ("light", "dark")

CUSTOMERS = (
    ("Maya Lindqvist", "Is my order on its way? It says “packed” since Monday."),
    ("Tomás Ortega", "Gracias, that solved it!"),
    ("Priya Raman", "Do you ship to Norway?"),
    ("\u05e0\u05d5\u05e2\u05d4", "\u05e9\u05dc\u05d5\u05dd!"),
)

Scene = Callable[[Page, RunningChat, EmbeddingSite], Awaitable[None]]


async def exchange_messages(one: ChatWindow, other: ChatWindow) -> None:
    """Exchange four messages and leave one user typing."""
    await one.send("Hi! My order 1042 has not arrived yet.")
    await expect(other.messages).to_have_count(1)
    await other.send("Sorry to hear that. Let me look it up for you.")
    await other.send("It left our warehouse this morning, so it should be with you tomorrow.")
    await expect(one.messages).to_have_count(3)
    await one.send("Perfect, thank you!")
    await expect(other.messages).to_have_count(4)
    await other.input.press_sequentially("You are ")
    await expect(one.typing).to_contain_text("typing")


async def both_panels(page: Page, chat_server: RunningChat, _host_site: EmbeddingSite) -> None:
    await page.goto(f"{chat_server.url}/websocket-test.html")
    await exchange_messages(*await connected_panels(page))


async def disconnected_customer(page: Page, chat_server: RunningChat, _host_site: EmbeddingSite) -> None:
    await page.goto(f"{chat_server.url}/websocket-test.html")
    customer, agent = await connected_panels(page)
    await customer.send("Hello?")
    await agent.expect_messages("Hello?")
    await customer.root.get_by_role("button", name="Cut connection").click()
    await agent.send("Good morning!")
    await customer.send("I am in a tunnel.")
    await expect(customer.messages).to_have_count(2)


async def widget(page: Page, chat_server: RunningChat, host_site: EmbeddingSite) -> None:
    await page.goto(host_site.embed(chat_server.url, title="Lindqvist Bikes"))
    await page.get_by_role("button", name="Open chat").click()
    window = ChatWindow(page.frame_locator("iframe"))
    await window.expect_connected()
    await window.send("Hi! Do you repair e-bikes?")
    await expect(window.root.locator(".message-state")).to_have_text("Sent")
    agent = await chat_server.agent("sam")
    inbox = await agent.ask("subscribe_inbox")
    newest = max(inbox["conversations"], key=lambda one: one["createdAt"])["conversationId"]
    await agent.ask("join_conversation", newest)
    await agent.ask("send_message", {"conversationId": newest, "content": "We do, every weekday from 9 to 5."})
    await agent.ask("typing_start", newest)
    await expect(window.typing).to_contain_text("typing")


async def inbox(page: Page, chat_server: RunningChat, _host_site: EmbeddingSite) -> None:
    await page.goto(f"{chat_server.url}/admin/")
    await log_in_as_dev_agent(page)
    await expect(page.locator(".row")).not_to_have_count(0)


async def dashboard(page: Page, chat_server: RunningChat, host_site: EmbeddingSite) -> None:
    await inbox(page, chat_server, host_site)
    await page.locator(".row", has_text="Maya").first.click()
    window = ChatWindow(page.locator("#conversation"))
    await expect(window.messages).not_to_have_count(0)
    await window.send("Good morning Maya! I am looking into it.")
    await expect(window.root.locator(".message-state").last).to_have_text("Sent")


async def login(page: Page, chat_server: RunningChat, _host_site: EmbeddingSite) -> None:
    await page.goto(f"{chat_server.url}/admin/")
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()


SCENES: dict[str, Scene] = {
    "test-page": both_panels,
    "test-page-cut": disconnected_customer,
    "widget": widget,
    "login": login,
    "inbox": inbox,
    "dashboard": dashboard,
}


async def main() -> None:
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    async with async_playwright() as playwright, EmbeddingSite() as host_site:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, scene in SCENES.items():
            for scheme in SCHEMES:
                for size in SIZES:
                    await take(browser, host_site, name, scene, scheme=scheme, size=size)
        await browser.close()
    README_IMAGE.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(TARGET / "test-page-1280-light.png", README_IMAGE)


async def take(
    browser: Browser, host_site: EmbeddingSite, name: str, scene: Scene, *, scheme: str, size: tuple[int, int]
) -> None:
    """Take the screenshot of one scene on a new server."""
    width, height = size
    browsers = BrowserProfiles(browser)
    with tempfile.TemporaryDirectory() as data_dir:
        async with RunningChat(Path(data_dir), widget_origins=(host_site.url,)) as chat_server:
            for user_name, text in CUSTOMERS:
                await start_conversation(chat_server, user_name, text)
            context = await browsers.new_profile(
                color_scheme=scheme, viewport={"width": width, "height": height}, reduced_motion="reduce"
            )
            page = await context.new_page()
            await scene(page, chat_server, host_site)
            await page.screenshot(path=TARGET / f"{name}-{width}-{scheme}.png", full_page=name.startswith("test-page"))
            await browsers.close()
    assert browsers.console_errors == [], (name, width, scheme)


async def start_conversation(chat_server: RunningChat, user_name: str, text: str) -> None:
    _, session = await chat_server.post("/api/sessions", {"userName": user_name})
    customer = await chat_server.customer(session["sessionId"])
    await customer.ask("join_conversation", session["conversationId"])
    await customer.ask("send_message", {"conversationId": session["conversationId"], "content": text})


if __name__ == "__main__":
    asyncio.run(main())
