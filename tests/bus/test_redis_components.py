"""Components of the Redis bus without a Redis: URL, publish queue, membership."""

from __future__ import annotations

import pytest
from msgspec import Raw

from chatws.bus import BadBusUrl, BusStats, MemoryBus
from chatws.bus.factory import make_bus
from chatws.bus.messages import MAX_MESSAGE_BYTES, UserEvent
from chatws.bus.redis import RedisBus
from chatws.bus.redis.keys import RedisKeys
from chatws.bus.redis.membership import MAX_PEERS, Membership
from chatws.bus.redis.presence_store import PresenceStore
from chatws.bus.redis.publish_queue import MAX_AGE_MS, MAX_QUEUED, PublishQueue
from chatws.bus.redis.url import parse_redis_url
from chatws.settings import Settings, load
from chatws.settings.loader import effective
from tests.bus.support import entry, message


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
def test_urls_are_parsed_and_shown_without_their_password(
    url: str, name: str, login: tuple[str | None, str | None, int]
) -> None:
    endpoint = parse_redis_url(url)
    connection = endpoint.connection()
    assert (connection.username, connection.password, connection.db) == login
    assert (str(endpoint), repr(endpoint)) == (name, name)
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
def test_other_urls_are_rejected_without_repeating_them(url: str) -> None:
    with pytest.raises(BadBusUrl) as caught:
        parse_redis_url(url)
    assert not url or url not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_a_url_the_bus_is_in_memory() -> None:
    assert isinstance(make_bus(Settings()), MemoryBus)
    assert isinstance(make_bus(Settings(redis_url="redis://localhost")), RedisBus)


def test_settings_hide_the_password_of_redis() -> None:
    rows = effective(load(assignments=["redis_url=redis://chat:secret@localhost/1"], environ={}))
    shown = {row.name: row.value for row in rows}
    assert shown["redis_url"] == "redis://chat:***@localhost/1"
    assert shown["redis_prefix"] == "chatws"


class QueueClock:
    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


def test_full_queue_drops_the_oldest_message() -> None:
    stats = BusStats()
    queue = PublishQueue("o", stats, QueueClock())
    for number in range(MAX_QUEUED + 3):
        queue.put("c", message(number))
    assert (stats.queued, stats.dropped) == (MAX_QUEUED, 3)
    (channel, first), *rest = queue.take(MAX_QUEUED)
    assert channel == "c"
    assert b'"user-3"' in first
    assert len(rest) == MAX_QUEUED - 1
    assert (stats.queued, stats.dropped) == (0, 3)


def test_messages_that_became_too_old_during_an_outage_are_not_sent() -> None:
    clock, stats = QueueClock(), BusStats()
    queue = PublishQueue("o", stats, clock)
    queue.put("c", message(1))
    clock.now_ms += MAX_AGE_MS
    queue.put("c", message(2))
    clock.now_ms += 1
    queue.put("c", message(3))
    assert (stats.queued, stats.dropped) == (2, 1)
    clock.now_ms += MAX_AGE_MS
    assert [b'"user-3"' in payload for _, payload in queue.take(10)] == [True]
    assert (stats.queued, stats.dropped) == (0, 2)


def test_message_over_the_size_limit_is_not_sent() -> None:
    stats = BusStats()
    queue = PublishQueue("o", stats, QueueClock())
    queue.put("c", UserEvent(user_id="u", name="n", payload=Raw(b'"%s"' % (b"x" * MAX_MESSAGE_BYTES))))
    queue.put("c", message(1))
    assert len(queue.take(10)) == 1
    assert stats.dropped == 1


LEASE_MS = 10_000


def test_server_with_an_expired_lease_is_gone_once() -> None:
    membership = Membership("me", LEASE_MS)
    assert membership.update({"me": 5, "you": 12_000}, 2_000) == []
    assert membership.update({"you": 12_000}, 11_999) == []
    assert membership.update({"you": 12_000}, 12_000) == ["you"]
    assert membership.update({"you": 12_000}, 14_000) == []


def test_server_that_was_never_alive_is_not_reported_as_gone() -> None:
    assert Membership("me", LEASE_MS).update({"you": 1_000}, 2_000) == []


def test_released_lease_means_gone_before_its_original_expiry() -> None:
    membership = Membership("me", LEASE_MS)
    membership.update({"you": 12_000}, 2_000)
    assert membership.update({"you": 3_999}, 4_000) == ["you"]


def test_lease_missing_in_redis_is_valid_until_its_expiry() -> None:
    membership = Membership("me", LEASE_MS)
    membership.update({"you": 12_000, "they": 12_000}, 2_000)
    assert membership.update({}, 4_000) == []
    assert membership.update({"you": 16_000}, 6_000) == []
    assert membership.update({"you": 22_000}, 12_000) == ["they"]


def test_expired_leases_are_ignored_during_the_grace_after_an_outage() -> None:
    membership = Membership("me", LEASE_MS)
    membership.update({"you": 12_000, "they": 12_000}, 2_000)
    membership.grant_grace(50_000)
    assert membership.update({"you": 12_000, "they": 12_000}, 50_000) == []
    assert membership.update({"you": 62_000, "they": 12_000}, 52_000) == []
    assert membership.update({"you": 70_000, "they": 12_000}, 60_000) == ["they"]
    assert membership.update({"you": 60_500}, 60_501) == ["you"]


def test_server_known_only_from_a_message_is_gone_without_a_lease() -> None:
    membership = Membership("me", LEASE_MS)
    membership.add("you")
    membership.add("they")
    assert membership.update({"they": 1_500}, 2_000) == []
    assert membership.update({"they": 14_000}, 4_000) == []
    assert membership.update({"they": 14_000}, 12_000) == ["you"]


def test_number_of_known_servers_is_bounded() -> None:
    membership = Membership("me", LEASE_MS)
    for number in range(5 * MAX_PEERS):
        membership.add(f"forged-{number}")
    membership.update({f"more-{number}": 12_000 for number in range(5 * MAX_PEERS)}, 2_000)
    assert len(membership.update({}, 100_000)) == MAX_PEERS


def test_rewrite_of_presence_removes_unconfirmed_users_and_no_others() -> None:
    store = PresenceStore(RedisKeys("p"), "me", LEASE_MS)
    for user_id in ("ann", "bob", "eve"):
        store.put(entry(user_id))
    store.take_changes()
    store.confirm()
    store.put(entry("bob", "offline"))
    store.take_changes()  # the connection is lost before the reply
    store.put(entry("eve", "offline"))
    removals = [command for command in store.take_all() if command[0] in {"DEL", "HDEL"}]
    assert removals == [("HDEL", RedisKeys("p").customers("me"), "bob", "eve")]
    store.put(entry("bob"))
    store.take_changes()
    removals = [command for command in store.take_all() if command[0] in {"DEL", "HDEL"}]
    assert removals == [("HDEL", RedisKeys("p").customers("me"), "eve")]
    store.confirm()
    assert not [command for command in store.take_all() if command[0] in {"DEL", "HDEL"}]
