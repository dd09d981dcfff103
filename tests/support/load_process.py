"""Program that replaces the start of a load process: its fork, by `tests.support.locust_fork_server`.

The load process has the standard streams of this one, whose exit code is the same, and whose name contains its
process id. This file imports nothing but a few modules of the standard library: ``python -I -S`` starts it in 20 ms.
"""

import json
import os
import socket
import sys

MAX_REPORT_BYTES = 32


def main() -> int:
    """Request the process, and wait for its end."""
    request = {
        "argv": ["load process"],
        "env": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109 - pathlib takes as long as all other imports
        "cores": list(os.sched_getaffinity(0)),
    }
    own, report = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, report:
        sender.connect("\0" + sys.argv[1])
        socket.send_fds(sender, [json.dumps(request).encode()], [0, 1, 2, report.fileno()])
    for descriptor in range(3):
        # The reader of the output must see its end when the load process exits.
        os.close(descriptor)
    pid = own.recv(MAX_REPORT_BYTES)
    with open("/proc/self/comm", "wb") as name:  # noqa: PTH123 - as above
        name.write(b"load " + pid)
    code = own.recv(MAX_REPORT_BYTES)
    return int(code) if code else 1


if __name__ == "__main__":
    sys.exit(main())
