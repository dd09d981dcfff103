"""Settings of a server: their table, and the sources of their values.

The names below are imported on first use: a program that creates `Settings` itself needs no sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from chatws.settings.errors import BadFile, BadValue, SettingsError, UnknownSetting
    from chatws.settings.loader import EffectiveSetting, Layer, Loaded, Value, effective, load, mask_password
    from chatws.settings.model import Settings, default_data_dir

__all__ = [
    "BadFile",
    "BadValue",
    "EffectiveSetting",
    "Layer",
    "Loaded",
    "Settings",
    "SettingsError",
    "UnknownSetting",
    "Value",
    "default_data_dir",
    "effective",
    "load",
    "mask_password",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "errors": ["BadFile", "BadValue", "SettingsError", "UnknownSetting"],
        "loader": ["EffectiveSetting", "Layer", "Loaded", "Value", "effective", "load", "mask_password"],
        "model": ["Settings", "default_data_dir"],
    },
)
