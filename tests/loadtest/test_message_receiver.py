from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from chatws.protocol.entities import Message, User
from chatws_loadtest.checkers.message_receiver import MessageReceiver
from chatws_loadtest.contents import BODIES, MessageContents, read_origin
from chatws_loadtest.ipc import ComparedFields, RoomAssignment, WorkerPlan, Workload
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.load_state import SharedState

CUSTOMER, AGENT = 0, 1
ROOM, OTHER_ROOM = 0, 1
NAMES = ("conv-a", "conv-b")
ALL_FIELDS = ComparedFields()


class TwoRooms:
    """Ledger of two rooms with two members each, and the receivers of the first room."""

    def __init__(self, compared: ComparedFields = ALL_FIELDS) -> None:
        rooms = [RoomAssignment(name, [{}, {}]) for name in NAMES]
        plan = WorkerPlan(
            url="",
            ca_file=None,
            rooms=rooms,
            workload=Workload(),
            compared=compared,
            tag="lt1p0",
            run_tag="lt1",
            connects_per_s=1,
        )
        self.shared = SharedState(plan, Ledger())
        self.ledger = self.shared.ledger
        self.rooms = [self.shared.add_room(name, 2) for name in NAMES]
        for room in self.rooms:
            for member, role in enumerate(("customer", "admin")):
                room.identities[member] = (f"user-{room.index}-{member}", role)
                self.ledger.enter(room.index, member, 0, 0.0)
        self.receivers = [MessageReceiver(self.shared, self.rooms[ROOM], member) for member in (CUSTOMER, AGENT)]

    def send(self, room: int = ROOM) -> Message:
        """Send a message of the customer, and return the copy that a correct server broadcasts."""
        number = self.ledger.send(room, CUSTOMER, 1.0, 1.0)
        content = self.shared.contents.compose(room, CUSTOMER, number)
        self.ledger.expect(number, content)
        self.ledger.ack(number, number + 1, 1.0)
        user_id, _ = self.rooms[room].identities[CUSTOMER]
        sender = User(user_id=user_id, user_name="C", role="customer")
        return Message(
            conversation_id=NAMES[room],
            content=content,
            sender=sender,
            timestamp=stamp(),
            message_id="m",
            seq=number + 1,
        )

    def receive(self, message: Message, *members: int) -> None:
        """Deliver a message to members of the first room."""
        for member in members or (CUSTOMER, AGENT):
            self.receivers[member].receive(message, message.seq, 2.0)


@pytest.fixture
def chat() -> TwoRooms:
    return TwoRooms()


