"""What a browser may do with our pages: content, frames, and how long it may keep them."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import hdrs

from chatws.server.frontend.client_asset import CDN_ORIGIN

ASSET_HEADERS: dict[str, str] = {
    # Kept, but asked for again each time: an update of the server is seen at once, and costs a 304 otherwise.
    hdrs.CACHE_CONTROL: "no-cache",
}

_CONTENT = (
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "frame-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    # Remote text can reach the page as text only: what would parse it as HTML is off.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)

_PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def page_headers(*, framed_by: Iterable[str], from_cdn: bool) -> dict[str, str]:
    """Make the headers of one page.

    Args:
        framed_by: who may show the page in a frame, as CSP sources; nobody when empty.
        from_cdn: the official client comes from the CDN.
    """
    scripts = f"script-src 'self' {CDN_ORIGIN}" if from_cdn else "script-src 'self'"
    ancestors = " ".join(framed_by) or "'none'"
    return {
        **ASSET_HEADERS,
        "Content-Security-Policy": "; ".join([*_CONTENT, scripts, f"frame-ancestors {ancestors}"]),
        "Permissions-Policy": _PERMISSIONS,
    }
