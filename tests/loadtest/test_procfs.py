from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from chatws_loadtest.procfs import cpu_seconds


def test_cpu_time_of_a_process_is_what_it_says_itself() -> None:
    before_s = time.process_time()
    read_s = cpu_seconds(os.getpid())
    assert before_s <= read_s <= time.process_time()


def test_a_process_that_is_gone_has_no_cpu_time() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with pytest.raises(OSError, match="Invalid argument"):
        cpu_seconds(gone.pid)
