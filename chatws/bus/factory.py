"""From settings to a bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.bus.memory import MemoryBus

if TYPE_CHECKING:
    from chatws.bus.interface import Bus
    from chatws.settings import Settings


def make_bus(settings: Settings) -> Bus:
    """Make the bus over ``redis_url``, or one that reaches nobody when there is none; it is opened with ``open``.

    Raises:
        BadBusUrl: the URL names no Redis.
    """
    if settings.redis_url is None:
        return MemoryBus()
    from chatws.bus.redis import RedisBus  # noqa: PLC0415  one server alone starts without it
    from chatws.bus.redis.url import parse_redis_url  # noqa: PLC0415

    return RedisBus(parse_redis_url(settings.redis_url), settings.redis_prefix)
