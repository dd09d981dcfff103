"""Container of the parts of a running server, passed to handlers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from chatws.engine import Namespace
from chatws.logging import SampledLogger
from chatws.server.auth.identity import Authenticator
from chatws.server.auth.login_guard import LoginGuard
from chatws.server.auth.passwords import PasswordChecker
from chatws.server.auth.site_identity import SiteIdentities
from chatws.server.bot.dispatcher import BotDispatcher
from chatws.server.clock import Clock
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.connections.registry import ConnectionRegistry
from chatws.server.conversations.hub import Hub
from chatws.server.conversations.inbox import Inbox
from chatws.server.conversations.membership import ConversationMembership
from chatws.server.conversations.service import ConversationService
from chatws.server.metrics import Metrics
from chatws.server.presence.absence import AbsenceTimers
from chatws.server.presence.manager import PresenceManager
from chatws.server.requests.rate_limit import AddressRateLimiter
from chatws.server.tracing.trace_hub import TraceHub
from chatws.server.webhooks.sender import WebhookSender
from chatws.settings import Settings
from chatws.store.interface import Store

_connections_log = logging.getLogger("chatws.connections")


@dataclass(slots=True)
class Services:
    """Parts of one server, created by `create_app`."""

    settings: Settings
    clock: Clock
    store: Store
    namespace: Namespace
    metrics: Metrics
    authenticator: Authenticator
    site_identities: SiteIdentities
    passwords: PasswordChecker
    logins: LoginGuard
    failed_credentials: AddressRateLimiter
    """Invalid tokens and unknown session ids, by client address."""
    session_starts: AddressRateLimiter
    registry: ConnectionRegistry
    hub: Hub
    conversations: ConversationService
    membership: ConversationMembership
    presence: PresenceManager
    absences: AbsenceTimers
    inbox: Inbox
    bot: BotDispatcher
    cluster: ClusterPublisher
    tracing: TraceHub
    webhooks: WebhookSender | None
    """None without a webhook."""
    draining: bool = False
    """Set when the graceful shutdown begins."""
    connected_log: SampledLogger = field(default_factory=lambda: SampledLogger(_connections_log, "client_connected"))
    disconnected_log: SampledLogger = field(
        default_factory=lambda: SampledLogger(_connections_log, "client_disconnected")
    )
