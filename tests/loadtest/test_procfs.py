from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from chatws_loadtest.procfs import cpu_seconds, find_listener, is_python_shared
from tests.support.ports import free_port


def test_cpu_time_of_a_process_equals_its_own_clock() -> None:
    before_s = time.process_time()
    read_s = cpu_seconds(os.getpid())
    assert before_s <= read_s <= time.process_time()


def test_cpu_time_of_an_ended_process_is_an_error() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with pytest.raises(OSError, match="Invalid argument"):
        cpu_seconds(gone.pid)


def test_listener_of_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert find_listener(server.getsockname()[1]) == os.getpid()


def test_unused_port_has_no_listener() -> None:
    assert find_listener(free_port()) is None


def test_kind_of_the_interpreter_is_that_named_by_the_dynamic_linker() -> None:
    libraries = subprocess.run(["ldd", sys.executable], capture_output=True, text=True, check=True).stdout
    assert is_python_shared() is ("/libpython3." in libraries)
