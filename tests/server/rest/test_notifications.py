"""POST /api/users/{id}/notifications (guide: sendToUser)."""

from __future__ import annotations

from tests.server.rest.support import bearer, code_of, new_session
from tests.support.chat import RunningChat


async def test_notification_reaches_only_the_connections_of_the_user(chat: RunningChat) -> None:
    session, _ = await new_session(chat)
    mine = [await chat.customer(session["sessionId"]) for _ in range(2)]
    other = await chat.customer()
    payload = {"title": "New message", "body": "You have a new message"}
    path = f"/api/users/{session['userId']}/notifications"
    status, body = await chat.post(path, {"event": "notification", "payload": payload}, headers=bearer(chat.token()))
    assert (status, body["connections"]) == (200, 2)
    for peer in mine:
        assert await peer.expect("notification") == payload
    await other.settle()
    assert not other.seen("notification")


async def test_notification_of_an_offline_user_reaches_no_connection(chat: RunningChat) -> None:
    status, body = await chat.post("/api/users/unknown/notifications", {"event": "ping"}, headers=bearer(chat.token()))
    assert (status, body["connections"]) == (200, 0)


async def test_reserved_and_invalid_event_names_are_rejected(chat: RunningChat) -> None:
    header = bearer(chat.token())
    for event in ("connect", "disconnect", "message_received", "error", "", "a b", "x" * 65):
        status, body = await chat.post("/api/users/unknown/notifications", {"event": event}, headers=header)
        assert (status, code_of(body)) == (400, "bad_request"), event


async def test_customers_cannot_notify(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    path = f"/api/users/{session['userId']}/notifications"
    status, body = await chat.post(path, {"event": "notification"}, headers=header)
    assert (status, code_of(body)) == (403, "forbidden")