def stamp(seconds: float = 0.0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_unchanged_message_is_clean(chat: TwoRooms) -> None:
    for _ in range(3):
        chat.receive(chat.send())
    assert chat.ledger.balance().is_clean
    assert chat.ledger.is_settled
    assert not chat.ledger.expected


@pytest.mark.parametrize("conversation_id", NAMES, ids=["rewritten", "foreign"])
def test_message_of_another_room_is_leaked_under_any_conversation_id(chat: TwoRooms, conversation_id: str) -> None:
    message = chat.send(OTHER_ROOM)
    chat.receive(msgspec.structs.replace(message, conversation_id=conversation_id), AGENT)
    balance = chat.ledger.balance()
    assert (balance.leaked, balance.lost, balance.duplicated, balance.reordered) == (1, 1, 0, 0)


def test_message_of_another_process_of_the_run_is_leaked_and_one_of_another_run_ignored(chat: TwoRooms) -> None:
    message = chat.send()
    for content in ("lt1p1-0-0-0-x.", "lt2p0-0-0-0-x.", "hello"):
        foreign = User(user_id="someone", user_name="", role="customer")
        chat.receive(msgspec.structs.replace(message, content=content, sender=foreign), AGENT)
    assert (chat.ledger.balance().leaked, chat.ledger.balance().altered) == (1, 0)
    assert "another load process" in chat.ledger.found_deviations()[0].example


@pytest.mark.parametrize(
    "changes",
    [
        {"conversation_id": "conv-z"},
        {"sender": User(user_id="user-0-1", user_name="C", role="customer")},
        {"sender": User(user_id="user-0-0", user_name="C", role="admin")},
    ],
    ids=["conversation", "sender", "role"],
)
def test_message_with_a_changed_field_is_altered_once_and_delivered(chat: TwoRooms, changes: dict[str, object]) -> None:
    chat.receive(msgspec.structs.replace(chat.send(), **changes))
    balance = chat.ledger.balance()
    assert (balance.altered, balance.delivered, balance.lost, balance.leaked) == (1, 1, 0, 0)


@pytest.mark.parametrize(("start", "end", "added"), [(0, -1, ""), (0, None, " "), (0, None, "."), (0, 20, "")])
def test_message_with_a_changed_content_is_altered_and_delivered(
    chat: TwoRooms, start: int, end: int | None, added: str
) -> None:
    message = chat.send()
    chat.receive(msgspec.structs.replace(message, content=message.content[start:end] + added), AGENT)
    balance = chat.ledger.balance()
    assert (balance.altered, balance.delivered) == (1, 1)
    assert "instead of" in chat.ledger.found_deviations()[0].example


@pytest.mark.parametrize("end", [2, 3, 5, 9])
def test_message_whose_origin_is_lost_is_altered(chat: TwoRooms, end: int) -> None:
    message = chat.send()
    chat.receive(msgspec.structs.replace(message, content=message.content[:end]), AGENT)
    chat.receive(msgspec.structs.replace(message, content=message.content.upper()), AGENT)
    balance = chat.ledger.balance()
    assert (balance.altered, balance.delivered, balance.lost, balance.leaked) == (2, 0, 1, 0)


def test_fields_that_a_server_does_not_name_are_not_compared() -> None:
    chat = TwoRooms(ComparedFields(conversation=False, sender=False, role=False, timestamp=False))
    nameless = User(user_id="", user_name="", role="bot")
    for _ in range(2):
        chat.receive(msgspec.structs.replace(chat.send(), conversation_id="", sender=nameless, timestamp=""))
    assert chat.ledger.balance().is_clean
    assert chat.ledger.balance().delivered == 2
    chat.receive(msgspec.structs.replace(chat.send(), conversation_id="", content="x"), AGENT)
    chat.receive(msgspec.structs.replace(chat.send(OTHER_ROOM), conversation_id="", sender=nameless), AGENT)
    assert chat.ledger.balance().leaked == 1


def test_late_copy_of_a_message_is_duplicated_and_compared(chat: TwoRooms) -> None:
    message = chat.send()
    chat.receive(message)
    chat.receive(message, AGENT)
    chat.receive(msgspec.structs.replace(message, content=message.content + "x"), AGENT)
    balance = chat.ledger.balance()
    assert (balance.duplicated, balance.altered) == (2, 1)


UNREADABLE = "", "yesterday", "1732880000000", "1970-01-01T00:00:00.000Z", "2026-11-29T05:30:60.000Z"
MALFORMED = "2026-11-29T05:30:00.0 0Z", "2026-11-29T05:30:0 .000Z", "20261129T053000.000.000Z"


@pytest.mark.parametrize("timestamp", [*UNREADABLE, *MALFORMED])
def test_unreadable_timestamp_is_misdated_once(chat: TwoRooms, timestamp: str) -> None:
    chat.receive(msgspec.structs.replace(chat.send(), timestamp=timestamp))
    assert chat.ledger.balance().misdated == 1


@pytest.mark.parametrize("seconds", [3700, -3700])
def test_timestamp_more_than_an_hour_off_is_misdated(chat: TwoRooms, seconds: int) -> None:
    chat.receive(msgspec.structs.replace(chat.send(), timestamp=stamp(seconds)))
    assert chat.ledger.balance().misdated == 1


@pytest.mark.parametrize("is_numbered", [True, False])
def test_timestamp_before_that_of_an_earlier_message_is_misdated(chat: TwoRooms, is_numbered: bool) -> None:
    for seconds in (0.0, 0.05, -5.0, 0.1):
        message = msgspec.structs.replace(chat.send(), timestamp=stamp(seconds))
        chat.receivers[AGENT].receive(message, message.seq if is_numbered else 0, 2.0)
    assert chat.ledger.balance().misdated == 1


def test_reordered_message_is_not_misdated_too(chat: TwoRooms) -> None:
    first, second = chat.send(), msgspec.structs.replace(chat.send(), timestamp=stamp(1.0))
    chat.receive(second, AGENT)
    chat.receive(first, AGENT)
    assert (chat.ledger.balance().reordered, chat.ledger.balance().misdated) == (1, 0)


def test_contents_are_unique_deterministic_and_of_different_kinds() -> None:
    first, again = (MessageContents("lt1p0", seed=7, mean_chars=80) for _ in range(2))
    texts = [first.compose(2, 1, number) for number in range(BODIES)]
    assert texts == [again.compose(2, 1, number) for number in range(BODIES)]
    assert len({len(text) for text in texts}) > 20
    assert len(set(texts)) == BODIES
    for part in ('"', "\\", "<", "\n", "é", "世", "👍"):
        assert any(part in text for text in texts), part
    assert [read_origin(text, "lt1p0") for text in texts] == [(2, 1, number) for number in range(BODIES)]
    assert read_origin(texts[0], "lt1p1") is None
