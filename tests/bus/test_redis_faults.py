"""Faults of Redis: it crashes, hangs, loses its data, or holds and sends malformed data."""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec
import pytest
import uvloop

from chatws.bus import INBOX, BusUnavailable
from chatws.bus.messages import MAX_MESSAGE_BYTES, Envelope, UserEvent
from chatws.bus.redis import RedisBus
from chatws.bus.redis.publish_queue import MAX_QUEUED
from chatws.bus.redis.url import parse_redis_url
from chatws.protocol.ids import now_unix_ms
from tests.bus.clusters import FAST, SHORT_TIMEOUT, ClusterMember, RedisCluster, agents_seen_by, open_member
from tests.bus.support import ROOM, RecordingBusListener, entry, message
from tests.support.redis import RedisServer


async def pair(cluster: RedisCluster) -> tuple[ClusterMember, ClusterMember]:
    """Return two servers that have received messages of each other, each with an agent."""
    one, two = await cluster.member(), await cluster.member()
    for member, name in ((one, "ann"), (two, "bob")):
        await member.bus.subscribe(ROOM)
        member.bus.set_presence(entry(name, role="admin"))
    one.bus.publish(ROOM, message(1))
    two.bus.publish(ROOM, message(2))
    await one.listener.until(lambda: message(2) in one.listener.messages)
    await two.listener.until(lambda: message(1) in two.listener.messages)
    return one, two


async def test_restarted_empty_redis_gets_subscriptions_and_presence_again(
    redis: RedisServer, redis_cluster: RedisCluster
) -> None:
    one, two = await pair(redis_cluster)
    await asyncio.to_thread(redis.kill)
    waiting = two.bus.subscribe(INBOX)
    assert not await one.bus.ping()
    one.bus.set_presence(entry("eve", role="admin"))
    assert not waiting.done()
    await asyncio.to_thread(redis.start)
    for member in (one, two):
        await member.listener.resumed_by(1)
    await waiting
    for channel, each in ((ROOM, message(3)), (INBOX, message(4))):
        one.bus.publish(channel, each)
    await two.listener.until(lambda: message(4) in two.listener.messages)
    assert two.listener.messages == [message(1), message(3), message(4)]
    assert await agents_seen_by(two) == {"ann", "eve"}
    assert await agents_seen_by(one) == {"bob"}
    assert (one.listener.gone, two.listener.gone) == ([], [])


async def test_server_that_crashed_during_an_outage_is_gone_afterwards(
    redis: RedisServer, redis_cluster: RedisCluster
) -> None:
    one, two = await pair(redis_cluster)
    await asyncio.to_thread(redis.kill)
    await redis_cluster.disconnect(one)
    await asyncio.to_thread(redis.start)
    await two.listener.until(lambda: bool(two.listener.gone))
    assert (two.listener.gone, two.listener.resumes) == ([one.origin], 1)


async def test_hung_redis_bounds_the_queue_and_no_server_counts_as_gone(redis: RedisServer) -> None:
    cluster = RedisCluster(redis, "chatws", SHORT_TIMEOUT)
    one, two = await pair(cluster)
    redis.freeze()
    for number in range(MAX_QUEUED + 2_500):
        one.bus.publish(ROOM, message(number))
    with pytest.raises(BusUnavailable):
        await one.bus.presence_of(["bob"])
    for number in range(2_500):
        one.bus.publish(ROOM, message(number))
    assert one.bus.stats.queued == MAX_QUEUED
    assert one.bus.stats.dropped >= 2_500
    await asyncio.sleep(1.5 * SHORT_TIMEOUT.lease)  # the leases expire in Redis meanwhile
    assert not one.bus.stats.connected
    redis.unfreeze()
    for member in (one, two):
        await member.listener.resumed_by(1)
    one.bus.publish(ROOM, message(99_999))
    await two.listener.until(lambda: message(99_999) in two.listener.messages)
    assert (one.listener.gone, two.listener.gone) == ([], [])
    assert await agents_seen_by(two) == {"ann"}
    assert one.bus.stats.queued == 0
    await cluster.close()


async def test_emptied_redis_is_filled_again_and_no_server_counts_as_gone(
    redis: RedisServer, redis_cluster: RedisCluster
) -> None:
    one, two = await pair(redis_cluster)
    await asyncio.to_thread(redis.call, "FLUSHALL")
    for member in (one, two):
        await member.listener.resumed_by(1)
    assert await agents_seen_by(two) == {"ann"}
    assert await agents_seen_by(one) == {"bob"}
    one.bus.publish(ROOM, message(3))
    await two.listener.until(lambda: message(3) in two.listener.messages)
    await asyncio.sleep(1.5 * FAST.lease)  # a lease that was not written again would have expired by now
    assert (one.listener.gone, two.listener.gone) == ([], [])
    assert one.bus.stats.reconnects == 0


async def test_presence_is_readable_while_it_is_written_again(redis: RedisServer, redis_cluster: RedisCluster) -> None:
    one, two = await pair(redis_cluster)
    one.bus.set_presence(entry("eve", role="admin"))
    while await agents_seen_by(two) != {"ann", "eve"}:
        pass
    one.bus.set_presence(entry("eve", "offline", "admin"))
    while await agents_seen_by(two) != {"ann"}:
        pass
    for number in range(5):
        # The server finds its lease expired, and writes everything again.
        await asyncio.to_thread(redis.call, "ZADD", "chatws:servers", now_unix_ms() - 1, one.origin)
        while one.listener.resumes <= number:
            assert await agents_seen_by(two) == {"ann"}


