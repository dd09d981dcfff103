"""Loader of the settings; sources by precedence: option, environment, ``--config``, ``./chatws.toml``, XDG, default."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from chatws.settings.errors import BadFile, BadValue, UnknownSetting
from chatws.settings.fields import TABLE, parse_value
from chatws.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FILE_NAME = "chatws.toml"
_PREFIX = "CHATWS_"
OTHER_VARIABLES = frozenset(
    {
        "CHATWS_BOT_KEY",
        "CHATWS_DEBUG",
        "CHATWS_REQUIRE_ASSETS",
        "CHATWS_SESSION",
        "CHATWS_TOKEN",
        "CHATWS_URL",
        "CHATWS_WEBHOOK_SECRET",
    }
)
"""Variables of the commands and of the installation that are not settings of the server."""

_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@|(?<=[?&])(password=)[^&\s]*", re.IGNORECASE)


class Value(NamedTuple):
    """Value of a setting from one source; ``source`` is shown to users, ``base`` resolves relative paths."""

    raw: object
    source: str
    base: Path | None = None


Layer = dict[str, Value]
"""Values of one source, by setting."""


class EffectiveSetting(NamedTuple):
    """Effective value of a setting, with passwords masked."""

    name: str
    value: object
    source: str
    help: str


class Loaded(NamedTuple):
    """Settings, and the source of each value that is not a default."""

    settings: Settings
    sources: dict[str, str]


def load(
    flags: Layer | None = None,
    assignments: Sequence[str] = (),
    *,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Loaded:
    """Load all settings.

    ``flags`` are the values of a command's options, ``assignments`` those of ``--set name=value``. ``environ`` and
    ``directory`` default to those of the process.

    Raises:
        SettingsError: a name is unknown, a value is not allowed, or a file cannot be read.
    """
    variables = os.environ if environ is None else environ
    local_file = (directory or Path.cwd()) / FILE_NAME
    layers = [flags or {}, read_assignments(assignments), read_environment(variables)]
    if config_file is not None:
        layers.append(read_file(config_file))
    layers += [read_file(path) for path in (local_file, _xdg_file(variables)) if path.is_file()]
    return resolve(layers)


def resolve(layers: Sequence[Layer]) -> Loaded:
    """Take each setting from the first layer that contains it.

    Raises:
        BadValue: the value in that layer is not allowed.
    """
    chosen: Layer = {}
    for layer in layers:
        chosen = {**layer, **chosen}
    values = {name: _parse(name, value) for name, value in chosen.items()}
    return Loaded(msgspec.structs.replace(Settings(), **values), {name: value.source for name, value in chosen.items()})


def effective(loaded: Loaded) -> list[EffectiveSetting]:
    """Return every setting with its value and source; passwords in URLs are masked."""
    return [
        EffectiveSetting(name, _masked(getattr(loaded.settings, name)), loaded.sources.get(name, "default"), row.help)
        for name, row in TABLE.items()
    ]


def read_assignments(assignments: Iterable[str]) -> Layer:
    """Parse ``name=value`` texts; dashes in a name count as underscores, a later text replaces an earlier one.

    Raises:
        UnknownSetting: no setting has this name.
    """
    layer: Layer = {}
    for assignment in assignments:
        written, _, text = assignment.partition("=")
        name = written.strip().replace("-", "_")
        if name not in TABLE:
            raise UnknownSetting(written, "--set", _nearest(name, TABLE))
        layer[name] = Value(text, f"option --set {name}")
    return layer


def read_environment(environ: Mapping[str, str]) -> Layer:
    """Read ``CHATWS_*`` and the variables of the guide; an empty one counts as unset.

    Raises:
        UnknownSetting: a ``CHATWS_`` variable does not match a setting.
    """
    layer: Layer = {}
    names = {variable: row.name for row in TABLE.values() for variable in row.environment}
    for variable, name in names.items():
        if environ.get(variable) and name not in layer:
            layer[name] = Value(environ[variable], f"environment variable {variable}")
    for variable in environ:
        if variable.startswith(_PREFIX) and variable not in names and variable not in OTHER_VARIABLES:
            raise UnknownSetting(variable, "the environment", _nearest(variable, names))
    return layer


def read_file(path: Path) -> Layer:
    """Read a TOML file of ``name = value`` lines; relative paths are resolved against its directory.

    Raises:
        BadFile: the file is missing, unreadable or not TOML.
        UnknownSetting: a key does not match a setting.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(path, error.strerror or str(error)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFile(path, f"not TOML: {error}") from None
    for name in content:
        if name not in TABLE:
            raise UnknownSetting(name, str(path), _nearest(name, TABLE))
    return {name: Value(raw, str(path), path.parent) for name, raw in content.items()}


def mask_password(text: str) -> str:
    """Mask the password of every URL in a text."""
    return _PASSWORD.sub(lambda found: f"{found[2]}***" if found[2] else f"{found[1]}:***@", text)


def _parse(name: str, value: Value) -> object:
    row = TABLE[name]
    try:
        return parse_value(row, value.raw, value.base)
    except ValueError:
        raise BadValue(name, value.source, value.raw, row.allowed) from None


def _masked(value: object) -> object:
    return mask_password(value) if isinstance(value, str) else value


def _nearest(name: str, names: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)


def _xdg_file(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "chatws" / FILE_NAME
