"""What Redis does to the bus: it dies, hangs, comes back empty, refuses, and talks nonsense."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import pytest
import uvloop

from chatws.bus import INBOX, BusUnavailable, conversation_channel
from chatws.bus.messages import MAX_NOTE_BYTES, Envelope, UserEvent
from chatws.bus.redis import RedisBus
from chatws.bus.redis.bus import RedisTiming, unix_ms
from chatws.bus.redis.publish_queue import MAX_NOTES
from chatws.bus.redis.url import parse_redis_url
from chatws.protocol.ids import new_secret_id
from tests.bus.clusters import FAST, HASTY, Member, RedisTown
from tests.bus.support import Recorder, note, part
from tests.support.certificate import make_certificate
from tests.support.ports import free_port
from tests.support.redis import RedisServer

if TYPE_CHECKING:
    from pathlib import Path

ROOM = conversation_channel("c-1")
SECRET = "correct/horse@battery"

ACL = """
    resetkeys ~chatws:* resetchannels &chatws:* -@all +auth +select +client|setname +ping +time +publish +subscribe
    +unsubscribe +hset +hdel +hmget +hvals +hexists +del +pexpire +zadd +zrange +zremrangebyscore
"""
"""What ``docs/operations.md`` says that a server needs."""


async def connect(url: str, prefix: str = "chatws", timing: RedisTiming = FAST) -> Member:
    heard = Recorder()
    bus = RedisBus(parse_redis_url(url), prefix, timing)
    await bus.open(heard)
    return Member(bus, heard)


async def pair(town: RedisTown) -> tuple[Member, Member]:
    """Join two servers that have heard of each other, each with an agent."""
    one, two = await town.member(), await town.member()
    for member, name in ((one, "ann"), (two, "bob")):
        await member.bus.subscribe(ROOM)
        member.bus.hold(part(name, role="admin"))
    one.bus.publish(ROOM, note(1))
    two.bus.publish(ROOM, note(2))
    await one.heard.until(lambda: note(2) in one.heard.notes)
    await two.heard.until(lambda: note(1) in two.heard.notes)
    return one, two


async def agents_seen_by(member: Member) -> set[str]:
    return {held.part.user.user_id for held in await member.bus.agents()}


async def test_after_redis_died_and_came_back_empty_everything_is_there_again(
    redis: RedisServer, redis_town: RedisTown
) -> None:
    one, two = await pair(redis_town)
    await asyncio.to_thread(redis.kill)
    waiting = two.bus.subscribe(INBOX)
    assert not await one.bus.ping()
    one.bus.hold(part("eve", role="admin"))
    assert not waiting.done()
    await asyncio.to_thread(redis.start)
    for member in (one, two):
        await member.heard.resumed_by(1)
    await waiting
    for channel, each in ((ROOM, note(3)), (INBOX, note(4))):
        one.bus.publish(channel, each)
    await two.heard.until(lambda: note(4) in two.heard.notes)
    assert two.heard.notes == [note(1), note(3), note(4)]
    assert await agents_seen_by(two) == {"ann", "eve"}
    assert await agents_seen_by(one) == {"bob"}
    assert (one.heard.gone, two.heard.gone) == ([], [])


async def test_a_server_that_died_while_redis_was_away_is_gone_after_its_return(
    redis: RedisServer, redis_town: RedisTown
) -> None:
    one, two = await pair(redis_town)
    await asyncio.to_thread(redis.kill)
    await redis_town.cut(one)
    await asyncio.to_thread(redis.start)
    await two.heard.until(lambda: bool(two.heard.gone))
    assert (two.heard.gone, two.heard.resumes) == ([one.origin], 1)


async def test_while_redis_hangs_publishing_is_bounded_and_nobody_is_taken_for_gone(redis: RedisServer) -> None:
    town = RedisTown(redis, "chatws", HASTY)
    one, two = await pair(town)
    redis.stop()
    for number in range(MAX_NOTES + 2_500):
        one.bus.publish(ROOM, note(number))
    with pytest.raises(BusUnavailable):
        await one.bus.presence_of(["bob"])
    for number in range(2_500):
        one.bus.publish(ROOM, note(number))
    assert one.bus.stats.queued == MAX_NOTES
    assert one.bus.stats.dropped >= 2_500
    await asyncio.sleep(1.5 * HASTY.lease)  # the leases run out in a Redis that nobody can ask
    assert not one.bus.stats.connected
    redis.cont()
    for member in (one, two):
        await member.heard.resumed_by(1)
    one.bus.publish(ROOM, note(99_999))
    await two.heard.until(lambda: note(99_999) in two.heard.notes)
    assert (one.heard.gone, two.heard.gone) == ([], [])
    assert await agents_seen_by(two) == {"ann"}
    assert one.bus.stats.queued == 0
    await town.close()


async def test_a_redis_that_was_emptied_is_filled_again_and_nobody_is_taken_for_gone(
    redis: RedisServer, redis_town: RedisTown
) -> None:
    one, two = await pair(redis_town)
    await asyncio.to_thread(redis.call, "FLUSHALL")
    for member in (one, two):
        await member.heard.resumed_by(1)
    assert await agents_seen_by(two) == {"ann"}
    assert await agents_seen_by(one) == {"bob"}
    one.bus.publish(ROOM, note(3))
    await two.heard.until(lambda: note(3) in two.heard.notes)
    await asyncio.sleep(1.5 * FAST.lease)  # by now a lease that was not written again would have run out
    assert (one.heard.gone, two.heard.gone) == ([], [])
    assert one.bus.stats.reconnects == 0


async def test_a_machine_that_stood_still_for_more_than_a_lease_takes_nobody_for_gone(redis: RedisServer) -> None:
    town = RedisTown(redis, "chatws", FAST._replace(lease=1.0))
    one, two = await pair(town)
    time.sleep(1.3)  # noqa: ASYNC251  that is what is tested: the loop of both servers stands still
    for member in (one, two):
        await member.heard.resumed_by(1)
    one.bus.publish(ROOM, note(3))
    await two.heard.until(lambda: note(3) in two.heard.notes)
    assert await agents_seen_by(two) == {"ann"}
    assert (one.heard.gone, two.heard.gone) == ([], [])
    await town.close()


async def test_what_dies_leaves_nothing_in_redis(redis: RedisServer, redis_town: RedisTown) -> None:
    one, two = await pair(redis_town)
    await asyncio.to_thread(redis.call, "FLUSHALL")
    two.bus.hold(part("eve"))  # written into a Redis that has no lease of this server
    two.bus.publish(ROOM, note(3))
    await one.heard.until(lambda: note(3) in one.heard.notes)
    await redis_town.cut(two)
    await one.heard.until(lambda: bool(one.heard.gone))
    keys = await asyncio.to_thread(redis.call, "KEYS", "*")
    assert isinstance(keys, list)
    assert {key for key in keys if isinstance(key, bytes) and two.origin.encode() in key} == set()


async def test_malformed_notes_are_dropped_counted_and_logged_once_a_second(
    redis: RedisServer, redis_town: RedisTown, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await pair(redis_town)
    good = msgspec.json.encode(Envelope(origin="forger", sent_ms=unix_ms(), note=note(3)))
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
        good[:-1] + b" " * MAX_NOTE_BYTES + b"}",
    ]
    caplog.set_level(logging.INFO, "chatws.bus")
    for payload in [*bad, good]:
        await asyncio.to_thread(redis.call, "PUBLISH", "chatws:" + ROOM, payload)
    await two.heard.until(lambda: note(3) in two.heard.notes)
    assert two.heard.notes == [note(1), note(3)]
    assert two.bus.stats.malformed == len(bad)
    lines = [record for record in caplog.records if record.message == "bus_note_malformed"]
    assert 0 < len(lines) < len(bad)
    assert one.bus.stats.connected
    assert two.bus.stats.reconnects == 0


async def test_malformed_presence_is_passed_over(redis: RedisServer, redis_town: RedisTown) -> None:
    _, two = await pair(redis_town)
    await asyncio.to_thread(
        redis.call_all,
        ("ZADD", "chatws:servers", 10**15, b"\xff forged"),
        ("HSET", b"chatws:agents:\xff forged", "x", "y", "z", '{"user":1}'),
        ("ZADD", "chatws:servers", 10**15, "forged"),
        ("HSET", "chatws:agents:forged", "x", "\x80", "z", "{", "eve", msgspec.json.encode(part("eve", role="admin"))),
    )
    assert await agents_seen_by(two) == {"ann", "eve"}
    assert two.bus.stats.connected


async def test_a_redis_that_starts_later_is_found(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    member = await connect(server.url)
    assert not member.bus.stats.connected
    waiting = member.bus.subscribe(ROOM)
    await asyncio.to_thread(server.start)
    try:
        await member.heard.until(lambda: bool(member.heard.resumes))
        await waiting
        assert await member.bus.ping()
    finally:
        await member.bus.close()
        server.kill()


async def test_a_refused_password_is_said_without_naming_it(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis.call("CONFIG", "SET", "requirepass", SECRET)
    for url in (redis.url, redis.url.replace("//", "//:wrong-guess@")):
        member = await connect(url)
        member.bus.publish(ROOM, note(1))
        member.bus.hold(part("ann"))
        assert not member.bus.stats.connected
        assert not await member.bus.ping()
        await member.bus.close()
    assert "WRONGPASS" in str([vars(record) for record in caplog.records])
    assert "wrong-guess" not in str([vars(record) for record in caplog.records])


async def test_a_user_with_the_documented_rights_can_do_everything(redis: RedisServer) -> None:
    redis.call("ACL", "SETUSER", "chat", "on", ">" + SECRET, *ACL.split())
    redis.call("ACL", "SETUSER", "default", "off")
    url = redis.url.replace("//", "//chat:correct%2Fhorse%40battery@") + "/2"
    one, two = await connect(url), await connect(url)
    await two.bus.subscribe(ROOM)
    one.bus.hold(part("eve", role="admin"))
    one.bus.hold(part("eve", "offline", "admin"))
    one.bus.hold(part("ann", role="admin"))
    one.bus.publish(ROOM, note(1))
    await two.heard.until(lambda: note(1) in two.heard.notes)
    assert await agents_seen_by(two) == {"ann"}
    assert len((await two.bus.presence_of(["ann"]))["ann"]) == 1
    two.bus.unsubscribe(ROOM)
    await one.bus.close()
    await two.heard.until(lambda: bool(two.heard.gone))
    await two.bus.close()
    assert (two.bus.stats.reconnects, two.bus.stats.dropped) == (0, 0)


async def test_over_tls_only_a_known_authority_is_believed(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    port = free_port()
    files = ["--tls-cert-file", str(certificate.cert), "--tls-key-file", str(certificate.key)]
    server = RedisServer(tmp_path, "--tls-port", str(port), *files, "--tls-auth-clients", "no")
    server.start()
    try:
        trusting = await connect(f"rediss://localhost:{port}?ssl_ca_certs={certificate.cert}")
        assert trusting.bus.stats.connected
        wary = await connect(f"rediss://localhost:{port}")
        assert not wary.bus.stats.connected
        await trusting.bus.close()
        await wary.bus.close()
    finally:
        server.kill()


async def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    path = tmp_path / "redis of the chat.sock"
    server = RedisServer(tmp_path, "--unixsocket", str(path))
    server.start()
    try:
        server.call("CONFIG", "SET", "requirepass", SECRET)
        url = f"unix://:correct%2Fhorse%40battery@{quote(str(path))}?db=1"
        one, two = await connect(url), await connect(url)
        await two.bus.subscribe(ROOM)
        one.bus.publish(ROOM, note(1))
        await two.heard.until(lambda: note(1) in two.heard.notes)
        await one.bus.close()
        await two.bus.close()
    finally:
        server.kill()


async def test_closing_while_redis_hangs_leaves_nothing_open(redis: RedisServer) -> None:
    letter = UserEvent(user_id="ann", name="typing", payload=msgspec.Raw(b'"%s"' % (b"x" * 100_000)))

    async def close_amid_unsent_notes() -> list[asyncio.Task[object]]:
        member = await connect(redis.url, timing=FAST._replace(timeout=0.3))
        redis.stop()
        for _ in range(500):
            member.bus.publish(ROOM, letter)
        assert not await member.bus.ping()
        await member.bus.close()
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    # uvloop refuses to end while a transport has something to write.
    assert await asyncio.to_thread(uvloop.run, close_amid_unsent_notes()) == []


async def test_it_works_on_uvloop_as_the_server_runs_it(shared_redis: RedisServer) -> None:
    prefix = new_secret_id()

    async def talk() -> list[object]:
        one, two = await connect(shared_redis.url, prefix), await connect(shared_redis.url, prefix)
        await two.bus.subscribe(ROOM)
        one.bus.publish(ROOM, note(1))
        await two.heard.until(lambda: bool(two.heard.notes))
        await one.bus.close()
        await two.heard.until(lambda: bool(two.heard.gone))
        await two.bus.close()
        return [*two.heard.notes, *two.heard.gone]

    assert len(await asyncio.to_thread(uvloop.run, talk())) == 2


async def test_installations_with_different_prefixes_do_not_hear_each_other(shared_redis: RedisServer) -> None:
    prefixes = [new_secret_id(), new_secret_id()]
    here, there, other = [await connect(shared_redis.url, prefixes[number]) for number in (0, 0, 1)]
    for member in (there, other):
        await member.bus.subscribe(ROOM)
    here.bus.hold(part("ann", role="admin"))
    here.bus.publish(ROOM, note(1))
    await there.heard.until(lambda: note(1) in there.heard.notes)
    assert await agents_seen_by(other) == set()
    for member in (here, there, other):
        await member.bus.close()
    assert other.heard.arrivals == []


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
async def test_what_is_no_redis_is_away_and_does_no_harm(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        writer.write(answer)
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        member = await connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", timing=HASTY)
        member.bus.publish(ROOM, note(1))
        assert not await member.bus.ping()
        assert not member.bus.stats.connected
        await member.bus.close()
    assert member.heard.arrivals == []


async def test_a_receiver_that_raises_hears_the_next_note(
    redis_town: RedisTown, caplog: pytest.LogCaptureFixture
) -> None:
    class Clumsy(Recorder):
        def received(self, channel: str, origin: str, note: object) -> None:
            super().received(channel, origin, note)  # type: ignore[arg-type]  # it is passed on as it came
            raise RuntimeError("clumsy")

    one = await redis_town.member()
    heard = Clumsy()
    bus = RedisBus(parse_redis_url(f"redis://127.0.0.1:{redis_town.port}"), "chatws", FAST)
    await bus.open(heard)
    await bus.subscribe(ROOM)
    one.bus.publish(ROOM, note(1))
    one.bus.publish(ROOM, note(2))
    await heard.until(lambda: note(2) in heard.notes)
    assert bus.stats.connected
    await bus.close()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["bus_receiver_failed"]
