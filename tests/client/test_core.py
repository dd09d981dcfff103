from __future__ import annotations

from random import Random

import msgspec
import pytest

from chatws.client import (
    CannotConnect,
    ClientError,
    ConnectionChange,
    ConnectionLost,
    ConversationReloaded,
    RequestRefused,
)
from chatws.client.core import effects
from chatws.client.core.backoff import reconnect_delay_s, retry_delay_s
from chatws.client.core.cursor import MAX_HELD
from chatws.client.core.effects import ConnectionEnd
from chatws.client.core.event_names import OWN_EVENTS, Command, Event
from chatws.client.core.requests import ACK_TIMEOUT_S
from chatws.client.core.session import ChatSession, SessionOptions
from chatws.client.core.typing_throttle import TypingThrottle
from chatws.protocol.commands import ChangeConversation
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import AuthExpiring, Failed, MessageRead, ServerDraining
from chatws.protocol.responses import SendAck
from chatws.protocol.spec import COMMANDS, EVENTS
from tests.client.chat_server import NOW, refusal
from tests.client.simulation import IDENTITY, World


@pytest.fixture
def world() -> World:
    """A client in its conversation."""
    world = World()
    world.start()
    world.settle_in()
    return world


def change(todo: list[effects.Effect]) -> ConnectionChange:
    (found,) = [effect.payload for effect in todo if isinstance(effect, effects.Deliver)]
    assert isinstance(found, ConnectionChange)
    return found


def test_names_are_the_contracts() -> None:
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


def test_refused_request_waits_as_long_as_the_server_says() -> None:
    assert retry_delay_s(1, 40) == 0.04
    assert [retry_delay_s(attempt, None) for attempt in (1, 2, 3, 50)] == [0.5, 1.0, 2.0, 10.0]


@pytest.mark.parametrize(
    ("end", "renewable", "outcome"),
    [
        (ConnectionEnd("gone"), False, None),
        (ConnectionEnd("full", code=ErrorCode.CONNECTION_LIMIT), False, None),
        (ConnectionEnd("broken", code=ErrorCode.INTERNAL), False, None),
        (ConnectionEnd("old", code=ErrorCode.TOKEN_EXPIRED), True, None),
        (ConnectionEnd("old", code=ErrorCode.TOKEN_EXPIRED), False, RequestRefused),
        (ConnectionEnd("no", code=ErrorCode.UNAUTHORIZED), True, RequestRefused),
        (ConnectionEnd("no", code=ErrorCode.FORBIDDEN), True, RequestRefused),
        (ConnectionEnd("old", code=ErrorCode.SESSION_EXPIRED), False, RequestRefused),
        (ConnectionEnd("server disconnect", by_server=True), True, RequestRefused),
    ],
)
def test_end_of_a_link_is_final_or_not_as_the_contract_says(
    end: ConnectionEnd, renewable: bool, outcome: type[ClientError] | None
) -> None:
    session = ChatSession(Random(1), SessionOptions(renewable=renewable))
    session.start(1, 0.0)
    session.connection_opened(IDENTITY, 0.0)
    told = change(session.connection_ended(end, 1.0))
    assert told.state == ("reconnecting" if outcome is None else "disconnected")
    assert type(session.connection.failure) is (type(None) if outcome is None else outcome)


def test_server_that_accepts_and_drops_is_approached_ever_more_slowly() -> None:
    session = ChatSession(Random(1), SessionOptions())
    session.start(1, 0.0)
    delays = []
    for _ in range(200):
        session.connection_opened(IDENTITY, 0.0)
        delays.append(change(session.connection_ended(ConnectionEnd("gone"), 0.1)).retry_in_s or 0.0)
    assert max(delays[20:]) > 5
    session.connection_opened(IDENTITY, 0.0)
    assert (change(session.connection_ended(ConnectionEnd("gone"), 60.0)).retry_in_s or 0.0) <= 0.5


def test_attempts_are_counted_and_the_last_one_is_the_end() -> None:
    session = ChatSession(Random(1), SessionOptions(max_attempts=5))
    session.start(1, 0.0)
    session.connection_opened(IDENTITY, 0.0)
    told = [change(session.connection_ended(ConnectionEnd("gone"), 1.0)) for _ in range(6)]
    assert [event.attempt for event in told] == [1, 2, 3, 4, 5, 0]
    assert isinstance(session.connection.failure, CannotConnect)


def test_retry_after_of_a_busy_server_is_kept_within_reason() -> None:
    session = ChatSession(Random(1), SessionOptions(retry_first_connect=True))
    session.start(1, 0.0)
    assert change(session.connection_ended(ConnectionEnd("503", retry_after_s=7.0), 1.0)).retry_in_s == 7.0
    assert change(session.connection_ended(ConnectionEnd("503", retry_after_s=1e9), 1.0)).retry_in_s == 60.0


def test_dead_link_is_dropped_when_nothing_at_all_comes_back(world: World) -> None:
    world.post()
    world.to_server.clear()
    world.wait(ACK_TIMEOUT_S + 1)
    assert not world.up
    world.heal()
    assert len(world.stored) == 1


def test_lost_ack_on_a_living_link_is_asked_for_again_without_a_new_link(world: World) -> None:
    world.post()
    world.server_reads()
    while world.to_client:
        world.lose_next()
    world.do(world.session.event("notification", {}, world.now + 1))
    world.wait(ACK_TIMEOUT_S + 1)
    assert world.up
    assert world.stored[0].client_message_id == getattr(world.to_server[0].payload, "client_message_id", None)


