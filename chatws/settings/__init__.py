"""Settings of a server: their table, and the sources of their values."""

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
