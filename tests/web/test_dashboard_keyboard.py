"""The work of an agent by keyboard alone: no test of this file uses the mouse."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles, ChatWindow
from tests.web.dashboard_support import Customer, customer_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAX_TABS = 30


async def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until the control with this name has the focus."""
    control = page.get_by_role("button", name=name, exact=True)
    for _ in range(MAX_TABS):
        if await control.evaluate_all("controls => controls.includes(document.activeElement)"):
            return
        await page.keyboard.press(key)
    raise AssertionError(f"{name} cannot be reached")


async def write_note_and_resolve(page: Page, window: ChatWindow) -> None:
    press = page.keyboard.press
    await press("Escape")
    await press("n")
    await page.keyboard.type("Lost by the carrier")
    await press("Enter")
    await expect(page.locator(".note-text")).to_have_text("Lost by the carrier")
    await expect(window.input).to_have_value("")
    # Customer, and the list of shortcuts.
    await press("Escape")
    await press("u")
    await expect(page.locator(".customer-content")).to_contain_text("first seen")
    await press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Show or hide the customer's details")
    await expect(page.get_by_role("button", name="Close")).to_be_focused()
    await press("Enter")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await press("e")
    await expect(page.locator(".holder")).to_have_text("Resolved")


async def use_shortcuts_in_the_list(page: Page, window: ChatWindow, bob: Customer, cem: Customer) -> None:
    """Start in Bob's conversation, with the focus in its input; Cem's is the next of the list."""
    press = page.keyboard.press
    await press("c")
    await expect(window.input).to_have_value("c")
    await press("Backspace")
    await press("Escape")
    await expect(bob.row(page)).to_be_focused()
    await press("ArrowDown")
    await expect(cem.row(page)).to_be_focused()
    await press("Enter")
    await expect(window.input).to_be_focused()
    await press("Escape")
    await expect(cem.row(page)).to_be_focused()
    await press("k")
    await expect(page.locator("h2", has_text="Bob")).to_be_visible()
    await press("Escape")
    await press("c")
    await expect(page.locator(".holder")).to_have_text("Assigned to you")
    await press("n")
    await expect(page.get_by_placeholder("note for agents")).to_be_focused()
    await press("Escape")
    await press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Claim the conversation")
    await page.get_by_label("Use shortcuts of single keys").press("Space")
    await press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.locator("body").press("?")
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_case_is_handled_from_log_in_to_resolve_without_a_mouse(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    replies = chat_server.settings.data_dir / "replies.toml"
    await asyncio.to_thread(replies.write_text, 'greeting = "Hello {customer}!"\nhours = "9 to 17"\n')
    ann = await customer_of(chat_server, "Ann", "Where is my parcel?")
    cem = await customer_of(chat_server, "Cem", "Ho")
    bob = await customer_of(chat_server, "Bob", "Hi")
    page = await browsers.open(f"{chat_server.url}/admin/")
    press, window = page.keyboard.press, ChatWindow(page.locator("#conversation"))
    await tab_to(page, "Continue as the development agent")
    await press("Enter")
    await expect(bob.row(page)).to_be_visible()
    # Search, and open the result.
    await press("/")
    await page.keyboard.type("parcel")
    await expect(page.locator("#list-found")).to_have_text("1 conversation found")
    await press("Tab")
    await expect(ann.row(page)).to_be_focused()
    await press("Enter")
    await expect(page.locator("h2", has_text="Ann")).to_be_visible()
    await expect(window.input).to_be_focused()
    # Claim and canned reply, changed before it is sent.
    await tab_to(page, "Claim", "Shift+Tab")
    await press("Enter")
    await expect(page.locator(".holder")).to_have_text("Assigned to you")
    await press("r")
    await page.keyboard.type("/")
    await expect(page.locator(".replies .reply")).to_have_count(2)
    await press("ArrowDown")
    await press("Enter")
    await expect(window.input).to_have_value("Hello Ann!")
    await page.keyboard.type(" One moment.")
    await press("Enter")
    await window.expect_messages("Where is my parcel?", "Hello Ann! One moment.")
    await write_note_and_resolve(page, window)
    # End of the search, and the next conversation.
    await press("/")
    await press("Escape")
    await expect(page.locator("#filters")).to_be_visible()
    await press("Escape")
    await expect(bob.row(page)).to_be_focused()
    await press("Enter")
    await window.expect_messages("Hi")
    await expect(window.input).to_be_focused()
    await use_shortcuts_in_the_list(page, window, bob, cem)
