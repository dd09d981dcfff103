"""Checks of who a connection is, and what strangers may do."""

from __future__ import annotations

import base64
import time

import msgspec

from chatws_loadtest.check.check_context import CheckContext, word
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.raw_client import ConnectErrorReceived, Fields, Missing, RawClient
from chatws_loadtest.check.registry import demand, guide


@guide("auth.session", "a customer's session is accepted")
async def _session(world: CheckContext) -> None:
    peer = await world.customer()
    demand(peer.identity.get("role") == "customer", f"`authenticated` says {peer.identity}")


@guide("auth.token", "an agent's token is accepted")
async def _token(world: CheckContext) -> None:
    peer = await world.agent()
    demand(peer.identity.get("role") == "admin", f"`authenticated` says {peer.identity}")


@guide("auth.shape", "`authenticated` names userId, userName and role")
async def _shape(world: CheckContext) -> None:
    peer = await world.customer()
    demand({"userId", "userName", "role"} <= peer.identity.keys(), f"it names {sorted(peer.identity)}")


@guide("auth.event", "credentials can be given later, with the `authenticate` event")
async def _event(world: CheckContext) -> None:
    peer = await world.connect()
    await peer.tell("authenticate", world.auth())
    await peer.expect("authenticated", role="customer")


@guide("auth.bad_token", "a token that is none is refused")
async def _bad_token(world: CheckContext) -> None:
    demand(await _is_refused(world, {"token": "no.token.atall"}), "it was accepted")


@guide("auth.unsigned", "a token without a signature is refused")
async def _unsigned(world: CheckContext) -> None:
    claims = {"sub": "intruder", "role": "admin", "exp": int(time.time()) + 3600}
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    token = ".".join(base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts)
    demand(await _is_refused(world, {"token": f"{token}."}), "it was accepted: anybody can be an agent")


@guide("auth.forged", "a token signed with another key is refused")
async def _forged(world: CheckContext) -> None:
    token = str(world.auth(agent=True)["token"])
    head, _, signature = token.rpartition(".")
    if not head:
        raise NotOffered("the agents' tokens are no JWTs")
    demand(await _is_refused(world, {"token": f"{head}.{signature[::-1]}"}), "it was accepted")


@guide("auth.session_as_token", "a session is no token")
async def _session_as_token(world: CheckContext) -> None:
    demand(await _is_refused(world, {"token": world.auth()["sessionId"]}), "a customer became an agent")


@guide("auth.unknown_session", "a session that does not exist is refused")
async def _unknown_session(world: CheckContext) -> None:
    if not await _is_refused(world, {"sessionId": word()}):
        raise NotOffered("any session id is accepted: development mode")


@guide("auth.role", "a role that the client claims is ignored")
async def _role(world: CheckContext) -> None:
    peer = await world.connect({**world.auth(), "role": "admin", "userId": "somebody-else"})
    said = await peer.expect("authenticated")
    demand(said.get("role") == "customer" and said.get("userId") != "somebody-else", f"it became {said}")


@guide("auth.garbage", "credentials of another type are refused")
async def _garbage(world: CheckContext) -> None:
    demand(await _is_refused(world, {"token": {"a": [1]}, "sessionId": 7}), "they were accepted")


@guide("auth.no_join", "who is not authenticated cannot join")
async def _no_join(world: CheckContext) -> None:
    stranger = await _stranger(world)
    if stranger is not None:
        await stranger.tell("join_conversation", world.conversation_id)
        demand(not await stranger.hears("joined_conversation"), "it joined")


@guide("auth.no_send", "who is not authenticated cannot send")
async def _no_send(world: CheckContext) -> None:
    customer, _ = await world.pair()
    stranger = await _stranger(world)
    if stranger is not None:
        content = word()
        await stranger.tell("send_message", {"conversationId": world.conversation_id, "content": content})
        demand(not await customer.hears("message_received", content=content), "its message was delivered")


@guide("auth.no_listen", "who is not authenticated hears nothing")
async def _no_listen(world: CheckContext) -> None:
    customer, _ = await world.pair()
    stranger = await _stranger(world)
    if stranger is not None:
        await world.say(customer, word())
        demand(not await stranger.hears("message_received"), "it heard a message")


async def _stranger(world: CheckContext) -> RawClient | None:
    """Connect without credentials; None when even that is refused."""
    try:
        return await world.connect()
    except ConnectErrorReceived:
        return None


async def _is_refused(world: CheckContext, auth: Fields) -> bool:
    try:
        peer = await world.connect(auth)
        await peer.expect("authenticated", 1.0)
    except (ConnectErrorReceived, Missing):
        return True
    return False
