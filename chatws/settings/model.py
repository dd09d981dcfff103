"""Settings of the server: name, type, default, unit and description; source of options, environment, file and docs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chatws.protocol import limits as contract
from chatws.protocol.webhooks import WebhookKind


def default_data_dir() -> Path:
    """Return the XDG data directory of chatws (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "chatws"


Count = Annotated[int, Meta(ge=0)]
Rate = Annotated[float, Meta(gt=0)]
Milliseconds = Annotated[int, Meta(ge=0)]


def _help(text: str) -> Meta:
    return Meta(description=text)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Effective settings of one server, loaded once at start."""

    host: Annotated[str, _help("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535), _help("Port to listen on; 0 picks a free one.")] = 3000
    workers: Annotated[
        int, Meta(ge=1, le=256), _help("Server processes, on consecutive ports; several need PostgreSQL and Redis.")
    ] = 1
    mode: Annotated[Literal["dev", "prod"], _help("dev: loopback only, no set-up; prod: everything checked.")] = "dev"
    data_dir: Annotated[Path, _help("Directory of the database, the secret and the development agent.")] = (
        msgspec.field(default_factory=default_data_dir)
    )
    database_url: Annotated[
        str | None, _help("SQLAlchemy URL of the database; SQLite in the data directory by default.")
    ] = None
    database_wait_s: Annotated[
        Count, _help("Time for which a start waits for PostgreSQL, seconds; 0 fails after the first attempt.")
    ] = 60
    redis_url: Annotated[
        str | None, _help("URL of the Redis that connects several servers of one database; none by default.")
    ] = None
    redis_prefix: Annotated[
        str, _help("Prefix of all keys and channels in Redis, so that installations can share it.")
    ] = "chatws"
    cors_origin: Annotated[
        tuple[str, ...], _help("Allowed origins besides the server's own, exact match; * only in development.")
    ] = ()
    widget_origins: Annotated[
        tuple[str, ...], _help("Origins whose pages may frame the widget, besides the server's own and cors_origin.")
    ] = ()
    identity_key_file: Annotated[
        Path | None, _help("Secret with which sites sign the identity of the widget's users; none by default.")
    ] = None
    test_page: Annotated[
        Literal["auto", "on", "off"], _help("Serve /websocket-test.html; auto: in development only.")
    ] = "auto"
    trusted_proxies: Annotated[
        tuple[str, ...], _help("Addresses or networks whose X-Forwarded-* headers are trusted.")
    ] = ()
    tls_cert: Annotated[Path | None, _help("PEM certificate chain; enables https and wss.")] = None
    tls_key: Annotated[Path | None, _help("PEM private key of the certificate.")] = None

    recovery: Annotated[
        Literal["on", "off"], _help("Connection state recovery for clients that restore no conversations themselves.")
    ] = "on"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _help("Least severe level logged.")] = "info"
    log_format: Annotated[Literal["text", "json"], _help("Human-readable lines or one JSON object per line.")] = "text"
    metrics: Annotated[
        Literal["on", "local", "off"], _help("Access to /metrics: all clients, loopback only, or disabled.")
    ] = "on"
    bot: Annotated[
        Literal["none", "echo", "rules", "webhook", "openai", "coze"],
        _help(
            "Bot of new conversations: none, echo, rules, webhook, openai, coze. "
            "With none, only the chat API uses a bot: echo."
        ),
    ] = "none"
    bot_rules: Annotated[Path | None, _help("YAML file of the rules bot.")] = None
    bot_url: Annotated[
        str | None, _help("Address of the webhook bot, or base URL of the OpenAI-compatible service or of Coze.")
    ] = None
    internal_addresses: Annotated[
        tuple[str, ...],
        _help("Loopback or link-local addresses or networks that bot_url and webhook_url may name in production."),
    ] = ()
    bot_model: Annotated[str | None, _help("Model of the OpenAI-compatible service.")] = None
    bot_prompt: Annotated[
        str | None, _help("System prompt of the model; [[handoff]] in its reply hands off to an agent.")
    ] = None
    bot_id: Annotated[str | None, _help("Id of the Coze bot.")] = None
    bot_timeout_ms: Annotated[int, Meta(ge=1), _help("Time limit for one reply of the bot, from request to end.")] = (
        30_000
    )
    bot_history_messages: Annotated[
        int, Meta(ge=0, le=contract.HISTORY_LIMIT), _help("Maximum number of earlier messages sent to the bot.")
    ] = 20
    bot_history_chars: Annotated[Count, _help("Maximum total characters of the earlier messages sent to the bot.")] = (
        8_000
    )
    bot_failure_text: Annotated[str, _help("Message to the customer when the bot fails to reply.")] = (
        "Sorry, I cannot answer that right now. Please try again, or ask for a human."
    )
    bot_on_failure: Annotated[
        Literal["stay", "handoff"], _help("Whether a conversation stays with a bot that fails to reply.")
    ] = "stay"
    bot_handoff_words: Annotated[
        tuple[str, ...], _help("Words and phrases of a customer that hand off from the bot to an agent.")
    ] = ("human", "real person", "live agent", "speak to an agent", "talk to an agent")
    bot_handoff_text: Annotated[
        str, _help("Message to the customer at a hand-off by bot_handoff_words, or by the bot without a text.")
    ] = "I am passing you on to a colleague, who will answer here."

    webhook_url: Annotated[
        str | None, _help("Address that receives the events of conversations, signed; none by default.")
    ] = None
    webhook_events: Annotated[tuple[WebhookKind, ...], _help("Kinds of events that are sent to webhook_url.")] = (
        "message.created",
        "conversation.updated",
        "conversation.handed_off",
    )
    webhook_secret_file: Annotated[
        Path | None, _help("Secret that signs the requests to webhook_url; a file in the data directory by default.")
    ] = None
    webhook_timeout_ms: Annotated[int, Meta(ge=1, le=60_000), _help("Time limit for one request to webhook_url.")] = (
        10_000
    )
    webhook_takeover_ms: Annotated[
        int,
        Meta(ge=1_000),
        _help("Time besides webhook_timeout_ms until another server sends the events of a killed one."),
    ] = 20_000
    webhook_max_age_s: Annotated[
        int, Meta(ge=1), _help("Age at which an event that could not be sent is deleted, seconds.")
    ] = 259_200

    jwt_algorithms: Annotated[tuple[str, ...], _help("Accepted JWT algorithms.")] = ("HS256",)
    jwt_key_file: Annotated[
        Path | None, _help("Key that signs and verifies tokens; the data directory's secret by default.")
    ] = None
    jwt_key_id: Annotated[str | None, _help("kid of the signing key.")] = None
    jwt_previous_key_file: Annotated[Path | None, _help("Second verification key, while keys are rotated.")] = None
    jwt_previous_key_id: Annotated[str | None, _help("kid of the second verification key.")] = None
    jwt_issuer: Annotated[str | None, _help("Required iss claim.")] = None
    jwt_audience: Annotated[str | None, _help("Required aud claim.")] = None
    token_ttl_s: Annotated[int, Meta(ge=1, le=86_400), _help("Lifetime of a token, seconds.")] = 3_600
    login_ttl_s: Annotated[int, Meta(ge=1), _help("Time after log-in in which tokens can be renewed, seconds.")] = (
        604_800
    )
    session_ttl_s: Annotated[int, Meta(ge=1), _help("Sliding lifetime of a customer's session, seconds.")] = 2_592_000

    limits: Annotated[Literal["on", "off"], _help("off disables rate and connection limits, for benchmarks only.")] = (
        "on"
    )
    send_per_s: Annotated[Rate, _help("Messages per second and socket.")] = 5
    send_burst: Annotated[Count, _help("Burst of messages per socket.")] = 20
    typing_per_s: Annotated[
        Rate, _help("Typing changes of a user broadcast per second and conversation; the last one always is.")
    ] = 2
    typing_burst: Annotated[Count, _help("Burst of typing changes of a user per conversation.")] = 4
    join_per_s: Annotated[Rate, _help("Joins and leaves per second and socket.")] = 10
    join_burst: Annotated[Count, _help("Burst of joins and leaves per socket.")] = 60
    total_per_s: Annotated[Rate, _help("Requests of all kinds per second and socket.")] = 50
    total_burst: Annotated[Count, _help("Burst of requests of all kinds per socket.")] = 200
    login_failures_per_minute: Annotated[Count, _help("Failed log-ins per minute and address.")] = 10
    credential_failures_per_minute: Annotated[
        Count, _help("Invalid tokens and unknown sessions per minute and address.")
    ] = 10
    sessions_per_s: Annotated[
        Rate, _help("New customer sessions per second and address; the burst is connections_per_address.")
    ] = 10
    connections_per_session: Annotated[Count, _help("Maximum connections of one customer session.")] = 5
    connections_per_agent: Annotated[Count, _help("Maximum connections of one agent.")] = 10
    connections_per_address: Annotated[Count, _help("Maximum connections from one address.")] = 1_000
    connections: Annotated[Count, _help("Maximum connections of the process.")] = 20_000
    unauthenticated: Annotated[Count, _help("Maximum unauthenticated connections.")] = 1_000
    http_connections: Annotated[Count, _help("Maximum TCP connections that are not WebSockets.")] = 40_000
    http_per_address: Annotated[
        Count, _help("Maximum TCP connections from one address that are not WebSockets; polling takes two each.")
    ] = 2_000
    new_per_address_per_s: Annotated[Count, _help("New connections per second from one address.")] = 500
    new_per_s: Annotated[Count, _help("New connections per second.")] = 1_000
    rooms_per_socket: Annotated[Count, _help("Maximum joined conversations of one socket.")] = 50
    members_per_room: Annotated[Count, _help("Maximum sockets in one conversation.")] = 200
    max_frame_bytes: Annotated[int, Meta(ge=1024), _help("Maximum size of a frame or request body, bytes.")] = (
        contract.MAX_FRAME_BYTES
    )
    max_outbox_bytes: Annotated[int, Meta(ge=1024), _help("Maximum unsent bytes of one socket.")] = 262_144
    write_stall_ms: Annotated[
        Milliseconds, _help("Time without progress of unsent bytes after which a socket is closed.")
    ] = 10_000
    send_buffer_bytes: Annotated[Count, _help("SO_SNDBUF of accepted sockets; 0 keeps the default of the kernel.")] = (
        131_072
    )

    ping_interval_ms: Annotated[Milliseconds, _help("Engine.IO ping interval.")] = 25_000
    ping_timeout_ms: Annotated[Milliseconds, _help("Time limit for the reply to a ping.")] = 20_000
    http_request_ms: Annotated[
        Milliseconds, _help("Time for a TLS handshake, for the head of an HTTP request, and for its body.")
    ] = 10_000
    http_keepalive_ms: Annotated[Milliseconds, _help("Time that a TCP connection stays open without a request.")] = (
        75_000
    )
    authenticate_ms: Annotated[Milliseconds, _help("Time to authenticate after the transport is opened.")] = (
        contract.AUTHENTICATE_DEADLINE_MS
    )
    ack_deadline_ms: Annotated[Milliseconds, _help("Time limit for the reply to a request.")] = contract.ACK_DEADLINE_MS
    typing_expire_ms: Annotated[Milliseconds, _help("Time after the last typing_start at which typing ends.")] = (
        contract.TYPING_EXPIRE_MS
    )
    typing_resend_ms: Annotated[Milliseconds, _help("Interval at which clients repeat typing_start.")] = (
        contract.TYPING_RESEND_MS
    )
    presence_grace_ms: Annotated[
        Milliseconds, _help("Time after the last connection closed at which the user becomes offline.")
    ] = contract.PRESENCE_GRACE_MS
    positions_ms: Annotated[Milliseconds, _help("Interval at which the heads of joined conversations are sent.")] = (
        contract.POSITIONS_MS
    )
    token_expiring_ms: Annotated[
        Milliseconds, _help("Time before the expiry of a token at which the client is warned.")
    ] = contract.TOKEN_EXPIRING_MS
    token_grace_ms: Annotated[
        Milliseconds, _help("Time after the expiry of a token at which its connection is closed.")
    ] = contract.TOKEN_GRACE_MS
    assignee_offline_ms: Annotated[
        Milliseconds, _help("Time after which the conversations of an offline agent return to the queue.")
    ] = contract.ASSIGNEE_OFFLINE_MS
    inbox_update_ms: Annotated[Milliseconds, _help("Minimum interval of inbox updates per conversation.")] = (
        contract.INBOX_UPDATE_MS
    )
    sweep_ms: Annotated[
        Milliseconds, _help("Interval of the reconciliation of hosted conversations with the database.")
    ] = contract.SWEEP_MS
    drain_ms: Annotated[Milliseconds, _help("Time limit for the shutdown after SIGTERM.")] = 10_000

    @property
    def is_dev(self) -> bool:
        """Whether development mode is on."""
        return self.mode == "dev"

    @property
    def database(self) -> str:
        """URL of the database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'chatws.db'}"
