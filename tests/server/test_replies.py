"""Canned replies: read from a file of the data directory, for agents only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.server.rest.support import bearer, code_of, new_session

if TYPE_CHECKING:
    from tests.support.chat import RunningChat


async def test_agents_read_the_replies_of_the_file_without_a_restart(chat: RunningChat) -> None:
    agent = await chat.agent()
    assert (await agent.call("list_replies"))["replies"] == []
    file = chat.settings.data_dir / "replies.toml"
    file.write_text('greeting = "Hello {customer}!"\nbye = "Goodbye"\n')
    expected = [{"name": "bye", "content": "Goodbye"}, {"name": "greeting", "content": "Hello {customer}!"}]
    assert (await agent.call("list_replies"))["replies"] == expected
    assert (await chat.get("/api/replies", headers=bearer(chat.token())))[1]["replies"] == expected
    for broken in ("greeting = ", "greeting = 7", '"not a name" = "x"', 'empty = " "'):
        file.write_text(broken)
        assert (await agent.call("list_replies"))["error"]["code"] == "internal"


async def test_customers_have_no_replies(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    customer = await chat.customer(session["sessionId"])
    assert (await customer.call("list_replies"))["error"]["code"] == "forbidden"
    status, body = await chat.get("/api/replies", headers=header)
    assert (status, code_of(body)) == (403, "forbidden")
