"""Files with a secret, readable by the user of the server only."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from chatws.server.errors import StartError


def create_secret(path: Path, secret: str, what: str) -> None:
    """Write a new secret atomically, because another server may start at the same time; keep an existing file.

    Raises:
        StartError: the file cannot be created; ``what`` names its purpose.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.touch(0o600, exist_ok=False)
        temporary.write_text(secret + "\n")
        path.hardlink_to(temporary)
    except OSError as error:
        if path.exists():
            return
        raise StartError(f"{what} {path}", f"cannot be created ({error.strerror})", "choose another data_dir") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def read_material(path: Path, what: str, setting: str, *, may_be_public: bool = False) -> bytes:
    """Read a secret, without surrounding white space.

    Raises:
        StartError: the file is missing, or readable by other users; with ``may_be_public``, a public key may be.
    """
    what = f"{what} {path}"
    try:
        material = path.read_bytes().strip()
        mode = path.stat().st_mode
    except OSError as error:
        raise StartError(what, f"cannot be read ({error.strerror})", f"check {setting} and data_dir") from None
    is_public = may_be_public and b"PUBLIC KEY" in material
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not is_public:
        raise StartError(what, "can be read by other users", f"run: chmod 600 {path}")
    return material
