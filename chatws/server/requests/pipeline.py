"""Pipeline of every request, from a socket or over REST: decoding, identity, policy, rate limit, handler, metrics."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from chatws.engine import IncomingEvent
from chatws.logging import RateLimitedLogger
from chatws.protocol import codec
from chatws.protocol.errors import ChatError, Conflict, ErrorCode
from chatws.protocol.responses import Ok, Refused
from chatws.protocol.spec import CommandSpec
from chatws.server.auth.identity import Identity
from chatws.server.requests.context import RequestContext
from chatws.server.requests.deadline import Deadline
from chatws.server.services import Services
from chatws.store import interface as store
from chatws.wire.errors import PacketError

_log = logging.getLogger("chatws.pipeline")

Policy = Callable[[Services, RequestContext, Any], Awaitable[Any]]
Handler = Callable[..., Awaitable[Ok]]
"""Takes `Services`, `RequestContext` and the payload, and then the policy's result if the route has a policy."""

Prepare = Callable[[], Awaitable[tuple[RequestContext, object]]]
"""Reads context and payload of a REST request."""

_EXPIRED = {"token": ErrorCode.TOKEN_EXPIRED, "session": ErrorCode.SESSION_EXPIRED}

_SERVER_FAULTS = frozenset({ErrorCode.STORAGE_UNAVAILABLE, ErrorCode.TIMEOUT})

ANSWER_MARGIN_MS = 1_000
"""Requests are cancelled this long before the promised ack deadline, so that the error arrives in time."""


@dataclass(frozen=True, slots=True)
class Route:
    """Handler of an event and its policy, whose result is the handler's last argument.

    Without a policy the roles in the event's table row are sufficient, and the handler takes three arguments.
    """

    handler: Handler
    policy: Policy | None = None


class Pipeline:
    """Runs requests; the only place where rules, limits, metrics and errors of requests are applied."""

    def __init__(self, services: Services, routes: Mapping[str, Route]) -> None:
        self._services = services
        self._routes = routes
        self._monotonic = services.clock.monotonic
        self._now_ms = services.clock.now_ms
        self._logger = RateLimitedLogger(_log, services.clock.monotonic)
        self._deadline = Deadline(max(services.settings.ack_deadline_ms - ANSWER_MARGIN_MS, 50) / 1000)

    async def run(self, context: RequestContext, event: IncomingEvent) -> Ok | Refused:
        """Run a client's event; a failure is returned as `Refused`. The deadline counts from the event's arrival.

        Raises:
            PacketError: the event is not a JSON array that begins with a name.
        """
        began = self._monotonic()
        try:
            self._check_total(context, began)
            row, payload = codec.decode_request(event.raw_json) or _decode(event)
            with self._deadline:
                if event.arrived_at is not None:
                    self._deadline.count_from(event.arrived_at)
                reply = await self._handle(row, context, payload)
        except PacketError:
            raise
        except Exception as problem:  # noqa: BLE001  every failure of a handler becomes an error reply
            return self._refused(event.name, problem, began)
        self._services.metrics.requests.add(row.name, "ok", self._monotonic() - began)
        return reply

    async def run_operation(self, row: CommandSpec, prepare: Prepare) -> Ok | Refused:
        """Run a REST operation; ``prepare`` reads the request within the deadline."""
        began = self._monotonic()
        try:
            with self._deadline:
                context, payload = await prepare()
                self._check_total(context, self._monotonic())
                reply = await self._handle(row, context, payload)
        except Exception as problem:  # noqa: BLE001  likewise
            return self._refused(row.name, problem, began)
        self._services.metrics.requests.add(row.name, "ok", self._monotonic() - began)
        return reply

    def _refused(self, name: str, problem: Exception, began: float) -> Refused:
        """Return the error reply of a failed request; log it if it is not the client's fault."""
        error = translate(problem)
        self._report(name, problem, error.code)
        self._services.metrics.request(name, error.code.value, self._monotonic() - began)
        return refusal(error)

    def _report(self, name: str, problem: Exception, code: ErrorCode) -> None:
        """Log a failure that is not the client's fault."""
        if code is ErrorCode.INTERNAL:
            self._logger.write(logging.ERROR, "request_failed", code, problem=problem, request=name)
        elif code in _SERVER_FAULTS:
            self._logger.write(logging.WARNING, "request_not_served", code, request=name, error=str(problem) or code)

    async def _handle(self, row: CommandSpec, context: RequestContext, payload: object) -> Ok:
        """Check identity, policy and the rate limit of the request's kind, in this order, and call the handler."""
        self._check_identity(row, context.identity)
        route, services, limiter = self._routes[row.name], self._services, context.rate_limiter
        authorized = () if route.policy is None else (await route.policy(services, context, payload),)
        if limiter is not None:
            # The time is that after the policy: another request of the user may have been counted meanwhile.
            limiter.check(row.limit, self._monotonic())
        return await route.handler(services, context, payload, *authorized)

    def _check_total(self, context: RequestContext, now: float) -> None:
        """Count a request against the total limit before it is decoded, so that malformed requests are limited too."""
        if context.rate_limiter is not None:
            context.rate_limiter.check_total(now)

    def _check_identity(self, row: CommandSpec, identity: Identity | None) -> None:
        if not row.roles:
            if identity is not None:
                raise ChatError(ErrorCode.BAD_REQUEST, "Already authenticated.")
            return
        if identity is None:
            raise ChatError(ErrorCode.UNAUTHORIZED)
        if identity.user.role not in row.roles:
            raise ChatError(ErrorCode.FORBIDDEN)
        if identity.expires_at_ms <= self._now_ms() and row.name != "refresh_token":
            raise ChatError(_EXPIRED[identity.kind])


def _decode(event: IncomingEvent) -> tuple[CommandSpec, Any]:
    """Decode an event step by step, to find the reason if it is invalid."""
    row = codec.find_command(event.name)
    return row, codec.decode_command(row, event.args)


def translate(problem: Exception) -> ChatError:
    """Return the contract's error for an exception."""
    match problem:
        case ChatError():
            return problem
        case TimeoutError():
            return ChatError(ErrorCode.TIMEOUT)
        case store.StaleVersion(current=current):
            return Conflict(current)
        case store.IdempotencyConflict():
            return ChatError(ErrorCode.IDEMPOTENCY_CONFLICT)
        case store.NotFound():
            return ChatError(ErrorCode.NOT_FOUND)
        case store.BadCursor():
            return ChatError(ErrorCode.BAD_REQUEST, "cursor: not valid")
        case store.Unavailable():
            return ChatError(ErrorCode.STORAGE_UNAVAILABLE)
        case _:
            return ChatError(ErrorCode.INTERNAL)


def refusal(error: ChatError) -> Refused:
    """Return the reply for an error; a `Conflict` includes the current conversation."""
    return Refused(error=error.body, conversation=error.current if isinstance(error, Conflict) else UNSET)
