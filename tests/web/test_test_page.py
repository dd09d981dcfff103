"""The guide's Local Testing list, on its test page."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.conftest import StartServer
from tests.server.rest.support import EMAIL, PASSWORD, add_agent
from tests.support.chat import RunningChat
from tests.web.conftest import StartChat
from tests.web.support import Visitors, Window, sides

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_messages_typing_presence_and_read_marks_go_both_ways(site: RunningChat, visitors: Visitors) -> None:
    customer, agent = await sides(await visitors.open(f"{site.url}/websocket-test.html"))
    for side in (customer, agent):
        await expect(side.root.locator(".side-other .presence")).to_have_text("Online")
    await customer.area.press_sequentially("Hel")
    await expect(agent.typing).to_contain_text("is typing")
    await customer.say("Hello")
    await expect(agent.typing).to_be_empty()
    await agent.say("Good day")
    for side in (customer, agent):
        await side.shows("Hello", "Good day")
        await expect(side.root.locator(".message.out .message-state")).to_have_text("Seen")
        await expect(side.root.locator(".numbers")).to_contain_text("0 waiting")
        await expect(side.root.locator(".numbers")).to_contain_text("last arrival")


async def test_typing_that_just_ends_is_taken_off_the_screen(start_site: StartChat, visitors: Visitors) -> None:
    site = await start_site(typing_expire_ms=1_500)
    customer, agent = await sides(await visitors.open(f"{site.url}/websocket-test.html"))
    await agent.area.press_sequentially("h")
    await expect(customer.typing).to_contain_text("Agent is typing")
    await expect(customer.typing).to_be_empty()


async def test_browser_offline_and_back_loses_and_doubles_nothing(site: RunningChat, visitors: Visitors) -> None:
    visitors.network_fails = True
    page = await visitors.open(f"{site.url}/websocket-test.html")
    customer, agent = await sides(page)
    await customer.say("before")
    await agent.shows("before")
    await page.context.set_offline(True)
    await expect(customer.status).to_have_text("Reconnecting…")
    await customer.say("written offline")
    await expect(customer.root.locator(".message.out").last).to_contain_text("Waiting for connection")
    await page.context.set_offline(False)
    for side in (customer, agent):
        await side.is_connected()
        await side.shows("before", "written offline")


async def test_cut_connection_queues_and_catches_up_in_one_order_for_both(
    site: RunningChat, visitors: Visitors
) -> None:
    customer, agent = await sides(await visitors.open(f"{site.url}/websocket-test.html"))
    await customer.root.get_by_role("button", name="Cut connection").click()
    await expect(customer.status).to_have_text("Reconnecting…")
    for text in ("one", "two"):
        await agent.say(text)
    await customer.say("three")
    await agent.shows("one", "two")
    await customer.shows("three")
    await customer.root.get_by_role("button", name="Restore connection").click()
    for side in (customer, agent):
        await side.shows("one", "two", "three")
    await expect(customer.root.locator(".numbers")).to_contain_text("1 reconnections")


async def test_server_killed_and_started_again_with_a_message_queued(
    start_server: StartServer, visitors: Visitors
) -> None:
    visitors.network_fails = True
    server = await asyncio.to_thread(start_server)
    customer, agent = await sides(await visitors.open(f"{server.url}/websocket-test.html"))
    await customer.say("before")
    await agent.shows("before")
    await asyncio.to_thread(server.kill)
    for side in (customer, agent):
        await expect(side.status).to_have_text("Reconnecting…")
    await customer.say("from the customer")
    await asyncio.to_thread(server.start)
    await agent.shows("before", "from the customer")
    await agent.say("from the agent")
    for side in (customer, agent):
        await side.shows("before", "from the customer", "from the agent")


async def test_in_production_the_page_asks_who_is_there(start_site: StartChat, visitors: Visitors) -> None:
    visitors.network_fails = True  # the refused log-in is a failed request
    site = await start_site(mode="prod", test_page="on")
    await add_agent(site)
    page = await visitors.open(f"{site.url}/websocket-test.html")
    await page.get_by_label("Agent's email").fill(EMAIL)
    await page.get_by_label("Password").fill("guess")
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("alert")).to_have_text("Email or password is wrong.")
    assert await page.locator(".side").count() == 0
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Start").click()
    customer, agent = await sides(page)
    await agent.say("Good day")
    await customer.shows("Good day")


@pytest.mark.parametrize("width", [320, 768, 1280])
async def test_nothing_is_wider_than_the_screen(site: RunningChat, visitors: Visitors, width: int) -> None:
    page = await visitors.open(f"{site.url}/websocket-test.html", viewport={"width": width, "height": 700})
    customer, agent = await sides(page)
    await customer.say("W" * 300)
    await agent.shows("W" * 300)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_hostile_messages_are_text_and_stay_in_their_bubbles(site: RunningChat, visitors: Visitors) -> None:
    page = await visitors.open(f"{site.url}/websocket-test.html")
    page.on("dialog", lambda dialog: visitors.complaints.append(dialog.message))
    customer, agent = await sides(page)
    hostile = (
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(2)</script>",
        "\u202egnp.exe \u2066 right to left \u05e9\u05dc\u05d5\u05dd",
        "x" * 4_000,
        "\U0001f469\u200d\U0001f680 &lt;b&gt; %s ${alert(3)} {{alert(4)}}",
    )
    for count, text in enumerate(hostile, 1):
        await customer.say(text)
        await expect(agent.texts).to_have_count(count)
    assert await agent.texts.evaluate_all("all => all.map(one => one.textContent)") == list(hostile)
    assert await page.locator(".message-text *").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 1280


async def test_text_over_the_limit_cannot_be_sent(site: RunningChat, visitors: Visitors) -> None:
    customer, _ = await sides(await visitors.open(f"{site.url}/websocket-test.html"))
    await customer.area.fill("\U0001f600" * 4_001)
    await expect(customer.root.get_by_role("button", name="Send")).to_be_disabled()
    await expect(customer.root.locator(".composer-count")).to_have_text("4001 of 4000")


async def test_two_test_pages_do_not_mix(site: RunningChat, visitors: Visitors) -> None:
    first = Window((await visitors.open(f"{site.url}/websocket-test.html")).locator("[data-role=agent]"))
    second, _ = await sides(await visitors.open(f"{site.url}/websocket-test.html"))
    await second.say("only here")
    await second.shows("only here")
    await first.shows()
