"""Keys that sign and verify tokens, loaded from files."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from chatws.server.errors import StartError
from chatws.server.secret_file import create_secret, read_material
from chatws.settings import Settings

MIN_SECRET_BYTES = 32
"""Lower bound for HMAC keys: at least the size of the hash (RFC 7518, 3.2)."""

SECRET_FILE = "secret"

_WHAT = "the token key"


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
        create_secret(path, secrets.token_urlsafe(48), _WHAT)
    current = SigningKey(settings.jwt_key_id, _read(path, settings.jwt_algorithms))
    previous = None
    if settings.jwt_previous_key_file is not None:
        previous = SigningKey(
            settings.jwt_previous_key_id, _read(settings.jwt_previous_key_file, settings.jwt_algorithms)
        )
    return KeyRing(settings.jwt_algorithms, current, previous)


def _read(path: Path, algorithms: tuple[str, ...]) -> bytes:
    what = f"{_WHAT} {path}"
    material = read_material(path, _WHAT, "jwt_key_file", may_be_public=True)
    if any(name.startswith("HS") for name in algorithms) and len(material) < MIN_SECRET_BYTES:
        raise StartError(what, f"is shorter than {MIN_SECRET_BYTES} bytes", "use a random secret of at least 32 bytes")
    if any(name.startswith("HS") for name in algorithms) and b"-----BEGIN" in material:
        raise StartError(what, "is a PEM, but HS algorithms need a secret", "set jwt_algorithms to RS256 or ES256")
    return material
