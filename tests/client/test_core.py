from __future__ import annotations

from random import Random

import msgspec
import pytest

from chatws.client import (
    CannotConnect,
    ClientError,
    ConnectionChange,
    ConnectionLost,
    ConnectionRejected,
    ConversationReloaded,
)
from chatws.client.core import effects
from chatws.client.core.backoff import reconnect_delay_s, retry_delay_s
from chatws.client.core.cursor import MAX_HELD
from chatws.client.core.effects import ConnectionEnd
from chatws.client.core.event_names import OWN_EVENTS, Command, Event
from chatws.client.core.requests import ACK_TIMEOUT_S
from chatws.client.core.session import ChatSession, SessionOptions
from chatws.client.core.typing_throttle import TypingThrottle
from chatws.protocol.codec import convert_reply
from chatws.protocol.commands import ChangeConversation, SetPresence
from chatws.protocol.entities import Message
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import AuthExpiring, Failed, MessageRead, ServerDraining
from chatws.protocol.responses import Ok, SendAck
from chatws.protocol.spec import COMMANDS, EVENTS
from tests.client.chat_server import NOW, refusal
from tests.client.simulation import IDENTITY, Simulation


@pytest.fixture
def sim() -> Simulation:
    """A simulation whose client has joined its conversation."""
    sim = Simulation()
    sim.start()
    sim.join()
    return sim


def change(todo: list[effects.Effect]) -> ConnectionChange:
    (found,) = [effect.payload for effect in todo if isinstance(effect, effects.Deliver)]
    assert isinstance(found, ConnectionChange)
    return found


def test_names_are_those_of_the_contract() -> None:
    assert set(Command) <= COMMANDS.keys()
    assert set(Event) - OWN_EVENTS <= EVENTS.keys()
    assert not OWN_EVENTS & EVENTS.keys()


@pytest.mark.parametrize(
    ("attempt", "cap_s"), [(0, 0.5), (1, 1.0), (2, 2.0), (3, 2.0), (14, 2.0), (15, 10.0), (10_000, 10.0)]
)
def test_reconnect_delay_is_drawn_from_the_contracts_range(attempt: int, cap_s: float) -> None:
    delays = [reconnect_delay_s(attempt, Random(seed)) for seed in range(200)]
    assert 0 <= min(delays) < cap_s * 0.1
    assert cap_s * 0.9 < max(delays) <= cap_s


def test_retry_delay_is_the_servers_or_exponential() -> None:
    assert retry_delay_s(1, 40) == 0.04
    assert [retry_delay_s(attempt, None) for attempt in (1, 2, 3, 50)] == [0.5, 1.0, 2.0, 10.0]


@pytest.mark.parametrize(
    ("end", "renewable", "outcome"),
    [
        (ConnectionEnd("gone"), False, None),
        (ConnectionEnd("full", code=ErrorCode.CONNECTION_LIMIT), False, None),
        (ConnectionEnd("broken", code=ErrorCode.INTERNAL), False, None),
        (ConnectionEnd("old", code=ErrorCode.TOKEN_EXPIRED), True, None),
        (ConnectionEnd("old", code=ErrorCode.TOKEN_EXPIRED), False, ConnectionRejected),
        (ConnectionEnd("no", code=ErrorCode.UNAUTHORIZED), True, ConnectionRejected),
        (ConnectionEnd("no", code=ErrorCode.FORBIDDEN), True, ConnectionRejected),
        (ConnectionEnd("old", code=ErrorCode.SESSION_EXPIRED), False, ConnectionRejected),
        (ConnectionEnd("server disconnect", by_server=True), True, ConnectionRejected),
    ],
)
def test_end_of_a_connection_is_final_only_as_the_contract_defines(
    end: ConnectionEnd, renewable: bool, outcome: type[ClientError] | None
) -> None:
    session = ChatSession(Random(1), SessionOptions(renewable=renewable))
    session.start(1, 0.0)
    session.connection_opened(IDENTITY, 0.0)
    delivered = change(session.connection_ended(end, 1.0))
    assert delivered.state == ("reconnecting" if outcome is None else "disconnected")
    assert type(session.connection.failure) is (type(None) if outcome is None else outcome)


def test_backoff_grows_for_a_server_that_accepts_and_drops() -> None:
    session = ChatSession(Random(1), SessionOptions())
    session.start(1, 0.0)
    delays = []
    for _ in range(200):
        session.connection_opened(IDENTITY, 0.0)
        delays.append(change(session.connection_ended(ConnectionEnd("gone"), 0.1)).retry_in_s or 0.0)
    assert max(delays[20:]) > 5
    session.connection_opened(IDENTITY, 0.0)
    assert (change(session.connection_ended(ConnectionEnd("gone"), 60.0)).retry_in_s or 0.0) <= 0.5


