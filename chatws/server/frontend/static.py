"""Files of ``chatws/web`` by URL path, found once, so that no request maps to a path of the file system."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import chatws
from chatws.server.frontend.client_asset import CLIENT_FILES

ROOT = Path(chatws.__file__).parent / "web"
VENDOR = ROOT / "vendor"

CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".map": "application/json",
    ".svg": "image/svg+xml",
}
"""Served file types; build sources and settings are not served."""


@dataclass(slots=True)
class WebFile:
    """File served over HTTP; its content is read at the first request and again after a change on disk."""

    path: Path
    content_type: str
    _version: tuple[int, int] | None = None
    """Modification time and size at the last read."""
    _body: bytes = field(default=b"", repr=False)

    def read(self) -> bytes:
        """Return the content.

        Raises:
            FileNotFoundError: it was removed after the server started.
        """
        status = self.path.stat()
        version = (status.st_mtime_ns, status.st_size)
        if version != self._version:
            self._body, self._version = self.path.read_bytes(), version
        return self._body


def etag_of(body: bytes) -> str:
    """Return the entity tag of a content."""
    return hashlib.sha256(body).hexdigest()[:32]


@cache
def find_web_files() -> dict[str, WebFile]:
    """Map each URL path to its file; an ``index.html`` has the path of its folder."""
    found: dict[str, WebFile] = {}
    for path in sorted(ROOT.rglob("*")):
        url_path = _url_path(path)
        if url_path is not None:
            found[url_path] = WebFile(path, CONTENT_TYPES[path.suffix])
    return found


def _url_path(path: Path) -> str | None:
    if path.suffix not in CONTENT_TYPES or not path.is_file():
        return None
    if path.parent == VENDOR:
        return f"/socket.io/{path.name}" if path.name in CLIENT_FILES else None
    return f"/{path.relative_to(ROOT).as_posix()}".removesuffix("index.html")
