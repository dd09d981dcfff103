"""Command ``chatws timeline``: the page in a browser, explanations, and errors (about 10 s)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from chatws_loadtest.chatlog.records import AckRecord, CloseRecord, IdentityRecord, InRecord, OpenRecord, OutRecord
from chatws_loadtest.chatlog.writer import ChatlogWriter
from tests.loadtest.command import run_command
from tests.support.tools import skip_if_missing
from tools.services.programs import find_chromium

if TYPE_CHECKING:
    from playwright.async_api import Page

EXPECT_TIMEOUT_MS = 40_000
LAUNCH_TIMEOUT_MS = 100_000
"""Upper bounds for slow machines; a passing test does not wait for them."""

PEOPLE = 60
"""More than the page has columns for."""


def record_meeting(file: Path) -> None:
    """Record a room in which u2 misses the first message, and u3 is away during the second and catches up."""
    with ChatlogWriter(file, "tap", "http://chat.example") as writer:
        for c in range(1, PEOPLE + 1):
            writer.write(OpenRecord(t=0.0, c=c))
            writer.write(IdentityRecord(t=0.0, c=c, user=f"u{c}", role="customer"))
            writer.write(OutRecord(t=0.0, c=c, event="join_conversation", ack=0, room="r1"))
        for number, lacks in ((1, {2}), (2, {3})):
            t = 1.0 * number
            writer.write(OutRecord(t=t, c=1, event="send_message", ack=number, room="r1", key=f"k{number}"))
            writer.write(AckRecord(t=t + 0.01, c=1, ack=number, ok=True, message=f"m{number}", seq=number))
            for c in sorted(set(range(1, PEOPLE + 1)) - lacks):
                writer.write(
                    InRecord(
                        t=t + 0.02, c=c, event="message_received", room="r1", message=f"m{number}", key=f"k{number}"
                    )
                )
            if number == 1:
                writer.write(CloseRecord(t=1.5, c=3, by="client", reason="cut"))
        writer.write(OpenRecord(t=3.0, c=99))
        writer.write(IdentityRecord(t=3.0, c=99, user="u3", role="customer"))
        writer.write(OutRecord(t=3.0, c=99, event="join_conversation", ack=0, room="r1"))
        writer.write(AckRecord(t=3.1, c=99, ack=0, ok=True, messages=("m2",)))


async def timeline(*options: str | Path) -> tuple[int, str, str]:
    done = await run_command("timeline", *map(str, options))
    return done.returncode, done.stdout, done.stderr


async def test_explanation_is_printed_in_words_and_as_json(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    record_meeting(file)
    code, text, _ = await timeline(file, "--explain", "m2")
    assert code == 0
    assert (
        "u3 was disconnected from 1.500 s to 3.000 s and received it with the catch-up at 3.100 s" in text.splitlines()
    )
    _, as_json, _ = await timeline(file, "--explain", "m2", "--json")
    assert json.loads(as_json) == {"message": "m2", "lines": text.splitlines()}
    assert not (tmp_path / "a.html").exists()


async def test_unknown_message_and_broken_file_are_usage_errors(tmp_path: Path) -> None:
    file = tmp_path / "a.chatlog"
    record_meeting(file)
    code, _, error = await timeline(file, "--explain", "m77")
    assert (code, error) == (2, "chatws timeline: there is no message m77; the first ones are m1, m2\n")
    append(file, "{}\n")
    code, _, error = await timeline(file)
    assert code == 2
    assert re.search(r"a\.chatlog: line \d+: ", error)
    assert (await timeline())[0] == 2


async def test_page_does_not_replace_the_recording(tmp_path: Path) -> None:
    file = tmp_path / "a.html"
    record_meeting(file)
    before = file.read_bytes()
    for options in ((), ("-o", file)):
        code, _, error = await timeline(file, *options)
        line = f"chatws timeline: {file} is the recording itself; choose another file with --output\n"
        assert (code, error) == (2, line)
    assert file.read_bytes() == before


async def test_schema_is_printed() -> None:
    code, text, _ = await timeline("--schema")
    assert code == 0
    assert json.loads(text)["oneOf"]


async def test_page_shows_the_lost_message_and_the_catch_up(tmp_path: Path) -> None:
    file, page_file = tmp_path / "a.chatlog", tmp_path / "page.html"
    record_meeting(file)
    code, text, error = await timeline(file, "-o", page_file)
    assert (code, error) == (0, "")
    assert text == f"wrote {page_file}: 1 room, 2 messages\n"
    await look_at(page_file)


async def look_at(page_file: Path) -> None:
    from playwright.async_api import async_playwright, expect  # noqa: PLC0415  imported by the tests with a browser only

    expect.set_options(timeout=EXPECT_TIMEOUT_MS)
    async with async_playwright() as playwright:
        with skip_if_missing():
            program = find_chromium()
        options = ["--no-sandbox", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=program, args=options, timeout=LAUNCH_TIMEOUT_MS)
        page = await browser.new_page()
        requests: list[str] = []
        problems: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda problem: problems.append(str(problem)))
        await page.goto(page_file.as_uri())
        # The page begins at the first fault.
        await expect(page.locator("#words")).to_contain_text("u2 never received it: it was connected and received m2")
        await expect(page.locator("#lines .missing")).to_have_count(1)
        assert await page.locator("#heads text").count() == 41  # 40 people and the server
        await page.keyboard.press("n")
        await expect(page.locator("#words")).to_contain_text("u3 was disconnected from 1.500 s to 3.000 s")
        await expect(page.locator("#lines .catch-up .caught")).to_have_count(1)
        await check_scrubbing(page)
        await page.fill("#filter", "u7")
        await expect(page.locator("#rooms tbody tr")).to_have_count(1)
        await page.fill("#filter", "u777")
        await expect(page.locator("#rooms tbody tr")).to_have_count(0)
        assert problems == []
        assert requests == [page_file.as_uri()]
        await browser.close()


async def check_scrubbing(page: Page) -> None:
    """Zoom in, and move the window by keys and by the slider."""
    for _ in range(6):
        await page.keyboard.press("+")
    await page.keyboard.press("Home")
    assert (await page.locator("#time").text_content() or "").startswith("0.000 s")
    await page.keyboard.press("PageDown")
    assert not (await page.locator("#time").text_content() or "").startswith("0.000 s")
    await page.locator("#position").fill("2000")
    assert (await page.locator("#time").text_content() or "").startswith("2.000 s")


def append(file: Path, line: str) -> None:
    with file.open("a") as stream:
        stream.write(line)
