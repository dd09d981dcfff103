"""Where values come from: option, environment, ``--config``, ``./chatws.toml``, XDG file, default; the first wins."""

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
    }
)
"""Variables of the commands, and of the installation, that are not settings of the server."""

_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@|(?<=[?&])(password=)[^&\s]*", re.IGNORECASE)


class Value(NamedTuple):
    """What one source says about one setting: ``source`` is its name for people, ``base`` its relative paths' root."""

    raw: object
    source: str
    base: Path | None = None


Layer = dict[str, Value]
"""What one source says, by setting."""


class EffectiveSetting(NamedTuple):
    """One effective setting, with passwords masked."""

    name: str
    value: object
    source: str
    help: str


class Loaded(NamedTuple):
    """Settings, and where each value that is not a default came from."""

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
    """Find every setting's value.

    ``flags`` is what a command's own options gave, ``assignments`` what ``--set name=value`` gave. ``environ`` and
    ``directory`` are the process's own by default.

    Raises:
        SettingsError: a name is unknown, a value is not allowed, or a file can not be read.
    """
    variables = os.environ if environ is None else environ
    here = (directory or Path.cwd()) / FILE_NAME
    layers = [flags or {}, read_assignments(assignments), read_environment(variables)]
    if config_file is not None:
        layers.append(read_file(config_file))
    layers += [read_file(path) for path in (here, _xdg_file(variables)) if path.is_file()]
    return resolve(layers)


def resolve(layers: Sequence[Layer]) -> Loaded:
    """Take each setting from the first layer that has it.

    Raises:
        BadValue: that layer's value is not allowed.
    """
    chosen: Layer = {}
    for layer in layers:
        chosen = {**layer, **chosen}
    values = {name: _parse(name, value) for name, value in chosen.items()}
    return Loaded(msgspec.structs.replace(Settings(), **values), {name: value.source for name, value in chosen.items()})


def effective(loaded: Loaded) -> list[EffectiveSetting]:
    """List every setting with its value and source; passwords inside URLs are masked."""
    return [
        EffectiveSetting(name, _shown(getattr(loaded.settings, name)), loaded.sources.get(name, "default"), row.help)
        for name, row in TABLE.items()
    ]


def read_assignments(assignments: Iterable[str]) -> Layer:
    """Read ``name=value`` texts; dashes in a name count as underscores, a later one replaces an earlier one.

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
    """Read ``CHATWS_*`` and the guide's variables; an empty one counts as absent.

    Raises:
        UnknownSetting: a ``CHATWS_`` variable names no setting.
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
    """Read a TOML file of ``name = value`` lines; relative paths in it start at its own directory.

    Raises:
        BadFile: it is missing, unreadable or not TOML.
        UnknownSetting: a key names no setting.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadFile(path, problem.strerror or str(problem)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadFile(path, f"it is not TOML: {problem}") from None
    for name in content:
        if name not in TABLE:
            raise UnknownSetting(name, str(path), _nearest(name, TABLE))
    return {name: Value(raw, str(path), path.parent) for name, raw in content.items()}


def mask_password(text: str) -> str:
    """Hide the password of every URL in a text."""
    return _PASSWORD.sub(lambda found: f"{found[2]}***" if found[2] else f"{found[1]}:***@", text)


def _parse(name: str, value: Value) -> object:
    row = TABLE[name]
    try:
        return parse_value(row, value.raw, value.base)
    except ValueError:
        raise BadValue(name, value.source, value.raw, row.allowed) from None


def _shown(value: object) -> object:
    return mask_password(value) if isinstance(value, str) else value


def _nearest(name: str, names: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)


def _xdg_file(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "chatws" / FILE_NAME
