"""GET and POST /api/conversations, GET /api/conversations/{id}."""

from __future__ import annotations

from tests.server.rest.support import bearer, code_of, new_session
from tests.support.chat import RunningChat


async def new_conversation(chat: RunningChat) -> str:
    """Create a customer whose conversation has one message, and return the conversation's id."""
    session, header = await new_session(chat)
    conversation_id: str = session["conversationId"]
    path = f"/api/conversations/{conversation_id}/messages"
    assert (await chat.post(path, {"content": "hello"}, headers=header))[0] == 200
    return conversation_id


async def test_agent_lists_all_conversations_by_time_of_change(chat: RunningChat) -> None:
    created = [await new_conversation(chat) for _ in range(5)]
    header = bearer(chat.token())
    listed: list[str] = []
    cursor = ""
    while True:
        query = "/api/conversations?limit=2" + (f"&cursor={cursor}" if cursor else "")
        status, page = await chat.get(query, headers=header)
        assert status == 200
        listed += [conversation["conversationId"] for conversation in page["conversations"]]
        if page["cursor"] is None:
            break
        cursor = page["cursor"]
    assert sorted(listed) == sorted(created)
    times = [
        (await chat.get(f"/api/conversations/{conversation_id}", headers=header))[1]["conversation"]["updatedAt"]
        for conversation_id in listed
    ]
    assert times == sorted(times, reverse=True)


async def test_agent_filters_by_status_and_assignee(chat: RunningChat) -> None:
    mine = (await new_session(chat))[0]["conversationId"]
    waiting = await new_conversation(chat)
    agent = await chat.agent("agnes")
    assert (await agent.call("claim_conversation", {"conversationId": mine, "version": 1}))["success"]
    header = bearer(chat.token("agnes"))

    async def list_ids(query: str) -> list[str]:
        _, page = await chat.get(f"/api/conversations?{query}", headers=header)
        return [conversation["conversationId"] for conversation in page["conversations"]]

    assert await list_ids("status=queued") == [waiting]
    assert await list_ids("assignee=agnes") == [mine]
    assert await list_ids("status=queued&assignee=agnes") == []


async def test_agent_filters_by_customer_and_a_customer_cannot(chat: RunningChat) -> None:
    conversation_id = await new_conversation(chat)
    other, other_header = await new_session(chat)
    _, page = await chat.get(f"/api/conversations/{conversation_id}", headers=bearer(chat.token()))
    query = f"/api/conversations?customer={page['conversation']['customer']['userId']}"
    for header, expected in ((bearer(chat.token()), conversation_id), (other_header, other["conversationId"])):
        _, listed = await chat.get(query, headers=header)
        assert [conversation["conversationId"] for conversation in listed["conversations"]] == [expected]


async def test_customer_lists_only_own_conversations(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    await new_session(chat)
    _, page = await chat.get("/api/conversations", headers=header)
    assert [conversation["conversationId"] for conversation in page["conversations"]] == [session["conversationId"]]


async def test_invalid_filter_is_rejected(chat: RunningChat) -> None:
    header = bearer(chat.token())
    for query in ("status=open", "limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=x", "limit=1&limit=2"):
        status, body = await chat.get(f"/api/conversations?{query}", headers=header)
        assert (status, code_of(body)) == (400, "bad_request"), query


async def test_agent_starts_a_conversation_and_is_its_assignee(chat: RunningChat) -> None:
    session, customer_header = await new_session(chat)
    token = chat.token("agnes")
    status, body = await chat.post("/api/conversations", {"customerId": session["userId"]}, headers=bearer(token))
    assert status == 200
    conversation = body["conversation"]
    assert (conversation["status"], conversation["assignee"]["userId"]) == ("assigned", "agnes")
    assert conversation["customer"]["userId"] == session["userId"]
    assert conversation["conversationId"] != session["conversationId"]
    path = f"/api/conversations/{conversation['conversationId']}"
    assert (await chat.get(path, headers=customer_header))[0] == 200


async def test_conversation_with_a_user_who_is_not_a_customer_is_not_found(chat: RunningChat) -> None:
    header = bearer(chat.token("agnes"))
    for user_id in ("unknown", "agnes", "bot"):
        status, body = await chat.post("/api/conversations", {"customerId": user_id}, headers=header)
        assert (status, code_of(body)) == (404, "not_found")


async def test_customer_cannot_start_a_conversation(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    status, body = await chat.post("/api/conversations", {"customerId": session["userId"]}, headers=header)
    assert (status, code_of(body)) == (403, "forbidden")


async def test_missing_and_foreign_conversations_are_indistinguishable_to_a_customer(chat: RunningChat) -> None:
    other, _ = await new_session(chat)
    _, header = await new_session(chat)
    foreign = await chat.get(f"/api/conversations/{other['conversationId']}", headers=header)
    missing = await chat.get("/api/conversations/no-such-conversation", headers=header)
    assert foreign == missing
    assert (foreign[0], code_of(foreign[1])) == (403, "forbidden")
    status, body = await chat.get("/api/conversations/no-such-conversation", headers=bearer(chat.token()))
    assert (status, code_of(body)) == (404, "not_found")
