"""Factory of the bus from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.bus.memory import MemoryBus

if TYPE_CHECKING:
    from chatws.bus.interface import Bus
    from chatws.settings import Settings


def make_bus(settings: Settings) -> Bus:
    """Create the bus over ``redis_url``, or a bus without other servers if that is not set; the caller opens it.

    Raises:
        BadBusUrl: the URL is invalid.
    """
    if settings.redis_url is None:
        return MemoryBus()
    from chatws.bus.redis import RedisBus  # noqa: PLC0415  a single server does not load the Redis client
    from chatws.bus.redis.url import parse_redis_url  # noqa: PLC0415

    return RedisBus(parse_redis_url(settings.redis_url), settings.redis_prefix)
