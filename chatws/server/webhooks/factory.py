"""Factory of the webhook's sender from the settings."""

from __future__ import annotations

from urllib.parse import urlsplit

from chatws.bots.internal_addresses import InternalAddresses
from chatws.server.clock import Clock
from chatws.server.errors import StartError
from chatws.server.metrics import Metrics
from chatws.server.webhooks.endpoint import WebhookEndpoint
from chatws.server.webhooks.secret import load_signer
from chatws.server.webhooks.sender import SenderOptions, WebhookSender
from chatws.settings import Settings
from chatws.store.outbox import WebhookOutbox


def make_sender(settings: Settings, outbox: WebhookOutbox, *, clock: Clock, metrics: Metrics) -> WebhookSender | None:
    """Create the sender, None without a ``webhook_url``; in production it connects to no internal address.

    Raises:
        StartError: the URL or the secret cannot be used.
    """
    if settings.webhook_url is None:
        return None
    url = urlsplit(settings.webhook_url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise StartError("the webhook", "webhook_url is not an http or https URL", "check webhook_url")
    refused = None if settings.is_dev else InternalAddresses(settings.internal_addresses)
    if refused is not None and refused.is_refused_url(settings.webhook_url):
        raise StartError(
            "the webhook",
            f"webhook_url names the internal address {url.hostname}",
            f"if it is yours, list it: --set internal_addresses={url.hostname}",
        )
    timeout_s = settings.webhook_timeout_ms / 1000
    endpoint = WebhookEndpoint(settings.webhook_url, load_signer(settings), timeout_s=timeout_s, refused=refused)
    options = SenderOptions(timeout_s, settings.webhook_max_age_s, settings.webhook_takeover_ms / 1000)
    return WebhookSender(outbox, endpoint, options, clock=clock, metrics=metrics)
