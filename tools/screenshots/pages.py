"""Screenshots of every page at three widths in both colour schemes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Literal

from playwright.async_api import BrowserContext, FrameLocator, Locator, Page, expect

from tools.screenshots.browser import open_browser
from tools.screenshots.server import SampleServer, run_sample_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

SIZES = ((320, 640), (768, 1024), (1280, 800))
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TIMEOUT_MS = 20_000


class ChatPanel:
    """Page object of a conversation: a side of the test page, the widget, or the dashboard's conversation."""

    def __init__(self, root: Page | Locator | FrameLocator) -> None:
        self.root = root
        self.input = root.locator("textarea")
        self.texts = root.locator(".message-text")
        self.typing = root.locator(".typing")
        self.status = root.locator(".status")
        self.states = root.locator(".message-state")

    async def wait_connected(self) -> None:
        await expect(self.status).to_have_attribute("data-state", "connected")

    async def send(self, text: str) -> None:
        await self.input.fill(text)
        await self.input.press("Enter")


async def show_test_page(page: Page, server: SampleServer) -> None:
    """Show a short conversation in which the agent is typing."""
    customer, agent = await _open_test_page(page, server)
    await customer.send("Hi! My order 1042 has not arrived yet.")
    await expect(agent.texts).to_have_count(1)
    await agent.send("Sorry to hear that. Let me look it up for you.")
    await agent.send("It left our warehouse this morning, so it should be with you tomorrow.")
    await expect(customer.texts).to_have_count(3)
    await customer.send("Perfect, thank you!")
    await expect(agent.texts).to_have_count(4)
    await agent.input.press_sequentially("You are ")
    await expect(customer.typing).to_contain_text("typing")


async def show_disconnected_customer(page: Page, server: SampleServer) -> None:
    """Show unsent and missing messages after the customer's connection was cut."""
    customer, agent = await _open_test_page(page, server)
    await customer.send("Hello?")
    await expect(agent.texts).to_have_count(1)
    await customer.root.get_by_role("button", name="Cut connection").click()
    await agent.send("Good morning!")
    await customer.send("I am in a tunnel.")
    await expect(customer.texts).to_have_count(2)


async def show_widget(page: Page, server: SampleServer) -> None:
    """Show the widget on a page of another origin, with an agent typing."""
    await page.goto(f"{server.shop_url}/?chat_url={server.url}")
    await page.get_by_role("button", name="Open chat").click()
    panel = ChatPanel(page.frame_locator("iframe"))
    await panel.wait_connected()
    await panel.send("Hi! Do you repair e-bikes?")
    await expect(panel.states).to_have_text("Sent")
    agent = await server.connect_agent("sam", "Sam")
    inbox = await agent.subscribe_inbox()
    newest = max(inbox.conversations, key=lambda conversation: conversation.created_at).conversation_id
    await agent.join_conversation(newest)
    await agent.send_message(newest, "We do, every weekday from 9 to 5.")
    await agent.send_typing_start(newest)
    await expect(panel.typing).to_contain_text("typing")


async def show_login(page: Page, server: SampleServer) -> None:
    """Show the dashboard's log-in form."""
    await page.goto(f"{server.url}/admin/")
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()


async def show_inbox(page: Page, server: SampleServer) -> None:
    """Show the dashboard's list of conversations."""
    await page.goto(f"{server.url}/admin/")
    await page.get_by_role("button", name="Continue as the development agent").click()
    await expect(page.locator("#status")).to_have_text("Connected")
    await expect(page.locator(".row")).not_to_have_count(0)


async def show_conversation(page: Page, server: SampleServer) -> None:
    """Show the dashboard with an open conversation."""
    await show_inbox(page, server)
    await page.locator(".row", has_text="Maya").first.click()
    panel = ChatPanel(page.locator("#conversation"))
    await expect(panel.texts).not_to_have_count(0)
    await panel.send("Good morning Maya! I am looking into it.")
    await expect(panel.states.last).to_have_text("Sent")


SCENES: dict[str, Callable[[Page, SampleServer], Awaitable[None]]] = {
    "login": show_login,
    "inbox": show_inbox,
    "conversation": show_conversation,
    "widget": show_widget,
    "test-page": show_test_page,
    "test-page-cut": show_disconnected_customer,
}
"""In this order on one server: the later ones add conversations, which would change the inbox."""


async def draw(folder: Path, readme_image: Path) -> None:
    """Write all screenshots to the folder, replacing it, and copy one of the test page to the README's image."""
    expect.set_options(timeout=TIMEOUT_MS)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    async with open_browser() as browser:
        for scheme in SCHEMES:
            for width, height in SIZES:
                async with run_sample_server() as server:
                    for name in SCENES:
                        context = await browser.new_context(
                            locale="en-GB",
                            color_scheme=scheme,
                            viewport={"width": width, "height": height},
                            reduced_motion="reduce",
                        )
                        await _draw_scene(context, server, name, folder / f"{name}-{width}-{scheme}.png")
    shutil.copyfile(folder / "test-page-1280-light.png", readme_image)


async def _draw_scene(context: BrowserContext, server: SampleServer, name: str, image: Path) -> None:
    """Write the screenshot of one scene; an error or warning on the page's console is an AssertionError."""
    errors: list[str] = []
    context.on("console", lambda line: errors.append(line.text) if line.type in {"error", "warning"} else None)
    context.on("weberror", lambda event: errors.append(str(event.error)))
    page = await context.new_page()
    await SCENES[name](page, server)
    await page.screenshot(path=image, full_page=name.startswith("test-page"))
    await context.close()
    assert errors == [], (image.name, errors)


async def _open_test_page(page: Page, server: SampleServer) -> tuple[ChatPanel, ChatPanel]:
    """Return the connected sides of the customer and the agent."""
    await page.goto(f"{server.url}/websocket-test.html")
    customer, agent = (ChatPanel(page.locator(f"[data-role={role}]")) for role in ("customer", "agent"))
    await customer.wait_connected()
    await agent.wait_connected()
    return customer, agent