def test_client_gives_up_after_max_attempts() -> None:
    session = ChatSession(Random(1), SessionOptions(max_attempts=5))
    session.start(1, 0.0)
    session.connection_opened(IDENTITY, 0.0)
    changes = [change(session.connection_ended(ConnectionEnd("gone"), 1.0)) for _ in range(6)]
    assert [event.attempt for event in changes] == [1, 2, 3, 4, 5, 0]
    assert isinstance(session.connection.failure, CannotConnect)


def test_retry_after_of_a_busy_server_is_bounded() -> None:
    session = ChatSession(Random(1), SessionOptions(retry_first_connect=True))
    session.start(1, 0.0)
    assert change(session.connection_ended(ConnectionEnd("503", retry_after_s=7.0), 1.0)).retry_in_s == 7.0
    assert change(session.connection_ended(ConnectionEnd("503", retry_after_s=1e9), 1.0)).retry_in_s == 60.0


def test_connection_without_any_received_packet_is_dropped_after_the_ack_timeout(sim: Simulation) -> None:
    sim.post()
    sim.to_server.clear()
    sim.wait(ACK_TIMEOUT_S + 1)
    assert not sim.is_connected
    sim.recover()
    assert len(sim.stored) == 1


def test_lost_ack_on_a_live_connection_is_retried_on_the_same_connection(sim: Simulation) -> None:
    sim.post()
    sim.server_reads()
    while sim.to_client:
        sim.drop_next()
    sim.perform(sim.session.event("notification", {}, sim.now + 1))
    sim.wait(ACK_TIMEOUT_S + 1)
    assert sim.is_connected
    assert sim.stored[0].client_message_id == getattr(sim.to_server[0].payload, "client_message_id", None)


def test_in_order_message_leaves_due_retries_to_the_tick(sim: Simulation) -> None:
    sim.refuse_next()
    sim.post()
    sim.server_reads()
    sim.client_reads()
    due = sim.session.next_deadline()
    assert due is not None
    sim.now = due + 0.001
    sim.post_as_agent()
    sim.client_reads()
    assert sim.delivered[-1].content == "from the agent"
    assert sim.session.next_deadline() == due
    sim.perform(sim.session.tick(sim.now))
    assert [emit.name for emit in sim.to_server] == ["send_message"]


def test_client_closes_the_connection_of_a_server_that_does_not_finish_draining(sim: Simulation) -> None:
    sim.perform(sim.session.event(Event.SERVER_DRAINING, ServerDraining(retry_after_ms=10), sim.now))
    sim.post()
    assert not sim.to_server
    sim.wait(20)
    assert not sim.is_connected
    sim.recover()
    assert len(sim.stored) == 1


def test_draining_server_determines_the_reconnect_delay(sim: Simulation) -> None:
    sim.perform(sim.session.event(Event.SERVER_DRAINING, ServerDraining(retry_after_ms=7_000), sim.now))
    sim.cut()
    assert sim.connect_at == sim.now + 7.0


def test_client_that_disconnects_while_the_server_drains_can_connect_again(sim: Simulation) -> None:
    sim.perform(sim.session.event(Event.SERVER_DRAINING, ServerDraining(retry_after_ms=10), sim.now))
    sim.perform(sim.session.stop(sim.now))
    sim.perform(sim.session.connection_ended(ConnectionEnd("client disconnect"), sim.now))
    assert sim.session.next_deadline() is None
    assert not sim.session.connection.is_up
    sim.session.start(sim.new_request_id(), sim.now)
    assert sim.session.connection.drain_after_s is None


def test_claim_with_lost_ack_fails_and_is_not_retried(sim: Simulation) -> None:
    request_id = sim.new_request_id()
    claim = ChangeConversation(conversation_id="c", version=1)
    sim.perform(sim.session.call(request_id, Command.CLAIM_CONVERSATION, claim, sim.now, repeat=False))
    sim.cut()
    assert isinstance(sim.outcomes[request_id], ConnectionLost)
    sim.connect()
    assert [emit.name for emit in sim.to_server] == [Command.JOIN_CONVERSATION]


def test_repeated_call_does_not_undo_a_later_one(sim: Simulation) -> None:
    for status in ("busy", "online"):
        payload = SetPresence(status=status)
        sim.perform(sim.session.call(sim.new_request_id(), Command.SET_PRESENCE, payload, sim.now, repeat=True))
    first, second = sim.to_server
    refused = convert_reply(Command.SET_PRESENCE, refusal("rate_limited", retryable=True, retry_after_ms=50))
    sim.perform(sim.session.ack(first.command_id, refused, sim.now))
    sim.perform(sim.session.ack(second.command_id, Ok(), sim.now))
    sim.to_server.clear()
    sim.wait(1)
    assert [emit.payload for emit in sim.to_server] == [SetPresence(status="online")]


