"""Attention of agents in the dashboard: sound, desktop notifications, and presence of an idle agent."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import Page, expect

from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles, ChatWindow, log_in_as_dev_agent
from tests.web.dashboard_support import customer_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECORDER = """
    window.tones = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...at) { window.tones += 1; return start.apply(this, at); };
    window.notifications = [];
    window.Notification = class {
      static permission = "default";
      static async requestPermission() { return (Notification.permission = "granted"); }
      constructor(title, options) { window.notifications.push(this); Object.assign(this, { title, ...options }); }
      close() {}
    };
"""
"""Counts tones, and keeps notifications, which a browser without a screen does not show."""

REPORTER = """
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...at) {
      setTimeout(() => console.log(`tone ${this.context.state}`));
      return start.apply(this, at);
    };
    const seen = new Set();
    const report = (text) => !seen.has(text) && seen.add(text) && setTimeout(() => console.log(text), 100);
    new MutationObserver(() => {
      report(`title ${document.title}`);
      for (const preview of document.querySelectorAll(".row-preview")) report(`row ${preview.textContent}`);
    }).observe(document, { subtree: true, childList: true, characterData: true });
"""
"""Reports tones, titles and the texts of rows to the console."""


def reported(page: Page, text: str) -> AbstractAsyncContextManager[object]:
    """Wait until the console has this text."""
    return page.expect_console_message(lambda message: message.text == text)


async def test_only_unseen_messages_chime_unless_switched_off_and_show_a_desktop_notification(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    ann = await customer_of(chat_server, "Ann", "Hi")
    bob = await customer_of(chat_server, "Bob", "Ho")
    context = await browsers.new_profile()
    await context.add_init_script(RECORDER)
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/", context))
    await dashboard.get_by_role("button", name="Desktop notifications").click()
    await expect(dashboard.get_by_role("button", name="Desktop notifications")).to_have_attribute(
        "aria-pressed", "true"
    )
    await ann.row(dashboard).click()
    window = ChatWindow(dashboard.locator("#conversation"))
    await window.expect_messages("Hi")
    await ann.write("seen", "seen in the interval of an update")
    await expect(ann.row(dashboard)).to_contain_text("in the interval")
    assert await dashboard.evaluate("window.tones") == 0
    await bob.write("not seen")
    await expect(bob.row(dashboard)).to_contain_text("not seen")
    await expect(ann.row(dashboard).locator(".unread")).to_have_count(0)
    assert await dashboard.evaluate("window.tones") > 0
    assert await dashboard.evaluate("window.notifications.length") == 0
    await dashboard.evaluate("document.hasFocus = () => false")
    await bob.write("in the background")
    await dashboard.wait_for_function("() => window.notifications.length === 1")
    shown = "(({ title, body }) => [title, body])(window.notifications[0])"
    assert await dashboard.evaluate(shown) == ["Bob", "in the background"]
    await dashboard.evaluate("window.notifications[0].onclick()")
    await expect(dashboard.locator("h2", has_text="Bob")).to_be_visible()
    sound = dashboard.get_by_role("button", name="Notification sound")
    await sound.click()
    tones = await dashboard.evaluate("window.tones")
    await ann.write("silence")
    await expect(ann.row(dashboard)).to_contain_text("silence")
    assert await dashboard.evaluate("window.tones") == tones
    await dashboard.reload()
    await expect(sound).to_have_attribute("aria-pressed", "false")


async def test_messages_before_the_first_user_action_make_no_sound_and_none_later(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    """Evaluating an expression counts as a user action in Chromium: the page reports to its console instead."""
    ann = await customer_of(chat_server, "Ann", "Hi")
    context = await browsers.new_profile()
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/", context))
    await expect(ann.row(dashboard)).to_contain_text("Hi")
    await context.add_init_script(REPORTER)
    async with reported(dashboard, "title (1) chatws · Inbox"):
        await dashboard.reload()
    reports: list[str] = []
    dashboard.on("console", lambda message: reports.append(message.text))
    for text in ("one", "two"):
        async with reported(dashboard, f"row {text}"):
            await ann.write(text)
    assert [report for report in reports if report.startswith("tone")] == []
    await dashboard.mouse.click(1, 1)
    async with reported(dashboard, "row three"):
        await ann.write("three")
    assert [report for report in reports if report.startswith("tone")] == ["tone running", "tone running"]


async def test_idle_agent_is_away_until_the_next_input(chat_server: RunningChat, browsers: BrowserProfiles) -> None:
    # The jumps of the clock let the client's ping timeout expire, maybe while the connection is being upgraded.
    browsers.ignore_interrupted_handshakes = True
    context = await browsers.new_profile()
    await context.clock.install()
    dashboard = await log_in_as_dev_agent(await browsers.open(f"{chat_server.url}/admin/", context))
    agnes = await chat_server.agent("agnes")
    await agnes.call("subscribe_inbox")
    await context.clock.fast_forward("04:00")
    await dashboard.keyboard.press("Shift")
    # The clock also goes on by itself.
    await context.clock.fast_forward("04:00")
    await expect(dashboard.locator("#presence")).to_have_value("online")
    await context.clock.fast_forward("01:00")
    await expect(dashboard.locator("#presence")).to_have_value("away")
    while (await agnes.expect("presence_update"))["status"] != "away":
        pass
    await dashboard.keyboard.press("Shift")
    await expect(dashboard.locator("#presence")).to_have_value("online")
    while (await agnes.expect("presence_update"))["status"] != "online":
        pass
