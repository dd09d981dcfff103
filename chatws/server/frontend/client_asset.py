"""Files of the official Socket.IO client: pinned release, served names, and the CDN used if they are missing."""

from __future__ import annotations

VERSION = "4.8.4"
"""Release fetched by the build hook; a test checks that both agree."""

CLIENT_FILES = frozenset(
    f"socket.io{variant}.js{suffix}" for variant in ("", ".min", ".esm.min") for suffix in ("", ".map")
)
"""Served below ``/socket.io/``, as by Node's server (docs: Client installation, Standalone build)."""

MINIFIED_SRI = "sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1"
"""Subresource Integrity of ``socket.io.min.js``; a test computes it from the file."""

CDN_ORIGIN = "https://cdn.jsdelivr.net"

LOCAL_TAG = '<script src="/socket.io/socket.io.min.js"></script>'
"""Script tag in the pages, replaced by `cdn_tag` if the file is missing."""


def cdn_url(name: str) -> str:
    """Return the CDN URL of one of `CLIENT_FILES`."""
    return f"{CDN_ORIGIN}/npm/socket.io-client@{VERSION}/dist/{name}"


def cdn_tag() -> str:
    """Return the script tag that loads the client from the CDN and accepts only the pinned file."""
    url = cdn_url("socket.io.min.js")
    return f'<script src="{url}" integrity="{MINIFIED_SRI}" crossorigin="anonymous"></script>'
