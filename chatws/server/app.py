"""Composition root: creates all parts of the server as one aiohttp application."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from chatws.bots import KEY_VARIABLE, Bot, BotConfigError, make_bot
from chatws.bus import BadBusUrl, Bus
from chatws.bus.factory import make_bus
from chatws.engine import EngineOptions, Namespace, Server
from chatws.protocol.entities import User
from chatws.protocol.events import TypingIndicator
from chatws.server import frontend, rest
from chatws.server.auth.identity import Authenticator
from chatws.server.auth.keys import load_keys
from chatws.server.auth.login_guard import LoginGuard
from chatws.server.auth.passwords import PasswordChecker
from chatws.server.auth.site_identity import SiteIdentities
from chatws.server.bot.dispatcher import BotDispatcher
from chatws.server.bot.notices import BotNotices
from chatws.server.clock import Clock, SystemClock
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.cluster.receiver import ClusterReceiver
from chatws.server.collector import ServerCollector
from chatws.server.connections.registry import ConnectionRegistry
from chatws.server.connections.socket_adapter import SocketAdapter
from chatws.server.conversations.hub import Hub, TypingFactory, room_name
from chatws.server.conversations.inbox import Inbox
from chatws.server.conversations.membership import ConversationMembership
from chatws.server.conversations.service import ConversationService
from chatws.server.conversations.typing import ConversationTyping
from chatws.server.drain import Drain
from chatws.server.errors import StartError
from chatws.server.handlers import ROUTES
from chatws.server.metrics import Metrics
from chatws.server.periodic import PeriodicTasks
from chatws.server.presence.absence import AbsenceTimers
from chatws.server.presence.manager import PresenceManager
from chatws.server.presence.notifier import PresenceNotifier
from chatws.server.requests.pipeline import Pipeline
from chatws.server.requests.rate_limit import AddressRateLimiter
from chatws.server.service import WebSocketService
from chatws.server.services import Services
from chatws.server.store_opening import open_store
from chatws.server.tcp import ListenerStats
from chatws.server.tracing.trace_hub import TraceHub
from chatws.server.webhooks.factory import make_sender
from chatws.settings import Settings
from chatws.store import BadUrl, Store
from chatws.store.factory import make_store

SERVICE = web.AppKey("chatws.service", WebSocketService)
"""Key of the guide's server-side API in the application."""

DRAIN = web.AppKey("chatws.drain", Drain)
"""Key of the graceful shutdown; `run` calls it on SIGTERM, an embedding program before its own clean-up."""

ENGINE = web.AppKey("chatws.engine", Server)
"""Key of the Socket.IO server, for an embedding program's own namespaces."""


LISTENER = web.AppKey("chatws.listener", ListenerStats)
"""Key of the counters of TCP connections, which `LimitedSite` updates."""


def create_app(
    settings: Settings, *, clock: Clock | None = None, store: Store | None = None, bus: Bus | None = None
) -> web.Application:
    """Create the server as an aiohttp application.

    The database and the bus are opened when the application starts, and closed by its clean-up.

    Args:
        settings: Settings of all parts.
        clock: Replacement for the system clocks.
        store: Replacement for the store named in the settings, not opened yet; it stores the events of a webhook if it
            was made with their kinds.
        bus: Likewise, such as the bus of a ``MemoryHub`` for several servers in one program.

    Raises:
        StartError: the settings name a database, a key or a bot that cannot be used.
    """
    app = web.Application(client_max_size=settings.max_frame_bytes)
    server = Server(engine_options(settings))
    clock, bus = clock or SystemClock(), bus or _make_bus(settings)
    store = store or _make_store(settings, clock)
    services = make_services(settings, server.of("/"), clock, store, bus, metrics=Metrics())
    app[LISTENER] = listener = ListenerStats()
    services.metrics.registry.register(ServerCollector(services, server, listener))
    pipeline = Pipeline(services, {**ROUTES, **rest.ROUTES})
    SocketAdapter(services, pipeline).attach(services.namespace)
    app[ENGINE] = server
    app[SERVICE] = WebSocketService(services)
    app[DRAIN] = Drain(services, server)
    app.cleanup_ctx.append(functools.partial(_lifetime, services=services, bus=bus))
    app.on_shutdown.append(functools.partial(_close_bot, services=services))
    rest.attach(app, rest.RestContext(services, pipeline, server))
    frontend.attach(app, services)
    server.attach(app)
    return app


def engine_options(settings: Settings) -> EngineOptions:
    """Return the engine's options; ``limits=off`` disables its limits of sessions and rates."""
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


def _make_store(settings: Settings, clock: Clock) -> Store:
    try:
        kinds = frozenset(() if settings.webhook_url is None else settings.webhook_events)
        return make_store(settings.database, server=True, clock_ms=clock.now_ms, webhook_kinds=kinds)
    except BadUrl as problem:
        raise StartError("the database", str(problem), "check database_url") from None


def _make_bus(settings: Settings) -> Bus:
    try:
        return make_bus(settings)
    except BadBusUrl as problem:
        raise StartError("Redis", str(problem), "check redis_url") from None


