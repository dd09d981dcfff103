from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chatws_loadtest.histogram import Histogram
from chatws_loadtest.thresholds import parse_threshold
from chatws_loadtest.verdict import GeneratorHealth, Outcome, Verdict, judge, worst

HEALTHY = GeneratorHealth(
    offered=1_000, sent=1_000, send_lag_p99_us=900, loop_lag_p99_us=900, cpu_cores=0.3, busy_seconds_share=0.0
)
FAST = Histogram.of([10_000] * 1_000)
SLOW = Histogram.of([160_000] * 1_000)
NONE_ARRIVED = "0 of 240 indicators arrived"


def judge_message(
    histogram: Histogram, *, lost: int = 0, target: str = "message.p95<100ms", detail: str = "", **health: float
) -> Verdict:
    thresholds = [parse_threshold(target), parse_threshold("lost==0")]
    details = {"message": detail, "lost": detail}
    generator = msgspec.structs.replace(HEALTHY, **health)
    return judge(thresholds, {"message": histogram}, {"lost": lost}, generator, details)


def test_met_thresholds_pass() -> None:
    verdict = judge_message(FAST)
    assert (verdict.outcome, verdict.notes) == (Outcome.PASS, ())


def test_missed_threshold_with_an_idle_generator_fails() -> None:
    verdict = judge_message(SLOW)
    assert verdict.outcome is Outcome.FAIL
    assert [row.target for row in verdict.missed] == ["message.p95<100ms"]


def test_missed_threshold_with_a_late_generator_is_invalid_with_a_reason() -> None:
    verdict = judge_message(SLOW, send_lag_p99_us=60_000)
    assert verdict.outcome is Outcome.INVALID
    assert not verdict.missed
    assert "send lag was 60.0 ms" in verdict.invalid_because[0]


def test_missed_threshold_that_the_lag_of_the_generator_does_not_explain_fails() -> None:
    assert judge_message(SLOW, send_lag_p99_us=17_000, loop_lag_p99_us=6_000).outcome is Outcome.FAIL
    assert judge_message(SLOW, send_lag_p99_us=55_000, loop_lag_p99_us=6_000).outcome is Outcome.INVALID


def test_any_latency_is_invalid_while_messages_queue_in_the_generator() -> None:
    assert judge_message(Histogram.of([5_000_000] * 1_000), loop_lag_p99_us=200_000).outcome is Outcome.INVALID


def test_rare_latencies_are_compared_with_the_maximum_lag() -> None:
    for target, outcome in (
        ("message.max<100ms", Outcome.INVALID),
        ("message.p99<100ms", Outcome.FAIL),
        ("message.mean<100ms", Outcome.FAIL),
    ):
        verdict = judge_message(SLOW, target=target, send_lag_p99_us=1_000, send_lag_max_us=70_000)
        assert verdict.outcome is outcome


def test_missing_connections_fail_unless_the_generator_was_starved() -> None:
    for lag_us, outcome in ((17_000, Outcome.FAIL), (2_000_000, Outcome.INVALID)):
        health = msgspec.structs.replace(HEALTHY, loop_lag_p99_us=lag_us)
        assert judge([parse_threshold("connections>=20")], {}, {"connections": 10}, health).outcome is outcome


def test_latency_without_samples_fails_with_an_explanation_only() -> None:
    verdict = judge_message(Histogram(), detail=NONE_ARRIVED)
    assert [(row.outcome, row.reason) for row in verdict.rows][:1] == [(Outcome.FAIL, NONE_ARRIVED)]
    assert judge_message(Histogram()).outcome is Outcome.INVALID
    assert judge_message(Histogram(), detail=NONE_ARRIVED, stopped=True).outcome is Outcome.INVALID


def test_reason_of_a_missed_threshold_names_an_example() -> None:
    assert judge_message(FAST, lost=1, detail="message 7").rows[1].reason == "missed: message 7"


def test_met_threshold_with_a_late_generator_passes_with_a_note() -> None:
    verdict = judge_message(FAST, send_lag_p99_us=60_000)
    assert verdict.outcome is Outcome.PASS
    assert "send lag" in verdict.notes[0]


def test_missed_threshold_with_a_busy_generator_is_invalid() -> None:
    assert judge_message(SLOW, cpu_cores=0.97).outcome is Outcome.INVALID
    assert judge_message(SLOW, busy_seconds_share=0.2).outcome is Outcome.INVALID


def test_delivery_failure_fails_even_with_a_late_generator() -> None:
    verdict = judge_message(SLOW, lost=1, send_lag_p99_us=60_000)
    assert verdict.outcome is Outcome.FAIL
    assert [row.target for row in verdict.missed] == ["lost==0"]


def test_stopped_run_is_invalid() -> None:
    for verdict in (judge_message(FAST, stopped=True), judge_message(SLOW, lost=1, stopped=True)):
        assert verdict.outcome is Outcome.INVALID
        assert "stopped before its end" in verdict.invalid_because[0]


def test_run_with_unsent_messages_is_invalid_even_if_thresholds_are_met() -> None:
    assert judge_message(FAST, sent=979).outcome is Outcome.INVALID
    assert judge_message(FAST, sent=980).outcome is Outcome.PASS


def test_run_with_a_lost_load_process_is_invalid() -> None:
    assert judge_message(FAST, workers_lost=1).outcome is Outcome.INVALID


def test_rate_limited_run_is_invalid_with_advice() -> None:
    verdict = judge_message(FAST, rate_limited=3)
    assert verdict.outcome is Outcome.INVALID
    assert "--limits off" in verdict.invalid_because[0]


def test_too_few_samples_never_pass() -> None:
    verdict = judge_message(Histogram.of([10] * 199))
    assert verdict.outcome is Outcome.INVALID
    assert verdict.rows[0].value is None
    assert "199 samples, 200 needed" in verdict.invalid_because[0]


def test_value_is_compared_unrounded() -> None:
    verdict = judge_message(Histogram.of([100_600] * 1_000), send_lag_p99_us=0, loop_lag_p99_us=0)
    assert verdict.outcome is Outcome.FAIL


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 400), st.integers(1, 400_000), st.integers(0, 200_000), st.floats(0, 1))
def test_verdict_needs_samples_and_latency_failures_need_a_healthy_generator(
    count: int, us: int, lag_us: int, cpu: float
) -> None:
    verdict = judge_message(Histogram.of([us] * count), send_lag_p99_us=lag_us, cpu_cores=cpu)
    if count < 200:
        assert verdict.outcome is Outcome.INVALID
    elif us - lag_us - HEALTHY.loop_lag_p99_us < 99_000 or cpu > 0.85:
        assert verdict.outcome is not Outcome.FAIL
    elif us - lag_us - HEALTHY.loop_lag_p99_us > 101_000 and lag_us < 99_000:
        assert verdict.outcome is Outcome.FAIL
    if verdict.outcome is Outcome.PASS:
        assert us < 100_000


def test_worst_of_several_runs_counts() -> None:
    assert worst([Outcome.PASS, Outcome.INVALID, Outcome.FAIL]) is Outcome.FAIL
    assert worst([Outcome.PASS, Outcome.INVALID]) is Outcome.INVALID
    assert worst([Outcome.PASS]) is Outcome.PASS
