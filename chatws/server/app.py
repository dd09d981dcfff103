"""Puts the server together; the only place that names concrete parts."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator

from aiohttp import web

from chatws.bots import KEY_VARIABLE, BotConfigError, make_bot
from chatws.bus import BadBusUrl, Bus
from chatws.bus.factory import make_bus
from chatws.engine import EngineOptions, Namespace, Server
from chatws.protocol.entities import User
from chatws.protocol.events import TypingIndicator
from chatws.server import frontend, rest
from chatws.server.auth.identity import Authenticator
from chatws.server.auth.keys import load_keys
from chatws.server.auth.passwords import PasswordChecker
from chatws.server.bot.dispatcher import BOT, BotDispatcher
from chatws.server.clock import Clock, SystemClock
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.cluster.receiver import ClusterReceiver
from chatws.server.connections.registry import ConnectionRegistry
from chatws.server.connections.socket_adapter import SocketAdapter
from chatws.server.conversations.hub import Hub
from chatws.server.conversations.inbox import Inbox
from chatws.server.conversations.typing import ConversationTyping
from chatws.server.drain import Drain
from chatws.server.errors import StartError
from chatws.server.handlers import ROUTES
from chatws.server.metrics import Metrics
from chatws.server.periodic import PeriodicTasks
from chatws.server.presence.manager import PresenceManager
from chatws.server.presence.notifier import PresenceNotifier
from chatws.server.requests.pipeline import Pipeline
from chatws.server.requests.rate_limit import AddressRateLimiter
from chatws.server.service import WebSocketService
from chatws.server.services import Services
from chatws.settings import Settings
from chatws.store import BadUrl, Store, StoreError
from chatws.store.factory import make_store

SERVICE = web.AppKey("chatws.service", WebSocketService)
"""Where an embedding program finds the guide's server-side API."""

DRAIN = web.AppKey("chatws.drain", Drain)
"""Ends the chat without loss; `run` calls it on SIGTERM, an embedding program calls it before its own clean-up."""

ENGINE = web.AppKey("chatws.engine", Server)
"""The Socket.IO server, for an embedding program's own namespaces."""


def create_app(
    settings: Settings, *, clock: Clock | None = None, store: Store | None = None, bus: Bus | None = None
) -> web.Application:
    """Make the whole server as an aiohttp application.

    The database and the bus are opened when the application starts, and closed by its clean-up.

    Args:
        settings: What the parts are made from.
        clock: Another one than the machine's.
        store: Another one than the settings name, not opened yet.
        bus: Likewise, such as a place at a ``MemoryHub`` for several servers in one program.

    Raises:
        StartError: the settings name a database, a key or a bot that cannot be used.
    """
    app = web.Application(client_max_size=settings.max_frame_bytes)
    server = Server(engine_options(settings))
    clock, bus = clock or SystemClock(), bus or _make_bus(settings)
    services = _make_chat(settings, server.of("/"), clock, store or _open_store(settings, clock), bus)
    services.metrics.watch(services, server)
    pipeline = Pipeline(services, {**ROUTES, **rest.ROUTES})
    SocketAdapter(services, pipeline).attach(services.namespace)
    app[ENGINE] = server
    app[SERVICE] = WebSocketService(services)
    app[DRAIN] = Drain(services, server)
    app.cleanup_ctx.append(functools.partial(_lifetime, services=services, bus=bus))
    app.on_shutdown.append(functools.partial(_end_answers, services=services))
    rest.attach(app, rest.RestContext(services, pipeline, server, app[SERVICE], app[DRAIN]))
    frontend.attach(app, services)
    server.attach(app)
    return app


def engine_options(settings: Settings) -> EngineOptions:
    """Translate the settings for the engine; ``limits=off`` lifts its counts and rates."""
    counted = settings.limits == "on"
    return EngineOptions(
        ping_interval_s=settings.ping_interval_ms / 1000,
        ping_timeout_s=settings.ping_timeout_ms / 1000,
        admission_timeout_s=settings.authenticate_ms / 1000,
        max_payload_bytes=settings.max_frame_bytes,
        max_outbox_bytes=settings.max_outbox_bytes,
        write_stall_s=settings.write_stall_ms / 1000,
        send_buffer_bytes=settings.send_buffer_bytes,
        allowed_origins="*" if "*" in settings.cors_origin else frozenset(settings.cors_origin),
        trusted_proxies=settings.trusted_proxies,
        max_sessions=settings.connections if counted else 0,
        max_sessions_per_address=settings.connections_per_address if counted else 0,
        max_unadmitted=settings.unauthenticated if counted else 0,
        new_sessions_per_s=settings.new_per_s if counted else 0,
        new_sessions_per_address_per_s=settings.new_per_address_per_s if counted else 0,
    )


