"""Progress of a database copy: one bar per table on a terminal, nothing otherwise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class CopyProgress:
    """Context manager that draws progress bars on standard error."""

    def __init__(self) -> None:
        self._bars: Progress | None = None  # set while the bars are drawn
        self._of_table: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, table: str, done: int, total: int) -> None:
        """Update the bar of one table."""
        if self._bars is None:
            return
        if table not in self._of_table:
            self._of_table[table] = self._bars.add_task(table.replace("_", " "), total=total)
        self._bars.update(self._of_table[table], completed=done)
