"""Launcher on another site: unread count, navigation, appearance, languages, errors and the functions for the page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal

import jwt
import pytest
import pytest_asyncio
from playwright.async_api import Browser, FrameLocator, Locator, Page, expect

from tests.support.chat import RunningChat
from tests.support.peer import Peer
from tests.web.browser import BrowserProfiles, ChatWindow
from tests.web.embedding_site import EmbeddingSite

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "a secret that the site and the server share"
PHONE = {"width": 390, "height": 780}
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
CONTRAST = """([one, other]) => {
  const luminance = (colour) => {
    const scale = colour.startsWith("color(srgb") ? 1 : 255;
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / scale);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""


@dataclass
class Shop:
    """Site with the widget, its chat server, and an agent."""

    site: EmbeddingSite
    chat: RunningChat
    agent: Peer

    def page(self, **attributes: str) -> str:
        return self.site.embed(self.chat.url, **attributes)

    async def inbox(self) -> dict[str, str]:
        """Return the conversations in the agents' inbox by their last message."""
        inbox = await self.agent.call("subscribe_inbox")
        return {one["lastMessage"]["content"]: one["conversationId"] for one in inbox["conversations"]}

    async def reply(self, question: str, text: str) -> None:
        conversation_id = (await self.inbox())[question]
        await self.agent.call("join_conversation", conversation_id)
        await self.agent.call("send_message", {"conversationId": conversation_id, "content": text})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:  # noqa: ARG001  outlives it
    """Run one site and one server for all tests; each test has its own browser profile and thus its own customer."""
    data_dir = tmp_path_factory.mktemp("chat")
    key_file = data_dir / "identity.key"
    key_file.touch(0o600)
    key_file.write_text(SECRET)
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(EmbeddingSite())
        settings = {"widget_origins": (site.url,), "identity_key_file": key_file}
        chat = await stack.enter_async_context(RunningChat(data_dir, **settings))
        yield Shop(site, chat, await chat.agent())


def frame_of(page: Page) -> FrameLocator:
    return page.frame_locator("iframe.frame")


async def open_chat(page: Page) -> ChatWindow:
    await page.get_by_role("button", name="Open chat").click()
    window = ChatWindow(frame_of(page))
    await window.expect_connected()
    await expect(window.input).to_be_focused()
    return window


async def close_chat(page: Page) -> None:
    await expect(frame_of(page).locator("textarea")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Open chat")).to_be_focused()


async def send(window: ChatWindow, text: str) -> None:
    await window.send(text)
    await expect(window.root.locator(".message-state").last).to_have_text("Sent")


async def style_of(element: Locator, *names: str) -> list[str]:
    return [str(await element.evaluate("(one, name) => getComputedStyle(one)[name]", name)) for name in names]


async def test_closed_chat_shows_replies_after_a_navigation(shop: Shop, browsers: BrowserProfiles) -> None:
    page = await browsers.open(shop.page(poll="1"))
    window = await open_chat(page)
    await send(window, "Do you ship abroad?")
    await close_chat(page)
    await page.goto(shop.page(page="cart", poll="1"))
    await shop.reply("Do you ship abroad?", "Yes, everywhere")
    await expect(page.get_by_role("button", name="Open chat, 1 unread")).to_be_visible()
    preview = page.get_by_role("button", name="Yes, everywhere")
    await expect(preview).to_contain_text("Agent-1")
    await expect(page).to_have_title("(1) Shop")
    await shop.reply("Yes, everywhere", "Within a week")
    await expect(page.get_by_role("button", name="Open chat, 2 unread")).to_be_visible()
    assert not [frame for frame in page.frames if "chatbot-iframe" in frame.url]
    await page.get_by_role("button", name="Within a week").click()
    await window.expect_messages("Do you ship abroad?", "Yes, everywhere", "Within a week")
    await expect(page).to_have_title("Shop")
    await close_chat(page)
    async with page.expect_response(lambda response: "/api/messages" in response.url):
        await page.reload()
    await expect(page.get_by_role("button", name="unread")).to_have_count(0)


async def test_chat_without_messages_is_neither_polled_nor_in_the_queue(shop: Shop, browsers: BrowserProfiles) -> None:
    page = await browsers.open(shop.page(poll="1"))
    before = await shop.inbox()
    await open_chat(page)
    await close_chat(page)
    await page.reload()
    await expect(page.get_by_role("button", name="Open chat")).to_be_visible()
    assert await page.locator("iframe").count() == 0
    window = await open_chat(page)
    assert await shop.inbox() == before
    await send(window, "Now I write")
    assert (await shop.inbox()).keys() - before.keys() == {"Now I write"}


async def test_open_chat_and_draft_survive_a_navigation(shop: Shop, browsers: BrowserProfiles) -> None:
    page = await browsers.open(shop.page())
    window = await open_chat(page)
    await window.input.fill("half a sent")
    await page.goto(shop.page(page="cart"))
    await window.expect_connected()
    await expect(window.input).to_have_value("half a sent")
    await expect(window.input).not_to_be_focused()
    await send(window, "a sentence")
    await page.reload()
    await window.expect_messages("a sentence")
    await expect(window.input).to_have_value("")


async def test_links_have_safe_schemes_and_no_access_to_the_page(shop: Shop, browsers: BrowserProfiles) -> None:
    page = await browsers.open(shop.page())
    window = await open_chat(page)
    text = "See (https://example.org/a_(b)?c=1#d), http://example.org. Not javascript:alert(1) or <b>data:x,y</b>"
    await send(window, text)
    await window.expect_messages(text)
    links = window.messages.locator("a")
    targets = await links.evaluate_all("all => all.map(one => [one.href, one.target, one.rel])")
    rel = "noopener noreferrer nofollow"
    assert targets == [["https://example.org/a_(b)?c=1#d", "_blank", rel], ["http://example.org/", "_blank", rel]]


async def test_two_snippets_make_one_widget(shop: Shop, browsers: BrowserProfiles) -> None:
    page = await browsers.open("about:blank")
    for kind in ("text/javascript", "module"):
        snippet = shop.site.snippet(shop.chat.url, kind)
        other = snippet.replace("embed.js", "embed.js?again")
        await page.goto(shop.site.embed(shop.chat.url, snippet=snippet + other))
        await page.wait_for_load_state("networkidle")
        await expect(page.locator("chatws-widget")).to_have_count(1)
    await open_chat(page)


@pytest.mark.parametrize(
    "accents",
    # White on a light page is the counterpart of black on a dark one.
    [("#000", "#777777"), pytest.param(("#ffffff",), marks=pytest.mark.extended)],
)
async def test_any_accent_keeps_launcher_header_and_bubbles_readable(
    shop: Shop, browsers: BrowserProfiles, accents: tuple[str, ...]
) -> None:
    page = await browsers.open(shop.page(accent=accents[0]))
    window = await open_chat(page)
    await send(window, "Can you read me?")
    for accent in accents:
        await page.goto(shop.page(accent=accent))
        await window.expect_messages("Can you read me?")
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await assert_readable(page, window, f"{accent} {scheme}")


async def assert_readable(page: Page, window: ChatWindow, case: str) -> None:
    launcher, bubble = page.locator(".toggle"), window.messages.last
    colours = [await style_of(element, "color", "backgroundColor") for element in (launcher, bubble)]
    assert colours[0] == colours[1]
    colours.append(await style_of(window.root.locator("header"), "color", "backgroundColor"))
    for pair in colours:
        assert await page.evaluate(CONTRAST, pair) >= 4.5, case
    surface = await style_of(window.root.locator("body"), "backgroundColor")
    [edge] = await style_of(bubble, "boxShadow")
    if await page.evaluate(CONTRAST, [colours[1][1], *surface]) < 1.5:
        assert await page.evaluate(CONTRAST, [edge[: edge.index(")") + 1], *surface]) > 1.5, case


async def test_refused_site_and_stopped_server_show_a_message_that_can_be_closed(
    shop: Shop, browsers: BrowserProfiles
) -> None:
    browsers.ignore_network_errors = True
    for problem in ("refused", "stopped"):
        context = await browsers.new_profile(viewport=PHONE, has_touch=True)
        async with EmbeddingSite() as unlisted:
            site = unlisted if problem == "refused" else shop.site
            if problem == "stopped":
                await context.route("**/chatbot-iframe.html?*", lambda route: route.abort("connectionrefused"))
            page = await browsers.open(site.embed(shop.chat.url), context)
            await page.get_by_role("button", name="Open chat").click()
            await expect(page.get_by_text("The chat cannot be reached right now.")).to_be_visible()
            await expect(page.locator("iframe")).to_be_hidden()
            assert await frame_of(page).locator("textarea").count() == 0
            if problem == "stopped":
                await context.unroute("**/chatbot-iframe.html?*")
                await page.get_by_role("button", name="Try again").click()
                await ChatWindow(frame_of(page)).expect_connected()
                await frame_of(page).get_by_role("button", name="Close chat").click()
            else:
                await page.locator(".notice").get_by_role("button", name="Close chat").click()
            await expect(page.get_by_role("button", name="Open chat")).to_be_focused()
            await expect(page.get_by_text("The chat cannot be reached right now.")).to_be_hidden()
    refused = [error for error in browsers.console_errors if "frame-ancestors 'self'" in error]
    assert refused
    for error in refused:
        browsers.console_errors.remove(error)


async def test_page_opens_closes_and_follows_the_chat(shop: Shop, browsers: BrowserProfiles) -> None:
    page = await browsers.open(shop.page())
    await page.wait_for_function("window.chatws")
    await page.evaluate("""
        window.log = [];
        for (const name of ["open", "close", "unread"]) chatws.on(name, (value) => log.push([name, value ?? null]));
        chatws.identify({ name: "Ada" });
        chatws.open();
    """)
    window = ChatWindow(frame_of(page))
    await window.expect_connected()
    await send(window, "Ring me")
    await page.evaluate("chatws.close()")
    await expect(page.locator("iframe")).to_be_hidden()
    await shop.reply("Ring me", "Ring")
    await page.wait_for_function("log.length === 4")
    assert "Ada" in [one["customer"]["userName"] for one in (await shop.agent.call("subscribe_inbox"))["conversations"]]
    assert await page.evaluate("log") == [["unread", 0], ["open", None], ["close", None], ["unread", 1]]
    await page.get_by_role("button", name="Open chat, 1 unread").click()
    await window.expect_messages("Ring me", "Ring")
    await expect(page.get_by_role("button", name="unread")).to_have_count(0)


async def test_signed_user_has_one_conversation_and_a_name(shop: Shop, browsers: BrowserProfiles) -> None:
    claims = {"sub": "4711", "name": "Grace Hopper", "exp": time.time() + 600}
    identity = jwt.encode(claims, SECRET, algorithm="HS256")
    first = await browsers.open(shop.page(identity=identity))
    await send(await open_chat(first), "It is me")
    conversations = (await shop.agent.call("subscribe_inbox"))["conversations"]
    assert "Grace Hopper" in [one["customer"]["userName"] for one in conversations]
    second = await browsers.open(shop.page())
    window = await open_chat(second)
    await second.evaluate("identity => chatws.identify({ identity })", identity)
    await window.expect_messages("It is me")
    await second.evaluate("chatws.identify({})")
    await window.expect_connected()
    await expect(window.messages).to_have_count(0)


async def test_language_theme_and_position_are_options(shop: Shop, browsers: BrowserProfiles) -> None:
    page = await browsers.open(shop.page(language="de", theme="dark", position="left", badge="off"))
    await page.get_by_role("button", name="Chat öffnen").click()
    frame = frame_of(page)
    await expect(frame.get_by_text("Hallo! Wie können wir helfen?")).to_be_visible()
    await expect(frame.get_by_placeholder("Nachricht schreiben")).to_be_visible()
    await expect(frame.locator("html")).to_have_attribute("lang", "de")
    await ChatWindow(frame).expect_connected()
    background = await frame.locator("body").evaluate("one => getComputedStyle(one).backgroundColor")
    assert background == "rgb(22, 26, 34)"
    box = await page.get_by_role("button", name="Chat schließen").first.bounding_box()
    assert box is not None
    assert box["x"] < 100


async def test_site_adds_a_language_of_its_own(shop: Shop, browsers: BrowserProfiles) -> None:
    texts = {"open": "Hulp nodig?", "close": "Chat sluiten", "greeting": "Hoe kunnen we helpen?", "send": "Versturen"}
    shop.site.pages["nl.json"] = json.dumps(texts)
    page = await browsers.open(shop.page(language="nl", texts="/nl.json"))
    await page.get_by_role("button", name="Hulp nodig?").click()
    frame = frame_of(page)
    await expect(frame.get_by_text("Hoe kunnen we helpen?")).to_be_visible()
    await expect(frame.get_by_role("button", name="Versturen")).to_be_visible()
    await expect(frame.locator("html")).to_have_attribute("lang", "nl")
    await expect(page.get_by_role("button", name="Chat sluiten")).to_be_visible()
    await ChatWindow(frame).expect_connected()


async def test_shipped_languages_greet(shop: Shop, browsers: BrowserProfiles) -> None:
    page = await browsers.open("about:blank")
    for language, greeting in (("es", "¡Hola!"), ("fr", "Bonjour"), ("pt", "Olá!"), ("zh", "您好")):
        await page.goto(f"{shop.chat.url}/widget/chatbot-iframe.html?language={language}-XX")
        await expect(page.locator(".greeting-text")).to_contain_text(greeting)
        await expect(page.locator("html")).to_have_attribute("lang", language)
        await expect(page.locator("textarea")).not_to_have_attribute("placeholder", re.compile("Write"))
