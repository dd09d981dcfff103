from __future__ import annotations

from pathlib import Path

import pytest

from chatws_loadtest.thresholds import (
    DEFAULTS,
    DELIVERY_METRICS,
    ThresholdError,
    combine,
    default_thresholds,
    delivery_thresholds,
    parse_threshold,
    read_thresholds,
)


@pytest.mark.parametrize(
    ("text", "name", "limit"),
    [
        ("message.p95<100ms", "message.p95", 100_000),
        (" reconnect.p99.9 <= 2.5 s ", "reconnect.p99.9", 2_500_000),
        ("ack.max<900us", "ack.max", 900),
        ("connections>=500", "connections", 500),
        ("errors<0.1%", "errors", 0.001),
        ("lost==0", "lost", 0),
        ("typing_lost<1%", "typing_lost", 0.01),
    ],
)
def test_threshold_has_its_limit_in_the_unit_of_its_metric(text: str, name: str, limit: float) -> None:
    threshold = parse_threshold(text)
    assert threshold.name == name
    assert threshold.limit == pytest.approx(limit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "message<100ms",
        "message.p95<100",
        "message.p95<100%",
        "message.p42<100ms",
        "message.p95=100ms",
        "latency.p95<1s",
        "lost==0ms",
        "lost.p95==0",
        "errors<1",
        "message.p95<-1ms",
        "message.p95<1ms; lost==0",
    ],
)
def test_invalid_threshold_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(ThresholdError) as refusal:
        parse_threshold(text)
    assert repr(text) in str(refusal.value)


def test_every_default_is_a_threshold() -> None:
    assert [threshold.text for threshold in default_thresholds()] == list(DEFAULTS)


@pytest.mark.parametrize(("statistic", "samples"), [("p50", 20), ("p95", 200), ("p99", 1_000), ("max", 1)])
def test_rarer_percentiles_need_more_samples(statistic: str, samples: int) -> None:
    assert parse_threshold(f"ack.{statistic}<1s").samples_needed == samples


def test_comparison_is_strict_and_unrounded() -> None:
    threshold = parse_threshold("message.p95<100ms")
    assert threshold.is_met(99_999)
    assert not threshold.is_met(100_000)
    assert not threshold.is_met(100_001)


def test_later_layer_replaces_thresholds_of_the_same_name_only() -> None:
    given = [parse_threshold("message.p95<40ms"), parse_threshold("message.p99<90ms")]
    combined = [threshold.text for threshold in combine(default_thresholds(), given)]
    assert "message.p95<100ms" not in combined
    assert {"message.p95<40ms", "message.p99<90ms", "typing.p95<50ms"} <= set(combined)


def test_smaller_load_requires_as_many_connections_as_users() -> None:
    assert [threshold.text for threshold in default_thresholds(121) if threshold.metric == "connections"] == [
        "connections>=120"
    ]
    assert [threshold.text for threshold in default_thresholds(900) if threshold.metric == "connections"] == [
        "connections>=500"
    ]


def test_delivery_threshold_applies_unless_another_names_its_metric() -> None:
    given = [parse_threshold("message.p95<1s"), parse_threshold("lost<=3")]
    combined = [threshold.text for threshold in combine(delivery_thresholds(), given)]
    assert combined[:2] == ["message.p95<1s", "lost<=3"]
    delivery = [f"{name}==0" for name in DELIVERY_METRICS if name != "lost"]
    assert combined[2 : 2 + len(delivery)] == delivery
    assert combined[2 + len(delivery) :][:3] == ["typing_lost<1%", "typing_stuck==0", "typing_wrong==0"]


def test_file_has_one_or_more_conditions_per_metric(tmp_path: Path) -> None:
    file = tmp_path / "targets.toml"
    file.write_text('[targets]\nmessage = ["p95 < 100ms", "p99 < 1s"]\nlost = "== 0"\nerrors = "< 1%"\n')
    assert [threshold.text for threshold in read_thresholds(file)] == [
        "message.p95<100ms",
        "message.p99<1s",
        "lost==0",
        "errors<1%",
    ]


@pytest.mark.parametrize(
    "content",
    [
        *(
            "",
            "[targets",
            "[target]\nlost = '== 0'",
            "[targets]\nlost = 0",
            "[targets]\nlost = [1]",
            "a = 1\n[targets]",
        ),
        pytest.param("a = " + "[" * 20_000, id="deep"),
    ],
)
def test_invalid_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(content)
    with pytest.raises(ThresholdError, match=r"targets\.toml"):
        read_thresholds(file)
