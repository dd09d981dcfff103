"""Checks of authentication, and of what unauthenticated connections may do."""

from __future__ import annotations

import base64
import time

import msgspec

from chatws_loadtest.check.check_context import CheckContext, unique_text
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.registry import guide_check, require
from chatws_loadtest.raw_client import ConnectErrorReceived, Fields, PacketMissing, RawClient


@guide_check("auth.session", "a customer's session is accepted")
async def _session(context: CheckContext) -> None:
    client = await context.customer()
    require(client.identity.get("role") == "customer", f"`authenticated` is {client.identity}")


@guide_check("auth.token", "an agent's token is accepted")
async def _token(context: CheckContext) -> None:
    client = await context.agent()
    require(client.identity.get("role") == "admin", f"`authenticated` is {client.identity}")


@guide_check("auth.shape", "`authenticated` has userId, userName and role")
async def _shape(context: CheckContext) -> None:
    client = await context.customer()
    paths = context.mapping.authenticated
    context.require_shape(
        "`authenticated`",
        client.identity,
        {"userId": paths.user_id, "userName": paths.user_name, "role": paths.role},
    )


@guide_check("auth.event", "credentials can be given later, with the `authenticate` event")
async def _event(context: CheckContext) -> None:
    if context.is_mapped and context.mapping.auth.method != "event":
        raise NotOffered("the mapping presents credentials when it connects")
    client = await context.connect()
    await client.emit("authenticate", context.auth())
    await client.expect("authenticated", role="customer")


@guide_check("auth.bad_token", "an invalid token is refused")
async def _bad_token(context: CheckContext) -> None:
    require(await _is_refused(context, {"token": "no.token.atall"}), "it was accepted")


@guide_check("auth.unsigned", "a token without a signature is refused")
async def _unsigned(context: CheckContext) -> None:
    claims = {"sub": "intruder", "role": "admin", "exp": int(time.time()) + 3600}
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    token = ".".join(base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts)
    require(
        await _is_refused(context, {"token": f"{token}."}), "it was accepted, so that any client can become an agent"
    )


@guide_check("auth.forged", "a token signed with another key is refused")
async def _forged(context: CheckContext) -> None:
    token = str(context.auth(agent=True)["token"])
    head, _, signature = token.rpartition(".")
    if not head:
        raise NotOffered("the agents' tokens are not JWTs")
    require(await _is_refused(context, {"token": f"{head}.{signature[::-1]}"}), "it was accepted")


@guide_check("auth.session_as_token", "a session is not accepted as a token")
async def _session_as_token(context: CheckContext) -> None:
    if context.mapping.auth.agent == context.mapping.auth.customer:
        raise NotOffered("agents and customers present the same credentials")
    require(await _is_refused(context, {"token": context.auth()["sessionId"]}), "a customer became an agent")


@guide_check("auth.unknown_session", "a session that does not exist is refused")
async def _unknown_session(context: CheckContext) -> None:
    if not await _is_refused(context, {"sessionId": unique_text()}):
        raise NotOffered("any session id is accepted: development mode")


@guide_check("auth.role", "a role that the client claims is ignored")
async def _role(context: CheckContext) -> None:
    client = await context.connect({**context.auth(), "role": "admin", "userId": "other-user"})
    payload = await client.expect("authenticated")
    is_customer = payload.get("role") == "customer" and payload.get("userId") != "other-user"
    require(is_customer, f"`authenticated` is {payload}")


@guide_check("auth.garbage", "credentials of another type are refused")
async def _garbage(context: CheckContext) -> None:
    require(await _is_refused(context, {"token": {"a": [1]}, "sessionId": 7}), "they were accepted")


@guide_check("auth.no_join", "an unauthenticated connection cannot join")
async def _no_join(context: CheckContext) -> None:
    context.require_confirmed_join()
    anonymous = await _anonymous(context)
    if anonymous is not None:
        await anonymous.emit("join_conversation", context.conversation_id)
        require(not await anonymous.receives("joined_conversation"), "it joined")


@guide_check("auth.no_send", "an unauthenticated connection cannot send")
async def _no_send(context: CheckContext) -> None:
    customer, _ = await context.pair()
    anonymous = await _anonymous(context)
    if anonymous is not None:
        content = unique_text()
        await anonymous.emit("send_message", {"conversationId": context.conversation_id, "content": content})
        require(not await customer.receives("message_received", content=content), "its message was delivered")


@guide_check("auth.no_listen", "an unauthenticated connection receives no messages")
async def _no_listen(context: CheckContext) -> None:
    customer, _ = await context.pair()
    anonymous = await _anonymous(context)
    if anonymous is not None:
        await context.send_message(customer, unique_text())
        require(not await anonymous.receives("message_received"), "it received a message")


async def _anonymous(context: CheckContext) -> RawClient | None:
    """Connect without credentials; return None if the connection is refused."""
    try:
        return await context.connect()
    except ConnectErrorReceived:
        return None


async def _is_refused(context: CheckContext, auth: Fields) -> bool:
    try:
        client = await context.connect(auth)
        await client.expect("authenticated", 1.0)
    except (ConnectErrorReceived, PacketMissing):
        return True
    return False
