from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from benchmarks.common import runner
from benchmarks.engine import report as reports
from benchmarks.engine.__main__ import FULL
from benchmarks.engine.comparison import PACED, SATURATED, ratios, spreads
from benchmarks.engine.counters import DeliveryCounters, DeliveryErrors
from benchmarks.engine.cpu_meter import CpuReading, cores, describe
from benchmarks.engine.implementations import ServerImplementation
from benchmarks.engine.results import EngineRun, Growth, GrowthStep, IdleCost, LoadSample
from benchmarks.engine.thread_meter import ThreadGroup, ThreadTime
from chatws_loadtest.samples import percentiles

EVENT_LOOP, STORE = ThreadGroup.EVENT_LOOP, ThreadGroup.STORE


def sample(us_per_message: float = 100.0, *, lag_ms: int = 1, errors: DeliveryErrors | None = None) -> LoadSample:
    return LoadSample(
        us_per_message=us_per_message,
        us_per_delivery=us_per_message / 2,
        threads_us_per_message={EVENT_LOOP: ThreadTime(us_per_message, 1.0)},
        threads_us_per_delivery={EVENT_LOOP: ThreadTime(us_per_message / 2, 0.5)},
        messages_per_s=1_000,
        deliveries_per_s=2_000,
        server_cores=0.5,
        generator_cores=0.2,
        other_cores=0.1,
        ack=percentiles([1_000, 2_000]),
        peer=percentiles([1_000]),
        lag=percentiles([lag_ms * 1_000]),
        errors=errors or DeliveryErrors(),
    )


def run(implementation: ServerImplementation, number: int, us_per_message: float) -> EngineRun:
    measured = sample(us_per_message)
    idle = IdleCost(rss_kb=10.0, connect_ms=0.5, threads_us_per_connect={EVENT_LOOP: ThreadTime(500.0, 0.0)})
    return EngineRun(
        implementation=implementation,
        round=number,
        idle=idle,
        paced=measured,
        saturated=measured,
        fanout=measured,
        dropped_connections=0,
    )


def test_ratios_are_of_the_same_round() -> None:
    runs = [
        run(ServerImplementation.CHATWS, 1, 90),
        run(ServerImplementation.NODE_TURN, 1, 100),
        run(ServerImplementation.CHATWS, 2, 220),
        run(ServerImplementation.NODE_TURN, 2, 200),
        run(ServerImplementation.CHATWS, 3, 100),
        run(ServerImplementation.NODE_TURN, 3, 100),
    ]
    [ratio] = [ratio for ratio in ratios(runs) if ratio.metric == SATURATED]
    assert (ratio.spread.low, ratio.spread.median, ratio.spread.high) == (0.9, 1.0, 1.1)
    assert ratio.target == 0.9
    assert ratio.verdict == "missed"


def test_servers_that_were_not_measured_are_not_compared() -> None:
    compared = {
        ratio.baseline
        for ratio in ratios([run(ServerImplementation.CHATWS, 1, 1), run(ServerImplementation.STOCK, 1, 9)])
    }
    assert compared == {ServerImplementation.STOCK}


def test_part_that_was_not_measured_is_not_compared() -> None:
    runs = [run(implementation, 1, 1) for implementation in ServerImplementation]
    without_pairs = [msgspec.structs.replace(measured, paced=None, saturated=None) for measured in runs]
    assert SATURATED in {ratio.metric for ratio in ratios(runs)}
    assert SATURATED not in {ratio.metric for ratio in ratios(without_pairs)}
    assert SATURATED not in spreads(without_pairs)


def test_other_rate_of_the_paced_pairs_has_no_target() -> None:
    runs = [run(implementation, 1, 1) for implementation in ServerImplementation]
    assert {ratio.metric for ratio in ratios(runs, 2_000) if ratio.verdict} >= {PACED, SATURATED}
    assert PACED not in {ratio.metric for ratio in ratios(runs, 500) if ratio.verdict}
    assert PACED in {ratio.metric for ratio in ratios(runs, 500)}


def test_spread_is_over_the_rounds_of_one_server() -> None:
    runs = [run(ServerImplementation.CHATWS, number, us) for number, us in enumerate((30.0, 10.0, 20.0), start=1)]
    found = spreads([*runs, run(ServerImplementation.NODE_TURN, 1, 500.0)])[SATURATED][ServerImplementation.CHATWS]
    assert (found.low, found.median, found.high) == (10.0, 20.0, 30.0)


@pytest.mark.parametrize("invalid", [sample(lag_ms=21), sample(errors=DeliveryErrors(undelivered=1))])
def test_late_generator_and_lost_message_make_a_run_invalid(invalid: LoadSample) -> None:
    good = run(ServerImplementation.CHATWS, 1, 100)
    assert good.is_valid
    assert not msgspec.structs.replace(good, fanout=invalid).is_valid
    assert "INVALID" in reports.describe_run(msgspec.structs.replace(good, fanout=invalid))


def test_growth_is_the_highest_cost_relative_to_the_first_step() -> None:
    steps = [
        GrowthStep(idle_connections=idle, idle_cores=0.0, us_per_message=us, paced=sample())
        for idle, us in ((0, 100.0), (1_000, 130.0), (5_000, 120.0))
    ]
    assert Growth(implementation=ServerImplementation.CHATWS, steps=steps).ratio == pytest.approx(1.3)


def test_cpu_is_divided_by_the_messages_acked_in_the_window() -> None:
    begin = CpuReading(at_s=10, server_s=1, generator_s=2, machine_s=4, threads={}, acked=100, delivered=300)
    threads = {EVENT_LOOP: ThreadTime(3e6, 1e6), STORE: ThreadTime(0.0, 1e6)}
    end = CpuReading(at_s=20, server_s=6, generator_s=4, machine_s=12, threads=threads, acked=50_100, delivered=100_300)
    measured = describe(begin, end, DeliveryCounters())
    assert measured.us_per_message == pytest.approx(100)
    assert measured.us_per_delivery == pytest.approx(50)
    assert measured.messages_per_s == pytest.approx(5_000)
    assert (measured.server_cores, measured.generator_cores, measured.other_cores) == pytest.approx((0.5, 0.2, 0.1))
    assert measured.threads_us_per_message == {EVENT_LOOP: ThreadTime(60.0, 20.0), STORE: ThreadTime(0.0, 20.0)}
    assert measured.threads_us_per_delivery == {EVENT_LOOP: ThreadTime(30.0, 10.0), STORE: ThreadTime(0.0, 10.0)}
    assert cores(begin, end) == pytest.approx(0.5)


def test_report_is_written_and_its_table_names_every_server(tmp_path: Path) -> None:
    runs = [run(implementation, 1, 100.0) for implementation in ServerImplementation]
    step = GrowthStep(idle_connections=0, idle_cores=0.0, us_per_message=100.0, paced=sample())
    growth = [Growth(implementation=ServerImplementation.CHATWS, steps=[step])]
    report = reports.EngineReport(
        at=datetime.now(UTC),
        machine={"machine": "m"},
        plan=FULL,
        runs=runs,
        growth=growth,
        spreads=spreads(runs),
        ratios=ratios(runs),
    )
    path = runner.write_json(report, tmp_path / "new", reports.FILE_NAME)
    assert path.name == "engine.json"
    assert msgspec.json.decode(path.read_bytes(), type=reports.EngineReport) == report
    table = reports.table(report)
    assert all(f"{implementation}:" in table for implementation in ServerImplementation)
    assert "missed" in table
    assert "reached" in table