async def test_pause_longer_than_a_lease_makes_no_server_count_as_gone(redis: RedisServer) -> None:
    cluster = RedisCluster(redis, "chatws", FAST._replace(lease=1.0))
    one, two = await pair(cluster)
    time.sleep(1.3)  # noqa: ASYNC251  the test blocks the event loop of both servers on purpose
    for member in (one, two):
        await member.listener.resumed_by(1)
    one.bus.publish(ROOM, message(3))
    await two.listener.until(lambda: message(3) in two.listener.messages)
    assert await agents_seen_by(two) == {"ann"}
    assert (one.listener.gone, two.listener.gone) == ([], [])
    await cluster.close()


async def test_crashed_server_leaves_no_keys_in_redis(redis: RedisServer, redis_cluster: RedisCluster) -> None:
    one, two = await pair(redis_cluster)
    await asyncio.to_thread(redis.call, "FLUSHALL")
    two.bus.set_presence(entry("eve"))  # written into a Redis that has no lease of this server
    two.bus.publish(ROOM, message(3))
    await one.listener.until(lambda: message(3) in one.listener.messages)
    await redis_cluster.disconnect(two)
    await one.listener.until(lambda: bool(one.listener.gone))
    keys = await asyncio.to_thread(redis.call, "KEYS", "*")
    assert isinstance(keys, list)
    assert {key for key in keys if isinstance(key, bytes) and two.origin.encode() in key} == set()


async def test_malformed_messages_are_dropped_counted_and_logged_once_per_second(
    redis: RedisServer, redis_cluster: RedisCluster, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await pair(redis_cluster)
    good = msgspec.json.encode(Envelope(origin="forger", sent_ms=now_unix_ms(), message=message(3)))
    bad: list[bytes] = [
        b"",
        b"hello",
        b"\x80\x04\x95cposix\nsystem\n",
        b"[]",
        b"null",
        good[:-1],
        good + b"}",
        good.replace(b"revoked", b"launched"),
        good.replace(b"user-3", b"user 3"),
        good.replace(b"user-3", b"\xff\xfe"),
        good.replace(b'"forger"', b"7"),
        good.replace(b'"forger"', b'"%s"' % (b"f" * 65)),
        good[:-2] + b',"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        good[:-1] + b" " * MAX_MESSAGE_BYTES + b"}",
    ]
    caplog.set_level(logging.INFO, "chatws.bus")
    for payload in [*bad, good]:
        await asyncio.to_thread(redis.call, "PUBLISH", "chatws:" + ROOM, payload)
    await two.listener.until(lambda: message(3) in two.listener.messages)
    assert two.listener.messages == [message(1), message(3)]
    assert two.bus.stats.malformed == len(bad)
    lines = [record for record in caplog.records if record.message == "bus_message_malformed"]
    assert 0 < len(lines) < len(bad)
    assert one.bus.stats.connected
    assert two.bus.stats.reconnects == 0


async def test_malformed_presence_is_skipped(redis: RedisServer, redis_cluster: RedisCluster) -> None:
    _, two = await pair(redis_cluster)
    await asyncio.to_thread(
        redis.call_all,
        ("ZADD", "chatws:servers", 10**15, b"\xff forged"),
        ("HSET", b"chatws:agents:\xff forged", "x", "y", "z", '{"user":1}'),
        ("ZADD", "chatws:servers", 10**15, "forged"),
        ("HSET", "chatws:agents:forged", "x", "\x80", "z", "{", "eve", msgspec.json.encode(entry("eve", role="admin"))),
    )
    assert await agents_seen_by(two) == {"ann", "eve"}
    assert two.bus.stats.connected


async def test_closing_while_redis_hangs_leaves_nothing_open(redis: RedisServer) -> None:
    large = UserEvent(user_id="ann", name="typing", payload=msgspec.Raw(b'"%s"' % (b"x" * 100_000)))

    async def close_with_unsent_messages() -> list[asyncio.Task[object]]:
        member = await open_member(redis.url, timing=FAST._replace(timeout=0.3))
        redis.freeze()
        for _ in range(500):
            member.bus.publish(ROOM, large)
        assert not await member.bus.ping()
        await member.bus.close()
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    # uvloop does not end while a transport has unsent bytes.
    assert await asyncio.to_thread(uvloop.run, close_with_unsent_messages()) == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00" * 4096,
        b"+OK\r\n" * 50,
        b"$99999999999\r\n",
        b"*100000\r\n",
        b"*1\r\n" * 100,
        b":x\r\n",
        b"*2\r\n$3\r\nabc",
        b"",
    ],
)
async def test_peer_that_is_not_redis_counts_as_unavailable(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        writer.write(answer)
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        member = await open_member(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", timing=SHORT_TIMEOUT)
        member.bus.publish(ROOM, message(1))
        assert not await member.bus.ping()
        assert not member.bus.stats.connected
        await member.bus.close()
    assert member.listener.deliveries == []


async def test_listener_that_raises_receives_the_next_message(
    redis_cluster: RedisCluster, caplog: pytest.LogCaptureFixture
) -> None:
    class RaisingListener(RecordingBusListener):
        def received(self, channel: str, origin: str, message: object) -> None:
            super().received(channel, origin, message)  # type: ignore[arg-type]  # passed on unchanged
            raise RuntimeError("defect of the listener")

    one = await redis_cluster.member()
    listener = RaisingListener()
    bus = RedisBus(parse_redis_url(f"redis://127.0.0.1:{redis_cluster.port}"), "chatws", FAST)
    await bus.open(listener)
    await bus.subscribe(ROOM)
    one.bus.publish(ROOM, message(1))
    one.bus.publish(ROOM, message(2))
    await listener.until(lambda: message(2) in listener.messages)
    assert bus.stats.connected
    await bus.close()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["bus_listener_failed"]
