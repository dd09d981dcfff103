"""The agents' dashboard, from log-in to resolved."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest
from playwright.async_api import Page, expect

from chatws.store import Draft
from tests.server.rest.support import EMAIL, PASSWORD, add_agent
from tests.support.chat import RunningChat
from tests.web.conftest import StartChat
from tests.web.support import Visitors, Window, dashboard

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def customer_says(site: RunningChat, text: str, session_id: str = "customer-1", name: str = "conv-1") -> None:
    customer = await site.customer(session_id)
    await customer.ask("join_conversation", name)
    assert (await customer.ask("send_message", {"conversationId": name, "content": text}))["success"]


async def log_in(page: Page, password: str) -> None:
    await page.get_by_label("Email").fill(EMAIL)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def test_conversation_from_unread_to_resolved_and_back(site: RunningChat, visitors: Visitors) -> None:
    desk = await dashboard(await visitors.open(f"{site.url}/admin/"))
    await expect(desk.locator("#list-empty")).to_be_visible()
    await customer_says(site, "Is anybody there?")
    row = desk.locator(".row")
    await expect(row).to_contain_text("Is anybody there?")
    await expect(row.locator(".unread")).to_contain_text("1")
    await expect(row.locator(".avatar")).to_have_attribute("data-presence", "online")
    await row.click()
    await expect(row.locator(".unread")).to_have_count(0)
    await desk.get_by_role("button", name="Claim").click()
    await expect(row.locator(".tag")).to_have_text("Agent")
    window = Window(desk.locator("#conversation"))
    await window.say("I am.")
    await window.shows("Is anybody there?", "I am.")
    await desk.get_by_role("button", name="Resolve", exact=True).click()
    await expect(row).to_have_count(0)
    await desk.get_by_role("button", name="Resolved").click()
    await expect(row.locator(".tag")).to_have_text("Resolved")
    await customer_says(site, "One more thing")
    await expect(row).to_have_count(0)
    await desk.get_by_role("button", name="Open").click()
    await expect(row).to_contain_text("One more thing")
    await window.shows("Is anybody there?", "I am.", "One more thing")


async def test_message_refused_for_good_says_so_and_is_sent_again_with_a_click(
    site: RunningChat, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customer_says(site, "Hello?")
    desk = await dashboard(await visitors.open(f"{site.url}/admin/"))
    await desk.locator(".row").click()

    async def fail(_draft: Draft) -> NoReturn:
        raise RuntimeError("a bug")

    window = Window(desk.locator("#conversation"))
    with monkeypatch.context() as broken:
        broken.setattr(site.parts.store, "append", fail)
        await window.say("Good morning")
        await expect(desk.locator(".message.out")).to_contain_text("Not sent")
    await desk.get_by_role("button", name="Send again").click()
    await expect(desk.locator(".message.out .message-state")).to_have_text("Sent")
    await window.shows("Hello?", "Good morning")


async def test_lost_race_shows_what_holds_now(site: RunningChat, visitors: Visitors) -> None:
    await customer_says(site, "Who takes me?")
    desk = await dashboard(await visitors.open(f"{site.url}/admin/"))
    await desk.locator(".row").click()
    other = await site.agent("agnes")
    conversation = (await other.ask("join_conversation", "conv-1"))["conversation"]
    claim = {"conversationId": "conv-1", "version": conversation["version"]}
    await other.ask("claim_conversation", claim)
    await expect(desk.locator(".row .tag")).to_have_text("Agnes")
    await expect(desk.get_by_role("button", name="Claim")).to_have_count(0)


async def test_bot_is_handed_off_to_the_queue(start_site: StartChat, visitors: Visitors) -> None:
    site = await start_site(bot="echo")
    await customer_says(site, "Hello, bot")
    desk = await dashboard(await visitors.open(f"{site.url}/admin/"))
    await expect(desk.locator(".row .tag")).to_have_text("Bot")
    await desk.locator(".row").click()
    await desk.get_by_role("button", name="Hand off").click()
    await expect(desk.locator(".row .tag")).to_have_text("In the queue")


async def test_agent_logs_in_with_password_and_log_out_ends_every_window(
    start_site: StartChat, visitors: Visitors
) -> None:
    visitors.network_fails = True  # the refused log-in is a failed request
    site = await start_site(mode="prod")
    await add_agent(site)
    page = await visitors.open(f"{site.url}/admin/")
    await expect(page.get_by_role("button", name="development agent")).to_be_hidden()
    await log_in(page, "wrong")
    await expect(page.get_by_role("alert")).to_have_text("Email or password is wrong.")
    await log_in(page, PASSWORD)
    await expect(page.locator("#status")).to_have_text("Connected")
    other = await visitors.open(f"{site.url}/admin/")
    await log_in(other, PASSWORD)
    await expect(other.locator("#status")).to_have_text("Connected")
    # The page starts anew; Chromium never answers that it closed a profile in the middle of that.
    async with page.expect_event("load"):
        await page.get_by_role("button", name="Log out").click()
    for window in (page, other):
        await expect(window.get_by_role("button", name="Log in")).to_be_visible()


async def test_reload_keeps_the_log_in_and_what_was_read(site: RunningChat, visitors: Visitors) -> None:
    await customer_says(site, "Hello")
    desk = await dashboard(await visitors.open(f"{site.url}/admin/"))
    await desk.locator(".row").click()
    await expect(desk.locator(".unread")).to_have_count(0)
    await desk.reload()
    await expect(desk.locator(".row")).to_contain_text("Hello")
    await expect(desk.locator(".unread")).to_have_count(0)


async def test_expiring_token_is_renewed_on_the_live_connection(start_site: StartChat, visitors: Visitors) -> None:
    site = await start_site(token_ttl_s=4, token_expiring_ms=3_000, token_grace_ms=0)
    desk = await dashboard(await visitors.open(f"{site.url}/admin/"))
    first = await desk.evaluate("sessionStorage.getItem('auth_token')")
    await desk.wait_for_function("first => sessionStorage.getItem('auth_token') !== first", arg=first)
    await customer_says(site, "still there?")
    await expect(desk.locator(".row")).to_contain_text("still there?")
    await expect(desk.locator("#status")).to_have_text("Connected")


async def test_sound_plays_for_new_messages_until_it_is_switched_off(site: RunningChat, visitors: Visitors) -> None:
    context = await visitors.person()
    await context.add_init_script(
        "window.tones = 0; const start = OscillatorNode.prototype.start;"
        "OscillatorNode.prototype.start = function (...at) { window.tones += 1; return start.apply(this, at); };"
    )
    desk = await dashboard(await visitors.open(f"{site.url}/admin/", context))
    await customer_says(site, "ding")
    await expect(desk.locator(".row")).to_contain_text("ding")
    assert await desk.evaluate("window.tones") > 0
    await desk.get_by_role("button", name="Notification sound").click()
    heard = await desk.evaluate("window.tones")
    await customer_says(site, "silence")
    await expect(desk.locator(".row")).to_contain_text("silence")
    assert await desk.evaluate("window.tones") == heard
    await desk.reload()
    await expect(desk.get_by_role("button", name="Notification sound")).to_have_attribute("aria-pressed", "false")


async def test_small_screen_shows_list_or_conversation(site: RunningChat, visitors: Visitors) -> None:
    await customer_says(site, "Hello")
    page = await visitors.open(f"{site.url}/admin/", viewport={"width": 320, "height": 640})
    desk = await dashboard(page)
    await expect(desk.locator("#conversation")).to_be_hidden()
    await desk.locator(".row").click()
    await expect(desk.locator(".inbox")).to_be_hidden()
    assert await desk.evaluate("document.documentElement.scrollWidth") <= 320
    await desk.get_by_role("button", name="Back to the list").click()
    await expect(desk.locator(".row")).to_be_visible()


async def test_older_conversations_than_the_first_page_are_fetched_on_demand(
    start_site: StartChat, visitors: Visitors
) -> None:
    site = await start_site(sessions_per_s=1_000)
    await asyncio.gather(*(site.post("/api/sessions", {"userName": f"Customer {number}"}) for number in range(130)))
    desk = await dashboard(await visitors.open(f"{site.url}/admin/"))
    await expect(desk.locator(".row")).to_have_count(100)
    await desk.get_by_role("button", name="Show older conversations").click()
    await expect(desk.locator(".row")).to_have_count(130)
    await expect(desk.get_by_role("button", name="Show older conversations")).to_be_hidden()
