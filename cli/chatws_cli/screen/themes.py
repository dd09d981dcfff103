"""Names of the colour themes."""

from __future__ import annotations

from typing import Final, Literal, get_args

ThemeName = Literal["terminal", "dark", "light", "high-contrast"]
THEME_NAMES: Final[tuple[ThemeName, ...]] = get_args(ThemeName)
