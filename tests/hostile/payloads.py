"""Well-formed events and credentials with invalid payloads, each with its error code."""

from __future__ import annotations

import base64
import json
from typing import Any

OWN, FOREIGN = "conv-hostile", "conv-other"


def _send(**fields: Any) -> str:
    return json.dumps(["send_message", {"conversationId": OWN, "content": "x", **fields}])


def _event(*args: Any) -> str:
    return json.dumps(args)


def _unsigned(**claims: Any) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": "agent-1", "exp": 4_000_000_000, **claims})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


CONTENTS = {
    "content missing": _event("send_message", {"conversationId": OWN}),
    "content empty": _send(content=""),
    "content of blanks": _send(content=" \n\t "),
    "content null": _send(content=None),
    "content number": _send(content=1),
    "content list": _send(content=["x"]),
    "content object": _send(content={"$ne": None}),
    "content with NUL": _send(content="a\x00b"),
    "content with an escape sequence": _send(content="\x1b]0;pwn\x07"),
    "content with a C1 control": _send(content="\x9b2J"),
    "content with DEL": _send(content="\x7f"),
    "client id empty": _send(clientMessageId=""),
    "client id of 65 characters": _send(clientMessageId="x" * 65),
    "client id number": _send(clientMessageId=7),
    "conversation null": _send(conversationId=None),
    "conversation of 65 characters": _send(conversationId="x" * 65),
    "conversation with a path": _send(conversationId="../../etc"),
    "conversation with SQL": _send(conversationId="x'; DROP TABLE messages; --"),
    "conversation with a wildcard": _send(conversationId="*"),
    "conversation with a room's prefix": _send(conversationId=f"conversation:{FOREIGN}"),
    "conversation in other letters": _send(conversationId="gespr\u00e4ch"),
}

SHAPES = {
    f"{name} of {kind}": f'["{name}"{"" if raw is None else "," + raw}]'
    for name in ("send_message", "history", "mark_read", "set_presence", "handoff")
    for kind, raw in {"nothing": None, "null": "null", "text": '"x"', "list": "[]", "number": "1e999"}.items()
}

RANGES = {
    "afterSeq below zero": _event("join_conversation", {"conversationId": OWN, "afterSeq": -1}),
    "afterSeq a fraction": _event("join_conversation", {"conversationId": OWN, "afterSeq": 1.5}),
    "afterSeq a text": _event("join_conversation", {"conversationId": OWN, "afterSeq": "1"}),
    "afterSeq of 400 digits": f'["join_conversation",{{"conversationId":"{OWN}","afterSeq":1{"0" * 400}}}]',
    "join of a number": _event("join_conversation", 7),
    "join of a list": _event("join_conversation", [OWN]),
    "history of no limit": _event("history", {"conversationId": OWN, "limit": 0}),
    "history of 101": _event("history", {"conversationId": OWN, "limit": 101}),
    "history both ways": _event("history", {"conversationId": OWN, "beforeSeq": 2, "afterSeq": 1}),
    "mark below zero": _event("mark_read", {"conversationId": OWN, "seq": -1}),
    "mark as text": _event("mark_read", {"conversationId": OWN, "seq": "1"}),
    "presence unknown": _event("set_presence", {"status": "invisible"}),
    "presence offline": _event("set_presence", {"status": "offline"}),
    "second identity": _event("authenticate", {"sessionId": "another"}),
    "second identity by token": _event("authenticate", {"token": _unsigned()}),
}

REFUSED = {
    "too_large": {
        "content of 4,001 characters": _send(content="x" * 4_001),
        "content of 60,000 bytes": _send(content="\u20ac" * 4_001),
    },
    "bad_request": CONTENTS | SHAPES | RANGES,
    "forbidden": {
        "foreign conversation joined": _event("join_conversation", FOREIGN),
        "foreign history": _event("history", {"conversationId": FOREIGN}),
        "foreign mark": _event("mark_read", {"conversationId": FOREIGN, "seq": 1}),
        "agents' inbox": _event("subscribe_inbox", {}),
        "agents' claim": _event("claim_conversation", {"conversationId": OWN, "version": 1}),
        "agents' resolve": _event("resolve_conversation", {"conversationId": FOREIGN, "version": 1}),
        "agents' token": _event("refresh_token", {"token": _unsigned(role="admin")}),
    },
    "unknown_event": {
        "unknown": _event("nonsense", {}),
        "empty name": _event(""),
        "prototype": _event("__proto__", {"polluted": True}),
        "server's own event": _event("message_received", {"content": "forged"}),
        "server's own greeting": _event("authenticated", {"role": "admin"}),
        "other letter case": _event("SEND_MESSAGE", {}),
        "name of 60,000 characters": _event("n" * 60_000),
    },
}
EVENT_PAYLOADS = {name: (raw, code) for code, rows in REFUSED.items() for name, raw in rows.items()}

CREDENTIALS: dict[str, tuple[Any, str]] = {
    "token number": ({"token": 1}, "bad_request"),
    "token null": ({"token": None}, "bad_request"),
    "token object": ({"token": {"sub": "agent-1"}}, "bad_request"),
    "token and session": ({"token": "x", "sessionId": "y"}, "bad_request"),
    "session number": ({"sessionId": 7}, "bad_request"),
    "session list": ({"sessionId": ["x"]}, "bad_request"),
    "session of 4,000 characters": ({"sessionId": "s" * 4_000}, "unauthorized"),
    "token empty": ({"token": ""}, "unauthorized"),
    "token garbage": ({"token": "garbage"}, "unauthorized"),
    "token of three dots": ({"token": "..."}, "unauthorized"),
    "token unsigned": ({"token": _unsigned(role="admin")}, "unauthorized"),
    "token of 9 KiB": ({"token": "x" * 9_000}, "unauthorized"),
    "token with NUL": ({"token": "a\x00.b.c"}, "unauthorized"),
}
