"""Keys that sign and verify tokens, loaded from files."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chatws.server.errors import StartError
from chatws.settings import Settings

MIN_SECRET_BYTES = 32
"""Lower bound for HMAC keys: at least the size of the hash (RFC 7518, 3.2)."""

SECRET_FILE = "secret"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Key of a token; ``material`` is a secret for HS* algorithms and a PEM for the others."""

    key_id: str | None
    material: bytes


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Current key, used to sign and verify, and an optional previous key, used to verify only."""

    algorithms: tuple[str, ...]
    current: SigningKey
    previous: SigningKey | None = None

    @property
    def can_sign(self) -> bool:
        """Whether the key can sign tokens, not only verify them."""
        return b"PUBLIC KEY" not in self.current.material

    def candidates(self, key_id: str | None) -> list[SigningKey]:
        """Return the keys that may verify a token with this ``kid``; all keys if the token has none."""
        known = [key for key in (self.current, self.previous) if key is not None]
        return known if key_id is None else [key for key in known if key.key_id == key_id]


def load_keys(settings: Settings, *, create: bool = True) -> KeyRing:
    """Read the keys named in the settings; by default the data directory's secret, created at first use.

    Raises:
        StartError: a file is missing, readable by other users, or too short for a secret; or none can be created.
    """
    path = settings.jwt_key_file or settings.data_dir / SECRET_FILE
    if settings.jwt_key_file is None and create and not path.exists():
        _create_secret(path)
    current = SigningKey(settings.jwt_key_id, _read(path, settings.jwt_algorithms))
    previous = None
    if settings.jwt_previous_key_file is not None:
        previous = SigningKey(
            settings.jwt_previous_key_id, _read(settings.jwt_previous_key_file, settings.jwt_algorithms)
        )
    return KeyRing(settings.jwt_algorithms, current, previous)


def _create_secret(path: Path) -> None:
    """Create the secret file atomically, because another server may start at the same time."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.touch(0o600, exist_ok=False)
        temporary.write_text(secrets.token_urlsafe(48) + "\n")
        path.hardlink_to(temporary)
    except OSError as error:
        if path.exists():
            return
        what = f"the token key {path}"
        raise StartError(what, f"cannot be created ({error.strerror})", "choose another data_dir") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _read(path: Path, algorithms: tuple[str, ...]) -> bytes:
    what = f"the token key {path}"
    try:
        material = path.read_bytes().strip()
        mode = path.stat().st_mode
    except OSError as error:
        raise StartError(what, f"cannot be read ({error.strerror})", "check jwt_key_file and data_dir") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and b"PUBLIC KEY" not in material:
        raise StartError(what, "can be read by other users", f"run: chmod 600 {path}")
    if any(name.startswith("HS") for name in algorithms) and len(material) < MIN_SECRET_BYTES:
        raise StartError(what, f"is shorter than {MIN_SECRET_BYTES} bytes", "use a random secret of at least 32 bytes")
    if any(name.startswith("HS") for name in algorithms) and b"-----BEGIN" in material:
        raise StartError(what, "is a PEM, but HS algorithms need a secret", "set jwt_algorithms to RS256 or ES256")
    return material
