"""The official client: which release, under which names Node's server gives it, and where it is when it is not here."""

from __future__ import annotations

VERSION = "4.8.4"
"""The release that the build hook fetches; a test holds the two together."""

NAMES = frozenset(f"socket.io{variant}.js{suffix}" for variant in ("", ".min", ".esm.min") for suffix in ("", ".map"))
"""Served below ``/socket.io/``, as by Node's server (docs: Client installation, Standalone build)."""

MINIFIED_SRI = "sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1"
"""Subresource Integrity of ``socket.io.min.js``; a test computes it from the file."""

CDN_ORIGIN = "https://cdn.jsdelivr.net"

LOCAL_TAG = '<script src="/socket.io/socket.io.min.js"></script>'
"""How our pages ask for it; exactly this is replaced when the file is missing."""


def cdn_url(name: str) -> str:
    """Where the CDN keeps one of `NAMES`."""
    return f"{CDN_ORIGIN}/npm/socket.io-client@{VERSION}/dist/{name}"


def cdn_tag() -> str:
    """Write the script tag that loads it from the CDN, and only if it is the pinned file."""
    url = cdn_url("socket.io.min.js")
    return f'<script src="{url}" integrity="{MINIFIED_SRI}" crossorigin="anonymous"></script>'
