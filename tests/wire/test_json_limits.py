from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatws.wire.errors import PacketError
from chatws.wire.json_limits import check_json_limits

json_values = st.recursive(
    st.none() | st.integers() | st.text(st.characters(codec="utf-8")) | st.text('[]{},"\\', max_size=9),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text('[{,"\\', max_size=4), inner, max_size=5),
    max_leaves=30,
)


def depth_of(value: object) -> int:
    match value:
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
    return 0


def count_of(value: object) -> int:
    match value:
        case list():
            return 1 + sum(map(count_of, value))
        case dict():
            return 1 + sum(map(count_of, value.values()))
    return 1


def is_accepted(raw_json: str, *, max_depth: int = 32, max_values: int = 1000) -> bool:
    try:
        check_json_limits(raw_json, max_depth=max_depth, max_values=max_values)
    except PacketError:
        return False
    return True


@given(json_values, st.integers(1, 6), st.integers(1, 40))
def test_limits_are_exact(value: object, max_depth: int, max_values: int) -> None:
    value = [value]
    raw_json = json.dumps(value, separators=(",", ":"))
    fits = depth_of(value) <= max_depth and count_of(value) <= max_values
    assert is_accepted(raw_json, max_depth=max_depth, max_values=max_values) is fits


@pytest.mark.parametrize(("levels", "fits"), [(32, True), (33, False), (900, False), (5_000, False)])
def test_default_depth_is_32_levels(levels: int, fits: bool) -> None:
    assert is_accepted("[" * levels + "]" * levels) is fits
    assert is_accepted('{"a":' * levels + "1" + "}" * levels) is fits


@pytest.mark.parametrize(("values", "fits"), [(999, True), (1_000, False), (30_000, False)])
def test_default_width_is_1000_values(values: int, fits: bool) -> None:
    assert is_accepted(json.dumps([1] * values, separators=(",", ":"))) is fits


def test_brackets_and_commas_in_a_string_are_one_value() -> None:
    assert is_accepted(json.dumps(["echo", '[{,"\\' * 10_000], separators=(",", ":")))


def test_zero_disables_a_limit() -> None:
    deep, wide = "[" * 500 + "]" * 500, json.dumps([1] * 5_000)
    assert is_accepted(deep, max_depth=0)
    assert is_accepted(wide, max_values=0)
    assert not is_accepted(wide, max_depth=0)
    assert not is_accepted(deep, max_values=0)


def test_unterminated_string_of_escapes_is_scanned_once() -> None:
    """A search that restarted at each quote would take hours and exceed the test's timeout."""
    assert not is_accepted('["e"' + ",[]" * 1_000 + ',"' + '\\"' * 500_000)
