"""Server process: file limit, listening socket, TLS, signals, drain and exit code."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import http_parser, web

from chatws.engine import Server
from chatws.engine.origin import TrustedProxies
from chatws.gc_tuning import tune_gc
from chatws.server.app import DRAIN, ENGINE, LISTENER, create_app
from chatws.server.errors import StartError
from chatws.server.logs import configure_logging, log_event
from chatws.server.rest.middleware import find_nonlocal_reason
from chatws.server.signals import catch_signals, watch_lifeline
from chatws.server.tcp import LimitedSite, ListenerLimits, UpgradeTaker
from chatws.settings import Settings

_log = logging.getLogger("chatws.server")

SPARE_DESCRIPTORS = 128
"""File descriptors besides those of the Socket.IO connections: for HTTP requests, and the reserved ones."""

RESERVED_DESCRIPTORS = 64
"""File descriptors that no TCP connection may take: for the database, the log and the requests of a bot."""

BACKLOG = 4096
"""Limit of connections that the kernel keeps until they are accepted."""

SWITCH_INTERVAL_S = 0.002
"""Time after which a busy event loop lets the store's thread run, which waits for the interpreter lock in every batch.

With Python's 5 ms, the p99 of acks was 0.09 to 0.23 s while 5,000 clients disconnected, with 2 ms 0.07 to 0.17 s; with
1 ms, a message costs a few percent more.
"""

GC_THRESHOLD = 10_000
"""Allocations between two collections of the youngest generation.

Requests in flight hold thousands of objects, none of them garbage; with Python's default of 700, scanning them
repeatedly took a fifth of the server's CPU time.
"""


def run(
    settings: Settings, announce: Callable[[str], None], *, number: int | None = None, lifeline: int | None = None
) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP and return the exit code.

    Args:
        settings: Settings of this process; ``workers`` is ignored.
        announce: Called once with the base URL when the server listens.
        number: Number of this server among several; added to its log lines.
        lifeline: Descriptor of a pipe; the server also drains when the other end is closed.

    Raises:
        StartError: the server cannot listen, or cannot use a file or the database.
    """
    configure_logging(settings.log_level, settings.log_format, number)
    settings = fit_to_file_limit(settings)
    check_http_parser(settings)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, announce, lifeline))


def fit_to_file_limit(settings: Settings) -> Settings:
    """Raise the limit of open files to the number that the connections need, or lower their number to what is allowed.

    Raises:
        StartError: the hard limit leaves no connection.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.connections + SPARE_DESCRIPTORS
    if soft >= needed:
        return settings
    ceiling = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
    if ceiling == needed:
        return settings
    connections = ceiling - SPARE_DESCRIPTORS
    if connections < 1:
        needed = SPARE_DESCRIPTORS + 1
        raise StartError("the limit of open files", f"is {hard}; the server needs {needed}", f"ulimit -Hn {needed}")
    level = logging.DEBUG if settings.is_dev else logging.WARNING
    log_event(_log, level, "connections_lowered", connections=connections, openFiles=hard)
    return msgspec.structs.replace(settings, connections=connections)


def listener_limits(settings: Settings) -> ListenerLimits:
    """Return the limits of connections that are not WebSockets; ``limits=off`` disables their numbers."""
    counted = settings.limits == "on"
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return ListenerLimits(
        max_connections=settings.http_connections if counted else 0,
        max_per_address=settings.http_per_address if counted else 0,
        max_descriptors=0 if open_files == resource.RLIM_INFINITY else open_files - RESERVED_DESCRIPTORS,
        request_timeout_s=settings.http_request_ms / 1000,
        keepalive_timeout_s=settings.http_keepalive_ms / 1000,
        trusted_proxies=TrustedProxies.parse(settings.trusted_proxies),
    )


def check_http_parser(settings: Settings) -> None:
    """Check that aiohttp uses its C parser: the Python parser is slow, and weaker against request smuggling.

    Raises:
        StartError: it is missing, in production mode.
    """
    if http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy:
        return
    if not settings.is_dev:
        raise StartError("aiohttp", "has no C parser", "install its wheel, and unset AIOHTTP_NO_EXTENSIONS")
    log_event(_log, logging.WARNING, "slow_http_parser")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  not available on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, announce: Callable[[str], None], lifeline: int | None) -> int:
    stop = catch_signals()
    if lifeline is not None:
        watch_lifeline(lifeline, stop)
    listener = _listen(settings)
    try:
        tls = _tls_context(settings)
        app = create_app(settings)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        if not await _is_set_up(runner, stop):
            listener.close()
            return stop.result()
    except BaseException:
        listener.close()
        raise
    try:
        await make_site(runner, listener, settings, tls).start()
        announce(_base_url(settings, listener.getsockname()[1]))
        tune_process()
        code = await stop
        await app[DRAIN].run()
    finally:
        await runner.cleanup()
    return code


def make_site(
    runner: web.AppRunner, listener: socket.socket, settings: Settings, tls: ssl.SSLContext | None = None
) -> LimitedSite:
    """Return the site of a runner that is set up with the application of ``create_app``."""
    app = runner.app
    engine = app[ENGINE]
    return LimitedSite(
        runner,
        listener,
        listener_limits(settings),
        count_websockets=lambda: engine.websocket_count,
        stats=app[LISTENER],
        take_upgrade=_take_upgrade_locally(engine) if settings.is_dev else engine.take_upgrade,
        tls=tls,
    )


def tune_process() -> None:
    """Adapt the interpreter to a server; called when the server listens."""
    tune_gc(GC_THRESHOLD)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def _take_upgrade_locally(engine: Server) -> UpgradeTaker:
    """Return ``take_upgrade`` of an engine for local clients only, as the application serves them."""
    return lambda request: find_nonlocal_reason(request) is None and engine.take_upgrade(request)


async def _is_set_up(runner: web.AppRunner, stop: asyncio.Future[int]) -> bool:
    """Open the parts of the server; return False if a signal ended that, as it may while the database is away."""
    setup = asyncio.create_task(runner.setup())
    completions: list[asyncio.Future[Any]] = [setup, stop]
    await asyncio.wait(completions, return_when=asyncio.FIRST_COMPLETED)
    if not setup.done():
        setup.cancel()
        await asyncio.wait({setup})
    if setup.cancelled():
        return False
    setup.result()
    return True


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as problem:
        listener.close()
        raise _cannot_listen(settings, problem) from None
    return listener


def _cannot_listen(settings: Settings, problem: OSError) -> StartError:
    what = f"port {settings.port} on {settings.host}"
    if problem.errno == errno.EADDRINUSE:
        return StartError(what, "is in use", f"try --port {settings.port + 1}, or --port 0 for any free port")
    if problem.errno == errno.EACCES:
        return StartError(what, "cannot be opened by this user", "use a port from 1024 up")
    return StartError(what, f"cannot be opened ({problem.strerror})", "check --host and --port")


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None and settings.tls_key is None:
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise StartError("TLS", "needs both a certificate and a key", "give --tls-cert and --tls-key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as problem:
        raise StartError("TLS", f"the certificate or key cannot be used ({problem})", "check both files") from None
    return context


def _base_url(settings: Settings, port: int) -> str:
    scheme = "https" if settings.tls_cert is not None else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{port}"
