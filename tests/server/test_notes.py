"""Notes of agents: stored, sent to agents on every server, and never sent to customers in any way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.server.rest.support import bearer, code_of, new_session
from tests.support.messages import seqs
from tests.support.peer import Peer

if TYPE_CHECKING:
    from tests.server.conftest import StartCluster
    from tests.support.chat import RunningChat

SECRET = "the customer is rude"


async def note(agent: Peer, content: str = SECRET, **fields: Any) -> Any:
    return await agent.call("add_note", {"conversationId": "conv-1", "content": content, **fields})


async def test_customer_receives_no_frame_and_no_response_with_a_note(chat: RunningChat) -> None:
    """Read every raw frame of a customer's socket: events, history and catch-up; and the responses over REST."""
    session, header = await new_session(chat)
    conversation_id = session["conversationId"]
    raw = await Peer.open(chat.url)
    await raw.send_raw("40" + json.dumps({"sessionId": session["sessionId"]}))
    await raw.send_raw("420" + json.dumps(["join_conversation", conversation_id]))
    frames = [await raw.receive_raw()]
    while not frames[-1].startswith("430"):
        frames.append(await raw.receive_raw())
    agent = await chat.agent()
    await agent.call("join_conversation", conversation_id)
    for number in range(3):
        ack = await agent.call("add_note", {"conversationId": conversation_id, "content": f"{SECRET} {number}"})
        assert ack["success"], ack
        await agent.call("send_message", {"conversationId": conversation_id, "content": f"message {number}"})
    requests = (
        ["join_conversation", {"conversationId": conversation_id, "afterSeq": 0}],
        ["history", {"conversationId": conversation_id, "limit": 100}],
        ["mark_read", {"conversationId": conversation_id, "seq": 99}],
    )
    for number, request in enumerate(requests, 1):
        await raw.send_raw(f"42{number}{json.dumps(request)}")
        while not frames[-1].startswith(f"43{number}"):
            frames.append(await raw.receive_raw())
    await raw.close()
    paths = ("", f"/{conversation_id}", f"/{conversation_id}/messages")
    answers = [await chat.get(f"/api/conversations{path}", headers=header) for path in paths]
    answers.append(await chat.get("/api/messages", headers=header))
    assert not [frame for frame in [*frames, json.dumps(answers)] if SECRET in frame or "note_" in frame]
    received = [json.loads(frame[2:])[1] for frame in frames if frame.startswith('42["message_received"')]
    assert seqs(received) == [1, 2, 3], "notes leave no holes"
    assert json.loads(frames[-1][3:])[0]["seq"] == 3, "notes do not count as unread"
    await agent.settle()
    assert len(agent.seen("note_added")) == 3


async def test_customer_may_neither_read_nor_write_notes(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    customer = await chat.customer(session["sessionId"])
    await customer.call("join_conversation", session["conversationId"])
    for name, fields in (("list_notes", {}), ("add_note", {"content": "mine"})):
        ack = await customer.call(name, {"conversationId": session["conversationId"], **fields})
        assert ack["error"]["code"] == "forbidden"
    path = f"/api/conversations/{session['conversationId']}/notes"
    for status, body in (await chat.get(path, headers=header), await chat.post(path, {"content": "x"}, headers=header)):
        assert (status, code_of(body)) == (403, "forbidden")


async def test_note_is_stored_once_and_changes_nothing_of_the_conversation(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await customer.call("send_message", {"conversationId": "conv-1", "content": "hello"})
    before = await chat.parts.store.conversation("conv-1")
    first = await note(agent, noteId="note-1")
    assert (first["note"]["afterSeq"], first["note"]["author"]["userId"]) == (1, "agent-1")
    assert await note(agent, noteId="note-1") == first
    assert (await note(agent, "other", noteId="note-1"))["error"]["code"] == "idempotency_conflict"
    assert await chat.parts.store.conversation("conv-1") == before
    _, listed = await chat.get("/api/conversations/conv-1/notes", headers=bearer(chat.token("agent-2")))
    assert listed["notes"] == [first["note"]]
    await agent.settle()
    assert len(agent.seen("note_added")) == 1


async def test_invalid_notes_are_refused(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    for content in ("", " ", "x" * 4_001):
        assert not (await note(agent, content))["success"], content
    missing = await agent.call("add_note", {"conversationId": "none", "content": "x"})
    assert missing["error"]["code"] == "not_found"


async def test_agents_who_left_or_did_not_join_receive_no_note(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    left, absent = await chat.agent("agent-2"), await chat.agent("agent-3")
    await left.call("join_conversation", "conv-1")
    await left.call("leave_conversation", "conv-1")
    assert (await note(agent))["success"]
    for peer in (left, absent):
        await peer.settle()
        assert not peer.seen("note_added")


async def test_note_reaches_agents_on_another_server_and_no_customer(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    agent, customer = await cluster.pair()
    other = await cluster.servers[1].agent("agent-2")
    await other.call("join_conversation", "conv-1")
    assert (await note(agent))["success"]
    assert (await other.expect("note_added"))["content"] == SECRET
    await customer.settle()
    assert not customer.seen("note_added")
