"""Message thread of widget and dashboard, alone in a page."""

from __future__ import annotations

import pytest

from tests.support.chat import RunningChat
from tests.web.browser import BrowserProfiles

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATE_PAGE = """async () => {
  const { MessageThread } = await import("/ui/message-thread.js");
  const sender = { userId: "ann", userName: "Ann", role: "customer" };
  const page = (first) => Array.from({ length: 50 }, (_, index) => (
    { seq: first + index, content: `${first + index}`, timestamp: "2026-01-01T00:00:00Z", sender }
  ));
  const root = document.createElement("div");
  document.body.replaceChildren(root);
  const replies = [];
  const older = (beforeSeq) => new Promise((resolve) => replies.push({ beforeSeq, resolve }));
  const thread = new MessageThread(root, { label: "Messages", me: () => "ben", older, send() {}, read() {} });
  const scroll = root.querySelector(".thread-scroll");
  const loadOlder = async () => {
    scroll.scrollTop = 0;
    scroll.dispatchEvent(new Event("scroll"));
    return replies.pop();
  };
  thread.reset(page(51), true);
  const late = await loadOlder();
  thread.reset(page(251), true);
  late.resolve({ success: true, messages: page(1), hasMoreBefore: false });
  await new Promise((resolve) => setTimeout(resolve));
  const timely = await loadOlder();
  timely.resolve({ success: true, messages: page(201), hasMoreBefore: true });
  await new Promise((resolve) => setTimeout(resolve));
  const shown = [...root.querySelectorAll(".message")].map((item) => Number(item.dataset.seq));
  return { asked: [late.beforeSeq, timely.beforeSeq], shown };
}"""


async def test_older_page_that_a_reload_overtakes_is_dropped(
    chat_server: RunningChat, browsers: BrowserProfiles
) -> None:
    page = await browsers.open(f"{chat_server.url}/websocket-test.html")
    found = await page.evaluate(LATE_PAGE)
    assert found == {"asked": [51, 251], "shown": list(range(201, 301))}
