from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatws.wire.attachments import attach, detach
from chatws.wire.errors import PacketError

values = st.recursive(
    st.none() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_bytes_round_trip(value: object) -> None:
    rest, buffers = detach(value)
    assert attach(rest, buffers) == value


@pytest.mark.parametrize("num", [-1, 1, "0", 0.0, 0.5, True, False, None, [0], {}])
def test_invalid_placeholder_number_is_refused(num: object) -> None:
    with pytest.raises(PacketError):
        attach([{"_placeholder": True, "num": num}], [b"x"])


def test_each_attachment_is_used_exactly_once() -> None:
    placeholder = {"_placeholder": True, "num": 0}
    with pytest.raises(PacketError):
        attach([placeholder, placeholder], [b"x"])
    with pytest.raises(PacketError):
        attach([], [b"x"])


def test_deep_nesting_is_refused_by_detach_and_attach() -> None:
    deep: object = b"x"
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(ValueError, match="deep"):
        detach(deep)
    with pytest.raises(PacketError):
        attach(deep, [])