def _open_store(settings: Settings, clock: Clock) -> Store:
    try:
        return make_store(settings.database, server=True, clock_ms=clock.now_ms)
    except BadUrl as problem:
        raise StartError("the database", str(problem), "check database_url") from None


def _make_bus(settings: Settings) -> Bus:
    try:
        return make_bus(settings)
    except BadBusUrl as problem:
        raise StartError("Redis", str(problem), "check redis_url") from None


def _make_chat(settings: Settings, namespace: Namespace, clock: Clock, store: Store, bus: Bus) -> Services:
    metrics = Metrics()
    registry = ConnectionRegistry(settings)
    cluster = ClusterPublisher(bus, settings.inbox_update_ms, metrics.bus_wait)
    boards = functools.partial(_typing_board, settings, namespace, registry, cluster)
    hub = Hub(namespace, store, metrics, cluster, boards)
    inbox = Inbox(namespace, settings.inbox_update_ms, cluster)
    audience = PresenceNotifier(namespace, registry, hub, inbox)
    bot = _make_answering(settings)
    services = Services(
        settings=settings,
        clock=clock,
        store=store,
        namespace=namespace,
        metrics=metrics,
        authenticator=Authenticator(settings, load_keys(settings), store, clock),
        passwords=PasswordChecker(),
        failures=_limit(settings, settings.login_failures_per_minute / 60, settings.login_failures_per_minute),
        session_starts=_limit(settings, settings.sessions_per_s, settings.connections_per_address),
        registry=registry,
        hub=hub,
        presence=PresenceManager(settings.presence_grace_ms, clock, audience, cluster),
        inbox=inbox,
        bot=bot,
        cluster=cluster,
    )
    services.inbox.join(services.current)
    bot.join(services)
    return services


def _make_answering(settings: Settings) -> BotDispatcher:
    try:
        return BotDispatcher(make_bot(settings, os.environ.get(KEY_VARIABLE)), settings)
    except BotConfigError as problem:
        raise StartError(f"the bot {settings.bot}", problem.why, problem.advice) from None


def _limit(settings: Settings, per_s: float, burst: int) -> AddressRateLimiter:
    return AddressRateLimiter(per_s if settings.limits == "on" else 0, burst)


def _typing_board(
    settings: Settings, namespace: Namespace, registry: ConnectionRegistry, cluster: ClusterPublisher, room: str
) -> ConversationTyping:
    conversation_id = room.removeprefix("conversation:")

    def show(user: User, is_typing: bool) -> None:  # noqa: FBT001  the state is what it says
        event = TypingIndicator(
            conversation_id=conversation_id, user_id=user.user_id, user_name=user.user_name, is_typing=is_typing
        )
        namespace.to(room).except_sockets(registry.sockets_of(user.user_id)).emit("typing_indicator", event)

    def tell(user: User, is_typing: bool) -> None:  # noqa: FBT001  likewise
        cluster.typing(conversation_id, user, is_typing=is_typing)

    return ConversationTyping(settings, show, tell)


async def _end_answers(_app: web.Application, *, services: Services) -> None:
    """Let those who read an answer while it is written see its end: aiohttp waits for them after this."""
    await services.bot.close()


async def _lifetime(_app: web.Application, *, services: Services, bus: Bus) -> AsyncIterator[None]:
    try:
        await services.store.open()
        await services.store.ensure_user(BOT)
    except StoreError as problem:
        await services.store.close()
        raise StartError("the database", str(problem)) from None
    background = PeriodicTasks(services)
    services.presence.on_gone(background.agent_gone)
    services.hub.on_late(background.compare)
    await bus.open(ClusterReceiver(services, background))
    background.start()
    yield
    await background.close()
    await services.bot.close()
    await services.hub.close()
    services.presence.close()
    services.inbox.close()
    services.cluster.close()
    await bus.close()
    services.passwords.close()
    await services.store.close()
