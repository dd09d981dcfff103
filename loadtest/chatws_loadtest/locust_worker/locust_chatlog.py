"""Recording of a test under the ``locust`` command: each process writes a part, and the master merges them to one file.

The times of the parts are on one clock, so all processes must run on the machine of the master.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from locust.runners import MasterRunner

from chatws_loadtest.chatlog.errors import ChatlogError
from chatws_loadtest.chatlog.merge import merge_chatlogs
from chatws_loadtest.chatlog.writer import ChatlogWriter
from chatws_loadtest.ipc import ChatlogPart

if TYPE_CHECKING:
    from argparse import Namespace

    from locust.argument_parser import LocustArgumentParser
    from locust.runners import Runner

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""File with an id that differs between machines."""

_log = logging.getLogger("chatws_loadtest")


class ChatlogRefused(Exception):
    """The test cannot be recorded."""


def add_chatlog_options(parser: LocustArgumentParser) -> None:
    """Add the options of a recording; they are not offered on Locust's web page, which anyone may open."""
    parser.add_argument(
        "--chatlog", default="", include_in_web_ui=False, help="File for a recording of the traffic, without texts."
    )
    parser.add_argument(
        "--with-content", action="store_true", include_in_web_ui=False, help="With --chatlog: record texts and ids too."
    )


def begin_chatlog(options: Namespace, runner: Runner | None, url: str) -> None:
    """Create the file, and add to the options what the workers, which receive them, need to know.

    Raises:
        ChatlogRefused: the file cannot be written.
    """
    if not options.chatlog:
        if options.with_content:
            raise ChatlogRefused("--with-content has no effect without --chatlog")
        return
    # Connections, users and rooms are numbered by process; workers that were lost keep their index.
    processes = max(1, runner.worker_index_max) if isinstance(runner, MasterRunner) else 1
    # The workers may have another current directory.
    options.chatlog = str(Path(options.chatlog).absolute())
    start_s = time.perf_counter()
    try:
        # Also fails early if the folder is missing or read-only.
        ChatlogWriter(Path(options.chatlog), "loadtest", url, start_s=start_s).close()
    except OSError as problem:
        raise ChatlogRefused(f"--chatlog {options.chatlog} cannot be written: {problem.strerror}") from problem
    options.chatlog_run = [start_s, processes, BOOT_ID.read_text()]


def find_part(options: Namespace, runner: Runner | None, url: str) -> tuple[ChatlogPart | None, int]:
    """Return the part of the recording that this process writes, None without one, and the number of processes.

    Raises:
        ChatlogRefused: the master runs on another machine.
    """
    if not options.chatlog:
        return None, 1
    start_s, processes, boot_id = options.chatlog_run
    if boot_id != BOOT_ID.read_text():
        raise ChatlogRefused("--chatlog needs all workers on the machine of the master: other clocks differ")
    index = max(0, getattr(runner, "worker_index", 0))
    if index >= processes:
        _log.warning("this worker is not recorded, because it joined after the start of the test")
        return None, processes
    file = str(_part_file(options, index))
    return ChatlogPart(file=file, url=url, start_s=start_s, index=index, with_content=options.with_content), processes


def merge_parts(options: Namespace, url: str) -> bool:
    """Merge the parts, whose processes have closed them; return whether the recording is complete."""
    run = getattr(options, "chatlog_run", None)
    if run is None:
        return True
    start_s, processes, _ = run
    parts = [_part_file(options, index) for index in range(processes)]
    missing = sum(not part.exists() for part in parts)
    try:
        merge_chatlogs(parts, Path(options.chatlog), "loadtest", url, start_s=start_s)
    except (OSError, ChatlogError) as problem:
        _log.error("the recording cannot be written: %s", problem)
        return False
    if missing:
        _log.error("the recording lacks the traffic of %d of %d workers", missing, processes)
    return not missing


def _part_file(options: Namespace, index: int) -> Path:
    file = Path(options.chatlog)
    return file.with_name(f".{file.name}.{index}")
