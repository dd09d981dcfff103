"""The files of ``chatws/web`` by address: a table made once, so that no request names a path of the file system."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import chatws
from chatws.server.frontend.client_asset import NAMES

ROOT = Path(chatws.__file__).parent / "web"
VENDOR = ROOT / "vendor"

CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".map": "application/json",
    ".svg": "image/svg+xml",
}
"""What is served; sources and settings of the build are not."""


@dataclass(slots=True)
class WebFile:
    """One file; its content is read at the first request and again when it has changed on disk."""

    path: Path
    content_type: str
    _stamp: tuple[int, int] | None = None
    _body: bytes = field(default=b"", repr=False)

    def read(self) -> bytes:
        """Return the content.

        Raises:
            FileNotFoundError: it was removed since the server started.
        """
        status = self.path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            self._body, self._stamp = self.path.read_bytes(), stamp
        return self._body


def etag_of(body: bytes) -> str:
    """Name the content, for ``If-None-Match``."""
    return hashlib.sha256(body).hexdigest()[:32]


@cache
def catalogue() -> dict[str, WebFile]:
    """Map every address to its file; ``index.html`` stands for its folder."""
    found: dict[str, WebFile] = {}
    for path in sorted(ROOT.rglob("*")):
        address = _address(path)
        if address is not None:
            found[address] = WebFile(path, CONTENT_TYPES[path.suffix])
    return found


def _address(path: Path) -> str | None:
    if path.suffix not in CONTENT_TYPES or not path.is_file():
        return None
    if path.parent == VENDOR:
        return f"/socket.io/{path.name}" if path.name in NAMES else None
    return f"/{path.relative_to(ROOT).as_posix()}".removesuffix("index.html")
