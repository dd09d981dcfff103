"""Connections to Redis: passwords, rights, TLS, UNIX sockets, prefixes, and a Redis that starts later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

import uvloop

from chatws.bus.redis.url import parse_redis_url
from chatws.protocol.ids import new_secret_id
from tests.bus.clusters import agents_seen_by, open_member
from tests.bus.support import ROOM, entry, message
from tests.support.certificate import make_certificate
from tests.support.ports import free_port
from tests.support.redis import RedisServer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SECRET = "correct/horse@battery"

ACL = """
    resetkeys ~chatws:* resetchannels &chatws:* -@all +auth +select +client|setname +ping +time +publish +subscribe
    +unsubscribe +hset +hdel +hmget +hvals +hexists +del +pexpire +zadd +zrange +zremrangebyscore
"""
"""Rights of a server as documented in ``docs/operations.md``."""


async def test_redis_that_starts_later_is_connected(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    member = await open_member(server.url)
    assert not member.bus.stats.connected
    waiting = member.bus.subscribe(ROOM)
    await asyncio.to_thread(server.start)
    try:
        await member.listener.until(lambda: bool(member.listener.resumes))
        await waiting
        assert await member.bus.ping()
    finally:
        await member.bus.close()
        server.kill()


async def test_rejected_password_is_logged_without_the_password(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis.call("CONFIG", "SET", "requirepass", SECRET)
    for url in (redis.url, redis.url.replace("//", "//:wrong-guess@")):
        member = await open_member(url)
        member.bus.publish(ROOM, message(1))
        member.bus.set_presence(entry("ann"))
        assert not member.bus.stats.connected
        assert not await member.bus.ping()
        await member.bus.close()
    assert "WRONGPASS" in str([vars(record) for record in caplog.records])
    assert "wrong-guess" not in str([vars(record) for record in caplog.records])


async def test_documented_rights_are_sufficient(redis: RedisServer) -> None:
    redis.call("ACL", "SETUSER", "chat", "on", ">" + SECRET, *ACL.split())
    redis.call("ACL", "SETUSER", "default", "off")
    url = redis.url.replace("//", "//chat:correct%2Fhorse%40battery@") + "/2"
    one, two = await open_member(url), await open_member(url)
    await two.bus.subscribe(ROOM)
    one.bus.set_presence(entry("eve", role="admin"))
    one.bus.set_presence(entry("eve", "offline", "admin"))
    one.bus.set_presence(entry("ann", role="admin"))
    one.bus.publish(ROOM, message(1))
    await two.listener.until(lambda: message(1) in two.listener.messages)
    assert await agents_seen_by(two) == {"ann"}
    assert len((await two.bus.presence_of(["ann"]))["ann"]) == 1
    two.bus.unsubscribe(ROOM)
    await one.bus.close()
    await two.listener.until(lambda: bool(two.listener.gone))
    await two.bus.close()
    assert (two.bus.stats.reconnects, two.bus.stats.dropped) == (0, 0)


async def test_tls_accepts_only_a_known_authority(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    port = free_port()
    files = ["--tls-cert-file", str(certificate.cert), "--tls-key-file", str(certificate.key)]
    server = RedisServer(tmp_path, "--tls-port", str(port), *files, "--tls-auth-clients", "no")
    server.start()
    try:
        trusted = await open_member(f"rediss://localhost:{port}?ssl_ca_certs={certificate.cert}")
        assert trusted.bus.stats.connected
        untrusted = await open_member(f"rediss://localhost:{port}")
        assert not untrusted.bus.stats.connected
        await trusted.bus.close()
        await untrusted.bus.close()
    finally:
        server.kill()


async def test_unix_socket_works(tmp_path: Path) -> None:
    path = tmp_path / "redis of the chat.sock"
    server = RedisServer(tmp_path, "--unixsocket", str(path))
    server.start()
    try:
        server.call("CONFIG", "SET", "requirepass", SECRET)
        url = f"unix://:correct%2Fhorse%40battery@{quote(str(path))}?db=1"
        one, two = await open_member(url), await open_member(url)
        await two.bus.subscribe(ROOM)
        one.bus.publish(ROOM, message(1))
        await two.listener.until(lambda: message(1) in two.listener.messages)
        await one.bus.close()
        await two.bus.close()
    finally:
        server.kill()


async def test_bus_works_on_uvloop(shared_redis: RedisServer) -> None:
    prefix = new_secret_id()

    async def exchange() -> list[object]:
        one, two = await open_member(shared_redis.url, prefix), await open_member(shared_redis.url, prefix)
        await two.bus.subscribe(ROOM)
        one.bus.publish(ROOM, message(1))
        await two.listener.until(lambda: bool(two.listener.messages))
        await one.bus.close()
        await two.listener.until(lambda: bool(two.listener.gone))
        await two.bus.close()
        return [*two.listener.messages, *two.listener.gone]

    assert len(await asyncio.to_thread(uvloop.run, exchange())) == 2


async def test_installations_with_different_prefixes_are_separate(shared_redis: RedisServer) -> None:
    prefixes = [new_secret_id(), new_secret_id()]
    sender, receiver, other = [await open_member(shared_redis.url, prefixes[number]) for number in (0, 0, 1)]
    for member in (receiver, other):
        await member.bus.subscribe(ROOM)
    sender.bus.set_presence(entry("ann", role="admin"))
    sender.bus.publish(ROOM, message(1))
    await receiver.listener.until(lambda: message(1) in receiver.listener.messages)
    assert await agents_seen_by(other) == set()
    for member in (sender, receiver, other):
        await member.bus.close()
    assert other.listener.deliveries == []


async def test_redis_py_still_has_the_private_writer_that_a_failed_connection_aborts(shared_redis: RedisServer) -> None:
    connection = parse_redis_url(shared_redis.url).connection()
    await connection.connect()
    assert isinstance(connection._writer, asyncio.StreamWriter)
    assert isinstance(connection._writer.transport, asyncio.WriteTransport)
    await connection.disconnect()