def test_message_in_its_turn_leaves_what_was_due_before_it_to_the_tick(world: World) -> None:
    world.refuse_next()
    world.post()
    world.server_reads()
    world.client_reads()
    due = world.session.next_deadline()
    assert due is not None
    world.now = due + 0.001
    world.other_says()
    world.client_reads()
    assert world.delivered[-1].content == "theirs"
    assert world.session.next_deadline() == due
    world.do(world.session.tick(world.now))
    assert [emit.name for emit in world.to_server] == ["send_message"]


def test_draining_server_that_never_closes_is_left(world: World) -> None:
    world.do(world.session.event(Event.SERVER_DRAINING, ServerDraining(retry_after_ms=10), world.now))
    world.post()
    assert not world.to_server
    world.wait(20)
    assert not world.up
    world.heal()
    assert len(world.stored) == 1


def test_draining_server_decides_when_the_client_comes_back(world: World) -> None:
    world.do(world.session.event(Event.SERVER_DRAINING, ServerDraining(retry_after_ms=7_000), world.now))
    world.cut()
    assert world.connect_at == world.now + 7.0


def test_claim_whose_answer_is_lost_fails_and_is_not_sent_again(world: World) -> None:
    request_id = world.ask()
    claim = ChangeConversation(conversation_id="c", version=1)
    world.do(world.session.call(request_id, Command.CLAIM_CONVERSATION, claim, world.now, repeat=False))
    world.cut()
    assert isinstance(world.outcomes[request_id], ConnectionLost)
    world.connect()
    assert [emit.name for emit in world.to_server] == [Command.JOIN_CONVERSATION]


def test_room_the_server_does_not_know_of_is_joined_again_before_the_message_is_repeated(world: World) -> None:
    world.refusals.append(refusal("not_joined", retryable=False))
    world.post()
    world.server_reads()
    world.client_reads()
    assert [emit.name for emit in world.to_server] == [Command.JOIN_CONVERSATION]
    world.heal()
    assert len(world.stored) == 1
    assert isinstance(world.outcomes[next(iter(world.posted))], SendAck)


def test_typing_is_said_anew_on_a_new_link(world: World) -> None:
    world.do(world.session.typing("c", world.now, is_typing=True))
    world.cut()
    world.settle_in()
    world.do(world.session.typing("c", world.now, is_typing=True))
    assert [emit.name for emit in world.to_server] == [Command.TYPING_START]


def test_read_mark_that_moves_backwards_is_not_told(world: World) -> None:
    for seq in (5, 3, 5, 6):
        read = MessageRead(conversation_id="c", user_id="agent-1", seq=seq, timestamp=NOW)
        world.do(world.session.event(Event.MESSAGE_READ, read, world.now))
    told = [payload.seq for _, payload in world.told if isinstance(payload, MessageRead)]
    assert told == [5, 6]


def test_logged_out_client_fails_what_waits_with_the_servers_words(world: World) -> None:
    world.post()
    world.do(world.session.event(Event.ERROR, Failed(message="Logged out.", code=ErrorCode.UNAUTHORIZED), world.now))
    world.do(world.session.connection_ended(ConnectionEnd("server disconnect", by_server=True), world.now))
    (outcome,) = [world.outcomes[request_id] for request_id in world.posted]
    assert isinstance(outcome, RequestRefused)
    assert outcome.message == "Logged out."
    assert world.connect_at is None


def test_token_is_asked_for_once_however_often_it_is_missed() -> None:
    session = ChatSession(Random(1), SessionOptions(renewable=True))
    session.start(1, 0.0)
    session.connection_opened(IDENTITY, 0.0)
    asked = [session.event(Event.AUTH_EXPIRING, AuthExpiring(in_ms=1), 0.0) for _ in range(3)]
    assert [effects.RenewToken() in todo for todo in asked] == [True, False, False]
    (emit,) = session.token_renewed("fresh", 0.0)
    assert isinstance(emit, effects.Emit)
    assert emit.name == Command.REFRESH_TOKEN
    assert effects.RenewToken() in session.event(Event.AUTH_EXPIRING, AuthExpiring(in_ms=1), 0.0)


def test_history_that_cannot_fill_a_gap_ends_in_a_reload_and_not_in_a_loop(world: World) -> None:
    for _ in range(6):
        world.other_says()
    lost = world.stored.pop(1)
    world.to_client.clear()
    world.stored[0] = msgspec.structs.replace(world.stored[0], seq=lost.seq + 1)
    world.do(world.session.event(Event.MESSAGE_RECEIVED, world.stored[-1], world.now))
    asked = 0
    while world.to_server and asked < 20:
        asked += 1
        world.server_reads()
        world.client_reads()
    assert asked < 20
    reloaded = [payload for name, payload in world.told if name == Event.CONVERSATION_RELOADED]
    assert len(reloaded) == 1
    assert isinstance(reloaded[0], ConversationReloaded)


def test_flood_beyond_a_gap_holds_back_a_bounded_number(world: World) -> None:
    for _ in range(MAX_HELD + 500):
        world.other_says()
    world.lose_next()
    while any(not isinstance(item, tuple) for item in world.to_client):
        world.client_reads()
    room = world.session._rooms._rooms["c"]
    assert len(room._held) <= MAX_HELD
    world.heal()
    assert [message.seq for message in world.delivered] == list(range(1, MAX_HELD + 501))


def test_typing_is_said_again_after_the_servers_interval() -> None:
    typing = TypingThrottle()
    assert [typing.start("c", now) for now in (0.0, 1.9, 2.0, 3.9, 4.1)] == [True, False, True, False, True]
    assert typing.stop("c")
    assert typing.start("c", 4.2)
