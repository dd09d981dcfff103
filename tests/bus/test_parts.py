"""The parts of the Redis bus that need no Redis: address, queue, leases."""

from __future__ import annotations

import pytest
from msgspec import Raw

from chatws.bus import BadBusUrl, BusStats, MemoryBus
from chatws.bus.factory import make_bus
from chatws.bus.messages import MAX_NOTE_BYTES, UserEvent
from chatws.bus.redis import RedisBus
from chatws.bus.redis.membership import MAX_PEERS, Membership
from chatws.bus.redis.publish_queue import MAX_AGE_MS, MAX_NOTES, PublishQueue
from chatws.bus.redis.url import parse_redis_url
from chatws.settings import Settings, load
from chatws.settings.loader import effective
from tests.bus.support import note


@pytest.mark.parametrize(
    ("url", "name", "login"),
    [
        ("redis://localhost", "localhost:6379", (None, None, 0)),
        ("redis://:p%40ss@r.example:7000/3", "r.example:7000", (None, "p@ss", 3)),
        ("redis://chat:secret@[::1]:7000?db=4", "::1:7000", ("chat", "secret", 4)),
        ("rediss://chat:secret@r.example", "r.example:6379", ("chat", "secret", 0)),
        ("unix://:secret@/run/redis%20x.sock?db=1", "/run/redis x.sock", (None, "secret", 1)),
    ],
)
def test_urls_are_taken_apart_and_named_without_their_password(
    url: str, name: str, login: tuple[str | None, str | None, int]
) -> None:
    address = parse_redis_url(url)
    connection = address.connection()
    assert (connection.username, connection.password, connection.db) == login
    assert (str(address), repr(address)) == (name, name)
    assert "secret" not in repr(connection)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://localhost:x",
        "redis://localhost:99999",
        "redis://localhost/a",
        "redis://:secret@localhost?timeout=3",
        "redis://localhost?db=x",
        "rediss://localhost?ssl_cert_reqs=none",
        "unix://:secret@",
        "redis://localhost?ssl_ca_certs=/x",
        "rediss://localhost?ssl_ca_certs=/no/such/file",
        "",
    ],
)
def test_other_urls_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(BadBusUrl) as caught:
        parse_redis_url(url)
    assert not url or url not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_a_url_the_bus_stays_in_the_process() -> None:
    assert isinstance(make_bus(Settings()), MemoryBus)
    assert isinstance(make_bus(Settings(redis_url="redis://localhost")), RedisBus)


def test_settings_hide_the_password_of_redis() -> None:
    rows = effective(load(assignments=["redis_url=redis://chat:secret@localhost/1"], environ={}))
    shown = {row.name: row.value for row in rows}
    assert shown["redis_url"] == "redis://chat:***@localhost/1"
    assert shown["redis_prefix"] == "chatws"


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


def test_a_full_queue_drops_the_oldest_note() -> None:
    stats = BusStats()
    outbox = PublishQueue("o", stats, Clock())
    for number in range(MAX_NOTES + 3):
        outbox.put("c", note(number))
    assert (stats.queued, stats.dropped) == (MAX_NOTES, 3)
    (channel, first), *rest = outbox.take(MAX_NOTES)
    assert channel == "c"
    assert b'"user-3"' in first
    assert len(rest) == MAX_NOTES - 1
    assert (stats.queued, stats.dropped) == (0, 3)


def test_notes_that_became_old_while_the_broker_was_away_are_not_sent() -> None:
    clock, stats = Clock(), BusStats()
    outbox = PublishQueue("o", stats, clock)
    outbox.put("c", note(1))
    clock.now_ms += MAX_AGE_MS
    outbox.put("c", note(2))
    clock.now_ms += 1
    outbox.put("c", note(3))
    assert (stats.queued, stats.dropped) == (2, 1)
    clock.now_ms += MAX_AGE_MS
    assert [b'"user-3"' in written for _, written in outbox.take(10)] == [True]
    assert (stats.queued, stats.dropped) == (0, 2)


def test_a_note_that_others_would_refuse_for_its_length_is_not_sent() -> None:
    stats = BusStats()
    outbox = PublishQueue("o", stats, Clock())
    outbox.put("c", UserEvent(user_id="u", name="n", payload=Raw(b'"%s"' % (b"x" * MAX_NOTE_BYTES))))
    outbox.put("c", note(1))
    assert len(outbox.take(10)) == 1
    assert stats.dropped == 1


LEASE_MS = 10_000


def test_a_server_whose_lease_ran_out_is_gone_once() -> None:
    peers = Membership("me", LEASE_MS)
    assert peers.look({"me": 5, "you": 12_000}, 2_000) == []
    assert peers.look({"you": 12_000}, 11_999) == []
    assert peers.look({"you": 12_000}, 12_000) == ["you"]
    assert peers.look({"you": 12_000}, 14_000) == []


def test_a_server_that_was_gone_long_before_is_not_named() -> None:
    assert Membership("me", LEASE_MS).look({"you": 1_000}, 2_000) == []


def test_a_server_that_closes_is_gone_although_its_lease_would_have_held() -> None:
    peers = Membership("me", LEASE_MS)
    peers.look({"you": 12_000}, 2_000)
    assert peers.look({"you": 3_999}, 4_000) == ["you"]


def test_a_lease_that_redis_forgot_holds_until_it_would_have_run_out() -> None:
    peers = Membership("me", LEASE_MS)
    peers.look({"you": 12_000, "they": 12_000}, 2_000)
    assert peers.look({}, 4_000) == []
    assert peers.look({"you": 16_000}, 6_000) == []
    assert peers.look({"you": 22_000}, 12_000) == ["they"]


def test_after_an_outage_old_leases_prove_nothing_for_one_lease() -> None:
    peers = Membership("me", LEASE_MS)
    peers.look({"you": 12_000, "they": 12_000}, 2_000)
    peers.spare(50_000)
    assert peers.look({"you": 12_000, "they": 12_000}, 50_000) == []
    assert peers.look({"you": 62_000, "they": 12_000}, 52_000) == []
    assert peers.look({"you": 70_000, "they": 12_000}, 60_000) == ["they"]
    assert peers.look({"you": 60_500}, 60_501) == ["you"]


def test_a_server_known_only_from_a_note_is_gone_when_no_lease_of_it_shows_up() -> None:
    peers = Membership("me", LEASE_MS)
    peers.heard("you")
    peers.heard("they")
    assert peers.look({"they": 1_500}, 2_000) == []
    assert peers.look({"they": 14_000}, 4_000) == []
    assert peers.look({"they": 14_000}, 12_000) == ["you"]


def test_forged_names_of_servers_are_bounded() -> None:
    peers = Membership("me", LEASE_MS)
    for number in range(5 * MAX_PEERS):
        peers.heard(f"forged-{number}")
    peers.look({f"more-{number}": 12_000 for number in range(5 * MAX_PEERS)}, 2_000)
    assert len(peers.look({}, 100_000)) == MAX_PEERS