def make_services(
    settings: Settings, namespace: Namespace, clock: Clock, store: Store, bus: Bus, *, metrics: Metrics
) -> Services:
    """Create the parts of one server; `run_services` opens store and bus and starts the background tasks.

    Raises:
        StartError: the settings name a key or a bot that cannot be used.
    """
    registry = ConnectionRegistry(settings)
    cluster = ClusterPublisher(bus, settings.inbox_update_ms, metrics.bus_wait)
    hub = Hub(namespace, store, metrics, cluster, _typing_factory(settings, clock, namespace, registry, cluster))
    inbox = Inbox(namespace, settings.inbox_update_ms, cluster, hub)
    absences = AbsenceTimers(settings.assignee_offline_ms / 1000, clock)
    presence = PresenceManager(
        settings.presence_grace_ms,
        clock=clock,
        observer=PresenceNotifier(namespace, registry, hub, inbox),
        cluster=cluster,
        absences=absences,
    )
    webhooks = make_sender(settings, store.outbox, clock=clock, metrics=metrics)
    conversations = ConversationService(
        store=store,
        hub=hub,
        inbox=inbox,
        cluster=cluster,
        metrics=metrics,
        clock=clock,
        first_status="queued" if settings.bot == "none" else "bot",
        on_stored=None if webhooks is None else webhooks.wake,
    )
    bot = _make_bot(settings)
    dispatcher = BotDispatcher(
        bot,
        settings,
        store=store,
        conversations=conversations,
        hub=hub,
        cluster=cluster,
        notices=BotNotices(bot.name, inbox, metrics, clock),
        metrics=metrics,
    )
    conversations.subscribe(dispatcher)
    return Services(
        settings=settings,
        clock=clock,
        store=store,
        namespace=namespace,
        metrics=metrics,
        authenticator=Authenticator(settings, load_keys(settings), store, clock),
        site_identities=SiteIdentities(settings),
        passwords=PasswordChecker(),
        logins=LoginGuard(_per_minute(settings, settings.login_failures_per_minute), is_on=settings.limits == "on"),
        failed_credentials=_per_minute(settings, settings.credential_failures_per_minute),
        session_starts=_limit(settings, settings.sessions_per_s, settings.connections_per_address),
        registry=registry,
        hub=hub,
        conversations=conversations,
        membership=ConversationMembership(hub, presence, registry),
        presence=presence,
        absences=absences,
        inbox=inbox,
        bot=dispatcher,
        cluster=cluster,
        tracing=TraceHub(registry, clock),
        webhooks=webhooks,
    )


def _make_bot(settings: Settings) -> Bot:
    try:
        return make_bot(settings, os.environ.get(KEY_VARIABLE))
    except BotConfigError as problem:
        raise StartError(f"the bot {settings.bot}", problem.why, problem.advice) from None


def _limit(settings: Settings, per_s: float, burst: int) -> AddressRateLimiter:
    return AddressRateLimiter(per_s if settings.limits == "on" else 0, burst)


def _per_minute(settings: Settings, count: int) -> AddressRateLimiter:
    return _limit(settings, count / 60, count)


def _typing_factory(
    settings: Settings, clock: Clock, namespace: Namespace, registry: ConnectionRegistry, cluster: ClusterPublisher
) -> TypingFactory:
    def make(conversation_id: str) -> ConversationTyping:
        room = room_name(conversation_id)

        def emit(user: User, is_typing: bool) -> None:  # noqa: FBT001  the state is the message
            event = TypingIndicator(
                conversation_id=conversation_id, user_id=user.user_id, user_name=user.user_name, is_typing=is_typing
            )
            namespace.to(room).except_sockets(registry.sockets_of(user.user_id)).emit("typing_indicator", event)

        def publish(user: User, is_typing: bool) -> None:  # noqa: FBT001  likewise
            cluster.publish_typing(conversation_id, user, is_typing=is_typing)

        return ConversationTyping(settings, clock, emit, publish)

    return make


async def _close_bot(_app: web.Application, *, services: Services) -> None:
    """End the bot's replies on shutdown: aiohttp then waits for the requests that stream them."""
    await services.bot.close()


async def _lifetime(_app: web.Application, *, services: Services, bus: Bus) -> AsyncIterator[None]:
    async with run_services(services, bus):
        yield


@asynccontextmanager
async def run_services(services: Services, bus: Bus) -> AsyncIterator[None]:
    """Open the store and the bus; at the end close all parts in reverse order, also if one of them fails to close.

    Raises:
        StartError: the database cannot be used.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(services.store.close)
        stack.callback(services.passwords.close)
        await open_store(services.store, services.settings)
        if services.webhooks is not None:
            stack.push_async_callback(services.webhooks.close)
            services.webhooks.start()
        stack.push_async_callback(bus.close)
        stack.callback(services.cluster.close)
        stack.callback(services.inbox.close)
        stack.callback(services.presence.close)
        stack.push_async_callback(services.hub.close)
        stack.push_async_callback(services.bot.close)
        stack.callback(services.absences.close)
        periodic = PeriodicTasks(services)
        stack.push_async_callback(periodic.close)
        await bus.open(ClusterReceiver(services, periodic))
        periodic.start()
        yield
