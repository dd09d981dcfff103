"""HTTP response headers of pages and assets: caching, Content-Security-Policy and permissions."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import hdrs

from chatws.server.frontend.client_asset import CDN_ORIGIN

ASSET_HEADERS: dict[str, str] = {
    # Cached, but revalidated on each use: an update of the server takes effect at once; otherwise the reply is a 304.
    hdrs.CACHE_CONTROL: "no-cache",
}

IMMUTABLE_HEADERS: dict[str, str] = {
    # The name contains a hash of the content.
    hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable",
}

_CONTENT = (
    "default-src 'none'",
    "style-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    # Remote text can reach the page only as text: the APIs that parse strings as HTML are disabled.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)

_PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def page_headers(*, framed_by: Iterable[str], from_cdn: bool) -> dict[str, str]:
    """Return the headers of a page.

    Args:
        framed_by: Origins that may embed the page in a frame, as CSP sources; none if empty.
        from_cdn: Whether the page loads the official client from the CDN.
    """
    scripts = f"script-src 'self' {CDN_ORIGIN}" if from_cdn else "script-src 'self'"
    ancestors = " ".join(framed_by) or "'none'"
    # The face beside the greeting may be an image of the embedding site or of any server with HTTPS.
    images = f"img-src 'self' data: https: {ancestors}" if framed_by else "img-src 'self' data:"
    return {
        **ASSET_HEADERS,
        "Content-Security-Policy": "; ".join([*_CONTENT, images, scripts, f"frame-ancestors {ancestors}"]),
        "Permissions-Policy": _PERMISSIONS,
    }