def test_not_joined_refusal_leads_to_a_join_before_the_retry(sim: Simulation) -> None:
    sim.refusals.append(refusal("not_joined", retryable=False))
    sim.post()
    sim.server_reads()
    sim.client_reads()
    assert [emit.name for emit in sim.to_server] == [Command.JOIN_CONVERSATION]
    sim.recover()
    assert len(sim.stored) == 1
    assert isinstance(sim.outcomes[next(iter(sim.posted))], SendAck)


def test_typing_is_sent_again_on_a_new_connection(sim: Simulation) -> None:
    sim.perform(sim.session.typing("c", sim.now, is_typing=True))
    sim.cut()
    sim.join()
    sim.perform(sim.session.typing("c", sim.now, is_typing=True))
    assert [emit.name for emit in sim.to_server] == [Command.TYPING_START]


def test_read_mark_that_moves_backwards_is_not_delivered(sim: Simulation) -> None:
    for seq in (5, 3, 5, 6):
        read = MessageRead(conversation_id="c", user_id="agent-1", seq=seq, timestamp=NOW)
        sim.perform(sim.session.event(Event.MESSAGE_READ, read, sim.now))
    delivered = [payload.seq for _, payload in sim.events if isinstance(payload, MessageRead)]
    assert delivered == [5, 6]


def test_logout_fails_pending_messages_with_the_servers_error(sim: Simulation) -> None:
    sim.post()
    sim.perform(sim.session.event(Event.ERROR, Failed(message="Logged out.", code=ErrorCode.UNAUTHORIZED), sim.now))
    sim.perform(sim.session.connection_ended(ConnectionEnd("server disconnect", by_server=True), sim.now))
    (outcome,) = [sim.outcomes[request_id] for request_id in sim.posted]
    assert isinstance(outcome, ConnectionRejected)
    assert outcome.message == "Logged out."
    assert sim.connect_at is None


def test_token_renewal_is_requested_once_at_a_time() -> None:
    session = ChatSession(Random(1), SessionOptions(renewable=True))
    session.start(1, 0.0)
    session.connection_opened(IDENTITY, 0.0)
    results = [session.event(Event.AUTH_EXPIRING, AuthExpiring(in_ms=1), 0.0) for _ in range(3)]
    assert [effects.RenewToken() in todo for todo in results] == [True, False, False]
    (emit,) = session.token_renewed("fresh", 0.0)
    assert isinstance(emit, effects.Emit)
    assert emit.name == Command.REFRESH_TOKEN
    assert effects.RenewToken() not in session.event(Event.AUTH_EXPIRING, AuthExpiring(in_ms=1), 0.0)
    session.ack(emit.command_id, Ok(), 0.0)
    assert effects.RenewToken() in session.event(Event.AUTH_EXPIRING, AuthExpiring(in_ms=1), 0.0)


def test_gap_that_history_cannot_fill_ends_in_a_reload(sim: Simulation) -> None:
    for _ in range(6):
        sim.post_as_agent()
    lost = sim.stored.pop(1)
    sim.to_client.clear()
    sim.stored[0] = msgspec.structs.replace(sim.stored[0], seq=lost.seq + 1)
    sim.perform(sim.session.event(Event.MESSAGE_RECEIVED, sim.stored[-1], sim.now))
    requests = 0
    while sim.to_server and requests < 20:
        requests += 1
        sim.server_reads()
        sim.client_reads()
    assert requests < 20
    reloaded = [payload for name, payload in sim.events if name == Event.CONVERSATION_RELOADED]
    assert len(reloaded) == 1
    assert isinstance(reloaded[0], ConversationReloaded)


def test_number_of_messages_held_back_behind_a_gap_is_bounded(sim: Simulation) -> None:
    for _ in range(MAX_HELD + 500):
        sim.post_as_agent()
    sim.drop_next()
    while any(not isinstance(item, tuple) for item in sim.to_client):
        sim.client_reads()
    cursor = sim.session._cursors._cursors["c"]
    assert len(cursor._held) <= MAX_HELD
    sim.recover()
    assert [message.seq for message in sim.delivered] == list(range(1, MAX_HELD + 501))


def test_typing_is_sent_again_after_the_servers_interval() -> None:
    typing = TypingThrottle()
    assert [typing.start("c", now) for now in (0.0, 1.9, 2.0, 3.9, 4.1)] == [True, False, True, False, True]
    assert typing.stop("c")
    assert typing.start("c", 4.2)


def test_skipped_message_advances_the_position_but_not_over_a_gap(sim: Simulation) -> None:
    for _ in range(3):
        sim.post_as_agent()
    first, second, third = (message for message in sim.to_client if isinstance(message, Message))
    sim.to_client.clear()
    assert sim.session.skip(first, sim.now)
    assert not sim.session.skip(first, sim.now)
    assert not sim.session.skip(third, sim.now)
    sim.perform(sim.session.event(Event.MESSAGE_RECEIVED, third, sim.now))
    sim.recover()
    assert sim.delivered == [second, third]
