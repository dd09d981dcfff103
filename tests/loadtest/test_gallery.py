"""Load test against the gallery of broken servers; about a minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from chatws.exit_codes import ExitCode
from tests.loadtest.command import LoadtestCommand
from tests.loadtest.gallery import (
    DOUBTFUL,
    EXTENDED,
    GALLERY,
    USERS,
    BrokenServer,
    GalleryResult,
    run_row,
    serve_gallery,
    write_targets,
)
from tests.support.node import NodeRunner

RUNS_AT_ONCE = 4


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, node: NodeRunner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[GalleryResult]]]:
    """Results of the selected rows, several of which run at once: a run mostly waits."""
    rows = list(_selected_rows(request.session))
    folder = tmp_path_factory.mktemp("gallery")
    files = (*LoadtestCommand(folder).make_credentials(USERS // 2), *write_targets(folder))
    with serve_gallery(node.program, rows) as urls, ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        yield {row.name: pool.submit(run_row, row, urls[row.name], files) for row in rows}
        pool.shutdown(cancel_futures=True)


def _marks(row: BrokenServer) -> list[pytest.MarkDecorator]:
    return [pytest.mark.extended] if row.fault in EXTENDED else []


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name, marks=_marks(row)) for row in GALLERY])
def test_load_test_names_the_fault_of_a_server(row: BrokenServer, results: Mapping[str, Future[GalleryResult]]) -> None:
    result = results[row.name].result()
    # After the last attempt, the generator's lag may still make a missed latency invalid.
    codes = (row.code, ExitCode.INVALID_RUN) if row.missed <= DOUBTFUL else (row.code,)
    assert result.code in codes, result.output
    assert result.missed == row.missed, result.output
    assert result.numbers(row.counts) == row.counts


def _selected_rows(session: pytest.Session) -> Iterator[BrokenServer]:
    for item in session.items:
        if isinstance(item, pytest.Function) and item.function is test_load_test_names_the_fault_of_a_server:
            row = item.callspec.params["row"]
            assert isinstance(row, BrokenServer)
            yield row
